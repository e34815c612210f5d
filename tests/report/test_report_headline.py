"""The headline is chosen by rule: evidence only, plain words when nothing is sure, and losses called losses."""

from dataclasses import replace

import numpy as np
import pytest
from factory import LEVERS, comparison, delta_draws, demo, foreign

from clvsim.report.format import NBSP
from clvsim.report.headline import best_lever, headline, holdout_sentences, second_sentence
from clvsim.types import HoldoutCheck, RunResult


def one_lever(mean: float, sd: float) -> RunResult:
    return demo({"upsell": ("Gentle upsell", mean, sd)})


def headline_text(result: RunResult) -> str:
    return headline(result).replace(NBSP, " ")


def test_clear_gain() -> None:
    # 1,000 draws: mcse = 5,300 / sqrt(1000) = 168, so hundreds are printed.
    text = headline_text(one_lever(12_340.0, 5_300.0))
    assert text.startswith("“Gentle upsell” adds about $12,300 over 36 months (90 % interval $")
    assert text.endswith("simulated futures the plan is worth more than today’s.")
    assert text.count(".") == 1


def test_interval_in_the_headline_is_the_one_of_the_table() -> None:
    result = one_lever(12_340.0, 5_300.0)
    row = result.comparison.query("scenario == 'upsell' and metric == 'plan_value' and basis == 'expected'").iloc[0]
    low, high = (f"${round(row[c], -2):,.0f}" for c in ("delta_p05", "delta_p95"))
    assert f"(90 % interval {low} to {high})" in headline_text(result)
    assert f"in {round(100 * row.p_better)} of 100 simulated futures" in headline_text(result)


def test_an_interval_across_zero_is_not_sold_as_a_gain() -> None:
    text = headline_text(one_lever(2_000.0, 5_000.0))
    assert text.startswith("No lever is clearly better than carrying on as today")
    assert "adds about $2,000" in text
    assert "−$" in text


def test_expected_loss_is_said_as_a_loss() -> None:
    text = headline_text(one_lever(-1_500.0, 3_000.0))
    assert text.startswith("No lever is expected to pay: even the best, “Gentle upsell”, costs about $1,500 over 36")


def test_a_lever_without_any_effect_makes_no_difference() -> None:
    result = one_lever(0.0, 1.0)
    draws = {"baseline": np.zeros(1000), "upsell": np.zeros(1000)}
    frame = comparison(draws, {"plan_value": (100_000.0, 0.08, 0.002)})
    text = headline_text(replace(result, comparison=frame, delta_draws={"upsell": draws["upsell"]}))
    assert text.startswith("“Gentle upsell” makes no difference over 36 months")


def test_the_best_by_expected_plan_value_is_chosen() -> None:
    best = best_lever(demo())
    assert best is not None
    assert best[0].name == max(LEVERS, key=lambda name: LEVERS[name][1])


def test_examples_never_reach_the_headline() -> None:
    result = demo()
    marked = tuple(replace(s, illustrative=s.name in ("plan", "upsell_soft")) for s in result.scenarios)
    best = best_lever(replace(result, scenarios=marked))
    assert best is not None
    assert best[0].name == "conversion"
    everything = demo(illustrative=True)
    assert best_lever(everything) is None
    assert headline_text(everything).startswith(
        "The 2,357 customers of today are worth about $61,900 over the next 36 months"
    )
    assert second_sentence(everything) == ""


def test_scenarios_that_do_not_apply_never_reach_the_headline() -> None:
    result = demo()
    scenarios = tuple(replace(s, not_applicable="needs x" if s.name == "plan" else "") for s in result.scenarios)
    best = best_lever(replace(result, scenarios=scenarios))
    assert best is not None
    assert best[0].name == "upsell_soft"


def test_without_margin_the_headline_speaks_of_revenue() -> None:
    assert "bring in about 61,900 of revenue over the next 36 months" in headline_text(foreign())
    lever = replace(one_lever(12_340.0, 5_300.0), margin_known=False)
    assert "brings in about $12,300 more revenue" in headline_text(lever)
    for result in (foreign(), lever):
        assert "worth" not in headline_text(result)
        assert "adds" not in headline_text(result)


def test_tied_best_is_said_in_the_second_sentence() -> None:
    result = demo()
    row = result.comparison.query("scenario == 'plan' and metric == 'plan_value' and basis == 'expected'").iloc[0]
    assert f"best in {round(100 * row.p_best)} of 100 simulated futures" in second_sentence(result)


def test_few_draws_print_fewer_digits() -> None:
    result = one_lever(12_340.0, 5_300.0)
    frame = result.comparison.assign(delta_mcse=1_700.0, p_better_mcse=0.04)
    text = headline_text(replace(result, comparison=frame))
    assert "adds about $12,000 over" in text
    assert "in 99 of 100 simulated" in text  # tens would read 100 of 100


@pytest.mark.parametrize(
    ("actual", "verdict"),
    [
        (1_700, "The actual figure lies inside both intervals."),
        (1_882, "The actual figure lies inside the first and outside the second."),
        (2_200, "The actual figure lies outside both intervals."),
        (1_860, "The actual figure lies inside both intervals."),  # bounds count as inside
    ],
)
def test_holdout_verdict(actual: int, verdict: str) -> None:
    check = HoldoutCheck(273, actual, 1_750.0, (1_530.0, 2_080.0), (1_640.0, 1_860.0))
    sentences = holdout_sentences(demo(), check)
    assert sentences[1] == verdict
    assert f"placed {actual:,} repeat orders" in sentences[0]


def test_factory_draws_have_the_stated_mean_and_spread() -> None:
    draws = delta_draws(LEVERS)["plan"]
    assert draws.mean() == pytest.approx(LEVERS["plan"][1], rel=1e-12)
    assert draws.std() == pytest.approx(LEVERS["plan"][2], rel=1e-12)
