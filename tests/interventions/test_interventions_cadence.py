"""How often people are written to: what a cap may be and where it comes from, what it leaves of programmes, curves."""

import math
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.interventions.base import ContactProgramme, Group, OfferTerms
from clvsim.interventions.cadence import Curve, FrequencyCap
from clvsim.interventions.contact import ContactIntervention
from clvsim.interventions.timing import Horizon
from clvsim.kernels.rng import world_keys
from clvsim.scenario import CompiledScenario, Scenario, caps_of, compile_scenario, problems
from clvsim.simulation.capping import planned, thinned
from clvsim.simulation.tables import Calendar, Levers, left_by_cap, make_contacts, make_offers, make_tables
from clvsim.types import DAYS_PER_MONTH

OLD, NEW = Group("existing", "a"), Group("new", "", "ads")
HORIZON = Horizon(date(2024, 9, 30), 24, 6)
KEYS = world_keys(1, np.arange(5), 0)
LETTER: dict[str, Any] = {"kind": "contact", "per_month": 4.0}
SALE: dict[str, Any] = {"kind": "campaign", "occasion": "dates", "months": [1, 2], "take": 0.1, "price": 9.0}
CURVE: dict[str, Any] = {"peak_per_month": 7, "sharpness": 2.7, "gain": 0.1}
CAP = {"contacts": 4, "days": 30}


def library(**trees: Any) -> dict[str, Scenario]:
    return {name: Scenario.model_validate({"title": name} | tree) for name, tree in trees.items()}


def compiled(name: str = "it", /, **trees: Any) -> CompiledScenario:
    scenarios = library(**trees)
    assert problems(scenarios) == []
    return compile_scenario(name, scenarios, KEYS, (OLD, NEW), HORIZON)


def caps(scenario: CompiledScenario) -> dict[str, FrequencyCap | None]:
    """By lever, of those that write to people or could."""
    both = zip(scenario.levers, scenario.mechanisms, strict=True)
    return {lever: m.cap for lever, m in both if isinstance(m, ContactProgramme | OfferTerms)}


# --- the cap as it is stated -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cap",
    [
        *({"contacts": 0, "days": 30}, {"contacts": -1, "days": 30}, {"contacts": 1.5, "days": 30}),
        *({"contacts": True, "days": 30}, {"contacts": 1001, "days": 30}, {"contacts": "many", "days": 30}),
        *({"contacts": 4, "days": 0}, {"contacts": 4, "days": 0.5}, {"contacts": 4, "days": 3661}),
        *({"contacts": 4, "days": math.nan}, {"contacts": 4, "days": math.inf}, {"contacts": 4}, {"days": 30}),
        *(4, [4, 30], "4 in 30", {}, {"contacts": 4, "days": 30, "weeks": 1}),
    ],
    ids=str,
)
def test_caps_that_are_none(cap: Any) -> None:
    with pytest.raises(ValidationError, match="frequency_cap"):
        library(it={"letter": LETTER, "frequency_cap": cap})


def test_it_is_on_all_that_write_to_people_and_on_nothing_else() -> None:
    offer = {"kind": "offer", "take": 0.1, "price": 5.0}
    back = {"kind": "win_back", "silent_days": 200, "lift": 0.02}
    levers = {"letter": LETTER, "sale": SALE, "upsell": offer, "back": back}
    scenario = compiled(it={"frequency_cap": CAP, **levers})
    cap = FrequencyCap(contacts=4, days=30)
    assert caps(scenario) == {"letter": cap, "sale": cap, "upsell": None, "back": cap}
    assert set(caps(compiled(it=levers)).values()) == {None}
    sentence = "Nobody is written to more than 4 times in 30 days: programmes come first"
    assert sum(sentence in said for said in scenario.description.interventions) == 1
    assert "1 time in 1 day:" in FrequencyCap(contacts=1, days=1).sentence()


def test_a_scenario_has_the_cap_of_those_that_it_combines_unless_it_states_its_own() -> None:
    parts = {"a": {"letter": LETTER, "frequency_cap": CAP}, "b": {"sale": SALE}}
    both = {"combine": ["a", "b"]}
    assert caps(compiled("both", both=both, **parts)) == dict.fromkeys(
        ("letter", "sale"), FrequencyCap(contacts=4, days=30)
    )
    own = both | {"frequency_cap": {"contacts": 9, "days": 7}}
    assert set(caps(compiled("both", both=own, **parts)).values()) == {FrequencyCap(contacts=9, days=7)}
    assert caps(compiled("b", both=both, **parts)) == {"sale": None}
    above = {"top": {"combine": ["both"]}, "both": both, **parts}
    assert set(caps(compiled("top", **above)).values()) == {FrequencyCap(contacts=4, days=30)}


