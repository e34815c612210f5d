"""Credit shared out between those who bring a result together: Shapley's value, by all coalitions of a few players.

Coalitions are columns: that of the players i, j, … has number 2^i + 2^j + …, nobody is column 0, all are the last one.
"""

from math import factorial

import numpy as np

MOST_PLAYERS = 5


def shapley(values: np.ndarray) -> np.ndarray:
    """Credit of each player, (n, k), from the value of each coalition in each draw, (n, 2^k).

    A player's credit is the mean of what it adds over all orders in which k players can come in (Shapley 1953, A value
    for n-person games, eq. 13): Σ over S without i of |S|!(k − 1 − |S|)!/k! · (v(S ∪ i) − v(S)). In each draw credits
    add up to the value of all less that of nobody. Raises ValueError for a number of columns that is no 2^k, k from 1
    to `MOST_PLAYERS`.
    """
    players = players_of(values)
    coalitions = np.arange(values.shape[1])
    size = np.bitwise_count(coalitions)
    credits = np.empty((values.shape[0], players))
    for i in range(players):
        without = coalitions[coalitions >> i & 1 == 0]
        weight = [factorial(s) * factorial(players - 1 - s) / factorial(players) for s in size[without].tolist()]
        credits[:, i] = (values[:, without | 1 << i] - values[:, without]) @ np.array(weight)
    return credits


def value_of_coalitions(outcomes: np.ndarray) -> np.ndarray:
    """What each coalition has by itself, (n, 2^k), from what is due to exactly those players together, (n, 2^k).

    For results of which is known who had a part in each, such as orders by the channels that their customers touched:
    v(S) is the sum over all T within S, and `shapley` of it shares each result out evenly among those who had a part.
    Credits add up to all results but those in which nobody had one.
    """
    values = np.array(outcomes, dtype=np.float64)
    coalitions = np.arange(values.shape[1])
    for i in range(players_of(values)):
        has = coalitions[coalitions >> i & 1 == 1]
        values[:, has] += values[:, has ^ 1 << i]
    return values


def players_of(values: np.ndarray) -> int:
    """How many players there are; ValueError where there are none or too many."""
    players = max(values.shape[1].bit_length() - 1, 0)
    if values.shape[1] != 1 << players or not 1 <= players <= MOST_PLAYERS:
        raise ValueError(
            f"needs a column for each of 2^k coalitions, k from 1 to {MOST_PLAYERS}, got {values.shape[1]}"
        )
    return players
