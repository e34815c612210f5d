"""What a newcomer brings by what is known at the first order: channel, segment and the first order's amount.

The value of a customer of the log is the contribution of the first order, of the repeat orders so far and of those
expected by the fitted models given the history, up to the horizon in the customer's own age, discounted to the first
order. Its mean over the customers of a cell is what a newcomer there is worth on average; see `shrinkage` for how cells
are drawn together. Acquisition costs are not deducted.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.data.newcomers import first_orders
from clvsim.data.so_far import SoFar
from clvsim.exports.shrinkage import shrink
from clvsim.models.fitted import FittedModels
from clvsim.models.revenue import FittedCustomers
from clvsim.quantities import QUANTITIES
from clvsim.simulation.ledger import Economics
from clvsim.simulation.people import OTHER
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary

COLUMNS = (
    *("by", "channel", "segment", "first_order_from", "first_order_below", "customers", "raw_mean", "raw_se"),
    *("value", "p05", "p95", "share_real", "share_real_p05", "share_real_p95"),
    *("horizon_months", "money", "basis", "layers"),
)
MOST_CELLS = 400  # of labels; the smallest are pooled
FEW = 20  # customers, below which a cell's own spread says too little
BANDS = 3  # of first orders, with as many customers each
_Z90 = 1.6448536269514722  # of a standard normal, for 90 % in between
_DRAWS, _CUSTOMERS_AT_ONCE = 128, 4096
_MANY = 50_000  # customers who are worked out by orders and age, because neighbours have much in common then


class NewcomerValues(NamedTuple):
    """`table` has COLUMNS, None where there are not two cells; a sentence on each way to divide newcomers, or on why
    there is no table."""

    table: pd.DataFrame | None = None
    sentences: tuple[str, ...] = ()


class Cells(NamedTuple):
    """A way to divide newcomers: the number of each one's cell, (customer,), and the labels of the cells."""

    by: str
    number: np.ndarray
    labels: pd.DataFrame  # channel, segment, first_order_from, first_order_below


def newcomer_values(
    fitted: FittedModels, summary: CustomerSummary, so_far: SoFar | None, economics: Economics, jobs: int = 1
) -> NewcomerValues:
    """By the labels that the log has, and by these and the band of the first order; each where it has two cells.

    Customers who are older than the log, whose first order it does not have, are left out (`data.newcomers`). None of
    this without a log of dated orders (`so_far`). The 90 % interval of a cell's mean contains what is not known of the
    models' parameters, and that a cell has so many customers and no more; luck of single customers and shocks that are
    common to all are averaged out. `jobs` threads, on whose number no bit depends.
    """
    seen = first_orders(summary)
    if so_far is None or seen is None:
        return NewcomerValues()
    age = summary.dated.customers["T_days"].to_numpy(float)
    rows = np.flatnonzero(age <= (seen.today - seen.start).days)
    customers = summary.dated.customers.iloc[rows]
    divisions = [cells for cells in divide(customers) if len(cells.labels) > 1]
    if not divisions:
        return NewcomerValues()
    numbers = [cells.number for cells in divisions]
    by_draw, by_customer = values(fitted, summary, so_far, economics, rows, numbers, jobs)
    if not np.isfinite(by_customer).all():
        what = "in some draws of the spend model the mean amount of an order does not exist"
        return NewcomerValues(None, (f"There is no newcomer_value.csv: {what}.",))
    months, money = so_far.span.days / DAYS_PER_MONTH, "contribution" if economics.margin_known else "revenue"
    tables = [
        of_cells(cells, sums, by_customer).assign(horizon_months=round(months), money=money)
        for cells, sums in zip(divisions, by_draw, strict=True)
    ]
    return NewcomerValues(pd.concat(tables, ignore_index=True)[list(COLUMNS)], tuple(map(sentence, tables)))


def sentence(table: pd.DataFrame) -> str:
    """How much of the spread between the cells of one division is real."""
    row, few = table.iloc[0], int(table["customers"].min())
    by = row["by"].replace("+", " and ").replace("_", " ")
    real, low, high = (f"{row[name]:.0%}" for name in ("share_real", "share_real_p05", "share_real_p95"))
    return (
        f"newcomer_value.csv has what a new customer brings, by {by}: about {real} of the differences between the "
        f"{len(table)} cells are real "
        f"(9 in 10: {low} to {high}), the rest is chance in who happened to come. Values are drawn towards their "
        f"common mean by that much; the smallest cell has {few:,} customer{'' if few == 1 else 's'}."
    )


# --- cells -----------------------------------------------------------------------------------------------------------


def divide(customers: pd.DataFrame) -> list[Cells]:
    """By labels, where there are several, and by bands of the first order within them."""
    named = [name for name in ("channel", "segment") if customers[name].nunique() > 1]
    pairs = list(
        zip(*(customers[n] if n in named else [""] * len(customers) for n in ("channel", "segment")), strict=True)
    )
    counted = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
    kept = sorted(pair for pair, _ in counted[: MOST_CELLS if len(counted) <= MOST_CELLS else MOST_CELLS - 1])
    labels = [*kept, *([(OTHER, OTHER)] if len(kept) < len(counted) else [])]
    place = {pair: number for number, pair in enumerate(kept)}
    number = np.array([place.get(pair, len(kept)) for pair in pairs], np.int64)
    amount = customers["first_amount"].to_numpy(float)
    edges = bands(amount)
    found = [Cells("+".join(named), number, _labels(labels, (-np.inf, np.inf)))] if named else []
    if edges.size:
        every = (-np.inf, *edges.tolist(), np.inf)
        crossed = pd.concat([_labels([pair], every) for pair in labels], ignore_index=True)
        there, both = np.unique(
            number * (edges.size + 1) + np.searchsorted(edges, amount, "right"), return_inverse=True
        )
        found.append(Cells("+".join([*named, "first_order"]), both, crossed.iloc[there].reset_index(drop=True)))
    return found


