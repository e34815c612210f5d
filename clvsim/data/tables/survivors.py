"""A table of survivors: how many customers of each cohort are left after each contract period.

Columns `period` (0, 1, 2, ...) and `survivors`, and if there are several cohorts `cohort`; optionally `price`. Every
customer becomes one row, `cohort-i`; times count from the start of the cohort.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd

from clvsim import clock
from clvsim.data.config import SurvivorsConfig
from clvsim.data.database import connect
from clvsim.data.files import layout_of
from clvsim.data.material import Material
from clvsim.data.raw import text_table
from clvsim.data.scan import scanned
from clvsim.errors import ConfigError, DataError, Problem
from clvsim.schema import LARGEST, TINY
from clvsim.texts import short
from clvsim.types import RENEWAL_DAYS, CustomerSummary, QualityLine

COLUMNS = ("cohort", "period", "survivors", "price")
MOST_CUSTOMERS, MOST_ROWS = 5_000_000, 100_000
ALL = "all"  # the only cohort of a table without that column
UNTRACKED = (
    "The data are a table of survivors, without dates of payments: predicted and actual payments cannot be compared "
    "week by week, and nothing was held back to check the model."
)


def material_of_survivors(config: SurvivorsConfig, source: pd.DataFrame | None = None) -> Material:
    """One row per customer of a table of survivors, from `source` or `config.path`.

    Raises ConfigError for a missing file or column, DataError with every rule that the numbers break.
    """
    label = "data frame" if source is not None else str(config.path)
    table = check_table(source if source is not None else _read(config), config, label)
    summary = summary_of(table, config)
    return Material(summary, tuple(_quality(table, summary, config)), weekly=None, untracked=UNTRACKED)


def _read(config: SurvivorsConfig) -> pd.DataFrame:
    """The table of `config.path`, its values as text."""
    if not config.path:
        raise ConfigError([("data.path", "no file given; type data.path=survivors.csv")])
    con = connect()
    with scanned(con, config.path, layout_of(config)) as (first, *others):
        if others:
            raise ConfigError([("data.path", f"one table at a time, {config.path} matches {1 + len(others)} files")])
        return text_table(con, first, {name: name for name in first.headers}, f"LIMIT {MOST_ROWS + 1}")


def check_table(frame: pd.DataFrame, config: SurvivorsConfig, label: str) -> pd.DataFrame:
    """Columns cohort (text), period, survivors (int), price (float), ordered by cohort and period.

    Raises as `material_of_survivors`.
    """
    column_of = {str(c).strip().casefold(): c for c in frame.columns}
    missing = [c for c in ("period", "survivors") if c not in column_of]
    if missing:
        message = f"no column {' and no column '.join(missing)}; it has {', '.join(map(str, frame.columns))}"
        raise ConfigError([("data.path", f"{label}: {message}")])
    if "price" in column_of and config.price is not None:
        raise ConfigError([("data.price", f"{label} has a column price already; leave out one of the two")])
    if frame.empty:
        raise DataError([(label, "no rows below the header")])
    if len(frame) > MOST_ROWS:
        what = f"more than {MOST_ROWS:,} rows: is it a table of survivors, with a row per cohort and period?"
        raise DataError([(label, what)])
    table = pd.DataFrame({name: frame[column_of[name]] for name in COLUMNS if name in column_of})
    problems = [p for name in table if name != "cohort" for p in _bad_numbers(table[name], str(name), label)]
    if problems:
        raise DataError(problems)
    table["cohort"] = table["cohort"].astype(str).str.strip() if "cohort" in table else ALL
    for name in ("period", "survivors"):
        table[name] = pd.to_numeric(table[name]).astype(np.int64)
    table["price"] = pd.to_numeric(table["price"]).astype(float) if "price" in table else config.price or 1.0
    table = table.sort_values(["cohort", "period"], kind="stable", ignore_index=True)
    problems = [p for cohort, rows in table.groupby("cohort") for p in _bad_cohort(rows, f"{label}, cohort {cohort}")]
    if not problems:
        problems = list(_bad_table(table, label))
    if problems:
        raise DataError(problems)
    return table


def _bad_numbers(column: pd.Series, name: str, label: str) -> Iterator[Problem]:
    """Values that are no count, or no price; rows count from 2, below the header."""
    number = pd.to_numeric(column, errors="coerce")
    is_count = name != "price"
    rules = [
        (number.isna(), "missing or not a number"),
        (number < 0, "below zero"),
        (is_count & (number % 1 != 0) & np.isfinite(number), "not a whole number"),
        ((number == 0) & (not is_count), "not above zero"),
        (is_count & (number > MOST_CUSTOMERS), f"above {MOST_CUSTOMERS:,}; each customer becomes one row"),
        ((not is_count) & (number > LARGEST), f"above {LARGEST:,.0f}"),
        ((not is_count) & (number > 0) & (number < TINY), f"below {TINY:g}"),
    ]
    for bad, message in rules:
        if bad.any():
            first_row = int(np.flatnonzero(bad.to_numpy())[0])
            example = f"e.g. row {first_row + 2}: {column.iloc[first_row]}"
            what = f"{int(bad.sum()):,} of {len(column):,} rows: {message}, {short(example, 80)}"
            yield Problem(f"{label}, {name}", what)


def _bad_cohort(rows: pd.DataFrame, where: str) -> Iterator[Problem]:
    """Periods, survivors and prices that contradict each other in one cohort."""
    period, survivors = rows["period"].to_numpy(), rows["survivors"].to_numpy()
    if (repeated := period[1:][np.diff(period) == 0]).size:
        yield Problem(where, f"period {repeated[0]} is there more than once")
        return
    if period[0] != 0:
        yield Problem(where, f"period 0, how many there were at the start, is missing: it begins with {period[0]}")
    elif (gaps := np.flatnonzero(np.diff(period) > 1)).size:
        yield Problem(where, f"period {period[gaps[0]] + 1} is missing")
    if (rises := np.flatnonzero(np.diff(survivors) > 0)).size:
        before, after = rises[0], rises[0] + 1
        start = f"survivors rise from {survivors[before]} in period {period[before]}"
        yield Problem(where, f"{start} to {survivors[after]} in {period[after]}")
    if survivors[0] == 0:
        yield Problem(where, "nobody was there at the start")
    if rows["price"].nunique() > 1:
        yield Problem(where, "price differs between periods; each cohort has one")


def _bad_table(table: pd.DataFrame, label: str) -> Iterator[Problem]:
    """Too few customers or renewals for a fit."""
    start = table.loc[table["period"] == 0, "survivors"].sum()
    if start > MOST_CUSTOMERS:
        what = f"{start:,} customers at the start, at most {MOST_CUSTOMERS:,}, since each becomes one row; divide"
        yield Problem(label, f"{what} every number by the same, and figures of all customers by it too")
    elif start < 2:
        yield Problem(label, "only one customer; a customer base needs at least two")
    elif table["period"].max() == 0:
        yield Problem(label, "only period 0: no renewal has been due yet")
    elif table.loc[table["period"] > 0, "survivors"].sum() == 0:
        yield Problem(label, "nobody renewed even once: all are gone, and nothing is left to value")


def summary_of(table: pd.DataFrame, config: SurvivorsConfig) -> CustomerSummary:
    """One row per customer; a customer who was lost instead of renewing for the (n + 1)-th time has n renewals."""
    period_days = RENEWAL_DAYS[str(config.renewal)]
    parts = []
    for cohort, rows in table.groupby("cohort"):
        survivors = rows["survivors"].to_numpy()
        last = survivors.size - 1
        renewals = np.repeat(np.arange(survivors.size), np.append(-np.diff(survivors), survivors[-1]))
        price, digits = float(rows["price"].iloc[0]), len(str(survivors[0]))
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": [f"{cohort}-{i:0{digits}d}" for i in range(1, renewals.size + 1)],
                    "frequency": renewals.astype(np.int64),
                    "recency_days": renewals * period_days,
                    "T_days": last * period_days,
                    "first_amount": price,
                    "repeat_amount": renewals * price,
                    "repeat_log_amount": renewals * np.log(price),
                    "repeat_log_square": renewals * np.log(price) ** 2,
                    "repeat_positive": renewals.astype(np.int64),
                    "holdout_frequency": np.int64(0),
                    "segment": "" if cohort == ALL else str(cohort),
                    "channel": "",
                    "lost": np.arange(renewals.size) < renewals.size - survivors[-1],
                }
            )
        )
    frame = pd.concat(parts).sort_values("customer_id", ignore_index=True)
    today = config.today or clock.today()
    digest = hashlib.sha256(f"{config.renewal} {config.today}".encode())
    digest.update(table.to_csv(index=False).encode())
    first_date = today - timedelta(days=int(np.ceil(frame["T_days"].max())))
    return CustomerSummary(frame, today, first_date, today, config.time_unit, digest.hexdigest())


def _quality(table: pd.DataFrame, summary: CustomerSummary, config: SurvivorsConfig) -> Iterator[QualityLine]:
    """The quality table of `clvsim check`."""
    frame = summary.customers
    start = table[table["period"] == 0].set_index("cohort")["survivors"]
    end = table.groupby("cohort").last()
    yield QualityLine("rows", "Rows in the table", f"{len(table):,}")
    yield QualityLine("cohorts", "Cohorts", f"{len(start):,}", f"up to {table['period'].max()} renewals seen")
    yield QualityLine("customers", "Customers at the start", f"{start.sum():,}", "each becomes one row")
    yield QualityLine("active", "Contracts active at each cohort’s last period", f"{int((~frame['lost']).sum()):,}")
    yield QualityLine("renewals", "Renewals made", f"{int(frame['frequency'].sum()):,}")
    note = "the next renewals are assumed to be due one period from today"
    yield QualityLine("today", "Today", f"{summary.today}", note)
    single = [str(c) for c in start.index[start == 1]]
    if single:
        listed = ", ".join(single[:3]) + (", …" if len(single) > 3 else "")
        note = "what one customer did says next to nothing about the cohort"
        yield QualityLine("lonely", "Cohorts with a single customer", f"{len(single)}: {listed}", note, "warning")
    empty = [str(c) for c in end.index[end["survivors"] == 0]]
    if empty:
        listed = ", ".join(empty[:3]) + (", …" if len(empty) > 3 else "")
        yield QualityLine("gone", "Cohorts with nobody left", f"{len(empty)}: {listed}", "", "warning")
    if config.price is None and (table["price"] == 1).all():
        note = "every payment counts as 1, so money figures are numbers of payments; type data.price=PRICE"
        yield QualityLine("price", "Price", "not given", note, "warning")
    else:
        yield QualityLine(
            "price", "Price per period", ", ".join(f"{p:,.2f}" for p in sorted(table["price"].unique())[:5])
        )
