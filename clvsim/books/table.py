"""The table of all books: its columns, what each book holds, and rows from one figure per world or draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clvsim.effects import NON_NEGATIVE, REAL, Domain
from clvsim.metrics import SHARE, Unit
from clvsim.scenario import BASELINE

COLUMNS = ("book", "scenario", "group", "at", "metric", "unit", "basis", "layers", "mean", "p05", "p50", "p95")
BASES = ("realised", "expected", "observed")
NO_LAYERS = "none"  # of what was counted in the log
MOST_SCENARIOS, MOST_MONTHS, MOST_COHORTS = 16, 60, 36  # bounds of the table's size
MOST_ROWS = MOST_SCENARIOS * (MOST_COHORTS + 20) * (MOST_MONTHS + 60)  # what a reader accepts; a run writes fewer


@dataclass(frozen=True)
class Kind:
    """Unit and range of one metric of a book."""

    unit: Unit
    range: Domain


BOOKS: dict[str, dict[str, Kind]] = {
    "value_by_age": {
        "newcomer_value": Kind("money", REAL),
        "visitor_value": Kind("money", REAL),
        "lead_value": Kind("money", REAL),
    },
    "revenue_by_month": {"revenue": Kind("money", NON_NEGATIVE)},
    "cohort_revenue": {"revenue": Kind("money", NON_NEGATIVE)},
    "contract_retention": {
        "contracts_kept": Kind("share", SHARE),
        "gross_revenue_retention": Kind("share", SHARE),
        "net_revenue_retention": Kind("ratio", NON_NEGATIVE),
    },
    "order_retention": {
        "share_ordering": Kind("share", SHARE),
        "revenue_retention": Kind("ratio", NON_NEGATIVE),
        "customers": Kind("count", NON_NEGATIVE),
    },
    "sales_by_month": {"revenue": Kind("money", NON_NEGATIVE)},
    "cohort_value": {
        "customers": Kind("count", NON_NEGATIVE),
        "value_by_age": Kind("money", REAL),
        "value_so_far": Kind("money", REAL),
        "value_to_come": Kind("money", REAL),
    },
    "concentration": {
        "buyers": Kind("count", NON_NEGATIVE),
        "share_of_largest": Kind("share", SHARE),
        "gini": Kind("share", SHARE),
    },
}


def rows(
    book: str,
    metric: str,
    scenario: str,
    group: str,
    at: Sequence[float] | np.ndarray,
    values: np.ndarray,
    basis: str,
    layers: str,
) -> pd.DataFrame:
    """A row for each place `at` (n,), from one value per world or draw, (w, n): mean, 5, 50 and 95 % quantiles.

    Worlds in which a figure does not exist (nan: nobody came) are left out; no row where it exists in none.
    """
    values = values[np.isfinite(values).all(axis=1)]
    if not values.size:
        return pd.DataFrame(columns=list(COLUMNS))
    p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
    columns = (
        *(book, scenario, group, np.asarray(at, float), metric, BOOKS[book][metric].unit, basis, layers),
        *(values.mean(axis=0), p05, p50, p95),
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def counted(book: str, metric: str, group: str, at: Sequence[float] | np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """Rows of what the log holds, one value for each place `at`, (n,): no interval, and the same in all scenarios."""
    table = rows(book, metric, BASELINE, group, at, values[None, :], "observed", NO_LAYERS)
    return table.assign(**dict.fromkeys(("p05", "p50", "p95"), np.nan))


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; the columns alone where no part has a row."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))