def bands(amount: np.ndarray) -> np.ndarray:
    """Amounts that divide first orders into bands of about as many, in three digits; none where amounts do not vary."""
    if not amount.size:
        return amount
    edges = [float(f"{edge:.3g}") for edge in np.quantile(amount, np.arange(1, BANDS) / BANDS)]
    return np.array([edge for edge in sorted(set(edges)) if amount.min() < edge <= amount.max()])


def _labels(pairs: list[tuple[str, str]], edges: tuple[float, ...]) -> pd.DataFrame:
    """A row for each pair of labels and each band between edges; an open end is not a number."""
    rows = [(*pair, low, high) for pair in pairs for low, high in pairwise(edges)]
    table = pd.DataFrame(rows, columns=["channel", "segment", "first_order_from", "first_order_below"])
    return table.replace([np.inf, -np.inf], np.nan)


def of_cells(cells: Cells, by_draw: np.ndarray, by_customer: np.ndarray) -> pd.DataFrame:
    """Rows of one division from the means of its cells in each draw, (draw, cell), and each customer's value."""
    size = np.bincount(cells.number, minlength=len(cells.labels))
    raw = np.bincount(cells.number, by_customer, size.size) / size
    squares = np.bincount(cells.number, (by_customer - raw[cells.number]) ** 2, size.size)
    pooled = squares.sum() / max(int((size - 1).sum()), 1)
    variance = np.where(size >= FEW, squares / np.maximum(size - 1, 1), pooled)
    se = np.sqrt(variance / size)
    shrunk = shrink(raw, se)
    of_parameters = (by_draw @ shrunk.weights.T).var(axis=0)
    half = _Z90 * np.sqrt(shrunk.sd**2 + of_parameters)
    return cells.labels.assign(
        by=cells.by,
        customers=size,
        raw_mean=raw,
        raw_se=se,
        value=shrunk.mean,
        p05=shrunk.mean - half,
        p95=shrunk.mean + half,
        **dict(zip(("share_real", "share_real_p05", "share_real_p95"), shrunk.share_real, strict=True)),
        basis="expected",
        layers="parameter",
    )


# --- values ----------------------------------------------------------------------------------------------------------


def values(
    fitted: FittedModels,
    summary: CustomerSummary,
    so_far: SoFar,
    economics: Economics,
    rows: np.ndarray,
    divisions: list[np.ndarray],
    jobs: int = 1,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Means over the cells of each division per draw, (draw, cell), and means over draws of each customer, (customer,);
    `rows` of the summary, and for each division the number of their cells.

    What is still to come is worked out for all of the same month of age at once, up to the horizon from its middle.
    """
    from joblib import Parallel, delayed

    known = FittedCustomers.of(fitted, summary, _DRAWS)
    frame, span = summary.dated.customers, so_far.span
    age = frame["T_days"].to_numpy(float)[rows]
    margin, cost = economics.gross_margin, economics.cost_per_order
    first = frame["first_amount"].to_numpy(float)[rows] * margin - cost
    brought = first + so_far.revenue[rows] * margin - so_far.orders[rows] * cost
    worth = np.exp(-economics.discount_per_day * age)
    by_customer = brought.copy()
    by_draw = [np.bincount(cell, brought) + np.zeros((fitted.draws, 1))[:_DRAWS] for cell in divisions]

    def ahead_of(some: np.ndarray, months: float) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Of some customers each one's mean over draws; and of each division their cells and what these get."""
        formula = QUANTITIES["expected_rlv"](
            horizon_months=months,
            annual_discount_rate=float(np.expm1(economics.discount_per_day * DAYS_PER_YEAR)),
            gross_margin=margin,
            cost_per_order=cost,
        )
        ahead = formula(known.part(rows[some])) * worth[some]
        sums = []
        for cell in divisions:
            there, place = np.unique(cell[some], return_inverse=True)
            sums.append((there, ahead @ (place[:, None] == np.arange(there.size))))
        return ahead.mean(axis=0), sums

    parts = list(_parts(age, frame["frequency"].to_numpy()[rows], span.days / DAYS_PER_MONTH))
    done = Parallel(jobs, backend="threading", return_as="generator")(delayed(ahead_of)(*part) for part in parts)
    for (some, _), (mean, found) in zip(parts, done, strict=True):  # the order does not depend on the jobs
        by_customer[some] += mean
        for sums, (there, own) in zip(by_draw, found, strict=True):
            sums[:, there] += own
    return [sums / np.bincount(cell) for cell, sums in zip(divisions, by_draw, strict=True)], by_customer


def _parts(age: np.ndarray, orders: np.ndarray, months: float) -> Iterator[tuple[np.ndarray, float]]:
    """Customers of one month of age, some at a time, and how many of so many months are left from its middle."""
    month = np.floor(age / DAYS_PER_MONTH).astype(np.int64)
    for own in np.unique(month):
        left = months - (own + 0.5)
        if left <= 0:
            continue
        same = np.flatnonzero(month == own)
        if age.size > _MANY:
            same = same[np.lexsort((age[same], orders[same]))]
        for some in np.array_split(same, -(-same.size // _CUSTOMERS_AT_ONCE)):
            yield some, left
