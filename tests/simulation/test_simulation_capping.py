"""A frequency cap in whole runs: what it leaves alone, what it withholds, and what a message that is not sent costs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shop import CALM, assert_same_ledger, channels, ledger, line, posterior, run, scenarios, shop

from clvsim.comparison.neutral import neutral_draws
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.ledger import Ledger, Line
from clvsim.types import DAYS_PER_MONTH

STORMY = EnvironmentConfig(sd_prior=0.2)
WITHHELD = Line("contacts_withheld", "frequency_cap")
SOLD: dict[str, Any] = {"take": 0.1, "price": 12.0, "cost": 0.7, "margin": 0.5}
MAIL: dict[str, dict[str, Any]] = {
    "sale": {"kind": "campaign", "occasion": "dates", "months": [1, 1.2, 1.4, 5, 5.2], **SOLD},
    "voucher": {"kind": "campaign", "occasion": "silence", "silent_days": 45, **SOLD},
    "card": {"kind": "campaign", "occasion": "birthday", **SOLD},
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0},
    "letter": {"kind": "contact", "per_month": 2.0, "cost": 0.1, "goodwill": 0.2, "opt_out": 0.01},
}


def simulated(*, library: dict[str, Scenario] | None = None, **caps: dict[str, Any]) -> Simulation:
    """One scenario with each cap, beside one without any."""
    own = {name: MAIL | {"frequency_cap": cap} for name, cap in caps.items()}
    return run(
        library or scenarios(free=MAIL, **own),
        draws=20,
        fitted=posterior(20, spread=0.1),
        acquisition=channels(),
        environment=STORMY,
    )


def sent(book: Ledger, *levers: str) -> np.ndarray:
    """Messages of some levers by world, (w,)."""
    return np.sum([line(book, "contacts", lever)[:, :, 0].sum(axis=(1, 2)) for lever in levers], axis=0)


@pytest.fixture(scope="module")
def capped() -> Simulation:
    return simulated(never={"contacts": 1000, "days": 1}, few={"contacts": 4, "days": 60})


def test_a_cap_that_never_binds_leaves_every_bit(capped: Simulation) -> None:
    never, free = ledger(capped, "never"), ledger(capped, "free")
    assert not line(never, *WITHHELD).any()
    assert not line(never, *WITHHELD, age=True).any()
    kept = [i for i, entry in enumerate(never.lines) if entry != WITHHELD]
    without = replace(
        never,
        lines=tuple(never.lines[i] for i in kept),
        calendar=never.calendar[:, :, kept],
        age=never.age[:, :, kept],
        first=never.first[:, :, kept],
    )
    assert_same_ledger(without, free)
    np.testing.assert_array_equal(never.first[:, :, kept], free.first)


def test_what_is_withheld_is_counted_and_costs_nothing(capped: Simulation) -> None:
    """Programmes of 3.9 in 60 days leave nothing until somebody opts out."""
    few, free = ledger(capped, "few"), ledger(capped, "free")
    withheld = line(few, *WITHHELD)[:, :, 0].sum(axis=(1, 2))
    campaigns = ("sale", "voucher", "card")
    assert (withheld > sent(few, *campaigns)).all()
    assert (sent(few, *campaigns) > 0).all()
    # a silence begins with an order, of which there are others where less was sold: dates and birthdays are the same
    fixed = [sent(few, *campaigns) + withheld, sent(free, *campaigns)]
    np.testing.assert_allclose(*fixed, rtol=0.05)
    for lever in campaigns:
        np.testing.assert_allclose(line(few, "cost_contact", lever), 0.7 * line(few, "contacts", lever), rtol=1e-12)
    np.testing.assert_array_equal(line(few, "contacts", "letter"), line(free, "contacts", "letter"))
    assert few.total("offers_taken").mean() < free.total("offers_taken").mean()
    by_age = line(few, *WITHHELD, age=True)[:, :, 0].sum(axis=(1, 2))
    new = [g for g, group in enumerate(few.groups) if group.origin == "new"]
    np.testing.assert_allclose(by_age, line(few, *WITHHELD)[:, new, 0].sum(axis=(1, 2)), rtol=1e-9)
    (note,) = (note for note in capped.notes if "frequency cap" in note)
    all_due = withheld.mean() + sent(few, *campaigns).mean()
    does = f"withholds {withheld.mean():,.0f} of {all_due:,.0f} messages of campaigns, on average"
    assert note == f"The frequency cap of “few” {does}."


def test_programmes_beyond_the_cap_are_those_of_a_smaller_cadence() -> None:
    """Two of 6 and 2 a month under a cap of 4: half of each, with all that they do; the page says so."""
    letters = {name: {"kind": "contact", "cost": 0.1, "goodwill": 0.2} for name in ("letter", "news")}
    many, few = (
        {name: letters[name] | {"per_month": n * share} for name, n in (("letter", 6.0), ("news", 2.0))}
        for share in (1.0, 0.5)
    )
    cap = {"frequency_cap": {"contacts": 4, "days": DAYS_PER_MONTH}}
    sim = simulated(library=scenarios(capped=many | cap, few=few))
    one, other = ledger(sim, "capped"), ledger(sim, "few")
    for lever in letters:
        np.testing.assert_allclose(line(one, "contacts", lever), line(other, "contacts", lever), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(one.total("orders"), other.total("orders"), rtol=1e-12)
    np.testing.assert_allclose(one.value_by_group, other.value_by_group, rtol=1e-9)
    leaves = "leaves letter 50% of what it would send, and leaves news 50% of what it would send."
    assert f"The frequency cap of “capped” {leaves}" in sim.notes


def test_a_cap_on_what_the_baseline_does_is_no_neutral_lever() -> None:
    """The same levers with a cap differ from those without, and are simulated again."""
    library = scenarios(less=MAIL | {"frequency_cap": {"contacts": 1, "days": 30}}, same=MAIL)
    library[BASELINE] = Scenario.model_validate({"title": "x", **MAIL})
    sim = simulated(library=library)
    base, less = (sim.scenarios[name].compiled.mechanisms for name in (BASELINE, "less"))
    assert not neutral_draws(less, base, 20).any()
    assert neutral_draws(sim.scenarios["same"].compiled.mechanisms, base, 20).all()
    assert sent(ledger(sim, "less"), "sale").mean() < sent(ledger(sim), "sale").mean()
    assert_same_ledger(ledger(sim, "same"), ledger(sim))


def test_whom_a_programme_does_not_reach_has_the_whole_cap() -> None:
    """A cap that the letter takes: campaigns go to those alone who are held out of it."""
    letter = MAIL["letter"] | {"opt_out": 0.0, "who": {"hold_out": 0.5}}
    own = {"letter": letter, "sale": MAIL["sale"], "frequency_cap": {"contacts": 2, "days": DAYS_PER_MONTH}}
    sim = run(scenarios(it=own), draws=6, environment=CALM, summary=shop(80))
    book = ledger(sim, "it")
    by_group = line(book, "contacts", "sale")[:, :, 0].sum(axis=2)
    out = np.array([bool(group.held_out) for group in book.groups])
    assert (by_group[:, out] > 0).any()
    assert not by_group[:, ~out].any()


def test_a_curve_of_no_gain_is_a_letter_without_goodwill() -> None:
    """Zero at every cadence: what is left is what messages cost, and who opts out or leaves."""
    curve = {"peak_per_month": 7, "sharpness": 2.7}
    letter = {"kind": "contact", "per_month": 4.0, "cost": 0.02}
    bare = letter | {"goodwill": 0.0, "fatigue": 0.0}
    sim = simulated(
        library=scenarios(
            none={"letter": letter | {"curve": curve | {"gain": 0.0}}},
            bare={"letter": bare},
            four={"letter": letter | {"curve": curve | {"gain": 0.3}}},
            peak={"letter": letter | {"per_month": 7.0, "curve": curve | {"gain": 0.3}}},
        )
    )
    assert_same_ledger(ledger(sim, "none"), ledger(sim, "bare"))
    none, four, peak = (ledger(sim, name).total("orders").mean() for name in ("none", "four", "peak"))
    assert none < four < peak
