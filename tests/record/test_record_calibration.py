"""Intervals of forecasts by the model that made the orders up hold as often as they say, at every month and in total.

The model is known, so what is tested is the reading of forecasts and of what came, month by month, and nothing else.
"""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from clvsim.track_record import ORDERS, REVENUE
from tests.record import pasts

WORLDS = 500
BINS = 8


class Found(NamedTuple):
    """Of made-up pasts: whether the interval held, (past, month), and position of the sum among worlds, (past,)."""

    held: np.ndarray
    position: np.ndarray


def found(figure: str, number: int, **keys: object) -> Found:
    held, position = [], []
    for seed in range(number):
        scored, _ = pasts.scored_past(pasts.section(seed, **keys))
        held.append([month.inside for month in scored.months if month.figure == figure])
        position.append(next(total.position for total in scored.sums if total.figure == figure))
    return Found(np.array(held), np.array(position))


def require_calibrated(result: Found) -> None:
    """Months of one past hang together: the error of the share is that of means over pasts. Counts hold a bit more
    often than 90 %, by less than half of the chance of the interval's ends."""
    shares = result.held.mean(axis=1)
    error = max(shares.std(ddof=1), 0.1) / np.sqrt(shares.size)
    assert abs(shares.mean() - 0.9) < 3 * error + 0.015
    counts = np.histogram(result.position, np.linspace(0, 1, BINS + 1))[0]
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("figure", [ORDERS, REVENUE])
def test_intervals_hold_in_some_made_up_pasts(figure, record_property):
    result = found(figure, 48)
    record_property("held", f"{result.held.mean():.3f} of {result.held.size}")
    require_calibrated(result)


def test_a_forecast_that_is_a_fifth_too_high_is_found_out():
    """The test can fail: the same pasts, with worlds of a fifth more orders."""
    held = []
    for seed in range(24):
        scored, later = pasts.scored_past(pasts.section(seed, customers=600))
        worlds = {ORDERS: scored.forecast.worlds[ORDERS] * 1.2}
        again = pasts.score(scored.forecast._replace(worlds=worlds), later, scored.due)
        held.append(again.sums[0].inside)
    assert binom.cdf(sum(held), len(held), 0.9) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
@pytest.mark.parametrize("figure", [ORDERS, REVENUE])
def test_intervals_hold_in_many_made_up_pasts(model, figure, record_property):
    result = found(figure, 400, model=model)
    record_property("held", f"{result.held.mean():.3f} of {result.held.size}")
    require_calibrated(result)


@pytest.mark.parametrize("renewal", ["week", "month", "quarter"])
@pytest.mark.parametrize("known_days", [301, 310, 325, 333, 363])
def test_months_of_contracts_that_nobody_ends_are_those_of_the_calendar(renewal, known_days):
    """Every payment is sure, so that each falls into the month in which it came, or the months do not fit."""
    config = pasts.section(1, model="sbg", renewal=renewal, parameters={"alpha": 1.0, "beta": 1e6}, customers=60)
    scored, _ = pasts.scored_past(config, known_days=known_days, draws=16)
    orders = [month for month in scored.months if month.figure == ORDERS]
    assert len(orders) >= 5
    assert [month.actual for month in orders] == pytest.approx([month.mean for month in orders], abs=0.5)
