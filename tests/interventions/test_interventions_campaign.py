"""CAMPAIGN: which days it has, and what it refuses."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.interventions.base import Group, OfferTerms
from clvsim.interventions.campaign import CampaignIntervention
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.simulation.tables import Levers, make_offers

TODAY = date(2025, 12, 31)
HORIZON = Horizon(TODAY, months=6)


def campaign(**typed: Any) -> CampaignIntervention:
    return CampaignIntervention.model_validate({"kind": "campaign", "take": 0.1, "price": 20.0} | typed)


def terms(**typed: Any) -> OfferTerms:
    section = campaign(**typed)
    one = np.ones(2)
    values = dict.fromkeys(section.uncertain(), 0.1 * one)
    (mechanism,) = section.compile("mail", values, section.when.period(TODAY), HORIZON)
    assert isinstance(mechanism, OfferTerms)
    return mechanism


def test_dates_are_noons_since_the_end_of_today() -> None:
    """The first simulated day is tomorrow; what is over is left out."""
    mail = terms(occasion="dates", dates=["2026-03-01", "2026-01-01", "2025-12-31"])
    assert mail.dates == (0.5, 59.5)
    assert terms(occasion="dates", months=[2, 0]).dates == (0.5, 61.5)


def test_days_as_the_kernel_reads_them() -> None:
    """One row for each offer, filled up with infinity; campaigns are shown at no order."""
    when = {"start_month": 1, "end_month": 3}
    mechanisms = (
        terms(occasion="dates", months=[1, 2, 3, 4, 5]),
        terms(occasion="silence", silent_days=90, silent_at_most_days=400, when=when),
        terms(occasion="birthday"),
        terms(occasion="anniversary"),
    )
    offers = make_offers(Levers("s", (), mechanisms, ()), (Group("existing"),), np.array([0]), 0.4, 30)
    np.testing.assert_array_equal(offers.occasion, [ks.ON_DATES, ks.SILENCE, ks.BIRTHDAY, ks.ANNIVERSARY])
    month = 365.25 / 12
    np.testing.assert_allclose(offers.days[0], [31.5, 61.5, 92.5, 122.5, 153.5])
    np.testing.assert_allclose(offers.days[1], [month, 3 * month, 90, 400, np.inf])
    np.testing.assert_allclose(offers.days[2:], [[0, np.inf, 0, np.inf, np.inf]] * 2)
    assert not offers.on_order.any()
    assert offers.active.all()
    np.testing.assert_allclose(offers.contact_cost, 0.1)


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ({"occasion": "dates"}, "occasion dates needs either dates or months"),
        ({"occasion": "dates", "dates": ["2026-03-01"], "months": [1]}, "occasion dates needs either dates or months"),
        ({"occasion": "birthday", "dates": ["2026-03-01"]}, "dates and months are not for occasion birthday"),
        ({"occasion": "dates", "dates": ["2026-03-01", "2026-03-01"]}, "a date is given twice"),
        ({"occasion": "dates", "months": [1, 1.0]}, "a date is given twice"),
        ({"occasion": "dates", "months": [1], "when": {"end_month": 2}}, "`when` is for the other occasions"),
        ({"occasion": "silence"}, "occasion silence needs silent_days"),
        ({"occasion": "birthday", "silent_days": 90}, "silent_days are not for occasion birthday"),
        (
            {"occasion": "silence", "silent_days": 90, "silent_at_most_days": 60},
            "must be at least silent_days 90, got 60",
        ),
        (
            {"occasion": "birthday", "when": {"ramp_months": 1}},
            "ramp_months and half_life_months do nothing to kind campaign",
        ),
        ({"occasion": "dates", "dates": ["1.3.2026"]}, "a date is needed, such as 2026-01-15"),
        ({"occasion": "dates", "months": [-1]}, "greater than or equal to 0"),
        ({"occasion": "silence", "silent_days": 0}, "greater than or equal to 1"),
        ({"occasion": "easter"}, "'dates', 'anniversary', 'birthday' or 'silence'"),
        ({"occasion": "birthday", "cost": -1}, "at least 0, got -1"),
    ],
    ids=str,
)
def test_what_is_refused(typed: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        campaign(**typed)
    assert any(rule in error["msg"] for error in caught.value.errors()), caught.value.errors()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"occasion": "dates", "dates": ["2026-05-01", "2026-03-01"]}, "on 2026-03-01 and 2026-05-01"),
        ({"occasion": "dates", "months": [3, 1, 2]}, "in month 1 and 2 later dates"),
        ({"occasion": "birthday"}, "on their birthday"),
        ({"occasion": "anniversary"}, "each year on the day of their first order"),
        ({"occasion": "silence", "silent_days": 90}, "who have not ordered for 90 days"),
        (
            {"occasion": "silence", "silent_days": 90, "silent_at_most_days": 400},
            "who have not ordered for 90 to 400 days",
        ),
    ],
    ids=str,
)
def test_sentences(typed: dict[str, Any], sentence: str) -> None:
    assert campaign(**typed).sentence() == f"Writes to customers {sentence} (all customers), with an offer."


def test_dates_that_can_never_act() -> None:
    line = "none of its dates can act; customers are followed for 6 months, 2026-01-01 to 2026-07-02"
    for typed in ({"dates": ["2025-12-31"]}, {"dates": ["2026-07-04"]}, {"months": [6, 7]}):
        assert line in campaign(occasion="dates", **typed).never_acts(HORIZON, (Group("existing"),))
    for typed in ({"dates": ["2025-12-31", "2026-07-01"]}, {"months": [0]}):
        assert campaign(occasion="dates", **typed).never_acts(HORIZON, (Group("existing"),)) == ""


def test_a_card_that_sells_nothing_is_no_offer() -> None:
    assert campaign(occasion="birthday", take=0).sentence() == "Writes to customers on their birthday (all customers)."
