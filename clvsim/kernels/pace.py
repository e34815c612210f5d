"""Operational time: orders fall due on the integral of the weekly rate multiplier, kept as its excess over time.

At multiplier 1 the two are the same to the last bit: the next order is exactly t + gap/λ.
"""

import numpy as np

from clvsim.kernels.state import Row
from clvsim.kernels.variates import inline

WEEK = 7.0
PER_WEEK = 1.0 / 7.0


@inline
def week_of(t, last):
    return min(int(t * PER_WEEK), last)


@inline
def start_of_next_week(t):
    return WEEK * (int(t * PER_WEEK) + 1)


@inline
def pace_of(terms):
    """Factor on the own rate."""
    return terms.pace * terms.damping


@inline
def row_of(run, w, table):
    """Where a world's table starts."""
    index = w * run.tables + table
    return Row(index * (run.last_week + 1), index * (run.last_week + 2))


@inline
def excess_at(t, excess, multiplier, row, last):
    """∫₀ᵗ (multiplier - 1), days."""
    k = week_of(t, last)
    m = multiplier[np.uint64(row.week + k)]
    return excess[np.uint64(row.cumulative + k)] + (t - WEEK * k) * (m - 1.0)


@inline
def cumulative_at(t, table, row, last):
    """Piecewise linear between the starts of weeks."""
    k = week_of(t, last)
    low = table[np.uint64(row.cumulative + k)]
    return low + (t - WEEK * k) * PER_WEEK * (table[np.uint64(row.cumulative + k + 1)] - low)


@inline
def day_at(s, guess, excess, multiplier, row, last):
    """Day t on which t + excess(t) = s; exactly s while the multiplier has been 1. inf beyond the table.

    `guess` is a day near it, to start the search of the week from.
    """
    k = last if guess >= WEEK * last else int(guess * PER_WEEK)
    nearer = s - excess[np.uint64(row.cumulative + k)]  # excess changes little from week to week
    k = last if nearer >= WEEK * last else int(max(nearer, 0.0) * PER_WEEK)
    e = excess[np.uint64(row.cumulative + k)]
    while k > 0 and WEEK * k + e > s:
        k -= 1
        e = excess[np.uint64(row.cumulative + k)]
    after = excess[np.uint64(row.cumulative + k + 1)]
    while WEEK * (k + 1) + after <= s:
        k += 1
        if k > last:
            return np.inf
        e = after
        after = excess[np.uint64(row.cumulative + k + 1)]
    m = multiplier[np.uint64(row.week + k)]
    return s - e if m == 1.0 else WEEK * k + (s - e - WEEK * k) / m


@inline
def operational_excess(run, weeks, row, t):
    """Operational time minus time at day t."""
    if not run.paced:
        return 0.0
    return excess_at(t, weeks.rate_excess, weeks.rate, row, run.last_week)


@inline
def day_of(run, weeks, row, due, guess):
    """Day of an operational time."""
    if not run.paced:
        return due
    return day_at(due, guess, weeks.rate_excess, weeks.rate, row, run.last_week)
