"""`figures.xlsx`: the figures of a run for spreadsheets, as numbers with the digits that they deserve.

Each sheet is a title, a table, and sentences on what its intervals contain. Texts are written as texts, whatever they
look like: none becomes a formula or a link. The same result gives the same bytes.
"""

import io
import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import xlsxwriter

from clvsim.disk import write_whole
from clvsim.report import display, evidence, over_time
from clvsim.report import format as fmt
from clvsim.texts import short, visible
from clvsim.types import Assumption, RunResult

if TYPE_CHECKING:
    import pandas as pd
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

WORKBOOK = "figures.xlsx"
_LONGEST = 4_000  # characters of a cell
_WIDEST, _HEADING, _NARROWEST = 48, 16, 9  # characters of a column, for its heading; longer texts are wrapped
_NOTE = 120  # characters of a line of the sentences below, which run over the columns
_POINTS, _TALLEST = 15.0, 409.0  # height of a line, and of the tallest row that there is
_TOP = 2  # row of the headings
_FINEST = {"money": -2, "share": -3, "chance": -2, "count": 0}  # places; others: as fine as the error says
_NO_XML = re.compile("[\ufffe\uffff]")
_NEVER_SURE = '[<=0.005]"< 1%";[>=0.995]"> 99%";0%'  # no finite number of draws gives certainty


class Number(NamedTuple):
    """A number, the power of ten of its last digit (`clvsim.report.format`), and how it is shown."""

    value: float
    place: int
    unit: str  # money | share | change | chance | count | ratio | months
    signed: bool = False

    @property
    def rounded(self) -> float:
        return round(self.value, -self.place) + 0.0


type Cell = str | Number | None


class Sheet(NamedTuple):
    """`fixed` columns stay in sight."""

    name: str
    title: str
    notes: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    fixed: int = 1


def write_workbook(result: RunResult, customers: "pd.DataFrame", folder: Path) -> Path:
    """Write `figures.xlsx`; `customers` is the table of today's customers (`Simulation.customers`).

    Raises OSError where the folder cannot be written.
    """
    path = folder / WORKBOOK
    write_whole(path, as_workbook(sheets(result, customers), result))
    return path


def sheets(result: RunResult, customers: "pd.DataFrame") -> tuple[Sheet, ...]:
    """All sheets in their order."""
    return figures(result), scenarios(result), assumptions(result), months(result), deciles(result, customers)


# --- what is on the sheets -------------------------------------------------------------------------------------------


def place_of(unit: str, numbers: Sequence[float], mcse: float = math.nan) -> int:
    """The last digit worth showing of numbers of one cell."""
    place = fmt.last_place(numbers, mcse)
    return max(place, _FINEST.get(unit, place))


def together(unit: str, numbers: Sequence[float], mcse: float, *, signed: bool = False) -> tuple[Cell, ...]:
    """A mean and the ends of its interval with common digits; nothing for what is not known."""
    place = place_of(unit, numbers, mcse)
    return tuple(_number(value, place, unit, signed=signed) for value in numbers)


def _number(value: float, place: int, unit: str, *, signed: bool = False) -> Cell:
    if math.isnan(value):
        return None
    return Number(value, place, unit, signed) if math.isfinite(value) else fmt.number(value)


def figures(result: RunResult) -> Sheet:
    """Metrics in rows; of each scenario the mean and the interval of what may happen, or the one on average."""
    table, columns = display.figures(result), display.applicable(result)
    rows = []
    for metric in display.metrics(table):
        found = [table.get((scenario.name, metric)) for scenario in columns]
        words = display.wording(result, metric)
        cells: list[Cell] = [words.label, "on average" if _is_average(found) else "what may happen"]
        for figure in found:
            cells += _level(result, figure, words.unit) if figure else (None, None, None)
        rows.append((*cells, words.meaning))
    ends = ("mean", "5 %", "95 %")
    headings = (f"{scenario.title}: {end}" for scenario in columns for end in ends)
    notes = (*display.layer_notes(result, "realised"), *display.average_notes(result), display.people_note(result))
    return Sheet("Figures", result.title, notes, ("Figure", "Interval", *headings, "What it is"), tuple(rows), fixed=2)


