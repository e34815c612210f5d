"""Distinct rows, against NumPy's."""

import numpy as np
import pytest

from clvsim.models.laws import distinct_rows, unique_rows


def columns(size: int) -> list[np.ndarray]:
    r = np.random.default_rng(size)
    return [
        r.poisson(1.0, size).astype(float),
        r.integers(-2, 2, size),
        r.random(size) < 0.5,
        r.choice([-0.0, 0.0], size),
    ]


@pytest.mark.parametrize("size", [0, 1, 2, 500])
def test_distinct_rows_are_those_of_numpy(size: int) -> None:
    found = columns(size)
    rows, first, place, count = np.unique(
        np.column_stack(found), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    own_first, own_place = distinct_rows(found)
    np.testing.assert_array_equal(own_first, first)
    np.testing.assert_array_equal(own_place, place.reshape(-1))
    own_rows, own_count = unique_rows(found)
    np.testing.assert_array_equal(own_rows, rows)
    np.testing.assert_array_equal(own_count, count)
