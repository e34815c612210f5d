"""What a newcomer, a visitor and a lead have brought, by the newcomer's own age."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from clvsim.books.table import MOST_MONTHS, joined, rows
from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import per_draw
from clvsim.comparison.payback import curve_of_others, expected_curve
from clvsim.comparison.table import layers
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.levels import ratio
from clvsim.simulation.run import Simulation

BOOK = "value_by_age"


def value_by_age(
    simulation: Simulation, name: str, curves: Mapping[str, np.ndarray], leads: Ledger | None = None
) -> pd.DataFrame:
    """Rows of a scenario: cumulative contribution (revenue without a known margin) per newcomer, visitor and lead.

    `at` is the age in months, 0 the first order itself; discounted to the first order, acquisition cost not deducted,
    newcomers who are lost count 0. A visitor brings the conversion times that, as metric `visitor_value` does; none
    where nobody knows how many visitors there are. A lead brings what customers who were leads do, shared out over all
    leads of a scenario with a funnel. No row without newcomers. `curves` are those of a comparison, by scenario; others
    are worked out. `leads` is the ledger of those customers (`simulation.leads`), None: they are like all newcomers.
    Not modelled: the time from a visit to the first order.
    """
    scenario = simulation.scenarios[name]
    acquired = scenario.acquired
    if acquired is None:
        return joined([])
    realised = per_customer(scenario.ledger)
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
    return joined([*parts, *lead_rows(simulation, name, (realised, expected), leads, ages)])


def per_customer(ledger: Ledger) -> np.ndarray:
    """Cumulative contribution of a newcomer by age, (w, ages + 1); nan where nobody comes."""
    people = ledger.total("customers_acquired", age=True)
    return ratio(ledger.contribution_by_age(), people[:, None])


def lead_rows(
    simulation: Simulation,
    name: str,
    curves: tuple[np.ndarray, np.ndarray],
    leads: Ledger | None,
    ages: np.ndarray,
) -> list[pd.DataFrame]:
    """Rows of a lead, who is worth 0 where no e-mail makes a customer; none without leads.

    `curves` (w, ages + 1) and (draws, ages + 1) of all newcomers, who stand for customers by e-mail where these are not
    followed by themselves.
    """
    acquired = simulation.scenarios[name].acquired
    if acquired is None or not acquired.leads.any():
        return []
    bought = per_draw(simulation, ratio(acquired.by_lead, acquired.leads))[:, None]
    if leads is None:
        realised, expected = ratio(acquired.by_lead, acquired.leads)[:, None] * curves[0], bought * curves[1]
    else:
        realised = ratio(leads.contribution_by_age(), acquired.leads[:, None])
        expected = bought * curve_of_others(simulation, name, make_designs(simulation), leads)
    return [
        rows(BOOK, "lead_value", name, "leads", ages, known(values)[:, ages], basis, layers(simulation, basis))
        for basis, values in (("realised", realised), ("expected", expected))
    ]


def known(values: np.ndarray) -> np.ndarray:
    """Worlds, or draws, in which there are leads."""
    return values[np.isfinite(values).all(axis=1)]


def shown_ages(last: int) -> np.ndarray:
    """Every month of age up to `MOST_MONTHS`, then each twelfth, and the last one."""
    ages = np.arange(last + 1)
    return ages[(ages <= MOST_MONTHS) | (ages % 12 == 0) | (ages == last)]
