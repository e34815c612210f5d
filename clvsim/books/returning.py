"""Who still orders, by age, of customers who hold no contract: cohorts of the log, and newcomers to come."""

import numpy as np
import pandas as pd

from clvsim.books.cohorts import merged
from clvsim.books.table import counted, joined, rows
from clvsim.comparison.table import layers
from clvsim.data.returning import Returning, shown_ages
from clvsim.simulation.returning import Ordering
from clvsim.simulation.run import Simulation

BOOK = "order_retention"
LOG, AHEAD = "log", "newcomers"


def order_retention(simulation: Simulation, name: str, ordering: Ordering | None) -> pd.DataFrame:
    """Rows of a scenario; none where nobody was followed. `at`: months since the own first order.

    `share_ordering`: newcomers who ordered within the last months (`data.returning.WINDOW`) up to that age;
    `revenue_retention`: their revenue in these months, relative to that of their first ones.
    """
    if ordering is None:
        return joined([])
    basis = ("realised", layers(simulation, "realised"))
    there, paying = (np.isfinite(values).all(axis=1) for values in (ordering.share, ordering.revenue))
    return joined(
        [
            rows(BOOK, "share_ordering", name, AHEAD, ordering.ages, ordering.share[there], *basis),
            rows(BOOK, "revenue_retention", name, AHEAD, ordering.ages, ordering.revenue[paying], *basis),
        ]
    )


def observed(log: Returning | None) -> pd.DataFrame:
    """The same of the log, and `customers` who were counted: all who are followed up to an age, and each quarter of
    first orders up to the age that all of it have reached. The oldest of many quarters are one row."""
    if log is None or not log.quarters:
        return joined([])
    labels, place = merged([("existing", quarter) for quarter in log.quarters])
    every = log.of(np.ones(len(log.quarters), bool))
    parts = [_rows(LOG, every, int(np.flatnonzero(every.customers[0])[-1]))]
    for number, label in enumerate(labels):
        cohort = log.of(place == number)
        parts.append(_rows(label.replace("existing", LOG), cohort, int(cohort.followed[0])))
    return joined(parts)


def _rows(group: str, log: Returning, last: int) -> pd.DataFrame:
    ages = shown_ages(last, log.window)
    customers, ordering, revenue, first = (values[0, ages] for values in log.counts)
    paying = np.array(ages, int)[first > 0]
    return joined(
        [
            counted(BOOK, "share_ordering", group, ages, ordering / customers),
            counted(BOOK, "revenue_retention", group, paying, revenue[first > 0] / first[first > 0]),
            counted(BOOK, "customers", group, ages, customers.astype(float)),
        ]
    )
