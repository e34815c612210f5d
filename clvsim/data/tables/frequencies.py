"""A table of customers without their orders: the frames of PyMC-Marketing's `rfm_summary` and of lifetimes.

Columns: customer_id, frequency (repeat orders x), recency (age at the last one, t_x), T (age today), monetary_value
(mean repeat order), and optionally segment and channel. recency and T are in `time_unit`.
"""

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.data import checks
from clvsim.data.columns import Columns, choose
from clvsim.data.config import SummaryConfig
from clvsim.data.database import connect, quoted
from clvsim.data.files import layout_of
from clvsim.data.material import Material
from clvsim.data.raw import require_same_columns, text_table
from clvsim.data.scan import scanned
from clvsim.errors import ConfigError, DataError, Problem
from clvsim.schema import LARGEST, TINY
from clvsim.texts import short
from clvsim.types import DAYS_PER_UNIT, CustomerSummary, QualityLine, SharedPeriods

NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "customer_id": (("customerid",), ("clientid", "userid", "custid", "id"), ("customer", "client", "user", "cust")),
    "frequency": (("frequency",), ("x",)),
    "recency": (("recency",), ("tx",)),
    "T": (("t",), ("age",)),
    "monetary_value": (("monetaryvalue",), ("monetary", "zbar", "mx")),
    "segment": (("segment", "customersegment"),),
    "channel": (("channel", "acquisitionchannel", "saleschannel"),),
}
REQUIRED = ("customer_id", "frequency", "recency", "T", "monetary_value")
NUMBERS = REQUIRED[1:]
COUNTS = ("weight", "weights", "count", "counts", "n_custs", "customers", "cohort_size")
_EXAMPLES = 3
_MOST_A_DAY = 1000  # orders of one customer
_EARLIEST = date(1900, 1, 1)
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"

UNTRACKED = (
    "The data are a summary with one row per customer, without dates of orders: predicted and actual orders cannot be "
    "compared week by week, and nothing was held back to check the model."
)


class Table(NamedTuple):
    """A table as read: `frame` has the text of the columns used, `position` the line or number of each row."""

    frame: pd.DataFrame
    numbers: pd.DataFrame  # NaN where missing or not a number
    position: np.ndarray
    label: str
    columns: Columns
    headers: tuple[str, ...]


def read_summary(source: str | Path | pd.DataFrame | None, config: SummaryConfig) -> CustomerSummary:
    """Customers of a summary table; everything that is wrong with it is reported at once.

    Parameters
    ----------
    source
        A CSV or Parquet file, a glob, or a data frame. None: `config.path`.
    config
        `today` and `time_unit` are required: the table does not have them.

    Returns
    -------
    CustomerSummary
        With `means_only`, since a summary has no single orders.

    Raises
    ------
    ConfigError
        A missing file or column.
    DataError
        Values that no history can have: missing, negative, not whole, a last order after today, repeat orders without
        time for them; ids that occur twice; fewer than two customers.

    Examples
    --------
    >>> from datetime import date
    >>> import pandas as pd
    >>> import clvsim
    >>> from clvsim.data.config import SummaryConfig
    >>> table = pd.DataFrame(
    ...     {
    ...         "customer_id": ["a", "b"],
    ...         "frequency": [2, 0],
    ...         "recency": [30.0, 0.0],
    ...         "T": [38.0, 38.0],
    ...         "monetary_value": [22.5, 0.0],
    ...     }
    ... )
    >>> summary = clvsim.read_summary(table, SummaryConfig(today=date(2024, 6, 30), time_unit="week"))
    >>> summary.customers[["frequency", "recency_days", "T_days", "repeat_amount"]].values.tolist()
    [[2.0, 210.0, 266.0, 45.0], [0.0, 0.0, 266.0, 0.0]]
    """
    return summary_of(read_table(source, config), config)


