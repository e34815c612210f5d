"""CSV of many rows against pandas, byte by byte."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvsim.data import large_csv
from clvsim.data.large_csv import write_large_csv
from clvsim.files import write_csv

ROWS = 20_000
LETTERS = [*"ab ,;\"'\n\r\t=+-@é|\\\0\x01", "", "NULL", "nan", "None", "\ufeff", "1e5", "."]


def texts(letters: list[str], seed: int) -> np.ndarray:
    r = np.random.default_rng(seed)
    return np.array(["".join(r.choice(letters, size=r.integers(0, 5))) for _ in range(ROWS)], object)


def both(table: pd.DataFrame, folder: Path) -> tuple[bytes, bytes]:
    write_csv(table, folder / "pandas.csv")
    write_large_csv(table, folder / "large.csv")
    return (folder / "pandas.csv").read_bytes(), (folder / "large.csv").read_bytes()


def test_bytes_are_those_of_few_rows(tmp_path: Path) -> None:
    r = np.random.default_rng(1)
    number = r.standard_normal(ROWS) * 10.0 ** r.integers(-320, 300, ROWS)
    number[:9] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5.0, 1e16, 123456789012345680.0, 1e-5]
    days = np.datetime64("1969-01-01", "s") + r.integers(0, 30_000, ROWS) * np.timedelta64(86_400, "s")
    table = pd.DataFrame(
        {
            'id, or "name"': texts(LETTERS, 2),
            "number": number,
            "cents": np.round(r.random(ROWS) * 100, 2),
            "whole": r.integers(-(2**62), 2**62, ROWS),
            "flag": r.random(ROWS) < 0.5,
            "day": np.where(r.random(ROWS) < 0.1, np.datetime64("NaT", "s"), days),
            "never": np.full(ROWS, np.datetime64("NaT", "s")),
            "nothing": np.full(ROWS, np.nan),
            "empty": np.full(ROWS, "", object),
        }
    )
    plain, large = both(table, tmp_path)
    assert large == plain


def test_a_number_sign_is_quoted_and_read_alike(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": texts([*LETTERS, "#"], 3), "row": np.arange(ROWS)})
    plain, large = both(table, tmp_path)
    assert large != plain
    first, second = (pd.read_csv(tmp_path / name, dtype=str) for name in ("pandas.csv", "large.csv"))
    pd.testing.assert_frame_equal(first, second)


def test_few_rows_need_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_csv, "connect", None)
    plain, large = both(pd.DataFrame({"id": ["#1", "2"]}), tmp_path)
    assert large == plain
