"""A table of split tests beside a scenario, from the shell: what is in it is checked with everything else."""

import pytest

from tests.cli.shell import ORDERS, assert_refused, tree

TABLE = """name,control_n,control_successes,variant_n,variant_successes
new headline,10000,200,10000,230
photo,8000,200,8000,190
"""
STUDY = """title: New headline
words: {kind: shift, target: spend, size: {kind: split_tests, tests: tests.csv, name: new headline, all: true}}
"""
CHECK = ("check", "orders.csv", "scenarios=[own]", "simulation.draws=20", "simulation.horizon_months=2")


@pytest.fixture
def beside(here):
    (here / "scenario").mkdir()
    for path, content in {"scenario/own.yaml": STUDY, "tests.csv": TABLE, "orders.csv": ORDERS}.items():
        (here / path).write_text(content)
    return here


def test_a_table_of_tests_is_read(clvsim, beside):
    done = clvsim(*CHECK)
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_with_it_is_said_with_all_else(clvsim, beside):
    (beside / "tests.csv").write_text(TABLE.replace("230", "23x").replace("190", "9000"))
    before = tree(beside)
    assert_refused(
        clvsim(*CHECK, "finance.gross_margin=7"),
        2,
        "finance.gross_margin: should be between 0 and 1",
        "scenario.own.words.size.tests: tests.csv: row 2: variant_successes must be a whole number, as 10000, got "
        "'23x'; row 3: variant_successes may not exceed variant_n, got 9,000 of 8,000",
    )
    assert tree(beside) == before


def test_a_table_elsewhere_is_not_read(clvsim, beside):
    refused = clvsim(*CHECK, "scenario.own.words.size.tests=../tests.csv")
    assert_refused(refused, 2, "scenario.own.words.size.tests: a file of the current folder is needed")


def test_what_is_kept_of_a_configuration_needs_no_file(beside):
    """The counts stand in it, so that it is understood wherever it is read again."""
    from clvsim.scenario import Scenario

    lever = {
        "kind": "shift",
        "target": "conversion",
        "size": {"kind": "split_tests", "tests": "tests.csv", "name": "photo"},
    }
    read = Scenario.model_validate({"title": "x", "words": lever})
    kept = read.model_dump(mode="json", serialize_as_any=True)
    (beside / "tests.csv").unlink()
    assert Scenario.model_validate(kept).interventions == read.interventions
    assert "tests.csv" not in str(kept)
