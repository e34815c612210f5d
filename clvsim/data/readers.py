"""Kinds of sources: the section of the configuration, and the function that reads the data of a run.

Readers import their modules when they are called, so that sections are checked without DuckDB.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from clvsim.data.config import (
    DataConfig,
    Source,
    SqlConfig,
    StatedConfig,
    SummaryConfig,
    SurvivorsConfig,
    SyntheticConfig,
)
from clvsim.types import SharedPeriods

if TYPE_CHECKING:
    from clvsim.data.material import Material
    from clvsim.data.so_far import Span


class Wanted(NamedTuple):
    """What a run needs of its data.

    Orders are merged by period where `opportunity_days` is not 0, and fall due every `interval_days` where that is not.
    `brief`: only what tells about the data, without weekly orders and what is held back. `span`: of a log, what each
    customer has brought within so much of the own age, too. `levels`: with amounts at today's level, which a source
    that has to count for them leaves out otherwise.
    """

    opportunity_days: float | SharedPeriods = 0.0
    interval_days: float = 0.0
    brief: bool = False
    span: "Span | None" = None
    levels: bool = True


_ALL = Wanted()


def log(section: DataConfig, wanted: Wanted) -> "Material":
    """A log of orders, with its weekly orders."""
    from clvsim.data.material import material_of_log
    from clvsim.data.read import read_transactions

    return material_of_log(
        read_transactions(None, section),
        wanted.opportunity_days,
        wanted.interval_days,
        brief=wanted.brief,
        span=wanted.span,
    )


def survivors(section: SurvivorsConfig, wanted: Wanted) -> "Material":
    """A table of survivors: one row per customer of a cohort, and no orders to track or to merge."""
    from clvsim.data.tables.survivors import material_of_survivors

    return material_of_survivors(section)


def summary(section: SummaryConfig, wanted: Wanted) -> "Material":
    """A table with one row per customer, and no orders to track."""
    from clvsim.data.tables.frequencies import material_of_table

    return material_of_table(section, opportunity_days=wanted.opportunity_days)


def stated(section: StatedConfig, wanted: Wanted) -> "Material":
    """No data, and as many customers as are stated."""
    from clvsim.data.tables.stated import material_of_stated

    return material_of_stated(section)


def sql(section: SqlConfig, wanted: Wanted) -> "Material":
    """A table in a database, which counts its orders."""
    from clvsim.data.sql.material import material_of_table

    by_period = bool(wanted.opportunity_days or wanted.interval_days)
    return material_of_table(section, by_period=by_period, brief=wanted.brief, levels=wanted.levels)


def synthetic(section: SyntheticConfig, wanted: Wanted) -> "Material":
    """A log drawn from a model, read as a user's log is read."""
    from clvsim.data.synthetic import synthetic_material

    return synthetic_material(
        section, wanted.opportunity_days, wanted.interval_days, brief=wanted.brief, span=wanted.span
    )


class Reader(NamedTuple):
    """A kind's section, and what reads it."""

    section: type[Source]
    read: Callable[[Any, Wanted], "Material"]


SOURCES: dict[str, Reader] = {
    "csv": Reader(DataConfig, log),
    "bundled": Reader(DataConfig, log),
    "survivors": Reader(SurvivorsConfig, survivors),
    "summary": Reader(SummaryConfig, summary),
    "stated": Reader(StatedConfig, stated),
    "sql": Reader(SqlConfig, sql),
    "synthetic": Reader(SyntheticConfig, synthetic),
}


def read_material(section: Source, wanted: Wanted = _ALL) -> "Material":
    """Read and check the data of a run.

    Raises ConfigError, DataError or DiagnosticsError with every problem.
    """
    return SOURCES[section.kind].read(section, wanted)
