"""An answer on the terminal, and as files of the run's folder."""

import textwrap
from pathlib import Path

from clvsim.disk import write_all_whole
from clvsim.files import csv_text
from clvsim.questions.answer import Answer, Text
from clvsim.report.format import NBSP

WIDTH, _GAP, _NARROWEST = 100, 2, 14


def answer_text(answer: Answer) -> str:
    """Sentences, the table, and notes, at most 100 columns wide."""
    parts = ["\n".join(map(_wrapped, answer.sentences)), table_text(answer.text)]
    parts.append("\n".join(map(_wrapped, answer.notes)))
    return "\n\n".join(part for part in parts if part).replace(NBSP, " ")


def table_text(table: Text) -> str:
    """Columns side by side, the first to the left and wrapped where the others need its room."""
    if not table.rows:
        return ""
    columns = list(zip(*[table.headings, *table.rows], strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    room = WIDTH - sum(widths[1:]) - _GAP * (len(widths) - 1)
    first = max(min(widths[0], room), _NARROWEST)
    lines = []
    for name, *cells in (table.headings, *table.rows):
        pieces = textwrap.wrap(name, first, break_on_hyphens=False) or [""]
        tail = "".join(" " * _GAP + cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines += [f"{pieces[0]:<{first}}{tail}".rstrip(), *(f"  {piece}" for piece in pieces[1:])]
    return "\n".join(lines)


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