def test_caps_that_differ_are_refused_and_one_that_caps_nothing() -> None:
    other = {"contacts": 5, "days": 30}
    parts = {"a": {"letter": LETTER, "frequency_cap": CAP}, "b": {"sale": SALE, "frequency_cap": other}}
    (problem,) = problems(library(both={"combine": ["a", "b"]}, **parts))
    assert problem[0] == "scenario.both.frequency_cap"
    assert "have different ones; state one here for all" in str(problem)
    assert problems(library(both={"combine": ["a", "b"], "frequency_cap": CAP}, **parts)) == []
    same = parts | {"b": {"sale": SALE, "frequency_cap": CAP}}
    assert problems(library(both={"combine": ["a", "b"]}, **same)) == []
    rate = {"kind": "shift", "target": "rate", "size": 0.1}
    (problem,) = problems(library(it={"frequency_cap": CAP, "more": rate}))
    assert problem[0] == "scenario.it.frequency_cap"
    assert "caps nothing: no lever of kind contact, campaign, win_back writes to customers" in problem[1]
    back = {"kind": "win_back", "silent_days": 200, "lift": 0.02}
    assert problems(library(it={"frequency_cap": CAP, "combine": ["b"]}, b={"sale": SALE})) == []
    assert problems(library(it={"frequency_cap": CAP, "back": back})) == []


def test_a_scenario_is_looked_up_once_by_however_many_ways() -> None:
    """Layers that combine all of the layer below: 2^15 ways to the last one."""

    class Counted(dict[str, Scenario]):
        looks = 0

        def __getitem__(self, name: str) -> Scenario:
            self.looks += 1
            return super().__getitem__(name)

    trees: dict[str, Any] = {"n0_0": {"letter": LETTER, "frequency_cap": CAP}, "n0_1": {"sale": SALE}}
    for layer in range(1, 16):
        below = [f"n{layer - 1}_0", f"n{layer - 1}_1"]
        trees |= {f"n{layer}_{i}": {"combine": below} for i in (0, 1)}
    counted = Counted(library(**trees))
    assert caps_of("n15_0", counted) == {FrequencyCap(contacts=4, days=30)}
    assert counted.looks < 3 * len(trees)


# --- what it leaves of programmes, and what these leave of it --------------------------------------------------------


def test_programmes_are_thinned_alike_to_the_pace_of_the_cap() -> None:
    weekly = np.array([[1.0, 2.0, 0.0, 0.5], [1.0, 6.0, 0.0, 0.5]])
    cap = FrequencyCap(contacts=8, days=14)  # 4 a week
    np.testing.assert_allclose(thinned(weekly, cap), [[1.0, 1.0, 0.0, 0.5], [1.0, 3.0, 0.0, 0.5]])
    np.testing.assert_array_equal(thinned(weekly, FrequencyCap(contacts=16, days=14)), weekly)
    assert thinned(weekly, None) is weekly


def test_a_programme_at_the_pace_of_its_cap_is_left_as_it_is() -> None:
    """Rounding takes nothing: every pace with a cap of as many, in one programme or in several."""
    for contacts in range(1, 60):
        for parts in (1, 3, 7):
            weekly = np.full((parts, 2), contacts / parts * 7 / DAYS_PER_MONTH)
            np.testing.assert_array_equal(thinned(weekly, FrequencyCap(contacts=contacts, days=DAYS_PER_MONTH)), weekly)


@pytest.mark.parametrize("days", [1.0, 7.0, 10.0, 30.0, 365.0])
def test_what_is_planned_in_the_fullest_window(days: float) -> None:
    """Against windows that begin every tenth of a day."""
    r = np.random.default_rng(2)
    weekly = r.choice([0.0, 1.0, 3.0], 30) * (np.arange(30) > 8)
    first = np.arange(-400, 215, 0.1)
    per_day = np.concatenate([[0.0], np.cumsum(weekly)])
    sent = np.interp(first + days, 7.0 * np.arange(31), per_day) - np.interp(first, 7.0 * np.arange(31), per_day)
    expected = [sent[(first + days >= 7 * k - 1e-9) & (first <= 7 * k + 7 + 1e-9)].max() for k in range(30)]
    np.testing.assert_allclose(planned(weekly, days), expected, atol=0.05)
    steady = planned(np.full(60, 1.4), days)
    assert steady[: 60 - math.ceil(days / 7)] == pytest.approx(0.2 * min(days, 420), rel=1e-9)


def levers(**tree: Any) -> Levers:
    return Levers.from_scenario(compiled(it=tree))