def read_table(source: str | Path | pd.DataFrame | None, config: SummaryConfig) -> Table:
    """Text and numbers of the table. Raises ConfigError, or DataError for a file that is no table."""
    if source is None:
        if not config.path:
            raise ConfigError([("data.path", "no file given; type data.path=summary.csv")])
        source = config.path
    if isinstance(source, pd.DataFrame) and source.index.name:
        source = source.reset_index()  # lifetimes has the ids in the index
    con = connect()
    with scanned(con, source, layout_of(config)) as scans:
        named = {key: getattr(config, key) for key in NAMES}
        columns = choose(scans[0].headers, named, NAMES, REQUIRED, scans[0].label)
        require_same_columns(scans, columns.used)
        frames = [text_table(con, scan, columns.used).reindex(columns=[*NAMES], fill_value="") for scan in scans]
    label = scans[0].label if len(scans) == 1 else str(source)
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise DataError([(label, "no rows below the header" if scans[0].header_end else "no rows")])
    position = np.concatenate([np.arange(len(f)) + s.header_end + 1 for f, s in zip(frames, scans, strict=True)])
    con.register("texts", frame)
    decimal = quoted(config.decimal)
    parsed = ", ".join(
        f"CASE WHEN regexp_full_match(replace({key}, {decimal}, '.'), {quoted(_NUMBER)}) "
        f"THEN try_cast(replace({key}, {decimal}, '.') AS DOUBLE) END AS {key}"
        for key in NUMBERS
    )
    numbers = con.execute(f"SELECT {parsed} FROM texts").df().astype(float)
    return Table(frame, numbers, position, label, columns, scans[0].headers)


def summary_of(table: Table, config: SummaryConfig) -> CustomerSummary:
    """The customers of a table. Raises DataError with every rule that its rows break."""
    problems = list(problems_of(table, config))
    if problems:
        raise DataError(problems)
    days = DAYS_PER_UNIT[config.time_unit]
    x, t_x, T, mean = (table.numbers[key].to_numpy() for key in NUMBERS)
    has_spend = (x > 0) & (mean > 0)
    frame = pd.DataFrame(
        {
            "customer_id": table.frame["customer_id"].astype(str),
            "frequency": x.astype(np.int64),
            "recency_days": t_x * days,
            "T_days": T * days,
            "first_amount": np.nan,
            "repeat_amount": np.where(has_spend, x * np.nan_to_num(mean), 0.0),
            "repeat_log_amount": np.nan,
            "repeat_log_square": np.nan,
            "repeat_positive": np.where(has_spend, x, 0.0).astype(np.int64),
            "holdout_frequency": np.int64(0),
            "segment": table.frame["segment"].fillna("").astype(str),
            "channel": table.frame["channel"].fillna("").astype(str),
        }
    ).sort_values("customer_id", ignore_index=True)
    digest = hashlib.sha256(f"{config.today} {config.time_unit}".encode())
    digest.update(frame.to_csv(index=False).encode())
    first = config.today - timedelta(days=int(np.ceil(frame["T_days"].max())))
    return CustomerSummary(
        frame, config.today, first, config.today, config.time_unit, digest.hexdigest(), means_only=True
    )


def problems_of(table: Table, config: SummaryConfig) -> Iterator[Problem]:
    """A problem per rule that every history satisfies and some rows break, with examples."""
    ids = table.frame["customer_id"]
    n = table.numbers
    x, t_x, T, mean = (n[key] for key in NUMBERS)
    days = DAYS_PER_UNIT[config.time_unit]
    rules = [
        ("customer_id", ids.isna(), "customer id is missing"),
        ("customer_id", ids.notna() & ids.duplicated(), "the customer is in the table already"),
        *((key, n[key].isna(), "missing, or not a number") for key in ("frequency", "recency", "T")),
        *((key, n[key] < 0, "below zero") for key in NUMBERS),
        ("frequency", (x % 1 != 0) & x.notna(), "not a whole number of repeat orders"),
        ("frequency", x > _MOST_A_DAY * np.maximum(T * days, 1), f"more than {_MOST_A_DAY:,} repeat orders a day"),
        ("monetary_value", mean > LARGEST, f"above {LARGEST:,.0f}"),
        ("monetary_value", (mean > 0) & (mean < TINY), f"below {TINY:g}"),
        ("recency", (x > 0) & (t_x == 0), "0 in spite of repeat orders: the last of them lies after the first order"),
        ("recency", (x == 0) & (t_x > 0), "above 0 without a repeat order: it is the age at the last repeat order"),
        ("recency", t_x > T, "above T: the age at the last order, not the time since then, is needed"),
        ("monetary_value", (x > 0) & mean.isna(), "missing in spite of repeat orders, or not a number"),
    ]
    for key, rows, message in rules:
        if rows.any():
            examples = "; ".join(_example(table, key, i) for i in np.flatnonzero(rows.to_numpy())[:_EXAMPLES])
            yield Problem(f"data.{key}", f"{int(rows.sum()):,} of {len(rows):,} rows: {message}, e.g. {examples}")
    if config.today > date.today():
        yield Problem("data.today", f"{config.today} lies after today ({date.today()})")
    if len(n) < 2:
        yield Problem(table.label, "only one customer; a customer base needs at least two")
    longest = float(T.max())
    if longest * days > (config.today - _EARLIEST).days:
        message = f"T of {longest:g} {config.time_unit}s reaches back before {_EARLIEST.year}: is data.time_unit right?"
        yield Problem("data.time_unit", message)


