"""Lookup of named files: in the current directory first, then among those that come with clvsim. Files as written."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clvsim.texts import CONTROLS, LINE_LIKE_A_FORMULA, cell_text, spreadsheet_cell

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parent  # a wheel holds configs/, a checkout has it beside
CONFIGS = ROOT / "configs"
OBJECT = "s3://"  # how the address of an object in a store begins
FILE_URL = "sqlite:///"  # and that of a database which is a file
SHIPPED = {"scenario": CONFIGS / "scenario", "experiments": ROOT / "experiments"}


def own_files(folder: str) -> dict[str, Path]:
    """`FOLDER/NAME.yaml` of the current directory, by name."""
    return yaml_files(Path.cwd() / folder)


def named_files(folder: str) -> dict[str, Path]:
    """Files of the current directory and of clvsim by name; of two with the same name, the current directory's."""
    return yaml_files(SHIPPED[folder]) | own_files(folder)


def yaml_files(folder: Path) -> dict[str, Path]:
    """The YAML files of a folder by their names without `.yaml`, sorted; a pipe, which may never end, is none."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.is_file()}


def choices(group: str) -> tuple[str, ...]:
    """Names that `GROUP=NAME` accepts."""
    return tuple(yaml_files(CONFIGS / group))


def leading_comment(path: Path) -> str:
    """The comment that a YAML file starts with, without its marks and Hydra's `@package`."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package "):
            lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines).rstrip()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean WORD?` to append to a message; empty when no known word is similar."""
    near = difflib.get_close_matches(word, tuple(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_name(kind: str, name: str, known: Mapping[str, object] | Iterable[str]) -> str:
    """`no scenario 'upsel'; did you mean upsell_soft?`; the known names when none is similar."""
    known = tuple(known)
    hint = did_you_mean(name, known) or (f"; there is {', '.join(known)}" if known else "")
    return f"no {kind} {name!r}{hint}"


def file_name(path: str) -> str:
    """The name of a file, if its path begins at the root and would say where somebody works, or that of an object in a
    store; other paths stay."""
    if path.startswith(OBJECT):
        return path.rstrip("/").rpartition("/")[2]
    return Path(path).name or path if Path(path).is_absolute() else path


def csv_text(table: "pd.DataFrame") -> str:
    """A table as CSV whose texts no spreadsheet computes; its numbers stay numbers."""
    return with_plain_texts(table).to_csv(index=False, lineterminator="\n")


def with_plain_texts(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table whose texts no spreadsheet computes."""
    words = table.select_dtypes(exclude=["number", "datetime", "bool"]).columns
    return table.assign(**{name: table[name].map(spreadsheet_cell) for name in words if not _is_plain(table[name])})


def _is_plain(column: "pd.Series") -> bool:
    """Whether `spreadsheet_cell` would surely leave all texts of a column as they are: two searches in all of them at
    once, which a million customers' ids take a tenth as long as one by one. A text of several lines may not be."""
    lines = "\n".join(text for text in column.tolist() if isinstance(text, str) and text)
    return not (CONTROLS.search(lines) or LINE_LIKE_A_FORMULA.search(lines))


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as `csv_text` has it."""
    path.write_text(csv_text(table), encoding="utf-8")


def read_csv(path: Path, texts: Collection[str]) -> "pd.DataFrame":
    """A table that `write_csv` wrote, its columns `texts` as they were; of all others what is empty is not a number."""
    import pandas as pd

    numbers = [name for name in pd.read_csv(path, nrows=0) if name not in texts]
    table = pd.read_csv(
        path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values={name: [""] for name in numbers}
    )
    return table.assign(**{name: table[name].map(cell_text) for name in texts if name in table})
