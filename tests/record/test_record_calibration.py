"""Intervals of forecasts by the model that made the orders up hold as often as they say, at every month and in total.

The model is known, so what is tested is the reading of forecasts and of what came, month by month, and nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from clvsim.scoring import Scored
from clvsim.track_record import ORDERS, REVENUE
from tests.record import pasts

BINS = 8


class Found(NamedTuple):
    """Of made-up pasts: whether the interval held and with what chance it would, (past, month); position of the sum
    among worlds, (past,)."""

    held: np.ndarray
    chance: np.ndarray
    position: np.ndarray


def found(scored: Sequence[Scored], figure: str) -> Found:
    held, chance, position = [], [], []
    for one in scored:
        months = [month for month in one.months if month.figure == figure]
        worlds = one.forecast.worlds[figure]
        held.append([month.inside for month in months])
        chance.append([((m.p05 <= w) & (w <= m.p95)).mean() for m, w in zip(months, worlds.T[: one.due], strict=True)])
        position.append(next(total.position for total in one.sums if total.figure == figure))
    return Found(np.array(held), np.array(chance), np.array(position))


def require_calibrated(result: Found) -> None:
    """Months of one past hang together: the error is that of means over pasts. Intervals of counts hold a bit more
    often than 90 %, as often as the worlds themselves lie in them."""
    excess = (result.held - result.chance).mean(axis=1)
    assert abs(excess.mean()) < 3 * excess.std(ddof=1) / np.sqrt(excess.size)
    assert 0.9 - 1e-9 <= result.chance.mean() < 0.95
    counts = np.histogram(result.position, np.linspace(0, 1, BINS + 1))[0]
    assert chisquare(counts).pvalue > 1e-3


@pytest.fixture(scope="module")
def some() -> list[Scored]:
    return [pasts.scored_past(pasts.section(seed))[0] for seed in range(48)]


@pytest.mark.parametrize("figure", [ORDERS, REVENUE])
def test_intervals_hold_in_some_made_up_pasts(some, figure, record_property):
    result = found(some, figure)
    record_property("held", f"{result.held.mean():.3f} of {result.held.size}, chance {result.chance.mean():.3f}")
    require_calibrated(result)


def test_a_forecast_that_is_a_third_too_high_is_found_out(some):
    """The test can fail: the same pasts, with worlds of a third more orders."""
    held = [(totals.p05 * 4 / 3 <= totals.actual <= totals.p95 * 4 / 3) for totals in (one.sums[0] for one in some)]
    assert binom.cdf(sum(held), len(held), 0.9) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_intervals_hold_in_many_made_up_pasts(model, record_property):
    many = [pasts.scored_past(pasts.section(seed, model=model))[0] for seed in range(400)]
    for figure in (ORDERS, REVENUE):
        result = found(many, figure)
        record_property(figure, f"{result.held.mean():.3f} of {result.held.size}, chance {result.chance.mean():.3f}")
        require_calibrated(result)


@pytest.mark.slow
def test_intervals_of_models_that_were_fitted_hold(record_property):
    """With the uncertainty of what was learned of 400 customers each. Priors are not those of the made-up pasts, so
    that a few percent may be lost or gained."""
    many = [pasts.scored_past(pasts.section(seed, customers=400), learn=True)[0] for seed in range(60)]
    for figure in (ORDERS, REVENUE):
        result = found(many, figure)
        excess = (result.held - result.chance).mean(axis=1)
        record_property(figure, f"{result.held.mean():.3f} of {result.held.size}, chance {result.chance.mean():.3f}")
        assert abs(excess.mean()) < 3 * excess.std(ddof=1) / np.sqrt(excess.size) + 0.03


@pytest.mark.parametrize("renewal", ["week", "month", "quarter"])
@pytest.mark.parametrize("known_days", [301, 310, 325, 333])
def test_months_of_contracts_that_nobody_ends_are_those_of_the_calendar(renewal, known_days):
    """Every payment is sure, so that each falls into the month in which it came, or the months do not fit."""
    config = pasts.section(1, model="sbg", renewal=renewal, parameters={"alpha": 1.0, "beta": 1e6}, customers=60)
    scored, _ = pasts.scored_past(config, known_days=known_days, draws=16)
    orders = [month for month in scored.months if month.figure == ORDERS]
    assert len(orders) >= 5
    assert [month.actual for month in orders] == pytest.approx([month.mean for month in orders], abs=0.5)
