"""What is left of today's contracts, in contracts and in money; and of those of a year ago."""

import numpy as np
import pandas as pd

from clvsim.books.table import MOST_MONTHS, NO_LAYERS, counted, joined, rows
from clvsim.comparison.table import has_sampled_parameters, layers
from clvsim.contracts import YEAR, Retained, retained
from clvsim.data.payments import Payments
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation.run import Simulation
from clvsim.types import CustomerSummary

BOOK = "contract_retention"
LOG, AHEAD = "log", "existing"


def contract_retention(
    simulation: Simulation, fitted: FittedModels, summary: CustomerSummary, payments: Payments | None
) -> pd.DataFrame:
    """Rows of the baseline; none where customers hold no contracts. `at`: months since today, of group `log` since a
    year ago.

    `contracts_kept`: share of the contracts that are active today and still are then. `gross_revenue_retention`: the
    same of their MRR, gains left out. `net_revenue_retention`: gains counted in, of the log only, because the model
    changes no prices. Expected values know the draw's parameters; what may happen, luck and shocks included, is known
    of contracts only.
    """
    months = shown_months(simulation.horizon_months)
    found = retained(fitted, summary, payments, months)
    if found is None:
        return joined([])
    basis = ("expected", "parameter" if has_sampled_parameters(simulation) else NO_LAYERS)
    return joined(
        [
            *observed(found),
            rows(BOOK, "contracts_kept", BASELINE, AHEAD, months, found.contracts, *basis),
            rows(BOOK, "gross_revenue_retention", BASELINE, AHEAD, months, found.money, *basis),
            rows(
                *(BOOK, "contracts_kept", BASELINE, AHEAD, months, simulated(simulation, months)),
                *("realised", layers(simulation, "realised")),
            ),
        ]
    )


def observed(found: Retained) -> list[pd.DataFrame]:
    """Rows of the last twelve months; none where nobody had paid a year ago."""
    if not found.kept.of:
        return []
    shares = {
        "contracts_kept": found.kept.count / found.kept.of,
        "gross_revenue_retention": found.gross / found.mrr_then,
        "net_revenue_retention": found.net / found.mrr_then,
    }
    return [counted(BOOK, metric, LOG, [YEAR], np.array([share])) for metric, share in shares.items()]


def simulated(simulation: Simulation, months: list[int]) -> np.ndarray:
    """Share of today's contracts that are active after so many months in each world, (w, months)."""
    ledger = simulation.scenarios[BASELINE].ledger
    line = [line.account for line in ledger.lines].index("active_customers")
    existing = [group.origin == "existing" for group in ledger.groups]
    active = ledger.calendar[:, existing, line, 0].sum(axis=1)
    there = simulation.expected.existing_customers.sum()
    return active[:, np.array(months) - 1] / there


def shown_months(horizon: int) -> list[int]:
    """The first twelve, then every third, up to `MOST_MONTHS`; and the last month of the horizon."""
    last = min(horizon, MOST_MONTHS)
    return [m for m in range(1, last + 1) if m <= YEAR or m % 3 == 0 or m == last]
