"""Shapley's value against all orders of players, one by one, and published games."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from clvsim.decision import shapley, value_of_coalitions


def by_orders(values: np.ndarray) -> list[float]:
    """Mean of what each player adds over all orders, in fractions."""
    players = values.size.bit_length() - 1
    total, orders = [Fraction(0)] * players, list(permutations(range(players)))
    for order in orders:
        here = 0
        for player in order:
            total[player] += Fraction(float(values[here | 1 << player])) - Fraction(float(values[here]))
            here |= 1 << player
    return [float(one / len(orders)) for one in total]


@pytest.mark.parametrize("players", [1, 2, 3, 4, 5])
def test_it_is_the_mean_over_all_orders_and_adds_up(players: int) -> None:
    values = np.random.default_rng(players).normal(10.0, 5.0, (7, 1 << players))
    credits = shapley(values)
    np.testing.assert_allclose(credits, [by_orders(row) for row in values], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(credits.sum(axis=1), values[:, -1] - values[:, 0], rtol=1e-13, atol=1e-12)


def test_the_glove_game() -> None:
    """One left glove and two right ones: a pair is worth 1, and the left one has 2/3 of it."""
    left, first, second = 1, 2, 4
    values = np.zeros((1, 8))
    values[0, [left | first, left | second, left | first | second]] = 1.0
    np.testing.assert_allclose(shapley(values), [[2 / 3, 1 / 6, 1 / 6]], rtol=1e-14)


def test_who_adds_nothing_has_no_credit_and_equals_have_the_same() -> None:
    worth = np.array([3.0, 0.0, 3.0])
    values = np.array([[sum(worth[i] for i in range(3) if s >> i & 1) ** 0.5 for s in range(8)]])
    credits = shapley(values)[0]
    assert credits[1] == 0.0
    assert credits[0] == pytest.approx(credits[2], rel=1e-14)
    assert credits[0] == pytest.approx(6**0.5 / 2, rel=1e-14)


def test_channels_share_each_order_and_no_order_is_lost() -> None:
    """Orders by the channels that their customers touched: each is shared out evenly among these."""
    orders = np.random.default_rng(2).poisson(20.0, (5, 16)).astype(float)
    orders[:, 0] = 0.0  # every one of them touched a channel
    credits = shapley(value_of_coalitions(orders))
    plainly = np.zeros((5, 4))
    for touched in range(1, 16):
        among = [i for i in range(4) if touched >> i & 1]
        plainly[:, among] += orders[:, [touched]] / len(among)
    np.testing.assert_allclose(credits, plainly, rtol=1e-12)
    np.testing.assert_allclose(credits.sum(axis=1), orders.sum(axis=1), rtol=1e-13)


def test_orders_that_nobody_touched_are_nobodys() -> None:
    credits = shapley(value_of_coalitions(np.array([[7.0, 2.0, 0.0, 4.0]])))
    np.testing.assert_allclose(credits, [[4.0, 2.0]])


@pytest.mark.parametrize("columns", [0, 1, 3, 6, 64])
def test_other_columns_are_refused(columns: int) -> None:
    for function in (shapley, value_of_coalitions):
        with pytest.raises(ValueError, match=f"a column for each of 2.k coalitions, k from 1 to 5, got {columns}"):
            function(np.zeros((2, columns)))
