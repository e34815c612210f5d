"""Now, which `SOURCE_DATE_EPOCH` may set, so that the same command at another time writes the same bytes.

https://reproducible-builds.org/docs/source-date-epoch
"""

import os
from datetime import UTC, date, datetime

from clvsim.errors import ConfigError

VARIABLE = "SOURCE_DATE_EPOCH"
_LAST = 253_402_300_799  # the end of the year 9999


def now() -> datetime:
    """The time in UTC. Raises ConfigError for a `SOURCE_DATE_EPOCH` that is no number of seconds since 1970."""
    stated = os.environ.get(VARIABLE, "")
    if not stated:
        return datetime.now(UTC)
    if not (stated.isascii() and stated.isdigit() and len(stated) <= len(str(_LAST)) and int(stated) <= _LAST):
        raise ConfigError([(VARIABLE, f"must be a whole number of seconds since 1970, got {stated[:40]!r}")])
    return datetime.fromtimestamp(int(stated), UTC)


def today() -> date:
    """The day of the run: of the machine's own time, or of `SOURCE_DATE_EPOCH` in UTC.

    What a log says of its own days is held to the machine's: they are in the future or not, whenever a page is made.
    """
    return now().date() if os.environ.get(VARIABLE) else date.today()
