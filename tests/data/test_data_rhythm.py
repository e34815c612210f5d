"""Gaps near the calendar's periods: counted as arrays, and as digits of a database's sums."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvsim.data.rhythm import GAPS, counts_of, packed, rhythms_of, unpacked


def said(gap: np.ndarray, customer: np.ndarray, alike: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The counts by their definition, one gap at a time."""
    near, broken = (np.zeros((len(GAPS), customer.max() + 1), np.int64) for _ in range(2))
    for days, who, same in zip(gap.tolist(), customer.tolist(), alike.tolist(), strict=True):
        for row, period in enumerate(GAPS.values()):
            near[row, who] += same and period.least <= days <= (period.most or days)
            broken[row, who] += days >= period.broken
    return near, broken


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_count_what_the_definition_says(seed: int) -> None:
    r = np.random.default_rng(seed)
    edges = [
        edge + step
        for gaps in GAPS.values()
        for edge in (gaps.least, gaps.most or 900, gaps.broken)
        for step in (-1, 0, 1)
    ]
    gap = np.concatenate([r.choice(edges, 400), r.integers(1, 1200, 400)])
    customer, alike = np.sort(r.integers(0, 30, gap.size)), r.random(gap.size) < 0.7
    near, broken = said(gap, customer, alike)
    for found, wanted in zip(counts_of(customer, gap, alike, int(customer.max()) + 1), (near, broken), strict=True):
        assert np.array_equal(found, wanted)
    gaps = pd.DataFrame({"customer": customer, "broken": gap, "near": np.where(alike, gap, np.nan)})
    sums = ", ".join(f"sum({one})::BIGINT AS s{i}" for i, one in enumerate(packed("near", "broken")))
    con = duckdb.connect()
    con.register("gaps", gaps.astype({"near": "Int64"}))
    counted = con.execute(f"SELECT {sums} FROM gaps GROUP BY customer ORDER BY customer").df().to_numpy()
    assert np.array_equal(unpacked(counted[:, 0]), near)
    assert np.array_equal(unpacked(counted[:, 1]), broken)


def test_digits_hold_all_gaps_since_1900_and_fit_a_floating_number() -> None:
    """No day is earlier than 1900, and answers of a database are read as floating numbers."""
    days = (date.today() - date(1900, 1, 1)).days
    for name, gaps in GAPS.items():
        con = duckdb.connect()
        nearest, longer = con.execute(f"SELECT {', '.join(packed(str(gaps.least), str(gaps.broken)))}").fetchall()[0]
        near, broken = days // gaps.least * nearest, days // gaps.broken * longer
        assert max(near, broken) < 2**53, name
        counts = unpacked(np.array([near, broken], np.float64))[list(GAPS).index(name)]
        assert counts.tolist() == [days // gaps.least, days // gaps.broken]


def test_of_equals_the_first_and_of_none_nothing() -> None:
    near = np.array([[2, 0, 1], [2, 0, 0], [1, 0, 3], [0, 0, 3]])
    rhythm, breaks = rhythms_of(near, np.array([[1, 9, 0], [2, 9, 0], [3, 9, 4], [4, 9, 5]]))
    assert rhythm.tolist() == ["month", "", "quarter"]
    assert breaks.tolist() == [1, 0, 4]
