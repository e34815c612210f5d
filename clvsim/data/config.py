"""The `data` section of a run: one frozen class per kind of source, which hands over the material of a run."""

import datetime as dt
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from clvsim.schema import Frozen

if TYPE_CHECKING:
    from clvsim.data.material import Material

TimeUnit = Literal["day", "week", "month"]


class Source(Frozen):
    """What every kind of source offers. Reading is imported where it happens: a configuration loads no DuckDB."""

    kind: str
    time_unit: TimeUnit = "week"  # of reported parameters

    def material(self) -> "Material":
        """Read and check everything. Raises ConfigError, DataError or DiagnosticsError with every problem."""
        raise NotImplementedError


class DataConfig(Source):
    """A log of orders. A column left out is guessed from its name; a wrong guess is corrected by naming it.

    `kind=bundled` reads a log of the package, whose name is `path`; `csv` reads `path`: CSV (also gzipped), Parquet, or
    a glob. `segment` and `channel` are optional; `""` switches their guess off.
    """

    kind: Literal["bundled", "csv"] = "csv"
    path: str | None = None
    customer_id: str | None = None
    date: str | None = None
    amount: str | None = None
    segment: str | None = None
    channel: str | None = None
    date_format: str | None = Field(
        default=None, min_length=2
    )  # strptime; None: ISO, yyyymmdd, or an unambiguous d/m/y
    decimal: Literal[".", ","] = "."
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)  # None: from the header line
    calibration_end: dt.date | None = None  # "today"; None: the last day of the log, no hold-out
    refunds: Literal["net", "drop", "error"] = "net"
    max_bad_share: float = Field(
        default=0.0, ge=0.0, le=1.0
    )  # share of rows that may be left out because they cannot be read

    def material(self) -> "Material":
        """The log as read, with its weekly orders."""
        from clvsim.data.material import material_of_log
        from clvsim.data.read import read_transactions

        return material_of_log(read_transactions(None, self))


class SurvivorsConfig(Source):
    """A table of how many customers of each cohort are left after each contract period: see `clvsim.data.survivors`.

    `renewal` is the length of a period, that of the retention model. `price`: of each payment, unless the table has it.
    """

    kind: Literal["survivors"] = "survivors"
    path: str | None = None
    renewal: Literal["week", "month", "quarter", "year"] | None = None
    price: float | None = Field(default=None, gt=0)
    today: dt.date | None = None  # None: the day of the run
    time_unit: TimeUnit = "month"

    def material(self) -> "Material":
        """One pseudo-customer per customer of a cohort: nothing to track."""
        from clvsim.data.survivors import material_of_survivors

        return material_of_survivors(self)


SOURCES: dict[str, type[Source]] = {"csv": DataConfig, "bundled": DataConfig, "survivors": SurvivorsConfig}