def test_the_tables_of_a_capped_scenario() -> None:
    """Contacts, stocks and costs are those of the thinned programmes; groups that one reaches have their own sum."""
    letter, news = LETTER | {"cost": 0.5}, {"kind": "contact", "per_month": 8.0, "who": {"customers": "existing"}}
    cap = {"contacts": 6, "days": DAYS_PER_MONTH}
    capped, free = (levers(**more, letter=letter, news=news) for more in ({"frequency_cap": cap}, {}))
    fewer = levers(letter=letter | {"per_month": 2.0}, news=news | {"per_month": 4.0})
    calendar, groups = Calendar(40, 9, 0.0), (OLD, NEW)
    sent, all_sent, half = (make_contacts(one, groups, calendar) for one in (capped, free, fewer))
    np.testing.assert_allclose(sent.count[:, 0], half.count[:, 0], rtol=1e-12)  # 12 a month, of which 6 are left
    np.testing.assert_array_equal(sent.count[:, 1], all_sent.count[:, 1])  # newcomers have the letter alone
    np.testing.assert_allclose(sent.cost_discounted[0], half.cost_discounted[0], rtol=1e-12)
    draw = np.arange(5)
    tables = [make_tables(one, groups, draw, np.zeros((5, 40)), 0.4, calendar, "time") for one in (capped, fewer, free)]
    np.testing.assert_allclose(tables[0].rate[:, 0], tables[1].rate[:, 0], rtol=1e-12)
    np.testing.assert_allclose(tables[0].opt_out[:, 0], tables[1].opt_out[:, 0], rtol=1e-12)
    np.testing.assert_array_equal(tables[0].rate[:, 1:10], tables[2].rate[:, 1:10])
    assert left_by_cap(capped.contacts, (OLD,), 40) == pytest.approx({"letter": 0.5, "news": 0.5})
    assert left_by_cap(capped.contacts, (NEW,), 40) == {"letter": 1.0}
    assert set(left_by_cap(free.contacts, groups, 40).values()) == {1.0}


def test_what_the_kernel_gets() -> None:
    """The cap, what programmes plan by group and week, and room for the days that were sent."""
    news = {"kind": "contact", "per_month": 3.0, "who": {"customers": "existing"}, "when": {"start_month": 6}}
    capped = levers(frequency_cap={"contacts": 4, "days": 30.4375}, news=news, sale=SALE)
    offers = make_offers(capped, (OLD, NEW), np.arange(5), 0.4, 60)
    np.testing.assert_array_equal(offers.cap, [4.0, 30.4375])
    assert offers.sent.shape == (5,)
    assert offers.planned.shape == (2, 60)
    assert not offers.planned[1].any()
    assert not offers.planned[0, :21].any()
    np.testing.assert_allclose(offers.planned[0, 27:55], 3.0)
    free = make_offers(levers(news=news, sale=SALE), (OLD, NEW), np.arange(5), 0.4, 60)
    np.testing.assert_array_equal(free.cap, [0.0, 0.0])
    assert (free.planned.shape, free.sent.shape) == ((0, 0), (1,))
    assert capped.schedule() != levers(news=news, sale=SALE).schedule()
    assert levers(frequency_cap=CAP, news=news).cap is None  # programmes are thinned by theirs


# --- a stated curve --------------------------------------------------------------------------------------------------


def test_the_curve_of_the_field_study() -> None:
    """Reduced form: all of the gain at 7 messages a month, .70 of it at 4 and .82 at 10."""
    curve = Curve(7.0, 2.7)
    assert curve.gain(7.0) == 1.0
    assert curve.gain(4.0) == pytest.approx(0.70, abs=0.005)
    assert curve.gain(10.0) == pytest.approx(0.82, abs=0.005)
    assert curve.gain(0.0) == 0.0
    by_cadence = np.asarray(curve.gain(np.arange(0, 40.0)))
    assert by_cadence.argmax() == 7
    assert all(a < b for a, b in pairwise(by_cadence[:8]))
    assert all(a > b for a, b in pairwise(by_cadence[7:]))