def _is_average(found: Sequence[display.Figure | None]) -> bool:
    return all(figure.may.basis == "expected" for figure in found if figure)


def _level(result: RunResult, figure: display.Figure, unit: str) -> tuple[Cell, ...]:
    best, may = figure
    if unit == "months":  # the middle: in some draws it may never come
        beyond = f"> {result.horizon_months}"
        numbers = (best.p50, best.p05, best.p95)
        return tuple(beyond if math.isinf(n) else _number(n, 0, unit) for n in numbers)
    if unit == "chance":
        return (_number(best.mean, -2, unit), None, None)
    return together(unit, (best.mean, may.p05, may.p95), display.larger(best.mean_mcse, may.mean_mcse))


def scenarios(result: RunResult) -> Sheet:
    """A row for each scenario: how it differs from the baseline, how sure that is, and what it rests on."""
    metric = display.decision_metric(result)
    words, table = display.wording(result, metric), display.decisive(result)
    base = display.baseline(result).name
    errors = [figure.best.delta_mcse for figure in table.values() if figure.best.delta_mcse >= 0]
    rows = []
    for scenario in result.scenarios:
        figure = table.get(scenario.name)
        if figure is None:
            rows.append((scenario.title, scenario.name, *[None] * 8, None, scenario.not_applicable))
            continue
        best, may = figure
        mcse = display.larger(best.delta_mcse, may.delta_mcse)
        delta = together(words.unit, (best.delta_mean, may.delta_p05, may.delta_p95), mcse, signed=True)
        average = together(words.unit, (best.delta_p05, best.delta_p95), mcse, signed=True)
        if scenario.name == base:
            delta, average = (None, None, None), (None, None)
        what_if = scenario.is_what_if and scenario.name != base
        chances = [display.WHAT_IF if what_if else _number(p, -2, "chance") for p in (best.p_better, best.p_best)]
        loss = _number(
            best.expected_loss, _place_of_loss(words.unit, best.expected_loss, max(errors, default=0.0)), words.unit
        )
        remark = "example effect" if scenario.illustrative else ""
        rows.append(
            (scenario.title, scenario.name, *delta, *average, *chances, loss, evidence.beside(scenario), remark)
        )
    headings = (
        *("Scenario", "Name", f"Difference of: {words.label}", "may happen: 5 %", "may happen: 95 %"),
        *("on average: 5 %", "on average: 95 %", "P(better)", "P(best)", "Regret if it is wrong", "Rests on", "Remark"),
    )
    shown = next(iter(table.values()), None)
    layers = (
        ()
        if shown is None
        else tuple(
            display.layer_note(row.basis, row.layers, stated=bool(result.no_data))
            for row in ((shown.may, shown.best) if shown.on_average else (shown.may,))
        )
    )
    notes = (
        "Differences are to the first scenario, on the same random events. P(better), P(best): how sure it is that a "
        "scenario is better, or the best, on average. Regret: what choosing it may cost on average, were another best.",
        *layers,
        *filter(None, [display.too_few_draws(result)]),
    )
    return Sheet("Scenarios", f"{words.label}: scenarios compared", notes, headings, tuple(rows))


def _place_of_loss(unit: str, loss: float, mcse: float) -> int:
    """Digits that the error supports; where these leave nothing of a loss that is there, two of its own."""
    place = place_of(unit, (loss,), mcse)
    if not loss > 0 or round(loss, -place) != 0:
        return place
    return max(fmt.last_place((loss,), digits=2), _FINEST.get(unit, -2))


