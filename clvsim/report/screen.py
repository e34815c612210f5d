"""The first screen of a run: what it answers, which lever comes first, what may be wrong. At most 100 columns.

The full tables are `text.tables`, which `clvsim show` prints.
"""

import textwrap
from collections.abc import Sequence

from clvsim.report import display, track_record, valuation
from clvsim.report import format as fmt
from clvsim.report.answers import IN_FUTURES, UNKNOWN, Answer, Answers, LeverLine, answers, checked, sure_of
from clvsim.report.evidence import EXAMPLE
from clvsim.report.format import NBSP
from clvsim.report.glossary import SURE
from clvsim.report.headline import discount, left_out, whose_months
from clvsim.report.limits import not_in_here
from clvsim.report.text import WIDTH, banners, wrapped
from clvsim.report.todo import STATED, may_be_tested
from clvsim.types import RunResult

MOST_ALERTS = 3
_WRONG = "What could go wrong"
_NEEDS = "needs"
_GAP = 2
_NARROWEST = 16  # room for a lever's title below which hills are left out


def first_screen(result: RunResult) -> str:
    """Banners, answers, levers, what follows from them with the warnings, notes; ends with a line break."""
    found = answers(result)
    parts = [
        "\n".join(banners(result)),
        "\n".join(_block(found)),
        "\n".join(_levers(found)),
        "\n".join(_in_words(result, found)),
        "\n".join(map(wrapped, valuation.in_short(result))),
        wrapped(track_record.in_short(result.track_record)) if result.track_record else "",
        wrapped(" ".join(_notes(result, found))),
    ]
    return "\n\n".join(filter(None, parts)).replace(NBSP, " ") + "\n"


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
    """The table of levers, sorted."""
    lines = _lever_table(found.levers, found.span) if found.levers else []
    return [*lines, *map(wrapped, found.not_applicable)]


def _lever_table(levers: Sequence[LeverLine], span: str) -> list[str]:
    """A head and a line per lever; what is expected, then hills stay away where they leave titles no room."""
    bare = [line._replace(expected="") for line in levers]
    for shown in (levers, bare, [line._replace(hill="") for line in bare]):  # the first that leaves room for titles
        heads = [span, "rests on", *_needs_head(shown), SURE]
        rows = [[figures, *_beside(shown, line)] for line, figures in zip(shown, _figures(shown), strict=True)]
        widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
        room = max(WIDTH - sum(widths) - _GAP * len(widths), 1)
        if room >= _NARROWEST:
            break
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
    needs = f"{line.pays_from or '–'}{f' / {line.expected}' * bool(line.expected)}"
    return [rests_on, *([needs] if _needs_head(levers) else []), line.sure]


def _needs_head(levers: Sequence[LeverLine]) -> list[str]:
    if not any(line.pays_from for line in levers):
        return []
    return [_NEEDS + " / expected" * any(line.expected for line in levers)]


def _row(label: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    columns = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return (" " * _GAP).join([label, *columns]).rstrip()


# --- what follows -----------------------------------------------------------------------------------------------------


def _in_words(result: RunResult, found: Answers) -> list[str]:
    """What to do, how sure that is and what could go wrong, each beside its question; then the worst warnings."""
    todo = " ".join(filter(None, (found.do_first, _to_ask(result), _to_compare(result, found))))
    sure = " ".join(filter(None, (found.how_sure, _of_intervals(result, found), checked(result))))
    told = {"What to do": [todo], "How sure": [sure], _WRONG: [" ".join(found.wrong), *_alerts(found)]}
    if len(told[_WRONG]) == 1:
        told[_WRONG].append(f"Not in here: {not_in_here(result)}")
    width, lines = max(map(len, told)) + _GAP, []
    for label, texts in told.items():
        for text in filter(None, texts):
            lines.append(hanging(label.ljust(width), text))
            label = ""
    return lines


def _to_ask(result: RunResult) -> str:
    return "On the test: clvsim decide ask=test." if may_be_tested(result) else ""


def _to_compare(result: RunResult, found: Answers) -> str:
    """Levers to try where none was compared."""
    if display.levers(result):
        return ""
    examples = "birthday,next_product" if result.active_contracts is not None else "upsell_soft,follow_up"
    if result.acquisition_known:
        examples = f"conversion_lift,{examples}"
    compared = "No lever was compared." if found.do_first else "Nothing to decide yet: no lever was compared."
    unknown = found.newcomer is not None and found.newcomer.value == UNKNOWN
    newcomers = " For what a new customer may cost add acquisition.from_log=true to the command." * unknown
    return (
        f"{compared}{newcomers} To try made-up levers add 'scenarios=[{examples}]' (clvsim list names all); for your "
        "own: clvsim new NAME."
    )


def _of_intervals(result: RunResult, found: Answers) -> str:
    """What intervals hold, in a sentence."""
    present = [layer for row in display.rows(result, "realised").values() for layer in display.split_layers(row.layers)]
    if not found.levers and not result.acquisition_known and not result.no_data:
        present = [layer for layer in present if layer != "assumption"]
    if not present:
        return ""
    held = display.in_layers(present, stated=bool(result.no_data))
    unsaid = " Whether what is stated is right is in no interval." * bool(result.no_data)
    return f"A range [low, high] holds {IN_FUTURES}, which differ in {held}.{unsaid}"


def _alerts(found: Answers) -> list[str]:
    """The worst warnings, each with its remedy, and how many more there are; what was said above is not said again."""
    told = [alert for alert in found.alerts if alert.key not in STATED]
    shown = [f"! {alert.short}" for alert in told[:MOST_ALERTS]]
    more = len(told) - len(shown)
    return [*shown, f"! {more} more, and these in full: clvsim show what=warnings"] if more > 0 else shown


# --- notes -----------------------------------------------------------------------------------------------


def _notes(result: RunResult, found: Answers) -> list[str]:
    """What money is and whose months count, and how to read the table; each in a sentence or two."""
    notes = [money_note(result), whose_months(result), left_out(result), result.arrivals, result.single, result.sampled]
    if few := display.too_few_draws(result):
        notes.append(few)
    elif found.levers:
        notes.append(
            f"Hills (│: no change) and “{SURE}” ({sure_of(result)}) leave plain luck out."
            + f" “{_NEEDS.title()}”: the least effect that pays." * any(line.pays_from for line in found.levers)
            + f" “{EXAMPLE}”: made up, its chance in brackets." * any(line.rests_on == EXAMPLE for line in found.levers)
        )
    return [note for note in notes if note]


def money_note(result: RunResult) -> str:
    """What money figures are, and the rate at which later money counts less."""
    rate = discount(result)
    if result.margin_known:
        margin = next((a.mean for a in result.assumptions if a.path == "finance.gross_margin"), None)
        left = f" (margin {fmt.percent(margin)})" if margin is not None else ""
        later = f", discounted at {rate} a year" if rate else ""
        return f"Money is contribution: what is left after goods{left} and costs{later}."
    known = "before the cost of goods: no margin was given (finance.gross_margin=0.5)"
    return f"Money is revenue{f', discounted at {rate} a year,' * bool(rate)} {known}."
