"""How earlier forecasts fared, in words: for the terminal of `clvsim score`, and for the page of a later run."""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from clvsim.report import format as fmt
from clvsim.track_record import FIGURES, NEWCOMERS, ORDERS, REVENUE, FigureRecord, PastForecast, TrackRecord

LABELS = {
    "orders": "Orders of known customers",
    "revenue": "Their revenue",
    "newcomers": "New customers",
    "newcomer_revenue": "Their revenue since",
}
HEADINGS = ("Figure", "Came", "Expected", "90 % interval", "Months held")
_SHARE = 0.9


class Row(NamedTuple):
    """One figure of one forecast: cells below HEADINGS."""

    cells: tuple[str, ...]
    held: bool  # whether the interval of the sum did


class Table(NamedTuple):
    """One forecast, with its day and the months that have come."""

    heading: str
    rows: tuple[Row, ...]


def of_so_many(rows: Sequence[FigureRecord]) -> tuple[int, int]:
    """Monthly intervals that held, of how many."""
    return sum(row.held for row in rows), sum(row.months for row in rows)


def usual(months: int) -> str:
    """How many of so many 90 % intervals hold on average: `32 or 33` of 36."""
    low, high = math.floor(_SHARE * months + 1e-9), math.ceil(_SHARE * months - 1e-9)
    return f"{low}" if low == high else f"{low} or {high}"


def sentence(record: TrackRecord) -> str:
    """`31 of 36 monthly intervals of orders held (90 % would be 32 or 33), 30 of 36 of revenue, …`."""
    parts = []
    for figure, words in ((ORDERS, "orders"), (REVENUE, "revenue"), (NEWCOMERS, "new customers")):
        held, months = of_so_many(record.rows(figure))
        if not months:
            continue
        if parts:
            parts.append(f"{held} of {months} of {words}")
        else:
            interval = "monthly interval" if months == 1 else "monthly intervals"
            parts.append(f"{held} of {months} {interval} of {words} held (90 % would be {usual(months)})")
    return f"{', '.join(parts)}."


def biases(record: TrackRecord) -> list[str]:
    """By how much forecasts were too high or too low, of orders and revenue of customers who were known."""
    sentences = []
    for figure, words in ((ORDERS, "orders"), (REVENUE, "revenue")):
        rows = record.rows(figure)
        actual, mean = (math.fsum(getattr(row, name) for row in rows) for name in ("actual", "mean"))
        if not rows:
            continue
        verb = "was" if figure == REVENUE else "were"
        if actual <= 0:
            sentences.append(
                f"No {words} came, where {fmt.number(mean, min(fmt.last_place([mean]), 0))} {verb} expected."
            )
            continue
        error = mean / actual - 1
        which = "too high" if error > 0 else "too low"
        size = fmt.percent(abs(error)).replace(fmt.NBSP, " ")
        whole = f"Forecast {words} {verb} {size} {which} in all"
        inside = sum(row.inside for row in rows)
        sentences.append(f"{whole}; the interval of all months together held in {inside} of {len(rows)}.")
    return sentences


def better_than_rule(record: TrackRecord) -> str:
    """Whether the forecasts' orders came closer than "as in the same number of months before"; "" where unknown."""
    rows = [row for row in record.rows(ORDERS) if math.isfinite(row.rule_crps)]
    if not rows:
        return ""
    own, rule = (math.fsum(getattr(row, name) * row.months for row in rows) for name in ("crps", "rule_crps"))
    if rule <= 0:
        return ""
    gain = 1 - own / rule
    size = fmt.percent(abs(gain)).replace(fmt.NBSP, " ")
    which = "smaller" if gain >= 0 else "larger"
    return (
        f"The error of orders (CRPS) is {size} {which} than that of a simple rule: as many repeat orders a month as in "
        "the same number of months before."
    )


def caveat(record: TrackRecord) -> str:
    """What a count of intervals says, and what it does not."""
    from scipy.stats import binom

    _, months = of_so_many(record.rows(ORDERS) or record.rows(NEWCOMERS))
    low, high = (int(end) for end in binom.interval(_SHARE, months, _SHARE))
    alone = f"Were the months independent, {low} to {high} of {months} would be no surprise."
    if len(record.forecasts) == 1:
        return f"{alone} They are not: if a month is off, the next one is likely to be off as well."
    return (
        f"{alone} They are not: months of one forecast are off together, and forecasts of the same months too. "
        "So count forecasts rather than months."
    )


def missing(record: TrackRecord) -> list[str]:
    """Sentences on customers of a forecast whom the log does not have any more."""
    return [
        f"{fmt.number(one.missing)} of the {fmt.number(one.customers)} customers of {day(one.today)} are not in the "
        "log (another spelling of their ids, or deleted): what they bring is missing from what came."
        for one in record.forecasts
        if one.missing
    ]


def tables(record: TrackRecord) -> list[Table]:
    """A table per forecast: sums over the months that have come due, beside how many of these held one by one."""
    return [_table(one, record.currency) for one in record.forecasts]


def _table(one: PastForecast, currency: str) -> Table:
    by_figure = {row.figure: row for row in one.figures}
    rows = [_row(by_figure[figure], currency) for figure in FIGURES if figure in by_figure]
    months = max(row.months for row in one.figures)
    return Table(f"Forecast of {day(one.today)}, {fmt.months(months)} due", tuple(rows))


def _row(row: FigureRecord, currency: str) -> Row:
    place = max(fmt.last_place([row.mean, row.p05, row.p95, row.actual]), 0)
    money = currency if "revenue" in row.figure else ""
    came, mean, low, high = (
        fmt.money(value, place if value != row.actual else 0, money).replace(fmt.NBSP, " ")
        for value in (row.actual, row.mean, row.p05, row.p95)
    )
    held = f"{row.held} of {row.months}"
    return Row((LABELS[row.figure], came, mean, f"[{low}, {high}]", held), row.inside)


def day(iso: str) -> str:
    """`30 September 1997`."""
    found = date.fromisoformat(iso)
    return f"{found.day} {found:%B %Y}"


def in_short(record: TrackRecord) -> str:
    """One sentence for the terminal and the page of a later run."""
    number = len(record.forecasts)
    whose = "The earlier forecast" if number == 1 else f"{number} earlier forecasts"
    return f"{whose}, checked on what came until {day(record.until)}: {sentence(record)}"


def notes(record: TrackRecord) -> list[str]:
    """What one has to know to read the tables."""
    basis = (
        "Sums of the months that have come due; money is revenue, undiscounted. Intervals hold what may happen: luck "
        "and shocks common to all included."
    )
    return [
        note for note in (*biases(record), better_than_rule(record), caveat(record), *missing(record), basis) if note
    ]


def text(record: TrackRecord) -> str:
    """The terminal's tables."""
    found = tables(record)
    rows = [HEADINGS, *(row.cells for table in found for row in table.rows)]
    widths = [max(len(cells[k]) for cells in rows) for k in range(len(HEADINGS))]
    lines = []
    for table in found:
        lines += ["", table.heading, _line(HEADINGS, widths)]
        lines += [_line(row.cells, widths) + ("" if row.held else "   outside") for row in table.rows]
    return "\n".join(lines[1:])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])
