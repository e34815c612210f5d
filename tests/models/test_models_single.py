"""Single newcomers against what their laws say of them."""

from typing import Any

import numpy as np
import pytest

from clvsim.models.single import sample_amounts, sample_later_orders, sample_single
from clvsim.models.spend.price_list import PriceList
from clvsim.models.stated import StatedAmounts, StatedContracts, StatedOrders, StatedRepeats, stated_models
from clvsim.types import DAYS_PER_MONTH

BOOKS = PriceList.model_validate(
    {"first": 20, "products": {"book": {"price": 20, "share": 2 / 3}, "course": {"price": 100, "share": 1 / 3}}}
)
N = 20_000


def of(section: Any, **keys: object) -> Any:
    """A section from keys as they are typed."""
    return section.model_validate(keys)


def test_the_ebook_funnel_in_closed_form():
    """N geometric with mean 3, each later order 20 or 100: P(20) is 1/4, and P(at most 100) < 1/2 < P(at most 120)."""
    chances = {20: 0.25}
    for n in range(1, 60):
        for courses in range(n + 1):
            ways = np.prod(np.arange(n - courses + 1, n + 1, dtype=float)) / np.prod(np.arange(1.0, courses + 1))
            total = 20 * (1 + n - courses) + 100 * courses
            chance = 0.25 * 0.75**n * ways * (1 / 3) ** courses * (2 / 3) ** (n - courses)
            chances[total] = chances.get(total, 0.0) + chance
    upto = np.cumsum([chances[total] for total in sorted(chances)])
    median, top = (sorted(chances)[int(np.searchsorted(upto, q))] for q in (0.5, 0.9))
    assert median == 120
    single = sample_single(
        stated_models(of(StatedRepeats, later_orders=3, orders_per_year=26), BOOKS, 300, 1), 1096.0, 1
    )
    assert single.median == median
    assert abs(single.top - top) <= 20
    assert abs(single.once - 0.25) <= 4 * np.sqrt(0.25 * 0.75 / N)


@pytest.mark.parametrize(
    "life", [of(StatedOrders, orders_per_year=7, monthly_churn=0.05), of(StatedContracts, churn=0.05, churn_varies=1.0)]
)
def test_later_orders_have_the_models_mean(life):
    fitted = stated_models(life, BOOKS, 200, 1)
    later = sample_later_orders(fitted, 36 * DAYS_PER_MONTH, np.random.default_rng(1))
    expected = fitted.retention.expected_orders_new(fitted.posterior.retention, 36.0, fitted.days_per_unit).mean()
    assert abs(later.mean() - expected) <= 4 * later.std() / np.sqrt(later.size)


@pytest.mark.parametrize("spend", [BOOKS, of(StatedAmounts, order_value=60, orders_vary=0.4, customers_vary=0.3)])
def test_amounts_have_their_mean(spend):
    fitted = stated_models(of(StatedContracts, churn=0.05), spend, 1, 1)
    law = spend.model.newcomer_laws(fitted.posterior.spend)
    later = np.arange(N) % 4
    first, rest = sample_amounts(law, np.zeros(N, int), later, np.random.default_rng(2))
    mean = 140 / 3 if spend is BOOKS else 60
    assert (rest[later == 0] == 0).all()
    each = rest[later == 3] / 3
    assert abs(each.mean() - mean) <= 4 * each.std() / np.sqrt(each.size)
    assert abs(first.mean() - mean) <= 4 * first.std() / np.sqrt(N) + 1e-9
