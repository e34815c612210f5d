"""What a newcomer and a visitor have brought, by the newcomer's own age."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from clvsim.books.table import MOST_MONTHS, joined, rows
from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import per_draw
from clvsim.comparison.payback import expected_curve
from clvsim.comparison.table import layers
from clvsim.simulation.levels import ratio
from clvsim.simulation.run import Simulation

BOOK = "value_by_age"


def value_by_age(simulation: Simulation, name: str, curves: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Rows of a scenario: cumulative contribution (revenue without a known margin) per newcomer and per visitor.

    `at` is the age in months, 0 the first order itself; discounted to the first order, acquisition cost not deducted,
    newcomers who are lost count 0. A visitor brings the conversion times that, as metric `visitor_value` does; none
    where nobody knows how many visitors there are. No row without newcomers. `curves` are those of a comparison, by
    scenario; others are worked out. Not modelled: the time from a visit to the
    first order.
    """
    scenario = simulation.scenarios[name]
    acquired = scenario.acquired
    if acquired is None:
        return joined([])
    people = scenario.ledger.total("customers_acquired", age=True)
    realised = ratio(scenario.ledger.contribution_by_age(), people[:, None])
    expected = curves[name] if name in curves else expected_curve(simulation, name, make_designs(simulation))
    ages = shown_ages(realised.shape[1] - 1)
    parts = []
    for basis, curve, conversion in (
        ("realised", realised, acquired.conversion),
        ("expected", expected, per_draw(simulation, acquired.conversion)),
    ):
        head, shown = (basis, layers(simulation, basis)), curve[:, ages]
        parts.append(rows(BOOK, "newcomer_value", name, "newcomers", ages, shown, *head))
        if not np.isnan(acquired.visitors).any():
            parts.append(rows(BOOK, "visitor_value", name, "visitors", ages, conversion[:, None] * shown, *head))
    return joined(parts)


def shown_ages(last: int) -> np.ndarray:
    """Every month of age up to `MOST_MONTHS`, then each twelfth, and the last one."""
    ages = np.arange(last + 1)
    return ages[(ages <= MOST_MONTHS) | (ages % 12 == 0) | (ages == last)]
