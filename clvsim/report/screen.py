"""The first screen of a run: what it answers, which lever comes first, what may be wrong. At most 100 columns.

The full tables are `text.tables`, which `clvsim show` prints.
"""

import textwrap
from collections.abc import Sequence

from clvsim.report import display, track_record, valuation
from clvsim.report.answers import IN_FUTURES, Answer, Answers, LeverLine, answers, sure_of
from clvsim.report.evidence import EXAMPLE
from clvsim.report.format import NBSP
from clvsim.report.glossary import SURE
from clvsim.report.headline import discount, left_out, whose_months
from clvsim.report.text import WIDTH, banners, wrapped
from clvsim.types import RunResult

MOST_ALERTS = 4
_GAP = 2
_NARROWEST = 16  # room for a lever's title below which hills are left out


def first_screen(result: RunResult) -> str:
    """Banners, answers, levers, what to do first, notes and warnings; ends with a line break."""
    found = answers(result)
    parts = [
        "\n".join(banners(result)),
        "\n".join(_block(found)),
        "\n".join(_levers(found)),
        "\n".join(map(wrapped, valuation.in_short(result))),
        wrapped(track_record.in_short(result.track_record)) if result.track_record else "",
        "\n".join(wrapped(note) for note in _notes(result, found)),
        "\n".join(_alerts(found)),
    ]
    return "\n\n".join(filter(None, parts)).replace(NBSP, " ") + "\n"


def next_steps(result: RunResult) -> list[str]:
    """What to type next, a line each: levers to try where none was compared."""
    if display.levers(result):
        return []
    examples = "birthday,next_product" if result.active_contracts is not None else "upsell_soft,follow_up"
    if result.acquisition_known:
        examples = f"conversion_lift,{examples}"
    return [
        f"No lever was compared. To try made-up ones: 'scenarios=[{examples}]'",
        "All examples: clvsim list. A lever of your own, with your own numbers: clvsim new NAME",
    ]


def _block(found: Answers) -> list[str]:
    lines = [found.premise] if found.premise else []
    if not found.block:
        return lines
    widths = [max(len(line[k]) for line in found.block) for k in range(3)]
    return lines + [_answer(line, widths) for line in found.block]


def _answer(line: Answer, widths: Sequence[int]) -> str:
    head = "".join(part.ljust(width + _GAP) for part, width in zip(line[:3], widths, strict=True))
    return hanging(head, line.text)


def hanging(head: str, text: str) -> str:
    """Text beside a head, its later lines below where it starts."""
    lines = textwrap.wrap(text, max(WIDTH - len(head), WIDTH // 3), break_on_hyphens=False) or [""]
    return (head + ("\n" + " " * len(head)).join(lines)).rstrip()


def _levers(found: Answers) -> list[str]:
    """The table of levers, sorted; then what to do."""
    lines = _lever_table(found.levers, found.span) if found.levers else []
    todo = " ".join(filter(None, (found.do_first, found.regret, found.worth_knowing)))
    return [*lines, *([wrapped(todo)] if todo else []), *map(wrapped, found.not_applicable)]


def _lever_table(levers: Sequence[LeverLine], span: str) -> list[str]:
    """A head and a line per lever; hills stay away where they leave titles no room."""
    rows = [[figures, *_beside(levers, line)] for line, figures in zip(levers, _figures(levers), strict=True)]
    heads = [span, "rests on", *(["pays from"] if any(line.pays_from for line in levers) else []), SURE]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    if WIDTH - sum(widths) - _GAP * len(widths) < _NARROWEST:
        figures = _figures([line._replace(hill="") for line in levers])
        rows = [[short, *row[1:]] for short, row in zip(figures, rows, strict=True)]
        widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    room = max(WIDTH - sum(widths) - _GAP * len(widths), 1)
    label = min(room, max(len(line.title) for line in levers))
    out = [_row("Lever".ljust(label), heads, widths)]
    for line, cells in zip(levers, rows, strict=True):
        first, *below = textwrap.wrap(line.title, label, subsequent_indent="  ") or [""]
        out += [_row(first.ljust(label), cells, widths), *below]
    return out


def _figures(levers: Sequence[LeverLine]) -> list[str]:
    """Mean, interval and hill of each lever, one below the other."""
    value, interval = (max(len(line[k]) for line in levers) for k in (2, 3))
    return [f"{line.value:>{value}}  {line.interval:<{interval}}  {line.hill}".rstrip() for line in levers]


def _beside(levers: Sequence[LeverLine], line: LeverLine) -> list[str]:
    rests_on = line.rests_on.removeprefix("an ").removeprefix("your ")  # so that hills have room
    return [rests_on, *([line.pays_from or "–"] if any(other.pays_from for other in levers) else []), line.sure]


def _row(label: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    columns = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return (" " * _GAP).join([label, *columns]).rstrip()


# --- notes and warnings -----------------------------------------------------------------------------------------------


def _notes(result: RunResult, found: Answers) -> list[str]:
    """What money is, whose months count, what intervals hold; each in a sentence or two."""
    notes = [money_note(result), whose_months(result), left_out(result), result.arrivals, result.single, result.sampled]
    present = [layer for row in display.rows(result, "realised").values() for layer in display.split_layers(row.layers)]
    if not found.levers and not result.acquisition_known and not result.no_data:
        present = [layer for layer in present if layer != "assumption"]
    if present:
        held = display.in_layers(present, stated=bool(result.no_data))
        unsaid = " Whether what is stated is right is in no interval." * bool(result.no_data)
        notes.append(f"[ , ] holds {IN_FUTURES}, which differ in {held}.{unsaid}")
    if few := display.too_few_draws(result):
        notes.append(few)
    elif found.levers:
        notes.append(
            f"Hills (│: no change), “{SURE}” ({sure_of(result)}) and what knowing brings are on average."
            + " “Pays from”: the least effect that pays." * any(line.pays_from for line in found.levers)
            + f" “{EXAMPLE}”: the effect is made up." * any(line.rests_on == EXAMPLE for line in found.levers)
        )
    return [note for note in notes if note]


def money_note(result: RunResult) -> str:
    """What money figures are, and the rate at which later money counts less."""
    rate = discount(result)
    if result.margin_known:
        return (
            f"Money is contribution: what is left after goods and costs{f', discounted at {rate} a year' * bool(rate)}."
        )
    known = "before the cost of goods: no margin was given (finance.gross_margin=0.5)"
    return f"Money is revenue{f', discounted at {rate} a year,' * bool(rate)} {known}."


def _alerts(found: Answers) -> list[str]:
    """The worst warnings, each with its remedy, and how many more there are."""
    told = [alert for alert in found.alerts if not (found.levers and alert.key == "newcomers")]  # with the levers
    shown = [hanging("! ", alert.short) for alert in told[:MOST_ALERTS]]
    more = len(found.alerts) - len(shown)
    return [*shown, f"! {more} more, and these in full: clvsim show what=warnings"] if more > 0 else shown
