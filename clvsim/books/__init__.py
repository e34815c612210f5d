"""Books over time: what customers bring by age, cohort and month, as one tidy table. docs/books.md defines each.

Each book is a query on what a finished simulation and the log hold; nothing is simulated for it, but for lives by age
(`simulation.returning`), which are handed over.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from clvsim.books.ages import value_by_age
from clvsim.books.cohorts import revenue_by_month
from clvsim.books.history import history_rows
from clvsim.books.retention import contract_retention
from clvsim.books.returning import observed, order_retention
from clvsim.books.spread import concentration
from clvsim.books.table import BASES, BOOKS, COLUMNS, MOST_ROWS, MOST_SCENARIOS, NO_LAYERS, joined
from clvsim.data.history import History
from clvsim.data.payments import Payments
from clvsim.data.returning import Returning
from clvsim.models.fitted import FittedModels
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.returning import Ordering
from clvsim.simulation.run import Simulation
from clvsim.types import CustomerSummary

__all__ = ["BASES", "BOOKS", "COLUMNS", "MOST_ROWS", "NO_LAYERS", "keep_books"]


def keep_books(
    simulation: Simulation,
    fitted: FittedModels,
    summary: CustomerSummary,
    payments: Payments | None = None,
    curves: Mapping[str, np.ndarray] | None = None,
    returning: Returning | None = None,
    ordering: Mapping[str, Ordering] | None = None,
    leads: Mapping[str, Ledger] | None = None,
    history: History | None = None,
) -> pd.DataFrame:
    """All books of a simulation of the customers of `summary`, with the columns of books.csv, the baseline first.

    `fitted` are the models that it was simulated with, `payments` the single ones of contracts, `curves` those of its
    comparison, which are worked out without it; `returning` who of the log has ordered by age, `ordering` who of each
    scenario's newcomers has (`simulation.returning.follow`): without these there are no such rows. `leads` are
    ledgers of customers who were leads (`simulation.leads.follow_leads`); without them these are like all newcomers.

    At most `MOST_SCENARIOS` scenarios have books: the size of the table is bounded, whatever was simulated.
    """
    parts = [
        contract_retention(simulation, fitted, summary, payments),
        concentration(simulation, summary),
        observed(returning),
        history_rows(simulation, history),
    ]
    for name in list(simulation.scenarios)[:MOST_SCENARIOS]:
        parts += [
            value_by_age(simulation, name, curves or {}, (leads or {}).get(name)),
            revenue_by_month(simulation, name),
            order_retention(simulation, name, (ordering or {}).get(name)),
        ]
    return joined(parts)