def assumptions(result: RunResult) -> Sheet:
    """Every number that the log did not give, of each scenario and of the whole run."""
    places = [(scenario.title, one) for scenario in result.scenarios for one in scenario.assumptions]
    places += [("the whole run", one) for one in result.assumptions]
    rows = tuple(
        (where, one.label, *_assumed(one), evidence.WORDS[evidence.of(one)], one.text, one.source, one.path)
        for where, one in places
    )
    headings = ("Scenario", "Assumption", "Mean", "5 %", "95 %", "Rests on", "As stated", "Source", "Key")
    note = (
        "What was assumed, with the 90 % interval of each number where it is uncertain: no figure is surer than these."
    )
    return Sheet("Assumptions", "Numbers that the data did not give", (note,), headings, rows, fixed=2)


def _assumed(one: Assumption) -> tuple[Cell, ...]:
    unit = {"relative": "change", "probability": "share", "money": "money"}.get(one.unit, "ratio")
    if one.kind == "fixed" or one.p05 == one.p95:
        return _number(one.mean, min(fmt.own_place(one.mean), 0), unit), None, None
    place = fmt.last_place((one.mean, one.p05, one.p95))
    return tuple(_number(value, place, unit) for value in (one.mean, one.p05, one.p95))


def months(result: RunResult) -> Sheet:
    """Revenue of each month ahead under the baseline."""
    table = over_time.book(result, "revenue_by_month", group="all")
    rows = tuple(
        (Number(at + 1, 0, "count"), *together("money", (mean, p05, p95), math.nan))
        for at, mean, p05, p95 in (table[["at", "mean", "p05", "p95"]].to_numpy(float).tolist() if len(table) else ())
    )
    notes = (over_time.months_note(result),) if len(table) else ("This run has no months ahead.",)
    headings = ("Month from today", "Revenue: mean", "5 %", "95 %")
    return Sheet("Months", f"{display.baseline(result).title}: revenue by month", notes, headings, rows)


def deciles(result: RunResult, customers: "pd.DataFrame") -> Sheet:
    """Today's customers by tenths of expected value."""
    value = "Contribution" if result.margin_known else "Revenue"
    columns = {"orders_so_far": "sum", "expected_orders": "sum", "p_alive": "mean", "rlv_mean": "sum"}
    table = customers.groupby("decile").agg({"customer_id": "size", **columns}) if len(customers) else customers[:0]
    total = float(customers["rlv_mean"].sum())
    rows = []
    for decile, row in table.iterrows():
        size, brings = float(row["customer_id"]), float(row["rlv_mean"])
        each, share = brings / size, brings / total if total > 0 else math.nan
        cells = (float(str(decile)), size, float(row["orders_so_far"]))
        counts = tuple(Number(number, 0, "count") for number in cells)
        expected = float(row["expected_orders"])
        rows.append(
            (
                *counts,
                _number(expected, place_of("ratio", (expected,)), "ratio"),
                _number(float(row["p_alive"]), -2, "share"),
                *(_number(amount, place_of("money", (amount,)), "money") for amount in (brings, each)),
                _number(share, -3, "share"),
            )
        )
    span = fmt.months(result.horizon_months)
    notes = (
        f"Expected values over {span} as things are today, luck averaged out; 1 is the tenth of most expected value. "
        "There is no interval: what a single customer may bring is far less sure, and is in customers.csv."
        if len(customers)
        else "This run has no customers of today.",
    )
    headings = (
        *("Decile", "Customers", "Orders so far", "Expected orders", "Still customers"),
        *(f"{value}, all together", f"{value}, each", "Share of all"),
    )
    return Sheet("Customers by decile", "Today’s customers by expected value", notes, headings, tuple(rows))


# --- the file --------------------------------------------------------------------------------------------------------


def as_workbook(content: Sequence[Sheet], result: RunResult) -> bytes:
    """The sheets as a file, made at the time at which the result was."""
    file = io.BytesIO()
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, {"in_memory": True, **plain}) as book:
        made = datetime.strptime(result.created[:16], "%Y-%m-%d %H:%M")
        book.set_properties(
            {"title": plain_text(result.title), "comments": f"clvsim {result.version}", "created": made}
        )
        styles = Styles(book, result.currency)
        for sheet in content:
            _write(book.add_worksheet(sheet.name), sheet, styles)
    return file.getvalue()


