"""Tables of split tests that a scenario names, and effects that are tests or counts, with anything in them."""

import csv
import os

from hypothesis import strategies as st

from tests.fuzz.cases import Case
from tests.fuzz.nasty import damaged, numbers, texts
from tests.fuzz.tables import BRIEF, CORPUS, GOOD, NAMES, csv_text

TABLE = """name,control_n,control_successes,variant_n,variant_successes
headline,10000,200,10000,230
photo,8000,200,8000,190
button,120,3,130,9
"""
OWN = tuple(word for word in BRIEF if not word.startswith("scenarios"))
EFFECTS = (
    *("{kind: split_tests}", "{kind: split_tests, tests: [], name: a}", "{kind: split_tests, tests: {}, name: a}"),
    *("{kind: split_tests, tests: [1, 2], name: a}", "{kind: split_tests, tests: [{name: a}, {}], name: a}"),
    *(
        "{kind: split_tests, tests: [{name: a, n: [1, 1], x: [0, 1]}, {name: b, n: [1, 1], x: [1, 0]}], name: b}",
        "{kind: split_tests, tests: [{name: a, n: [1, 1], x: [0, 2]}, {name: a, n: [1, 1], x: [1, 0]}], name: a}",
        "{kind: split_tests, tests: [{name: a, n: [1, 1], x: [0, 1], y: 1}], name: 'a', all: maybe}",
        "{kind: split_tests, tests: t.csv, name: headline, all: true, transport: .nan}",
    ),
    *("{kind: counts}", "{kind: counts, successes: 3, trials: 2}", "{kind: counts, successes: .5, trials: .inf}"),
    *("{kind: counts, successes: -1, trials: 0}", "{kind: counts, successes: 1, trials: 1e300}"),
    *(
        f"{{kind: money_experiment, n: {n}, mean: {mean}, sd: {sd}}}"
        for n, mean, sd in (
            *(("[100, 100]", "[40, 45]", "[30, 33]"), ("[2, 2]", "[40, 45]", "[0, 0]"), ("[1, 0]", "[1, 1]", "[1, 1]")),
            *(("[100, 100]", "[0, -1]", "[1, 1]"), ("[100, 100]", "[1, 1]", "[-1, .nan]"), ("3", "{}", "x")),
            *(("[999999999999, 999999999999]", "[1e-9, 1e12]", "[1e-9, 0]"), ("[100, 100]", "[1e-300, 1]", "[0, 1]")),
            *(("[100, 100]", "[1e12, 1e-9]", "[1e12, 1e-300]"), ("[1e6, 1e6]", "[40, 45, 50]", "[1, 1, 1]")),
        )
    ),
)


def named(effect: str, file: bytes | None, name: str = "t.csv") -> Case:
    """A scenario whose lever has that effect on spend, beside a file of tests; None: a folder of that name."""
    study = f"title: x\nlever: {{kind: shift, target: spend, size: {effect}}}\n"
    files = {"scenario/own.yaml": study.encode("utf-8", "replace"), "o.csv": GOOD, name: file}
    return Case(("check", "o.csv", "scenarios=[own]", *OWN), files)


def of_file(name: str) -> str:
    return f"{{kind: split_tests, tests: {name}, name: headline}}"


def split_cases() -> list[Case]:
    """Effects as wholes, the corpus of files in the place of a table, and a table under every name."""
    table = TABLE.encode()
    quoted = [name for name in NAMES if os.fsdecode(name).isprintable() and "'" not in name and len(name) < 200]
    return [
        *(named(effect, table) for effect in EFFECTS),
        *(named(of_file("t.csv"), make()) for make in CORPUS.values()),
        *(named(of_file(f"'{name}'"), table, name) for name in quoted),
        *(
            named(of_file(f"'{path}'"), table)
            for path in ("../t.csv", "/etc/passwd", "/dev/zero", "~", "", ".", "t.csv/")
        ),
        named(of_file("t.csv"), None),
    ]


@st.composite
def splits(draw: st.DrawFn) -> Case:
    """A table of tests with a few strange cells, or damaged."""
    if draw(st.integers(0, 3)) == 0:
        return named(of_file("t.csv"), draw(damaged(TABLE.encode())))
    rows: list[list[str]] = list(csv.reader(TABLE.splitlines()))
    for _ in range(draw(st.integers(1, 3))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        match draw(st.sampled_from(("cell", "cell", "cell", "less", "more", "again"))):
            case "cell":
                row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(numbers.map(str), texts))
            case "less":
                del row[1:]
            case "more":
                row.append(draw(texts))
            case "again":
                rows.append(list(row))
    quote = draw(st.sampled_from(("needed", "needed", "always", "broken")))
    text = csv_text(rows, draw(st.sampled_from(",,;\t")), draw(st.sampled_from(("\n", "\r\n", "\r"))), quote)
    return named(of_file("t.csv"), text.encode("utf-8", "replace"))
