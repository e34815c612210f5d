"""The transaction log as read: orders in DuckDB, and facts about the rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from clvsim.data.config import DataConfig
from clvsim.types import COVARIATE, QualityLine

if TYPE_CHECKING:
    import duckdb

_DIGESTS = 50_000  # of customers that are taken at once


class Finding(NamedTuple):
    """Rows that could not be read, of one kind. `where` is a key; `examples` are like "row 3: '$5'; row 9: 'free'"."""

    where: str
    what: str  # "amounts are not numbers"
    rows: int
    examples: str
    hint: str = ""

    @property
    def note(self) -> str:
        """The examples, and the hint as a sentence."""
        return ". ".join(filter(None, (self.examples, self.hint[:1].upper() + self.hint[1:])))

    def sentence(self, total: int) -> str:
        return f"{self.rows:,} of {total:,} rows: {self.what}, e.g. {self.note}"


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
    sales: int  # the same, rows of one order's number on a customer's day being one
    revenue: Decimal  # theirs, before refunds
    same_day_merged: int  # of `sales`, into another of the same customer and day
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
class LogHead:
    """What is known of a log beside its orders; `columns` and `guessed` are pairs (key, header)."""

    label: str
    config: DataConfig
    columns: tuple[tuple[str, str], ...]
    guessed: tuple[tuple[str, str], ...]
    today: date
    first_date: date
    last_date: date
    facts: LogFacts


@dataclass(frozen=True)
class TransactionLog(LogHead):
    """Orders, one per customer and day, net of refunds.

    `connection` holds the tables `purchases(customer INTEGER, day DATE, amount DECIMAL(38,4))` and
    `labels(customer INTEGER, segment VARCHAR, channel VARCHAR, ...)` with one column more per covariate, both by
    numbers of customers in the order of their ids, `customers(customer INTEGER, customer_id VARCHAR)`; and the view
    `orders(customer_id, day, amount)`.
    """

    connection: duckdb.DuckDBPyConnection

    @cached_property
    def data_hash(self) -> str:
        """sha256 over customers in the order of their ids: id, labels, orders; and over charges that failed, where a
        column says which did. It does not depend on row order or format.

        A customer's orders enter as the exclusive or of their digests: days are unique, so none can cancel, and nothing
        needs sorting. As hex, because the text of a 128-bit integer takes 80 µs each.
        """
        from clvsim.data.database import identifier  # DuckDB: not for those who only know what a log is

        covariates = (key for key, _ in self.columns if key.startswith(COVARIATE))
        covariate_digests = "".join(f"sha256(coalesce({identifier(name)}, '')), " for name in covariates)
        digests = self.connection.execute(
            f"""
            WITH histories AS (
                SELECT customer, hex(bit_xor(md5_number(day || ' ' || amount))) AS history
                FROM purchases GROUP BY customer
            )
            SELECT sha256(concat_ws(' ', sha256(customer_id), sha256(coalesce(segment, '')),
                sha256(coalesce(channel, '')), {covariate_digests}history))
            FROM histories JOIN customers USING (customer) LEFT JOIN labels USING (customer) ORDER BY customer
            """
        )
        whole = hashlib.sha256()
        while some := digests.fetchmany(_DIGESTS):  # never all of them as one text
            whole.update("".join(digest for (digest,) in some).encode())
        if self.config.failed:
            text = "string_agg(customer_id || ' ' || day, ' ' ORDER BY customer_id, day)"
            charges = self.connection.execute(f"SELECT {text} FROM failed_charges").fetchall()[0][0]
            whole.update((charges or "").encode())
        return whole.hexdigest()
