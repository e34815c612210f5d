"""Revenue by cohort and calendar month: who started when, and what they order for from today on."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from clvsim.books.table import MOST_COHORTS, MOST_MONTHS, joined, rows
from clvsim.comparison.table import layers
from clvsim.kernels.structs import COHORT_REVENUE
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.run import Simulation

ALL = "all"


def revenue_by_month(simulation: Simulation, name: str) -> pd.DataFrame:
    """Rows of a scenario: revenue in each month since today, `at` 0 being the first one; of all customers, of those of
    today, of newcomers and of those who are referred (book `revenue_by_month`), and of each cohort (`cohort_revenue`).

    Undiscounted; orders and what offers sell, refunds not taken off. Only months before the horizon, in which everybody
    is followed: the sum over cohorts is then the revenue of the month. At most `MOST_MONTHS` of them.
    """
    ledger = simulation.scenarios[name].ledger
    months = min(ledger.horizon_months, MOST_MONTHS)
    revenue = ledger.cohort[:, :, COHORT_REVENUE, :months]
    labels = cohort_labels(ledger)
    origins = np.array([origin for origin, _ in labels])
    shown, place = merged(labels)
    books = {("revenue_by_month", ALL): np.ones(len(labels), bool)}
    books |= {("revenue_by_month", origin): origins == origin for origin in dict.fromkeys(origins.tolist())}
    books |= {("cohort_revenue", label): place == number for number, label in enumerate(shown)}
    return joined(
        [
            rows(book, "revenue", name, group, range(months), revenue[:, of_group].sum(axis=1), *_basis(simulation))
            for (book, group), of_group in books.items()
        ]
    )


def _basis(simulation: Simulation) -> tuple[str, str]:
    return "realised", layers(simulation, "realised")


def cohort_labels(ledger: Ledger) -> list[tuple[str, str]]:
    """Origin (existing, new or referred) and start of each cohort of the ledger, (cohorts,)."""
    return [(ledger.groups[cohort.group].origin, cohort.quarter) for cohort in ledger.cohorts]


def merged(labels: Sequence[tuple[str, str]]) -> tuple[list[str], np.ndarray]:
    """Rows of the book and the row of each cohort, (cohorts,): segments and channels together.

    Of more than `MOST_COHORTS` / 3 quarters of an origin the oldest of today's customers are one row, and the latest of
    those who come.
    """
    room = MOST_COHORTS // 3
    names = {label: " ".join(label) for label in labels}
    existing = sorted({start for origin, start in labels if origin == "existing"})
    if len(existing) > room:
        last = existing[-room]
        names |= {("existing", start): f"existing until {last}" for start in existing if start <= last}
    for who in ("new", "referred"):
        coming = sorted({start for origin, start in labels if origin == who}, key=first_month)
        if len(coming) > room:
            first = first_month(coming[room - 1])
            late = (start for start in coming if first_month(start) >= first)
            names |= {(who, start): f"{who} arriving from month {first} on" for start in late}
    shown = list(dict.fromkeys(names.values()))
    return shown, np.array([shown.index(names[label]) for label in labels])


def first_month(start: str) -> int:
    """Of a cohort of newcomers, the month since today in which it begins."""
    found = re.search(r"\d+", start)
    assert found is not None
    return int(found[0])
