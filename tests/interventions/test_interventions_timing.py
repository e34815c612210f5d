"""Months and dates: what may be typed, which weeks they mean, and what can never act."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from pydantic import ValidationError

from clvsim.errors import Problem
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import CostEntry, Group, Intervention, Shift
from clvsim.interventions.timing import Horizon, When
from clvsim.kernels.rng import world_keys
from clvsim.scenario import Scenario, compile_scenario, problems
from clvsim.simulation.arrivals import shifted_conversion
from clvsim.simulation.ledger.lines import fixed_lines
from clvsim.simulation.tables import shift_sum
from clvsim.types import DAYS_PER_MONTH

TODAY = date(2025, 12, 31)
HORIZON = Horizon(TODAY, months=6, arrival_months=3)
OLD, NEW = Group("existing"), Group("new", "", "ads")
DAYS = st.integers(-400, 800).map(lambda days: TODAY + timedelta(days=days))
WHENS = st.fixed_dictionaries(
    {},
    optional={
        "start_month": st.one_of(st.none(), st.floats(0, 12)),
        "end_month": st.one_of(st.none(), st.floats(0.01, 12)),
        "start_date": st.one_of(st.none(), DAYS),
        "end_date": st.one_of(st.none(), DAYS),
        "ramp_months": st.floats(0, 12),
    },
)


def intervention(values: dict[str, Any]) -> Intervention:
    return INTERVENTIONS[values["kind"]].model_validate(values)


def sound(when: dict[str, Any]) -> When | None:
    try:
        return When.model_validate(when)
    except ValidationError:
        return None


# --- what dates mean -------------------------------------------------------------------------------------------------


@given(DAYS, st.integers(0, 500))
def test_a_week_is_in_when_its_middle_day_is(start: date, days: int) -> None:
    """The first simulated day is tomorrow, and the middle of a week is in its fourth day; both dates count."""
    end = start + timedelta(days=days)
    weekly = When(start_date=start, end_date=end).period(TODAY).weekly(60)
    middles = [TODAY + timedelta(days=7 * week + 4) for week in range(60)]
    np.testing.assert_array_equal(weekly, [float(start <= middle <= end) for middle in middles])


@given(st.integers(0, 400), st.integers(1, 500), st.floats(0, 6))
def test_dates_give_the_schedule_of_as_many_days_in_months(days: int, length: int, ramp: float) -> None:
    first = TODAY + timedelta(days=1 + days)
    by_date = When(start_date=first, end_date=first + timedelta(days=length - 1), ramp_months=ramp)
    by_month = When(start_month=days / DAYS_PER_MONTH, end_month=(days + length) / DAYS_PER_MONTH, ramp_months=ramp)
    assert by_date.period(TODAY) == by_month.period(TODAY)


def test_tomorrow_is_the_start_of_month_0() -> None:
    assert When(start_date=TODAY + timedelta(days=1)).period(TODAY) == When().period(TODAY)


def test_a_ramp_that_has_begun_goes_on() -> None:
    """Begun 60.875 days, two months, before the end of today, it has grown by half after four."""
    when = When(start_date=TODAY + timedelta(days=1 - 61), ramp_months=4)
    np.testing.assert_allclose(when.period(TODAY).strength(np.array([0.0, 1.0, 3.0])), [0.5, 0.75, 1.0], atol=2e-3)


def test_months_at_one_end_and_a_date_at_the_other() -> None:
    period = When(start_month=1, end_date=date(2026, 3, 31)).period(TODAY)
    assert (period.start_month, period.end_month) == (1.0, 90 / DAYS_PER_MONTH)
    assert When(start_date=date(2026, 1, 15), end_month=5).period(TODAY).start_month == 14 / DAYS_PER_MONTH


def test_sentences_show_what_was_typed() -> None:
    offer = intervention({"kind": "offer", "take": 0.1, "price": 5.0, "when": {"start_date": "2026-01-15"}})
    assert offer.sentence() == "Offers one more item at every order (all customers, from 2026-01-15)."
    when = {"start_date": "2026-01-15", "end_date": "2026-03-31", "ramp_months": 2}
    assert str(When.model_validate(when)) == "from 2026-01-15 until 2026-03-31 growing over 2 months"
    assert str(When(start_month=1, end_date=date(2026, 3, 31))) == "from month 1 until 2026-03-31"


# --- what may be typed -----------------------------------------------------------------------------------------------


def test_dates_and_their_text_are_the_same() -> None:
    text = "when: {start_date: 2026-01-15, end_date: 2026-03-31}"
    expected = When(start_date=date(2026, 1, 15), end_date=date(2026, 3, 31))
    trees: list[Any] = [yaml.safe_load(text), OmegaConf.to_container(OmegaConf.create(text))]
    for tree in trees:
        assert When.model_validate(tree["when"]) == expected
    assert When.model_validate(expected.model_dump(mode="json")) == expected


@pytest.mark.parametrize("key", ["start_date", "end_date"])
@pytest.mark.parametrize(
    "value",
    [
        "2026-1-5", "20260115", "2026-W03-4", "15.01.2026", "01/15/2026", "2026-02-30", "2026-01-15T00:00:00", "soon",
        "", 20260115, 1768435200, 3.5, True, datetime(2026, 1, 15, 12), ["2026-01-15"], {"day": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_date_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        When.model_validate({key: value})
    (error,) = caught.value.errors()
    assert error["loc"] == (key,)
    assert error["msg"] == "Value error, a date is needed, such as 2026-01-15"


@pytest.mark.parametrize(
    ("when", "rules"),
    [
        ({"start_month": 0, "start_date": "2026-01-15"}, ["start_month and start_date exclude each other"]),
        ({"end_month": 2, "end_date": "2026-01-15"}, ["end_month and end_date exclude each other"]),
        (
            {"start_month": 3, "start_date": "2026-01-15", "end_month": 2, "end_date": "2026-01-15"},
            ["start_month and start_date exclude", "end_month and end_date exclude"],
        ),
        ({"start_date": "2026-03-31", "end_date": "2026-03-30"}, ["end_date must not lie before start_date 2026-03-"]),
        ({"start_month": 3, "end_month": 3}, ["end_month must lie after start_month 3"]),
    ],
    ids=str,
)  # fmt: skip
def test_each_end_is_given_once_and_in_order(when: dict[str, Any], rules: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        When.model_validate(when)
    (error,) = caught.value.errors()
    for rule in rules:
        assert rule in error["msg"]


def test_a_single_day_is_a_period_and_null_is_nothing() -> None:
    day = When(start_date=date(2026, 1, 4), end_date=date(2026, 1, 4))
    np.testing.assert_array_equal(day.period(TODAY).weekly(3), [1, 0, 0])
    nulls = dict.fromkeys(("start_month", "end_month", "start_date", "end_date"))
    assert When.model_validate(nulls) == When()
    assert When.model_validate(nulls | {"start_date": "2026-01-15"}) == When(start_date=date(2026, 1, 15))


@given(WHENS)
def test_a_period_is_read_or_refused_and_comes_back_from_json(when: dict[str, Any]) -> None:
    errors = sound(when)
    twice = any(
        when.get(f"{end}_month") is not None and when.get(f"{end}_date") is not None for end in ("start", "end")
    )
    assert not (twice and errors)
    if errors:
        assert When.model_validate(errors.model_dump(mode="json")) == errors
        strength = errors.period(TODAY).weekly(60)
        assert ((strength >= 0) & (strength <= 1)).all()
        assert errors.always == (str(errors) == "")


def test_costs_that_follow_customers_take_no_dates() -> None:
    cost = {"kind": "cost", "per": "order", "amount": 1.0}
    assert intervention(cost | {"when": {"start_month": 0}}).when.always
    with pytest.raises(ValidationError, match="a cost per order runs over the whole plan"):
        intervention(cost | {"when": {"end_date": "2026-03-31"}})


# --- what can never act ----------------------------------------------------------------------------------------------

EXISTING = {"who": {"customers": "existing"}}
KINDS: dict[str, dict[str, Any]] = {
    "rate": {"kind": "shift", "target": "rate", "size": 0.1},
    "rate of customers": {"kind": "shift", "target": "rate", "size": 0.1, **EXISTING},
    "conversion": {"kind": "shift", "target": "conversion", "size": 0.1},
    "visitors": {"kind": "shift", "target": "visitors", "size": 0.1},
    "pulse": {"kind": "pulse", "size": 0.8, "weeks": 2, "pulled_forward": 0.5, "recovery_weeks": 4},
    "campaign": {"kind": "campaign", "occasion": "birthday", "take": 0.1, "price": 5.0},
    "offer": {"kind": "offer", "take": 0.1, "price": 5.0},
    "referral": {"kind": "referral", "per_order": 0.1},
    "funnel": {"kind": "funnel", "share": 0.1, "first": {"buy": 0.1}},
    "membership": {"kind": "membership", "take": 0.1, "price": 5.0, "churn": 0.1},
    "win_back": {"kind": "win_back", "silent_days": 90, "lift": 0.1},
    "next_product": {"kind": "next_product", "outgrown": 0.1, "take": 0.1},
    "contact": {"kind": "contact", "per_month": 1.0, **EXISTING},
    "month": {"kind": "cost", "per": "month", "amount": 5.0},
    "once": {"kind": "cost", "per": "once", "amount": 5.0},
}
FOLLOWED = "2026-01-01 to 2026-07-02 (simulation.horizon_months)"
ALL_FOLLOWED = "for 9 months, 2026-01-01 to 2026-10-01 (simulation.horizon_months and acquisition.months)"
OVER, LATE = "that is over before the first simulated day", "that starts after the last simulated day"
NEVER = [
    ("rate", {"start_month": 9}, f"from month 9 can never act: {LATE}; customers and newcomers are followed "
     f"{ALL_FOLLOWED}"),
    ("rate of customers", {"start_date": "2026-07-04"}, f"from 2026-07-04 can never act: {LATE}; customers are "
     f"followed for 6 months, {FOLLOWED}"),
    ("rate of customers", {"end_date": "2025-12-31"}, f"until 2025-12-31 can never act: {OVER}; customers are "
     f"followed for 6 months, {FOLLOWED}"),
    ("conversion", {"start_month": 3}, f"from month 3 can never act: {LATE}; newcomers arrive for 3 months, 2026-01-01 "
     "to 2026-04-02 (acquisition.months)"),
    ("visitors", {"start_month": 3}, "from month 3 can never act: that starts after the last simulated day; newcomers"),
    ("conversion", {"start_month": 1.6, "end_month": 2.4}, "it acts by whole months, and the middle of none lies in "
     "it; newcomers arrive for 3 months"),
    ("offer", {"start_date": "2026-01-05", "end_date": "2026-01-10"}, "from 2026-01-05 until 2026-01-10 can never act: "
     "it acts by whole weeks, and the middle of none lies in it; customers and newcomers are followed for 9 months"),
    ("offer", {"start_date": "2026-10-03"}, LATE),
    ("membership", {"start_date": "2026-10-03"}, LATE),
    ("win_back", {"start_month": 9}, f"{LATE}; customers and newcomers are followed {ALL_FOLLOWED}"),
    ("next_product", {"start_date": "2026-10-03"}, LATE),
    ("funnel", {"start_month": 3}, f"{LATE}; newcomers arrive for 3 months"),
    ("referral", {"start_month": 3}, f"{LATE}; newcomers arrive for 3 months, 2026-01-01 to 2026-04-02"),
    ("pulse", {"start_month": 5}, "from month 5 can never act: none of its 6 weeks, dip and all, is over in time; "
     f"customers are followed for 6 months, {FOLLOWED}"),
    ("pulse", {"start_date": "2025-12-01"}, "from 2025-12-01 can never act: none of its 6 weeks"),
    ("campaign", {"start_month": 9}, f"{LATE}; customers and newcomers are followed {ALL_FOLLOWED}"),
    ("contact", {"start_month": 6}, f"{LATE}; customers are followed for 6 months, {FOLLOWED}"),
    ("contact", {"start_month": 3, "end_date": "2026-02-01"}, "from month 3 until 2026-02-01 can never act: it ends "
     f"before it starts; customers are followed for 6 months, {FOLLOWED}"),
    ("month", {"start_month": 6}, f"{LATE}; fixed costs are counted for 6 months, {FOLLOWED}"),
    ("month", {"end_date": "2025-11-30"}, OVER),
    ("once", {"start_month": 9}, f"{LATE}; fixed costs are counted {ALL_FOLLOWED}"),
    ("once", {"start_date": "2025-12-31"}, OVER),
    ("once", {"end_date": "2025-11-30"}, OVER),
]  # fmt: skip
ACTING = [
    ("rate", {"start_month": 8.9}),
    ("rate of customers", {"start_month": 5.99}),
    ("rate of customers", {"start_date": "2020-01-01", "end_date": "2026-01-04"}),
    ("rate of customers", {"start_date": "2026-07-02"}),
    ("conversion", {"start_month": 2.5}),
    ("visitors", {"start_month": 2.5}),
    ("offer", {"start_date": "2026-01-04", "end_date": "2026-01-04"}),
    ("campaign", {"start_month": 5}),
    ("contact", {"start_month": 5}),
    ("pulse", {"start_month": 4.5}),
    ("month", {"start_month": 5.5}),
    ("once", {"start_month": 8.99}),
    ("once", {"start_date": "2026-01-01", "end_date": "2026-01-01"}),
    *((kind, {}) for kind in KINDS),
]


def lever(kind: str, when: dict[str, Any]) -> Intervention:
    return intervention(KINDS[kind] | {"when": when})


@pytest.mark.parametrize(("kind", "when", "line"), NEVER, ids=str)
def test_what_can_never_act_is_told_with_value_and_horizon(kind: str, when: dict[str, Any], line: str) -> None:
    reason = lever(kind, when).never_acts(HORIZON, (OLD, NEW))
    assert line in reason
    assert reason.startswith(f"{When.model_validate(when)} can never act: ")


@pytest.mark.parametrize(("kind", "when"), ACTING, ids=str)
def test_what_can_act_is_no_problem(kind: str, when: dict[str, Any]) -> None:
    assert lever(kind, when).never_acts(HORIZON, (OLD, NEW)) == ""


def test_without_acquisition_nobody_is_followed_longer() -> None:
    alone = Horizon(TODAY, months=6)
    for kind in ("rate", "offer", "once"):
        assert "for 6 months" in lever(kind, {"start_month": 6}).never_acts(alone, (OLD,))
        assert lever(kind, {"start_month": 6}).never_acts(HORIZON, (OLD, NEW)) == ""


@given(WHENS)
def test_never_acting_is_what_the_simulator_makes_of_it(typed: dict[str, Any]) -> None:
    """The tables that the simulator reads are 0 in every step that is simulated, or the period lies outside."""
    when = sound(typed)
    if when is None:
        return
    period, only_draw = when.period(TODAY), np.array([0])
    weeks = int(np.ceil(6 * DAYS_PER_MONTH / 7))
    shift = Shift("rate", np.array([0.1]), intervention(KINDS["rate of customers"]).who, period)
    acts = bool(shift_sum([shift], "rate", OLD, only_draw, weeks).any()) and period.start_month < 6
    assert (lever("rate of customers", typed).never_acts(HORIZON, (OLD, NEW)) == "") == acts

    lift = Shift("conversion", np.array([0.1]), intervention(KINDS["conversion"]).who, period)
    before = np.array([0.5])
    lifts = any(shifted_conversion(before, (lift,), NEW, only_draw, m)[0] != before[0] for m in range(3))
    assert (lever("conversion", typed).never_acts(HORIZON, (OLD, NEW)) == "") == lifts

    for per in ("month", "once"):
        entry = CostEntry("c", np.array([5.0]), per, shift.who, period)
        (money,) = fixed_lines([entry], only_draw, 6, 9, 0.0).values()
        paid = bool(money.any()) and (per == "month" or 0 < period.end_month > period.start_month)
        assert (lever(per, typed).never_acts(HORIZON, (OLD, NEW)) == "") == paid, per


def test_a_compiled_scenario_lists_all_of_them_by_the_file_that_they_stand_in() -> None:
    late = {"when": {"start_date": "2030-01-01"}}
    library = {
        "a": Scenario.model_validate({"title": "x", "up": KINDS["rate"] | late, "fine": KINDS["offer"]}),
        "b": Scenario.model_validate({"title": "x", "combine": ["a"], "fee": KINDS["once"] | late}),
        "c": Scenario.model_validate({"title": "x", "page": KINDS["conversion"] | late}),
    }
    assert problems(library) == []
    keys = world_keys(1, np.arange(2), 0)
    compiled = {name: compile_scenario(name, library, keys, (OLD, NEW), HORIZON) for name in library}
    assert {name: [p.where for p in c.problems] for name, c in compiled.items()} == {
        "a": ["scenario.a.up.when"],
        "b": ["scenario.b.fee.when", "scenario.a.up.when"],
        "c": ["scenario.c.page.when"],
    }
    skipped = compile_scenario("c", library, keys, (OLD,), Horizon(TODAY, 6))
    assert not skipped.applies
    assert skipped.problems == ()
    assert isinstance(compiled["a"].problems[0], Problem)
