"""The full CDNOW log: counts of the raw file, and the bundled sample within it."""

from collections import Counter
from datetime import date
from decimal import Decimal

import duckdb
import pytest

from clvsim.data import DataConfig
from clvsim.data.material import Material
from clvsim.data.raw import BUNDLED
from clvsim.data.readers import read_material
from tests.shipped import read


@pytest.fixture(scope="module")
def master() -> Material:
    settings = read("data", "cdnow_master")
    settings |= {"today": "1998-06-30", "calibration_end": settings["today"]}
    return read_material(DataConfig.model_validate(settings))


def test_the_file_holds_what_the_raw_one_does() -> None:
    totals = duckdb.execute(
        "SELECT count(*), count(DISTINCT customer_id), min(date), max(date), sum(amount), "
        "count(*) FILTER (amount = 0), count(DISTINCT (customer_id, date)) FROM read_parquet(?)",
        [str(BUNDLED["cdnow_master"])],
    ).fetchall()[0]
    assert totals == (69_659, 23_570, date(1997, 1, 1), date(1998, 6, 30), Decimal("2500315.63"), 80, 67_591)
    assert BUNDLED["cdnow_master"].stat().st_size < 300_000


def test_its_summary(master: Material) -> None:
    assert master.check is not None
    summary, frame = master.check.summary, master.check.summary.customers
    assert (summary.today, summary.holdout_days) == (date(1997, 9, 30), 273)
    assert len(frame[["frequency", "recency_days", "T_days"]].drop_duplicates()) == 8685
    assert (len(frame), frame["frequency"].sum(), frame["holdout_frequency"].sum()) == (23_570, 24_337, 19_684)
    assert frame["T_days"].between(188, 272).all()  # everybody came in the first quarter: 12 weeks and a half
    assert master.weekly is not None
    assert master.weekly["orders"].sum() == 24_337 + 19_684


def test_the_sample_is_part_of_it() -> None:
    """The sample has ids of its own: each of its histories is one of the master's, as often as it occurs."""

    def histories(name: str) -> Counter[str]:
        rows = duckdb.execute(
            "SELECT string_agg(date || ' ' || amount, ',' ORDER BY date, amount) FROM read_parquet(?) "
            "GROUP BY customer_id",
            [str(BUNDLED[name])],
        ).fetchall()
        return Counter(text for (text,) in rows)

    sample, master = histories("cdnow_sample"), histories("cdnow_master")
    assert sample.total() == 2357
    assert sample <= master
