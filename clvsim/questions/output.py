"""An answer on the terminal, and as files of the run's folder."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from clvsim.disk import write_all_whole
from clvsim.files import csv_text
from clvsim.questions.answer import Answer, Text
from clvsim.report.format import NBSP

WIDTH, _GAP, _NARROWEST, _ENOUGH = 100, 2, 14, 30


def answer_text(answer: Answer) -> str:
    """Sentences, the table, and notes, at most 100 columns wide."""
    parts = ["\n".join(map(_wrapped, answer.sentences)), table_text(answer.text)]
    parts.append("\n".join(map(_wrapped, answer.notes)))
    return "\n\n".join(part for part in parts if part).replace(NBSP, " ")


def table_text(table: Text) -> str:
    """Columns side by side: headings in several lines where they are wider than what they head, and the first column
    wrapped where the others need its room."""
    if not table.rows:
        return ""
    names, *columns = zip(*table.rows, strict=True)
    least = [
        max(map(len, (*cells, *heading.split()))) for heading, cells in zip(table.headings[1:], columns, strict=True)
    ]
    widths = [max(width, len(heading)) for width, heading in zip(least, table.headings[1:], strict=True)]
    wanted = max(map(len, names))
    if WIDTH - sum(widths) - _GAP * len(widths) < min(wanted, _ENOUGH):
        widths = least
    heads = [
        textwrap.wrap(heading, width, break_on_hyphens=False) or [""]
        for heading, width in zip(table.headings[1:], widths, strict=True)
    ]
    first = min(wanted, max(WIDTH - sum(widths) - _GAP * len(widths), _NARROWEST))
    height = max(map(len, heads))
    lines = [
        _line("", [([""] * (height - len(head)) + head)[number] for head in heads], first, widths)
        for number in range(height)
    ]
    for name, *cells in table.rows:
        pieces = textwrap.wrap(name, first, subsequent_indent="  ", break_on_hyphens=False) or [""]
        lines += [_line(pieces[0], cells, first, widths), *pieces[1:]]
    return "\n".join(lines)


def _line(name: str, cells: Sequence[str], first: int, widths: Sequence[int]) -> str:
    tail = (" " * _GAP + cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{name:<{first}}{''.join(tail)}".rstrip()


def _wrapped(sentence: str) -> str:
    return textwrap.fill(sentence.replace(NBSP, " "), WIDTH, break_on_hyphens=False)


def write_answer(answer: Answer, name: str, folder: Path) -> list[Path]:
    """Write NAME.csv and, where there is a picture, NAME.svg; each is there whole, or as it was before."""
    from clvsim.report.pictures import picture_file

    contents = {folder / f"{name}.csv": csv_text(answer.table).encode()}
    if answer.picture is not None:
        contents[folder / f"{name}.svg"] = picture_file(answer.picture).encode()
    folder.mkdir(exist_ok=True)
    write_all_whole(contents)
    return list(contents)
