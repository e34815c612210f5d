"""What a valuation asks of the configuration, each refusal with the key that mends it."""

from typing import Any

import pytest

from clvsim.config import RunConfig, validate
from clvsim.errors import ConfigError
from tests.shipped import read
from tests.test_config import composed

CHANNEL = {"search": {"visitors_per_month": 10, "conversion": 0.1}}


def valued(section: dict[str, Any] | None = None, **changed: Any) -> RunConfig:
    finance = {**read("finance", "default"), "gross_margin": 0.4, "valuation": {"wacc": 0.12, **(section or {})}}
    whole = {
        "retention": read("retention", "mbg_nbd"),
        "finance": finance,
        "acquisition": {"months": 36, "channels": CHANNEL},
        **changed,
    }
    return validate(composed(**whole))


def problems(*arguments: Any, **changed: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        valued(*arguments, **changed)
    return dict(caught.value.problems)


def test_wacc_asks_for_a_valuation_and_nothing_else_is_needed():
    assert valued().finance.valuation.asked
    assert not validate(composed()).finance.valuation.asked


@pytest.mark.parametrize(
    ("section", "where", "what"),
    [
        ({"terminal_growth": 0.12}, "terminal_growth", "must be below wacc (0.12), got 0.12"),
        ({"terminal_growth": 0.3}, "terminal_growth", "must be below wacc (0.12), got 0.3"),
        ({"working_capital": 0.1}, "revenue_last_year", "is needed with working_capital"),
        ({"revenue_last_year": 100}, "revenue_last_year", "goes with finance.valuation.working_capital, which is 0"),
        ({"tax_rate": 1}, "tax_rate", "should be less than 1, got 1"),
        ({"tax_rate": -0.1}, "tax_rate", "should be greater than or equal to 0"),
        ({"wacc": 0}, "wacc", "should be greater than or equal to 0.001"),
        ({"wacc": 12}, "wacc", "should be between 0 and 1, as 0.12 for 12 %"),
        ({"capex_share": 5}, "capex_share", "should be between 0 and 1, as 0.05 for 5 %"),
        ({"shares": 0}, "shares", "should be greater than 0"),
        ({"run_off_months": 6}, "run_off_months", "should be greater than or equal to 12"),
        ({"wacc": None, "tax_rate": 0.3, "net_debt": 5}, "wacc", "with which tax_rate, net_debt goes"),
    ],
)
def test_contradictions_name_the_key(section, where, what):
    found = problems(section)
    assert list(found) == [f"finance.valuation.{where}"]
    assert what in found[f"finance.valuation.{where}"]


def test_all_that_is_missing_is_said_at_once():
    found = problems(
        {"terminal_growth": 0.2},
        finance={**read("finance", "default"), "valuation": {"wacc": 0.1, "terminal_growth": 0.2}},
        acquisition=read("acquisition", "none"),
    )
    assert set(found) == {"finance.valuation.terminal_growth", "finance.gross_margin", "acquisition"}
    assert "acquisition.from_log=true" in found["acquisition"]
    assert "finance.gross_margin=0.4" in found["finance.gross_margin"]


def test_newcomers_have_to_come_up_to_the_horizon():
    found = problems(acquisition={"months": 12, "channels": CHANNEL})
    assert found == {
        "acquisition.months": "must be at least simulation.horizon_months (36) for a valuation, whose newcomers do not "
        "end before, got 12; type acquisition.months=36"
    }


@pytest.mark.parametrize("months", [11, 241])
def test_the_horizon_holds_a_year_and_no_more_than_newcomers_can_come(months):
    found = problems(simulation={"horizon_months": months}, acquisition={"months": 240, "channels": CHANNEL})
    assert "for a valuation" in found["simulation.horizon_months"]


@pytest.mark.parametrize("name", ["bg_nbd", "bg_cnbd"])
def test_a_model_under_which_nobody_leaves_in_silence_is_refused_by_name(name):
    found = problems(retention=read("retention", name))
    assert found["retention"].startswith(f"under {name} nobody leaves without another order")
    assert "retention=auto, mbg_nbd" in found["retention"]


def test_auto_leaves_them_out():
    config = valued(retention=read("retention", "auto"))
    members, out = config.retention.sections()  # ty: ignore[missing-attribute]
    assert "bg_nbd" in out
    assert list(members) == ["mbg_nbd", "pareto_nbd"]
