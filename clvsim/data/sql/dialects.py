"""What dialects of SQL say in different ways: a day as a number, an amount without rounding errors, the order of texts.

All else is written once (`clvsim.data.sql.statements`) and transpiled.
"""

from collections.abc import Mapping
from typing import NamedTuple

from clvsim.data.database import identifier

DIALECT_OF = {"postgresql": "postgres", "postgresql+psycopg": "postgres", "sqlite": "sqlite"}
LARGEST = 99_999_999_999_999  # of amounts, which have 14 digits before four decimals


class Dialect(NamedTuple):
    """`day` and `amount` are expressions of a quoted column, NULL where it holds no such value; an amount counts in
    units of 1 / `scale`, and `total` is the type of a day's sum of them. `amounts` are quicker expressions, by what a
    column is declared to hold. `collation` orders texts by their bytes, where that has to be asked for; `once` has what
    a derived table computes computed once, however often it is used."""

    day: str = "DATE_DIFF(CAST({column} AS DATE), CAST('1970-01-01' AS DATE), DAY)"
    amount: str = (
        f"CASE WHEN CAST({{column}} AS DOUBLE PRECISION) BETWEEN -{LARGEST} AND {LARGEST} "
        "THEN ROUND(CAST({column} AS DECIMAL(18, 4)), 4) END"  # BigQuery's numbers have nine decimals
    )
    scale: int = 1
    total: str = "{value}"
    collation: str = ""
    amounts: Mapping[str, str] = {}
    once: str = ""

    def id_of(self, column: str) -> str:
        collated = f" COLLATE {identifier(self.collation)}" if self.collation else ""
        return f"NULLIF(CAST({identifier(column)} AS TEXT){collated}, '')"

    def day_of(self, column: str) -> str:
        return self.day.format(column=identifier(column))

    def amount_of(self, column: str, holds: str = "") -> str:
        return self.amounts.get(holds, self.amount).format(column=identifier(column))


_WRITTEN = "SUBSTR(CAST({column} AS TEXT), 1, 10)"  # the day that is written, whatever the time and zone behind it
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_BEHIND = "SUBSTR(RTRIM(CAST({column} AS TEXT)), 11)"  # nothing, or a time and perhaps a zone
_A_TIME = f"({_BEHIND} = '' OR {_BEHIND} GLOB '[T ][0-9][0-9]:[0-9][0-9]*' AND {_BEHIND} NOT GLOB '*[^-0-9:.+TUCZ ]*')"
_SQLITE = Dialect(  # which has no type of dates and no decimals, and takes 31 February for a day
    day=f"CASE WHEN {_WRITTEN} GLOB '{_DAY}' AND DATE({_WRITTEN}, '+0 days') = {_WRITTEN} AND {_A_TIME} "
    f"THEN CAST(JULIANDAY({_WRITTEN}) - 2440587.5 AS BIGINT) END",
    amount="CASE WHEN TYPEOF({column}) IN ('integer', 'real') AND "
    f"{{column}} BETWEEN -{LARGEST} AND {LARGEST} THEN CAST(ROUND({{column}} * 10000.0) AS BIGINT) END",
    scale=10_000,
    collation="BINARY",
)
_BETWEEN = f"BETWEEN -{LARGEST} AND {LARGEST} THEN"
_POSTGRES = Dialect(  # whose decimals are several times slower than whole numbers
    day="CAST({column} AS DATE) - CAST('1970-01-01' AS DATE)",
    amount=f"CASE WHEN CAST({{column}} AS DOUBLE PRECISION) {_BETWEEN} "
    "CAST(CAST({column} AS DECIMAL(18, 4)) * 10000 AS BIGINT) END",
    scale=10_000,
    total="CAST({value} AS BIGINT)",
    collation="C",
    once=" OFFSET 0",
    amounts={
        "whole": f"CASE WHEN {{column}} {_BETWEEN} CAST({{column}} AS BIGINT) * 10000 END",
        "number": f"CASE WHEN {{column}} {_BETWEEN} CAST({{column}} * 10000 AS BIGINT) END",
    },
)
DIALECTS: dict[str, Dialect] = {
    "sqlite": _SQLITE,
    "postgres": _POSTGRES,
    **{name: Dialect() for name in ("bigquery", "snowflake", "redshift", "databricks", "duckdb")},
}
