"""The transaction log as read: orders in DuckDB, and facts about the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from clvsim.data.config import DataConfig
from clvsim.types import QualityLine

if TYPE_CHECKING:
    import duckdb


class Finding(NamedTuple):
    """Rows that could not be read, of one kind. `where` is a key; `examples` are like "row 3: '$5'; row 9: 'free'"."""

    where: str
    what: str  # "amounts are not numbers"
    rows: int
    examples: str
    hint: str = ""

    def sentence(self, total: int) -> str:
        hint = f". {self.hint}" if self.hint else ""
        return f"{self.rows:,} of {total:,} rows: {self.what}, e.g. {self.examples}{hint}"


class Refunds(NamedTuple):
    """Effects of negative amounts. Money as positive totals, in the log's currency."""

    rows: int = 0
    total: Decimal = Decimal(0)
    orders_removed: int = 0  # orders they reduced to nothing
    unmatched: Decimal = Decimal(0)  # exceeds everything that the customer had ordered before
    unmatched_customers: int = 0
    after_today: Decimal = Decimal(0)  # of orders up to today, refunded later: the hold-out changes no figure
    customers_removed: int = 0  # without any order left


class LeftOut(NamedTuple):
    """Customers first seen before `data.customers_since`, and their orders."""

    customers: int = 0
    orders: int = 0


class LogFacts(NamedTuple):
    """Counts for the quality table."""

    rows: int
    unusable_rows: int  # skipped: a value could not be read
    findings: tuple[Finding, ...]
    order_rows: int  # rows with an amount of zero or more
    same_day_merged: int
    duplicate_rows: int
    zero_rows: int
    smallest_amount: float  # of the positive ones; nan when there are none
    largest_amount: float
    date_reading: str  # how dates were read, in words
    last_row: date  # up to today
    refunds: Refunds = Refunds()
    customers_after_today: int = 0  # first order in the hold-out: not in the summary
    rows_after_today: int = 0  # left out: after data.today
    conflicts: tuple[tuple[str, int], ...] = ()  # covariate, customers with several values of it
    left_out: LeftOut = LeftOut()
    readings: tuple[QualityLine, ...] = ()  # how the file was read, in reading order


@dataclass(frozen=True)
class TransactionLog:
    """Orders, one per customer and day, net of refunds.

    `connection` holds the tables `orders(customer_id VARCHAR, day DATE, amount DECIMAL(38,4))` and
    `labels(customer_id VARCHAR, segment VARCHAR, channel VARCHAR, ...)` with one column more per covariate. `columns`
    and `guessed` are pairs (key, header).
    """

    connection: duckdb.DuckDBPyConnection
    label: str
    config: DataConfig
    columns: tuple[tuple[str, str], ...]
    guessed: tuple[tuple[str, str], ...]
    today: date
    first_date: date
    last_date: date
    data_hash: str
    facts: LogFacts
