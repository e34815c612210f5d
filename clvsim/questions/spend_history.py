"""What was spent on channels month by month, and how many new customers came: the user's file, read strictly."""

import csv
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from clvsim.decision.responses import FEWEST_PERIODS
from clvsim.errors import ConfigError, Problem
from clvsim.report import format as fmt
from clvsim.texts import short_repr

KEY = "spend_history"
COLUMNS = ("channel", "month", "spend", "customers")
FORM = "a CSV with the columns channel, month, spend and customers (new ones), a row for each month and channel"
MOST_BYTES, MOST_ROWS, MOST_CHANNELS = 1 << 20, 5000, 12
_MONTH = re.compile(r"[12]\d{3}-(0?[1-9]|1[0-2])")
_ONE_DIGIT = re.compile(r"^(\d{4})-(\d)$")
_NAMED = re.compile(r"[^\x00-\x1f]{1,60}")
_TWO_READINGS = re.compile(r"[1-9]\d{0,2}\.\d{3}")


def read_history(path: Path) -> pd.DataFrame:
    """Months by channel, `month` like 2025-03. Raises ConfigError naming the file, the rule and the row."""
    table = _read(path)
    problems = []
    if len(table) > MOST_ROWS:
        problems.append(Problem(KEY, f"{path.name} has more than {MOST_ROWS:,} rows"))

    def refuse(name: str, wrong: pd.Series, rule: str) -> None:
        """The first row where a column is wrong."""
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            got = short_repr(table[name].iloc[row])
            problems.append(Problem(KEY, f"{path.name}, row {row + 2}: {name} {rule}, got {got}"))

    refuse("channel", ~table["channel"].str.fullmatch(_NAMED), "must be a name of at most 60 characters")
    refuse("month", ~table["month"].str.fullmatch(_MONTH), "must be like 2025-03")
    table["month"] = table["month"].str.replace(_ONE_DIGIT, r"\1-0\2", regex=True)
    for name in ("spend", "customers"):
        refuse(name, table[name].str.fullmatch(_TWO_READINGS), "can be read in two ways, write 2000 or 2")
        numbers = pd.to_numeric(table[name], errors="coerce")
        refuse(name, ~(np.isfinite(numbers) & (numbers >= 0) & (numbers <= 1e12)), "must be a number of at least 0")
        table[name] = numbers
    if twice := table.duplicated(["channel", "month"]).to_numpy().nonzero()[0].tolist():
        month = table["month"].iloc[twice[0]]
        what = f"{path.name}, row {twice[0] + 2}: month {month} of this channel stands there twice"
        problems.append(Problem(KEY, what))
    for name, rows in table.groupby("channel"):
        if len(rows) < FEWEST_PERIODS:
            got = fmt.months(len(rows))
            what = f"{path.name}: channel {short_repr(name)} has {got}, at least {FEWEST_PERIODS} are needed"
            problems.append(Problem(KEY, what))
    if table["channel"].nunique() > MOST_CHANNELS:
        problems.append(Problem(KEY, f"{path.name} has more than {MOST_CHANNELS} channels"))
    if problems:
        raise ConfigError(problems)
    return table


def _read(path: Path) -> pd.DataFrame:
    """The rows as text, without spaces around it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            what = f"{path.name} has more than {MOST_BYTES >> 10:,} KB, which no history of spend needs"
            raise ConfigError([(KEY, what)])
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns, rows = reader.fieldnames or (), list(islice(reader, MOST_ROWS + 1))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or f"it is no CSV; it must be {FORM}"
        raise ConfigError([(KEY, f"{path.name} cannot be read: {reason}")]) from None
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ConfigError([(KEY, f"{path.name} has no column {', '.join(missing)}; it must be {FORM}")])
    if not rows:
        raise ConfigError([(KEY, f"{path.name} has no rows; it must be {FORM}")])
    if longer := next((number for number, row in enumerate(rows, start=2) if None in row), None):
        raise ConfigError([(KEY, f"{path.name}, row {longer} has more cells than the first row has columns")])
    return pd.DataFrame([{name: (row[name] or "").strip() for name in COLUMNS} for row in rows], dtype=str)
