"""Whom interventions reach, when they run, and on which numbers they act."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import Group, Shift, Who
from clvsim.interventions.cost import CostIntervention
from clvsim.interventions.offer import OfferIntervention
from clvsim.interventions.shift import ShiftIntervention
from clvsim.interventions.timing import Horizon, Period, When
from clvsim.kernels.rng import world_keys
from clvsim.scenario import Scenario, compile_scenario, problems
from clvsim.simulation.arrivals import shifted_conversion
from clvsim.simulation.config import Channel
from clvsim.simulation.tables import Calendar, Levers, make_offers, make_tables, shift_sum

GROUPS = (
    Group("existing", "gold", "shop"),
    Group("existing", "gold", "web"),
    Group("existing", "blue", "web"),
    Group("new", "", "web"),
)
HORIZON = Horizon(date(2024, 9, 30), months=12, arrival_months=3)


@pytest.mark.parametrize(
    ("who", "reached"),
    [
        ({}, [True, True, True, True]),
        ({"customers": "existing"}, [True, True, True, False]),
        ({"customers": "new"}, [False, False, False, True]),
        ({"segments": ["gold"]}, [True, True, False, False]),
        ({"segments": ["gold", "blue"]}, [True, True, True, False]),
        ({"channels": ["web"]}, [False, True, True, True]),
        ({"segments": ["gold"], "channels": ["web"]}, [False, True, False, False]),
        ({"customers": "existing", "channels": ["web"]}, [False, True, True, False]),
    ],
    ids=str,
)
def test_who(who: dict, reached: list[bool]) -> None:
    section = Who.model_validate(who)
    assert [section.reaches(g) for g in GROUPS] == reached
    shift = Shift("rate", np.array([0.2]), section, Period())
    sums = [shift_sum([shift], "rate", g, np.array([0]), 4) for g in GROUPS]
    assert [bool(s.any()) for s in sums] == reached
    assert all(set(s.ravel()) <= {0.0, 0.2} for s in sums)


@pytest.mark.parametrize(
    ("when", "months", "strength"),
    [
        ({}, [0, 5, 99], [1, 1, 1]),
        ({"start_month": 3}, [2.99, 3, 50], [0, 1, 1]),
        ({"end_month": 6}, [0, 5.99, 6], [1, 1, 0]),
        ({"start_month": 2, "end_month": 4}, [1.9, 2, 3.9, 4.1], [0, 1, 1, 0]),
        ({"ramp_months": 4}, [0, 1, 2, 4, 8], [0, 0.25, 0.5, 1, 1]),
        ({"start_month": 2, "ramp_months": 4, "end_month": 5}, [1, 2, 3, 4, 5], [0, 0, 0.25, 0.5, 0]),
        ({"start_month": 2, "half_life_months": 3}, [1, 2, 5, 8], [0, 1, 0.5, 0.25]),
        ({"ramp_months": 2, "half_life_months": 1, "end_month": 5}, [1, 2, 3, 4, 5], [0.5, 1, 0.5, 0.25, 0]),
    ],
    ids=str,
)
def test_when(when: dict, months: list[float], strength: list[float]) -> None:
    period = When.model_validate(when).period(HORIZON.today)
    np.testing.assert_allclose(period.strength(np.array(months, float)), strength, atol=1e-12)


ONCE = Who.model_validate({"orders": {"at_most": 1}})
SILENT = Who.model_validate({"silent_days": {"at_least": 90, "at_most": 400}})


def test_a_list_of_today_reaches_the_groups_that_are_on_it() -> None:
    assert ONCE.listing is not None
    assert SILENT.listing is not None
    both = Group("existing", "gold", "", frozenset({ONCE.listing, SILENT.listing}))
    once = Group("existing", "gold", "", frozenset({ONCE.listing}))
    other = Group("existing", "gold")
    assert [ONCE.reaches(group) for group in (both, once, other, Group("new", "", "ads"))] == [True, True, False, False]
    assert [SILENT.reaches(group) for group in (both, once, other)] == [True, False, False]
    assert both.label == once.label == "existing / gold"
    assert str(ONCE) == "existing customers, with at most 1 order so far"
    assert str(SILENT) == "existing customers, silent for at least 90 and at most 400 days"
    again = Who.model_validate({"orders": {"at_least": 2, "at_most": 2}})
    assert str(again) == "existing customers, with 2 orders so far"


@pytest.mark.parametrize(
    ("who", "line"),
    [
        ({"orders": {}}, "needs at_least, at_most, or both"),
        ({"orders": {"at_least": 3, "at_most": 2}}, "at_least must not be above at_most 2, got 3"),
        ({"orders": {"at_least": -1}}, "greater than or equal to 0"),
        ({"silent_days": 90}, "valid dictionary or instance"),
        ({"customers": "new", "orders": {"at_most": 1}}, "those of today's customers; customers is new"),
    ],
    ids=str,
)
def test_lists_that_cannot_be(who: dict, line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Who.model_validate(who)
    assert any(line in error["msg"] for error in caught.value.errors()), caught.value.errors()


def test_weeks_are_judged_at_their_middle() -> None:
    """Month 1 starts at day 30.4: week 4 (days 28 to 35, middle 31.5) is the first one inside."""
    weekly = Period(start_month=1.0, end_month=2.0).weekly(12)
    np.testing.assert_array_equal(np.flatnonzero(weekly), [4, 5, 6, 7, 8])


def test_an_effect_that_wears_off_is_said() -> None:
    words = "from month 2 growing over 3 months wearing off by half every 6 months"
    assert str(When(start_month=2, ramp_months=3, half_life_months=6)) == words
    assert not When(half_life_months=6).always


@pytest.mark.parametrize(
    "kind",
    [{"kind": "offer", "take": 0.1, "price": 5}, {"kind": "pulse", "size": 0.1, "weeks": 2, "pulled_forward": 0.5}],
)
@pytest.mark.parametrize("when", [{"ramp_months": 2}, {"half_life_months": 2}])
def test_what_runs_or_does_not_has_no_strength(kind: dict, when: dict) -> None:
    with pytest.raises(ValidationError, match=f"ramp_months and half_life_months do nothing to kind {kind['kind']}"):
        INTERVENTIONS[kind["kind"]].model_validate(kind | {"when": when})


def test_when_must_be_in_order() -> None:
    for when in (
        {"half_life_months": 0},
        {"start_month": 3, "end_month": 3},
        {"start_month": -1},
        {"ramp_months": -1},
        {"begin": 2},
    ):
        with pytest.raises(ValidationError):
            When.model_validate(when)


def tables_of(*shifts: Shift, clock: str = "time", weeks: int = 10):
    levers = Levers("s", shifts, (), ())
    calendar = Calendar(weeks, 1, 0.0)
    return make_tables(levers, GROUPS, np.array([0]), np.zeros((1, weeks)), 0.4, calendar, clock)


def test_shifts_act_on_their_own_number() -> None:
    """Sizes are log changes for rate, spend and hazard, points for the margin."""
    size, who, when = np.array([np.log(1.5)]), Who(segments=("gold",)), Period()
    for target in ("rate", "spend", "hazard"):
        t = tables_of(Shift(target, size, who, when))
        changed = {"rate": t.rate, "spend": t.spend, "hazard": t.hazard}
        for name, table in changed.items():
            np.testing.assert_allclose(table[0, :, 0], [1.5, 1.5, 1, 1] if name == target else [1, 1, 1, 1])
        np.testing.assert_allclose(t.margin, 0.4)
    t = tables_of(Shift("margin", np.array([0.1]), who, when))
    np.testing.assert_allclose(t.margin[0, :, 0], [0.5, 0.5, 0.4, 0.4])
    assert tables_of(Shift("margin", np.array([5.0]), who, when)).margin.max() == 1.0


def test_attrition_clock() -> None:
    """More orders through an intervention charge η/m each; on the clock of orders, and for hazards, all of it."""
    rate = Shift("rate", np.array([np.log(2.0)]), Who(), Period())
    hazard = Shift("hazard", np.array([np.log(3.0)]), Who(), Period())
    np.testing.assert_allclose(tables_of(rate).charge, 0.5)
    np.testing.assert_allclose(tables_of(rate, clock="orders").charge, 1.0)
    np.testing.assert_allclose(tables_of(rate, hazard).charge, 1.5)
    np.testing.assert_allclose(tables_of(rate, hazard, clock="orders").charge, 3.0)


def test_shifts_multiply() -> None:
    tables = tables_of(*(Shift("rate", np.array([np.log(1 + s)]), Who(), Period()) for s in (0.2, 0.1)))
    np.testing.assert_allclose(tables.rate, 1.2 * 1.1)


def test_prefix_sums_of_a_pulse() -> None:
    """The integral of multiplier − 1 up to each week: 7 days × .5 for each week of the pulse."""
    t = tables_of(Shift("rate", np.array([np.log(1.5)]), Who(), Period(start_month=0.5, end_month=1.0)))
    inside = np.array([0, 0, 1, 1, 0, 0, 0, 0, 0, 0])  # middles 17.5 and 24.5 of days 15.2 to 30.4
    np.testing.assert_allclose(t.rate[0, 0], 1 + 0.5 * inside)
    np.testing.assert_allclose(t.rate_excess[0, 0], np.concatenate([[0], np.cumsum(3.5 * inside)]), atol=1e-12)


def test_conversion_moves_on_the_odds() -> None:
    """2 % with odds × 1.2 is 2.39 %; an exact zero leaves the very same number; 0 and 1 stay."""
    before = np.array([0.02, 0.0, 1.0])
    ads, draws = Group("new", "", "ads"), np.array([0, 0, 0])
    lift = Shift("conversion", np.array([np.log(1.2)]), Who(channels=("ads",)), Period(start_month=2))
    after = shifted_conversion(before, (lift,), ads, draws, 2)
    odds = 0.02 / 0.98 * 1.2
    np.testing.assert_allclose(after, [odds / (1 + odds), 0, 1])
    assert (shifted_conversion(before, (lift,), ads, draws, 1) == before).all()
    assert (shifted_conversion(before, (lift,), Group("new", "", "post"), draws, 2) == before).all()
    nothing = Shift("conversion", np.array([0.0]), Who(), Period())
    odd = np.array([0.1, 0.3, 0.7])
    assert (shifted_conversion(odd, (nothing,), ads, draws, 0) == odd).all()


def test_offer_terms_become_arrays() -> None:
    offer = {
        "kind": "offer", "on_orders": [1, 3], "take": 0.25, "price": 20.0, "incentive": 1.0, "refund": 0.1,
        "cannibalised": 0.5, "if_accepted": {"rate": 0.1}, "if_declined": {"after": 2, "hazard": 0.03, "rate": -0.2},
        "who": {"segments": ["gold"]}, "when": {"end_month": 1},
    }  # fmt: skip
    scenario = Scenario.model_validate({"title": "x", "bump": offer, "all": {"kind": "offer", "take": 0.5, "price": 8}})
    compiled = compile_scenario("s", {"s": scenario}, world_keys(1, np.arange(2), 0), GROUPS, HORIZON)
    levers = Levers.from_scenario(compiled)
    assert [o.name for o in levers.offers] == ["all", "bump"]
    offers = make_offers(levers, GROUPS, np.array([0, 1, 1]), 0.4, 10)
    np.testing.assert_array_equal(np.flatnonzero(offers.on_order[1]), [0, 2])
    assert offers.on_order[0].all()
    np.testing.assert_array_equal(offers.active[1].sum(axis=1), [4, 4, 0, 0])  # middles of weeks before day 30.4
    expected = {
        "take": 0.25, "price": 20, "cost": 20 * 0.6 + 1, "refund": 0.1, "cannibalised": 0.5, "patience": 2,
        "decline_hazard": 0.03, "decline_rate": np.log(0.8), "accept_rate": 1.1, "returned": 20 * 0.6,
        "healing": 0.5**0.125,
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(offers, name)[:, 1], np.full(3, value), err_msg=name)
    np.testing.assert_allclose(offers.cost[:, 0], 8 * 0.6)
    kept = offer | {"goods_return": False, "if_declined": {"rate": -0.2, "half_life_weeks": 4}}
    compiled = compile_scenario(
        "s",
        {"s": Scenario.model_validate({"title": "x", "bump": kept})},
        world_keys(1, np.arange(2), 0),
        GROUPS,
        HORIZON,
    )
    offers = make_offers(Levers.from_scenario(compiled), GROUPS, np.array([0, 1, 1]), 0.4, 10)
    assert not offers.returned.any()
    np.testing.assert_allclose(offers.healing, 0.5**0.25)


def test_effects_are_shared_by_what_they_are_not_by_scenario() -> None:
    """Two scenarios with the same intervention draw the same values; another name draws its own."""
    uncertain = {"kind": "shift", "target": "rate", "size": {"kind": "prior", "dist": "normal", "mean": 0.0, "sd": 0.1}}
    library = {
        "one": Scenario.model_validate({"title": "x", "a": uncertain}),
        "two": Scenario.model_validate({"title": "y", "b": uncertain, "a": uncertain}),
        "three": Scenario.model_validate({"title": "z", "combine": ["one"]}),
    }
    keys = world_keys(1, np.arange(500), 0)
    compiled = {name: compile_scenario(name, library, keys, GROUPS, HORIZON) for name in library}
    a = compiled["one"].inputs["scenario.one.a.size"]
    np.testing.assert_array_equal(compiled["two"].inputs["scenario.two.a.size"], a)
    np.testing.assert_array_equal(compiled["three"].inputs["scenario.one.a.size"], a)
    b = compiled["two"].inputs["scenario.two.b.size"]
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(500)
    assert a.std() == pytest.approx(0.1, rel=4 / np.sqrt(1000))


def test_order_of_shifts_in_a_file() -> None:
    """Sums of three floats depend on their order; the names decide it, and not the file."""
    logs = np.log1p(np.arange(1, 30) / 100)
    matters = ((i, j, k) for i in range(29) for j in range(i) for k in range(j)
               if (logs[i] + logs[j]) + logs[k] != (logs[k] + logs[j]) + logs[i])  # fmt: skip
    sizes = {name: (i + 1) / 100 for name, i in zip("abc", next(matters), strict=True)}
    keys = world_keys(1, np.arange(1), 0)
    tables = []
    for names in ("abc", "cba"):
        shifts = {n: {"kind": "shift", "target": "rate", "size": sizes[n]} for n in names}
        library = {"s": Scenario.model_validate({"title": "x", **shifts})}
        levers = Levers.from_scenario(compile_scenario("s", library, keys, GROUPS, HORIZON))
        tables.append(tables_of(*levers.shifts).rate)
    np.testing.assert_array_equal(*tables)


def test_levers_without_an_object() -> None:
    """They are skipped, and the page says so; nothing fails."""
    rate, page = ({"kind": "shift", "target": target, "size": 0.1} for target in ("rate", "conversion"))
    unreachable = {"kind": "contact", "per_month": 1, "who": {"segments": ["z"]}}
    library = {
        "page": Scenario.model_validate({"title": "x", "lift": page}),
        "none": Scenario.model_validate({"title": "x", "w": unreachable}),
        "price": Scenario.model_validate({"title": "x", "m": page | {"target": "margin"}}),
        "mixed": Scenario.model_validate({"title": "x", "combine": ["page"], "r": rate}),
    }
    keys = world_keys(1, np.arange(3), 0)
    existing = GROUPS[:3]
    compiled = {name: compile_scenario(name, library, keys, existing, HORIZON, margin_known=False) for name in library}
    assert "acquisition.channels" in compiled["page"].description.not_applicable
    assert "segment z" in compiled["none"].description.not_applicable
    assert "gross_margin" in compiled["price"].description.not_applicable
    assert compiled["mixed"].applies
    assert len(compiled["mixed"].mechanisms) == 1
    assert compile_scenario("page", library, keys, GROUPS, HORIZON).applies


def test_levers_on_an_order_rate_do_not_apply_to_contracts() -> None:
    """Nor do costs that stand beside them alone; what contracts can feel stays, and order rates are not assumed."""
    rate = {"kind": "shift", "target": "rate", "size": 0.1}
    messages = {"kind": "contact", "per_month": 4, "goodwill": 0.1}
    cost = {"kind": "cost", "per": "once", "amount": 500.0}
    offer = {"kind": "offer", "take": 0.1, "price": 5.0, "if_accepted": {"rate": 0.2}}
    worse = {"kind": "prior", "dist": "normal", "mean": -0.1, "sd": 0.1}
    page = {"kind": "shift", "target": "conversion", "size": 0.1, "quality": {"rate": worse, "spend": worse}}
    library = {
        "rate": Scenario.model_validate({"title": "x", "r": rate}),
        "paid": Scenario.model_validate({"title": "x", "r": messages, "set_up": cost}),
        "none": Scenario.model_validate({"title": "x", "r": messages | {"churn": 0.0}}),
        "annoying": Scenario.model_validate({"title": "x", "r": messages | {"churn": 0.001}}),
        "offer": Scenario.model_validate({"title": "x", "o": offer, "combine": ["rate"]}),
        "page": Scenario.model_validate({"title": "x", "lift": page}),
        "cost": Scenario.model_validate({"title": "x", "c": cost}),
    }
    keys = world_keys(1, np.arange(3), 0)
    orders, contracts = (
        {name: compile_scenario(name, library, keys, GROUPS, HORIZON, True, renewing) for name in library}
        for renewing in (False, True)
    )
    assert all(scenario.applies for scenario in orders.values())
    assert {name for name, scenario in contracts.items() if not scenario.applies} == {"rate", "paid", "none"}
    for name in ("rate", "paid", "none"):
        assert "how often customers order" in contracts[name].description.not_applicable
        assert not contracts[name].description.interventions
        assert not contracts[name].description.assumptions
    assert [type(m).__name__ for m in contracts["offer"].mechanisms] == ["OfferTerms"]
    assert "Skipped in this run: it moves how often" in " ".join(contracts["offer"].description.interventions)
    listed = {
        name: {a.path.rpartition(f"{name}.")[2] for a in contracts[name].description.assumptions} for name in library
    }
    assert listed["annoying"] == {"r.churn", "r.opt_out"}
    assert listed["offer"] == {"o.take", "o.price"}
    assert listed["page"] == {"lift.size", "lift.quality.spend"}
    assert set(contracts["page"].inputs) == {"scenario.page.lift.quality.spend"}
    assert "scenario.page.lift.quality.rate" in orders["page"].inputs
    quality: list[Any] = [vars(both["page"].mechanisms[0])["quality"] for both in (orders, contracts)]
    np.testing.assert_array_equal(*quality)


def test_refusals_name_the_key() -> None:
    for section, bad in (
        (OfferIntervention, {"kind": "offer", "take": 0.1, "price": 1.0, "pricee": 2}),
        (CostIntervention, {"kind": "cost", "per": "order", "amount": 1.0, "when": {"start_month": 1}}),
        (ShiftIntervention, {"kind": "shift", "target": "churn", "size": 0.1}),
    ):
        with pytest.raises(ValidationError):
            section.model_validate(bad)
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate({"title": "x", "o": {"kind": "offer", "take": 1.3, "price": -1.0}})
    assert {error["loc"] for error in caught.value.errors()} == {("o", "take"), ("o", "price")}
    circle = {n: Scenario(title=n, combine=(m,)) for n, m in (("a", "b"), ("b", "a"))}
    assert all("circle" in p.what for p in problems(circle))
    assert len(problems(circle)) == 2


@pytest.mark.parametrize("most", [100, 50, 0, -1, float("inf")])
def test_a_channel_that_saturates_has_room_to_grow(most: float) -> None:
    with pytest.raises(ValidationError):
        Channel.model_validate({"visitors_per_month": 100, "conversion": 0.1, "most_visitors_per_month": most})


@pytest.mark.parametrize("target", ["conversion", "visitors", "ad_spend"])
@pytest.mark.parametrize("who", [{"customers": "existing"}, {"orders": {"at_most": 1}}, {"segments": ["gold"]}])
def test_who_is_here_already_does_not_come(target: str, who: dict) -> None:
    with pytest.raises(ValidationError, match=f"target {target} is about those who come; who takes channels alone"):
        ShiftIntervention.model_validate({"kind": "shift", "target": target, "size": 0.1, "who": who})
