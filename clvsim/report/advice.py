"""What `clvsim check` says of a log, for its owner: what it is, what was left out, what it looks like, what to do.

The lines of the quality table, in few words: those that warn, or name a key, in full. `--all` has the whole table.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from clvsim.data.columns import in_words
from clvsim.data.looks import InShort, money_in_words, rate, span_in_words
from clvsim.data.presets import title_of
from clvsim.report.alerts import RUN_ON, sentence_case
from clvsim.report.text import WIDTH
from clvsim.types import QualityLine

_INDENT = 13
_LABEL = 60  # characters of a file's name
_LOOKS = ("weekday", "arrivals", "whales", "prices", "price_changes")


def advice(short: InShort, lines: Sequence[QualityLine], found: Sequence[str], remarks: Iterable[str]) -> str:
    """The summary of a log, with what is modelled by itself; at most 100 columns where the log's own words allow."""
    out = [*_title(short)]
    out += _listed("read as", _readings(lines))
    out += _listed("left out", [*filter(None, map(_left_out, lines))])
    out += _listed("merged", [*filter(None, map(_merged, lines))])
    out += _listed("money", _money(short))
    out += _listed("log", _log(short))
    looks = {line.key: line for line in lines if line.key in _LOOKS}
    out += _listed("looks", [f"{_small(line.label)} {line.value}" for key, line in looks.items() if not _calls(line)])
    expected = [line for line in lines if line.key == "newcomers" and not _calls(line)]
    out += _listed("newcomers", [f"{_small(line.label)}: {line.value}; {line.note}" for line in expected])
    out += _listed("modelled", found)
    warned = [sentence(line) for line in lines if _calls(line)]
    return "\n".join([*out, *(hanging(f"  ! {text}", 4) for text in (*warned, *remarks))])


def sentence(line: QualityLine) -> str:
    """A line as a sentence or two."""
    gap = " " if line.key in RUN_ON else ": "
    head = gap.join(filter(None, (line.label, line.value)))
    return f"{head}. {sentence_case(line.note)}" if line.note else head


def _calls(line: QualityLine) -> bool:
    """Whether somebody has to read it: it warns, or says what to type."""
    return line.level == "warning" or bool(line.remedy)


def _title(short: InShort) -> list[str]:
    name = ", ".join(PurePath(path).name for path in short.label.split(", "))
    name = name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…"
    kind = f"{name}: {title_of(short.read_as)}" if short.read_as else name
    title = f"{kind}: {short.rows:,} rows, {short.orders:,} orders of {short.customers:,} customers"
    columns = in_words(short.columns)
    which = f"{', '.join(key for key, _ in short.guessed)} " if len(short.guessed) < len(short.columns) else ""
    guessed = f" ({which}guessed; if wrong, type data.{short.guessed[0][0]}=COLUMN)" if short.guessed else ""
    read = f"data={short.read_as} ({columns})" if short.read_as else f"{columns}{guessed}"
    return [hanging(title, 2), *_listed("columns", [read])]


def _readings(lines: Sequence[QualityLine]) -> list[str]:
    """How a file is written, where that was found or chosen."""
    keys = ("encoding", "delimiter", "skip", "sheet", "dates", "amounts", "currency", "converted", "time_zone")
    said = [line for line in lines if line.key in keys and not _calls(line)]
    return [f"{_small(line.label)} {line.value.removeprefix('read as ')}" for line in said]


def _left_out(line: QualityLine) -> str:
    if _calls(line):
        return ""
    if re.match(r"(only|without)_", line.key):
        which = "1 row that is no sale" if line.value == "1" else f"{line.value} rows that are no sales"
        return f"{which} ({line.note.partition(';')[0]})"
    if line.key.startswith("failed_"):
        return f"{_count(line.value, 'charge')} that failed ({line.note.partition(';')[0]})"
    if line.key == "refunds" and line.value != "0":
        rows, _, total = line.value.partition(" worth ")
        return f"{_count(rows, 'refund')}, {total} taken off"
    if line.key in ("after_today", "overlap", "left_out", "late_customers"):
        return f"{_small(line.label)} {line.value}"
    where = _small(line.label).removeprefix("rows ")  # the value is of rows already
    return f"{line.value} {where}" if line.key == "guests" and line.note.endswith("in no figure") else ""


def _merged(line: QualityLine) -> str:
    if _calls(line):
        return ""
    if line.key.startswith("fold_"):
        return line.value.replace(" merged", f" {_small(line.label)}")
    if line.key == "line_items":
        return line.value
    if line.key == "merged" and line.value != "0":
        what = line.label.split()[0].lower().removesuffix("s")
        return f"{_count(line.value, what)} into another of the same customer and day"
    return ""


def _count(number: str, what: str) -> str:
    return f"{number} {what}{'s' if number != '1' else ''}"


def _money(short: InShort) -> list[str]:
    """What can be compared with the provider's totals."""
    said = [money_in_words(short)]
    if gone := short.refunded_in_full:
        said.append(f"{gone:,} {'order' if gone == 1 else 'orders'} refunded in full no longer counted")
    return [*filter(None, said)]


def _log(short: InShort) -> list[str]:
    months = short.months
    once = short.ordered_once / short.customers
    rates = f"{rate(short.customers / months)} new customers and {rate(short.orders / months)} orders a month"
    return [span_in_words(short), rates, f"{once:.0%} ordered once"]


def _small(label: str) -> str:
    """A label inside a sentence; acronyms stay as they are."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _listed(name: str, parts: Sequence[str]) -> list[str]:
    return [hanging(f"  {name:<{_INDENT - 2}}{' · '.join(parts)}", _INDENT)] if parts else []


def hanging(text: str, indent: int) -> str:
    """Text that is too long, its later lines indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
