"""A finished run is read back as it was."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvsim import archive
from clvsim.errors import ConfigError
from clvsim.files import csv_text, write_csv
from clvsim.report import write_report
from clvsim.texts import CONTROLS, FORMULA, spreadsheet_cell
from clvsim.types import RunResult
from tests.report import factory


def same(a: object, b: object) -> bool:
    return archive.json_ready(a) == archive.json_ready(b)


@pytest.mark.parametrize("make", [factory.demo, factory.foreign, factory.subscriptions])
def test_round_trip(make, tmp_path: Path):
    before: RunResult = make()
    archive.write_result(before, tmp_path)
    after = archive.read_result(tmp_path)
    for field in fields(RunResult):
        if field.name != "comparison":
            assert same(getattr(before, field.name), getattr(after, field.name)), field.name
    pd.testing.assert_frame_equal(before.comparison, after.comparison, check_exact=True, check_dtype=False)


def test_the_page_of_a_run_read_back_is_the_same(tmp_path: Path):
    before = factory.demo()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write_report(before, tmp_path / "a").read_bytes()
    archive.write_result(before, tmp_path)
    assert write_report(archive.read_result(tmp_path), tmp_path / "b").read_bytes() == first


def test_a_damaged_run_is_one_line(tmp_path: Path):
    archive.write_result(factory.demo(), tmp_path)
    (tmp_path / archive.SUMMARY).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read as a finished run"):
        archive.read_result(tmp_path)


def test_numbers_that_json_lacks_become_null():
    assert archive.json_ready({"a": np.array([1.0, np.nan]), "b": float("inf"), "c": np.datetime64("2024-01-02")}) == {
        "a": [1.0, None],
        "b": None,
        "c": "2024-01-02",
    }


def test_no_text_of_a_table_is_a_formula_and_numbers_stay_numbers(tmp_path: Path):
    table = pd.DataFrame({"model": ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "x=1", None], "delta": [-1.5] * 8})
    write_csv(table, tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv")
    assert [str(text)[:1] for text in back["model"]] == ["'"] * 6 + ["x", "n"]
    assert back["delta"].tolist() == [-1.5] * 8
    assert table["model"][0] == "=1+1"


@pytest.mark.parametrize("sign", [*FORMULA, "\x1b", "\u202e", "a\n=", "a\n\n", "x", ""])
@pytest.mark.parametrize("place", ["first", "last", "alone"])
def test_each_cell_is_escaped_whatever_else_is_in_its_column(sign: str, place: str):
    """Columns that need no escapes are told from others at once; what is written is that of every cell by itself."""
    others = [] if place == "alone" else ["", "plain", None, 1.5, "a-b"]
    texts = [f"{sign}1", *others] if place == "first" else [*others, f"{sign}1"]
    table = pd.DataFrame({"text": pd.Series(texts, dtype=object), "yes": True, "number": 0.1})
    cells = table.assign(text=table["text"].map(spreadsheet_cell))
    assert csv_text(table) == cells.to_csv(index=False, lineterminator="\n")


def test_controls_are_escapes_of_json(tmp_path: Path):
    text = "a\x1b\x9b\u202e\x00ü\n"
    archive.write_json({"title": text}, tmp_path / "x.json")
    written = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert not CONTROLS.search(written)
    assert "ü" in written
    assert json.loads(written) == {"title": text}
