"""The plan of a run: made once, before anything is fitted, and without Numba."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shop import CALM, assert_same, channels, posterior, scenarios, shipped, shop

from clvsim.errors import ConfigError
from clvsim.scenario import BASELINE
from clvsim.simulation import simulate
from clvsim.simulation.config import FinanceConfig, SimulationConfig
from clvsim.simulation.layout import MAX_CELLS
from clvsim.simulation.ledger.lines import natural_units
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.run import simulate_plan

BETTER = {"kind": "prior", "dist": "normal", "mean": 0.1, "sd": 0.05}
LIBRARY = scenarios(
    upsell={"upsell": shipped("upsell_soft")["upsell"], "set_up": {"kind": "cost", "per": "once", "amount": 50}},
    page={"page": {"kind": "shift", "target": "conversion", "size": BETTER}},
)


def plan_of(
    *names: str, draws: int = 8, horizon_months: int = 6, margin: float | None = 0.4, **sections: Any
) -> RunPlan:
    return make_plan(
        shop(),
        LIBRARY,
        names or tuple(LIBRARY),
        simulation=SimulationConfig(draws=draws, horizon_months=horizon_months, jobs=1),
        finance=FinanceConfig(gross_margin=margin),
        acquisition=sections.get("acquisition", channels()),
        environment=CALM,
        seed=3,
    )


def test_a_plan_is_simulated_as_its_parts_are() -> None:
    plan = plan_of()
    direct = simulate(
        posterior(8),
        shop(),
        LIBRARY,
        simulation=plan.simulation,
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=plan.acquisition,
        environment=CALM,
        seed=3,
    )
    assert_same(simulate_plan(plan, posterior(8), shop()), direct)


def test_the_baseline_is_first_whether_named_or_not() -> None:
    assert list(plan_of("upsell").scenarios) == [BASELINE, "upsell"]
    assert list(plan_of("page", BASELINE).scenarios) == [BASELINE, "page"]


def test_more_draws_only_add_draws() -> None:
    few, many = plan_of(draws=5).scenarios["page"].compiled, plan_of(draws=9).scenarios["page"].compiled
    path = next(iter(few.inputs))
    np.testing.assert_array_equal(many.inputs[path][:5], few.inputs[path])


def test_what_does_not_apply_is_skipped_with_its_reason() -> None:
    plan = plan_of(acquisition=channels().model_copy(update={"channels": {}}))
    assert list(plan.scenarios) == [BASELINE, "upsell"]
    assert plan.skipped["page"].description.not_applicable == "needs acquisition.channels or acquisition.from_log"


def test_offers_count_with_their_full_price_where_no_margin_is_known() -> None:
    (offer,) = plan_of(margin=None).scenarios["upsell"].levers.offers
    assert offer.margin is None
    assert plan_of(margin=None).economics.gross_margin == 1.0


def test_any_number_of_draws_is_refused_in_words() -> None:
    """Not by running out of memory."""
    with pytest.raises(ConfigError, match=f"ledger cells are more than {MAX_CELLS:,}"):
        plan_of("page", draws=10**6, horizon_months=600)


def test_a_price_far_from_what_customers_pay_is_told_before_a_ledger_overflows() -> None:
    far = scenarios(far={"upsell": {"kind": "offer", "take": 0.3, "price": 1e9, "incentive": 1e12}})
    with pytest.raises(ConfigError) as caught:
        make_plan(
            shop(),
            far,
            tuple(far),
            simulation=SimulationConfig(draws=4, horizon_months=3, jobs=1),
            finance=FinanceConfig(gross_margin=0.4),
            acquisition=channels(),
            environment=CALM,
            seed=3,
        )
    assert [problem.where for problem in caught.value.problems] == [
        "scenario.far.upsell.price",
        "scenario.far.upsell.incentive",
    ]
    rule = "must be at most 100,000 times what an order is (about 32), got 1e+09"
    assert caught.value.problems[0].what == rule


@pytest.mark.parametrize(
    ("silent", "refused"),
    [
        ({"silent_days": 80}, False),  # after an order to come
        ({"silent_days": 100}, False),  # 91 days are followed; some are silent for longer than 9 days today
        ({"silent_days": 900}, True),
        ({"silent_days": 100, "when": {"start_month": 2}}, False),
        ({"silent_days": 100, "silent_at_most_days": 300, "when": {"start_month": 2.9}}, False),
        ({"silent_days": 330, "silent_at_most_days": 331, "when": {"start_month": 2.9}}, False),
        ({"silent_days": 345, "silent_at_most_days": 350, "when": {"end_month": 1}}, True),
    ],
    ids=str,
)
def test_a_silence_that_nobody_reaches_is_refused(silent: dict[str, Any], refused: bool) -> None:
    """The longest silence of this shop today is 273 days at most."""
    library = scenarios(
        back={"it": {"kind": "win_back", "lift": 0.1, **silent}},
        mail={"it": {"kind": "campaign", "occasion": "silence", "take": 0.1, "price": 5.0, **silent}},
    )

    def plan() -> RunPlan:
        return make_plan(
            shop(),
            library,
            tuple(library),
            simulation=SimulationConfig(draws=4, horizon_months=3, jobs=1),
            finance=FinanceConfig(gross_margin=0.4),
            acquisition=channels(),
            environment=CALM,
            seed=3,
        )

    if not refused:
        assert set(plan().scenarios) == set(library)
        return
    with pytest.raises(ConfigError) as caught:
        plan()
    first, second = caught.value.problems
    assert (first.where, second.where) == ("scenario.back.it.silent_days", "scenario.mail.it.silent_days")
    assert first.what.startswith(f"{silent['silent_days']} can never come: customers are followed for 91 days")
    assert "nobody whom it reaches is silent for more than 2" in first.what


def test_a_ledger_that_overflows_is_no_bug() -> None:
    raw = np.zeros((1, 2, 8, 3))
    raw[0, 0, 0, 0] = 2.0**62
    with pytest.raises(ConfigError, match=r"scenario: the sum of a month grows beyond .* a million times too high"):
        natural_units(raw, 32.0, 0.4, np.zeros(raw.shape[1], bool))


def test_a_plan_needs_no_compiled_code() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_simulation_plan as t; t.plan_of(); "
        "sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], check=True)


def test_what_is_no_set_of_scenarios_is_said_at_once() -> None:
    plain = scenarios()
    wrong: Any = {"base": plain["baseline"], "mail": {"title": "x"}}
    with pytest.raises(ConfigError) as caught:
        simulate(posterior(4), shop(), wrong, names=["upsel"])
    assert [f"{problem.where}: {problem.what}" for problem in caught.value.problems] == [
        "scenarios: no scenario 'baseline'; did you mean base?",
        "scenarios: no scenario 'upsel'; there is base, mail",
        "scenarios.mail: must be a Scenario, got dict; Scenario.model_validate takes a mapping",
    ]
    with pytest.raises(ConfigError, match=r"no scenario 'baseline'$"):
        simulate(posterior(4), shop(), {})
