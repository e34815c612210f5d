"""The `data` section of a run: where the log is and how it reads."""

import datetime as dt
from typing import Literal

from pydantic import Field

from clvsim.schema import Frozen


class DataConfig(Frozen):
    """What to read and how. A column left out is guessed from its name; a wrong guess is corrected by naming it.

    `kind=bundled` reads the CDNOW sample of the package; `csv` reads `path`: CSV (also gzipped), Parquet, or a glob.
    `segment` and `channel` are optional; `""` switches their guess off.
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
    time_unit: Literal["day", "week", "month"] = "week"
    calibration_end: dt.date | None = None  # "today"; None: the last day of the log, no hold-out
    refunds: Literal["net", "drop", "error"] = "net"
    max_bad_share: float = Field(
        default=0.0, ge=0.0, le=1.0
    )  # share of rows that may be left out because they cannot be read