class Styles:
    """Formats of a workbook, each made once."""

    def __init__(self, book: Any, currency: str) -> None:
        self._book, self._currency = book, currency
        self._made: dict[str, Format] = {}
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.heading = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self.text = book.add_format({"text_wrap": True, "valign": "top"})

    def of(self, number: Number) -> "Format":
        """The format with the number's digits and unit."""
        code = code_of(number, self._currency)
        if code not in self._made:
            self._made[code] = self._book.add_format({"num_format": code, "valign": "top"})
        return self._made[code]


def code_of(number: Number, currency: str) -> str:
    """A spreadsheet's code for a number's digits, with the currency before or behind as `format.money` has it."""
    if number.unit == "chance":
        return _NEVER_SURE
    shown = number.place + 2 if number.unit in ("share", "change") else number.place
    code = "#,##0" + ("." + "0" * -shown if shown < 0 else "")
    if number.unit in ("share", "change"):
        code = code.replace("#,##0", "0") + "%"
    if number.unit == "money":
        one = fmt.money(1.0, 0, currency)
        code = code + _literal(one[1:]) if one.startswith("1") else _literal(one[:-1]) + code
    return f"+{code};-{code};{code}" if number.signed or number.unit == "change" else code


def _literal(text: str) -> str:
    """Signs that a number's code shows as they are."""
    return "".join(f"\\{sign}" for sign in text)


def plain_text(text: str) -> str:
    """The text as a cell can hold it: bounded, without signs that steer a terminal or that XML has not."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return short(_NO_XML.sub("\ufffd", visible(whole)), _LONGEST)


def _write(page: "Worksheet", sheet: Sheet, styles: Styles) -> None:
    """The title, the table, and below it the sentences, so that little stands still above what is scrolled."""
    page.write_string(0, 0, plain_text(sheet.title), styles.title)
    lines = [sheet.headings, *sheet.rows]
    widths = [_width(column) for column in zip(*lines, strict=True)]
    for column, width in enumerate(widths):
        page.set_column(column, column, width + 2)
    for row, cells in enumerate(lines, start=_TOP):
        wrapped = [_lines(cell, width) for cell, width in zip(cells, widths, strict=True) if isinstance(cell, str)]
        page.set_row(row, min(_TALLEST, _POINTS * max(wrapped, default=1)))
        for column, cell in enumerate(cells):
            if isinstance(cell, Number):
                page.write_number(row, column, cell.rounded, styles.of(cell))
            elif cell:
                page.write_string(row, column, plain_text(cell), styles.heading if row == _TOP else styles.text)
    below = [line for note in sheet.notes for line in wrap(plain_text(note), _NOTE)]
    for row, line in enumerate(below, start=_TOP + len(lines) + 1):
        page.write_string(row, 0, line)
    page.freeze_panes(_TOP + 1, sheet.fixed)
    page.set_landscape()
    page.fit_to_pages(1, 0)


def _width(column: Sequence[Cell]) -> int:
    """Characters that a column needs, whose first cell is its heading; what is longer is wrapped."""
    heading, *cells = map(_characters, column)
    return min(_WIDEST, max(_NARROWEST, min(heading, _HEADING), *cells))


def _characters(cell: Cell) -> int:
    if isinstance(cell, Number):
        return len(f"{cell.rounded:,.{max(0, -cell.place)}f}") + 4  # a sign, a currency's, a percent's
    return max(map(len, plain_text(cell or "").split("\n")))


def _lines(text: str, width: int) -> int:
    """Lines of a wrapped text, words of it broken or not."""
    return sum(-(-(len(line) + len(line) // 8) // width) or 1 for line in plain_text(text).split("\n"))