def test_a_curve_shifts_the_rate_by_the_messages_of_the_week() -> None:
    """From the first week on, on its ramp as many as are sent by then; not before somebody joined, nor off the list."""
    when = {"start_month": 2, "end_month": 8, "ramp_months": 2}
    one = levers(letter=LETTER | {"per_month": 9.0, "when": when, "curve": CURVE, "churn": 0.001, "opt_out": 0.002})
    (programme,) = one.contacts
    tables = make_tables(one, (NEW,), np.arange(5), np.zeros((5, 40)), 0.4, Calendar(40, 20, 0.0), "time")
    for joined in (0, 12):
        for k in range(40):
            month = (k + 0.5) * 7 / DAYS_PER_MONTH
            per_month = 9.0 * min(1.0, max(0.0, (month - 2) / 2)) * (2 <= month < 8) * (k >= joined)
            expected = 0.1 * (per_month / 7) ** 2.7 * math.exp(2.7 * (1 - per_month / 7))
            np.testing.assert_allclose(np.log(tables.rate[:, joined, k]), expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(tables.rate[:, 20:], 1.0)
    without = levers(letter=LETTER | {"per_month": 9.0, "when": when, "churn": 0.001, "opt_out": 0.002})
    same = make_tables(without, (NEW,), np.arange(5), np.zeros((5, 40)), 0.4, Calendar(40, 20, 0.0), "time")
    np.testing.assert_array_equal(tables.budget, same.budget)  # as of other programmes
    np.testing.assert_array_equal(tables.opt_out, same.opt_out)
    assert tables.budget.any()
    assert tables.opt_out.any()
    assert not programme.fatigue.any()
    assert programme.goodwill_weight == 0.0  # there is no stock of it


def test_a_curve_reads_what_the_cap_leaves() -> None:
    one = levers(
        frequency_cap={"contacts": 7, "days": DAYS_PER_MONTH}, letter=LETTER | {"per_month": 14, "curve": CURVE}
    )
    tables = make_tables(one, (OLD,), np.arange(5), np.zeros((5, 20)), 0.4, Calendar(20, 1, 0.0), "time")
    np.testing.assert_allclose(np.log(tables.rate[:, 0]), 0.1, rtol=1e-9)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"curve": CURVE, "goodwill": 0.1}, "curve takes the place of goodwill; give one or the other"),
        ({"curve": CURVE, "fatigue": 0.0}, "curve takes the place of fatigue"),
        (
            {"curve": CURVE, "fatigue": 0.0, "goodwill_half_life_weeks": 8},
            "curve takes the place of fatigue and goodwill_half_life_weeks",
        ),
        ({"curve": {"peak_per_month": 7, "sharpness": 2.7}}, "Field required"),
        ({"curve": CURVE | {"peak_per_month": 0}}, "greater than or equal to 0.01"),
        ({"curve": CURVE | {"sharpness": 0}}, "greater than or equal to 0.1"),
        ({"curve": CURVE | {"sharpness": 21}}, "less than or equal to 20"),
        ({"curve": CURVE | {"height": 1}}, "Extra inputs are not permitted"),
        ({"curve": 7}, "valid dictionary"),
    ],
    ids=str,
)
def test_curves_that_are_refused(changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ContactIntervention.model_validate(LETTER | changed)
    assert any(rule in error["msg"] for error in caught.value.errors()), caught.value.errors()


def test_a_gain_is_a_log_change_that_drives_the_scenario() -> None:
    (problem,) = problems(library(it={"letter": LETTER | {"curve": CURVE | {"gain": 6}}}))
    assert problem[0].startswith("scenario.it.letter.curve.gain")
    expert = {"kind": "expert", "p10": -0.03, "p50": 0.02, "p90": 0.08, "source": "a guess"}
    scenario = compiled(it={"letter": LETTER | {"curve": CURVE | {"gain": expert}}})
    assert set(scenario.inputs) == {f"scenario.it.letter.{name}" for name in ("curve.gain", "churn", "opt_out")}
    assert scenario.description.evidence == "judgement"
    assert scenario.description.default == ""  # nothing rests on the default of goodwill, which is not there
    assert compiled(it={"letter": LETTER}).description.default != ""
    (sentence, *_) = scenario.description.interventions
    assert sentence.endswith("with its peak at 7 messages a month; 4 a month bring 70% of that.")


def test_curves_of_the_same_people_do_not_add_up() -> None:
    """It is one of all messages that somebody gets; those of other people, or one without a curve, may stand beside."""

    def found(second: dict[str, Any]) -> tuple[Any, ...]:
        first = LETTER | {"curve": CURVE, "who": {"customers": "existing"}}
        return compile_scenario("it", library(it={"a": first, "b": second}), KEYS, (OLD, NEW), HORIZON).problems

    (problem,) = found(LETTER | {"curve": CURVE})
    assert problem[0] == "scenario.it.b.curve"
    assert "reaches customers of a, which has one too" in problem[1]
    assert found(LETTER | {"curve": CURVE, "who": {"customers": "new"}}) == ()
    assert found(LETTER) == ()


def test_contracts_feel_a_curve_no_more_than_goodwill() -> None:
    rate = ContactIntervention.model_validate(LETTER | {"curve": CURVE})
    assert rate.needs_order_rate
    assert not ContactIntervention.model_validate(LETTER | {"curve": CURVE, "churn": 0.1}).needs_order_rate
