"""MEMBERSHIP: its law of churn, what the kernel reads, and what it refuses."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.effects import draw
from clvsim.interventions.base import Group, MembershipTerms, OfferTerms
from clvsim.interventions.membership import MembershipIntervention
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.simulation.tables import Levers, churn_law, key_of, make_offers

TODAY = date(2025, 12, 31)


def membership(**typed: Any) -> MembershipIntervention:
    return MembershipIntervention.model_validate(
        {"kind": "membership", "take": 0.1, "price": 20.0, "churn": 0.1} | typed
    )


def terms(**typed: Any) -> OfferTerms:
    section = membership(**typed)
    values = {
        field: draw(effect, np.array([0.5, 0.5]), number.scale, path="").values
        for field, (effect, number) in section.uncertain().items()
    }
    (mechanism,) = section.compile("club", values, section.when.period(TODAY), Horizon(TODAY, months=6))
    assert isinstance(mechanism, OfferTerms)
    return mechanism


def law(churn: float, polarisation: float) -> tuple[float, float]:
    zero = np.zeros(1)
    a, b = churn_law(MembershipTerms(0.0, 30.0, zero, zero, np.array([churn]), polarisation, zero, zero))
    return float(a[0]), float(b[0])


@pytest.mark.parametrize("churn", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("polarisation", [0.05, 0.5])
def test_churn_has_the_mean_and_the_polarisation(churn: float, polarisation: float) -> None:
    """Beta(a, b): mean a / (a + b), ψ = 1 / (a + b + 1), variance mean (1 - mean) ψ."""
    a, b = law(churn, polarisation)
    np.testing.assert_allclose([a / (a + b), 1 / (a + b + 1)], [churn, polarisation], rtol=1e-12)


@pytest.mark.parametrize("churn", [0.0, 0.2, 1.0])
def test_all_members_alike(churn: float) -> None:
    assert law(churn, 0.0) == (churn, 0.0)
    assert law(0.0, 0.5) == (0.0, 0.0)
    assert law(1.0, 0.5) == (1.0, 0.0)


def test_what_the_kernel_reads() -> None:
    """Beside an offer, for which the numbers of memberships are 0."""
    club = terms(
        on_orders=[1, 3],
        trial_days=14,
        trial_cost=2.0,
        convert=0.4,
        every_months=3,
        margin=0.8,
        card_failure=0.1,
        card_recovery=0.7,
        order_cost=4.0,
        rate=0.0,
    )
    offers = make_offers(Levers("s", (), (club,), ()), (Group("existing"),), np.array([0]), 0.4, 30)
    assert offers.occasion.tolist() == [ks.MEMBERSHIP]
    assert np.flatnonzero(offers.on_order[0]).tolist() == [0, 2]
    np.testing.assert_allclose(offers.days[0], [14, 3 * 365.25 / 12])
    names = ("contact_cost", "convert", "churn_a", "churn_b", "card_loss", "perk", "price", "cost")
    found = [getattr(offers, name)[0, 0] for name in names]
    np.testing.assert_allclose(found, [2, 0.4, 0.1, 0, 0.03, 4, 20, 4], rtol=1e-12)


def test_terms_are_part_of_what_a_life_notices() -> None:
    assert key_of(terms(churn=0.1)) == key_of(terms(churn=0.1))
    assert key_of(terms(churn=0.1)) != key_of(terms(churn=0.2))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"price": -1.0}, "price"),
        ({"churn": 1.5}, "churn"),
        ({"convert": 0.5}, "trial_cost and convert are of a trial; trial_days is 0"),
        ({"trial_cost": 3.0}, "trial_cost and convert are of a trial; trial_days is 0"),
        ({"trial_days": -1}, "trial_days"),
        ({"trial_days": 14}, "a trial needs convert"),
        ({"every_months": 0}, "every_months"),
        ({"polarisation": 1.0}, "polarisation"),
        ({"when": {"ramp_months": 2}}, "ramp_months and half_life_months do nothing to kind membership"),
        ({"churn": None}, "churn"),
    ],
)
def test_what_is_refused(typed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        membership(**typed)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Offers a membership at every order (all customers), paid every month."),
        (
            {"on_orders": [1], "trial_days": 30, "convert": 0.5},
            "at order 1 (all customers), paid every month, after a trial of 30 days.",
        ),
        ({"every_months": 12}, "paid every year."),
        ({"every_months": 3}, "paid every 3 months."),
    ],
)
def test_its_sentence(typed: dict[str, Any], said: str) -> None:
    assert said in membership(**typed).sentence()


def test_a_trial_that_is_never_over_is_refused() -> None:
    horizon, groups = Horizon(TODAY, months=6), (Group("existing"),)
    reason = membership(trial_days=183, convert=0.5).never_acts(horizon, groups)
    assert reason.startswith("its trial of 183 days is never over; customers are followed for 6 months, 2026-01-01 to")
    assert membership(trial_days=182, convert=0.5).never_acts(horizon, groups) == ""