def _example(table: Table, key: str, row: int) -> str:
    """A row with all its numbers, since rules compare them; or with the customer's id, where that is the problem."""
    keys = (key,) if key == "customer_id" else NUMBERS
    values = ", ".join(f"{k} {short(table.frame[k].iloc[row] or 'missing', 40)}" for k in keys)
    return f"row {table.position[row]}: {values}"


def material_of_table(
    config: SummaryConfig, source: pd.DataFrame | None = None, *, opportunity_days: float | SharedPeriods = 0.0
) -> Material:
    """A summary table's customers.

    Raises as `read_summary`, and ConfigError for a model that merges orders by period (`opportunity_days`), which a
    table without their days does not allow.
    """
    if opportunity_days:
        message = "a model of opportunities needs the days of orders, and data=summary has none; name another model"
        raise ConfigError([("retention", message)])
    table = read_table(source, config)
    summary = summary_of(table, config)
    return Material(
        summary,
        quality_of_table(table, summary),
        weekly=None,
        guessed=tuple((key, table.columns.used[key]) for key in table.columns.guessed),
        untracked=UNTRACKED,
    )


def quality_of_table(table: Table, summary: CustomerSummary) -> tuple[QualityLine, ...]:
    """The quality table of a summary, in reading order."""
    guessed = ", ".join(key for key in table.columns.guessed)
    note = f"guessed: {guessed}; if wrong, type data.{table.columns.guessed[0]}=COLUMN" if guessed else ""
    used = ", ".join(f"{key} = {header}" for key, header in table.columns.used.items())
    lines = [
        QualityLine("rows", "Rows in the summary", f"{len(table.frame):,}", "one per customer"),
        QualityLine("columns", "Columns used", used, note),
        QualityLine("today", "Today", f"{summary.today}", f"as stated; times are in {summary.time_unit}s"),
        QualityLine(
            "no_orders",
            "Single orders",
            "not in a summary",
            "newcomers' first orders are taken to be like repeat orders, and how much one customer's orders vary is "
            "inferred from means alone",
            "warning",
        ),
    ]
    unused_counts = [h for h in table.headers if h.casefold() in COUNTS and h not in table.columns.used.values()]
    if unused_counts:
        note = "every row counts as one customer, whatever it says"
        lines.append(QualityLine("counts", "Column not used", ", ".join(unused_counts), note, "warning"))
    zero_mean = summary.customers["frequency"] > summary.customers["repeat_positive"]
    if zero_mean.any():
        note = "their orders were free, and later ones of all customers are with a chance learned from that"
        lines.append(
            QualityLine("zeros", "Customers whose mean order is zero", f"{int(zero_mean.sum()):,}", note, "warning")
        )
    return (*lines, *checks.customer_lines(summary), *_money(summary))


def _money(summary: CustomerSummary) -> tuple[QualityLine, ...]:
    frame = summary.customers[summary.customers["repeat_positive"] > 0]
    means = (frame["repeat_amount"] / frame["repeat_positive"]).to_numpy(float)
    repeats = int(frame["repeat_positive"].sum())
    mean = f"{frame['repeat_amount'].sum() / repeats:,.2f}" if repeats else "–"
    smallest, largest = (means.min(), means.max()) if means.size else (np.nan, np.nan)
    return (
        QualityLine("repeat_mean", "Mean repeat order", mean, f"of {repeats:,} with an amount above zero"),
        checks.correlation_line(summary),
        checks.range_line(smallest, largest, "Smallest and largest mean order above zero"),
    )
