"""Which of today's customers are simulated where there are more than `simulation.max_customers`, and for how many each
of them stands. docs/scale.md.

Customers stand in a line, cell by cell of the ledgers, by what they are expected to bring and how likely they are still
there. The line is cut into lots, small ones where much is expected, and of each lot the customer with the smallest
uniform is simulated and stands for all of it: weights are whole numbers, which add up to the customers of each cell.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from clvsim.kernels import rng
from clvsim.simulation.plan import RunPlan
from clvsim.types import CustomerSummary

LEAST_OF_A_CELL = 4  # simulated customers on average; with fewer cohorts are not kept apart
_PER_OCTAVE = 4  # steps of expected value within which customers stand by P(alive)
_EVEN = 0.5  # of the size of an average customer: a lever may well move those of whom little is expected
_STEPS = 60  # of a bisection


@dataclass(frozen=True)
class Sample:
    """Customers who are simulated, by weight; of one weight those of equal value come together, as in the line."""

    rows: np.ndarray  # (n,) of the summary's customers
    weight: np.ndarray  # int64 (n,), ascending: for how many customers each stands
    customers: int  # of whom they were drawn

    @property
    def sentence(self) -> str:
        return (
            f"Levers were simulated on {self.rows.size:,} of {self.customers:,} customers; what that adds to each "
            "figure's error is in it (simulation.max_customers)."
        )

    def part(self, plan: RunPlan, summary: CustomerSummary) -> tuple[RunPlan, CustomerSummary]:
        """The plan and the summary of these customers alone."""
        layout = plan.layout
        own = replace(layout, group=layout.group[self.rows], cohort=layout.cohort[self.rows], weight=self.weight)
        return replace(plan, layout=own), rows_of_summary(summary, self.rows)


def rows_of_summary(summary: CustomerSummary, rows: np.ndarray) -> CustomerSummary:
    """Some of its customers. What is known of days and periods stays that of all."""
    by_day = None if summary.by_day is None else rows_of_summary(summary.by_day, rows)
    return replace(summary, customers=summary.customers.iloc[rows].reset_index(drop=True), by_day=by_day)


def draw_sample(
    plan: RunPlan, summary: CustomerSummary, value: np.ndarray, alive: np.ndarray, reachable: np.ndarray
) -> Sample | None:
    """The customers to simulate, None: all of them.

    `value` (c,) is what each is expected to bring, `alive` the probability to be still there, `reachable` whether it is
    not known to be lost; these are cut apart. Who is chosen follows from ids, the seed and these, whatever the order of
    rows.
    """
    most, layout = plan.simulation.most_customers, plan.layout
    if most is None or value.size <= most:
        return None
    several = 2 * layout.first_new_cohort * LEAST_OF_A_CELL <= most
    cell = 2 * (layout.cohort if several else layout.group) + reachable
    return sample_of(summary, most, plan.seed, cell, sizes(value), alive)


def sample_of(
    summary: CustomerSummary, most: int, seed: int, cell: np.ndarray, size: np.ndarray, along: np.ndarray
) -> Sample:
    """At most so many customers, (c,) of whom `size` is the share of the sample that each asks for; those of a cell and
    of a size stand in the order of `along`."""
    key = rng.text_keys(summary.customers["customer_id"].tolist())
    step = np.rint(_PER_OCTAVE * np.log2(size)).astype(np.int64)
    order = np.lexsort((key, np.where(step % 2 == 0, along, -along), -step, cell))
    lots = cut(runs_of(cell[order], step[order]), most)
    lot = np.repeat(np.arange(lots.size), lots)
    uniform = rng.entity_uniforms(key ^ rng.text_key(f"sample of seed {seed}"), rng.SAMPLED)[order]
    first = np.append(0, np.cumsum(lots)[:-1])
    chosen = order[np.lexsort((uniform, lot))[first]]
    by_weight = np.lexsort((-step[chosen], lots))  # those who stand side by side are to be alike
    return Sample(chosen[by_weight], lots[by_weight], size.size)


def sizes(value: np.ndarray) -> np.ndarray:
    """The share of the sample that a customer asks for, (c,) > 0, on average 1: half of it alike, half by value."""
    size = np.abs(np.nan_to_num(value))
    mean = float(size.mean())
    return _EVEN + (1 - _EVEN) * size / mean if mean > 0 else np.ones_like(size)


class Runs(NamedTuple):
    """Customers who stand side by side in one cell with one size, in the order of the line, (runs,) each."""

    cell: np.ndarray
    size: np.ndarray
    count: np.ndarray


def runs_of(cell: np.ndarray, step: np.ndarray) -> Runs:
    starts = np.flatnonzero(np.append(True, (np.diff(cell) != 0) | (np.diff(step) != 0)))
    count = np.diff(np.append(starts, cell.size))
    return Runs(cell[starts], 2.0 ** (step[starts] / _PER_OCTAVE), count)


def cut(runs: Runs, most: int) -> np.ndarray:
    """Sizes of the lots along the line, int64, as many as possible but no more than `most`."""
    low, high = (
        0.0,
        float(np.log(runs.count.sum() * runs.size.max() * 2)),
    )  # of the log of how many a size of 1 stands for
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if sum(number for _, number in lots_of(runs, np.exp(middle))) > most:
            low = middle
        else:
            high = middle
    found = lots_of(runs, np.exp(high))
    return np.repeat(*np.array(found, np.int64).T)


def lots_of(runs: Runs, of_size_one: float) -> list[tuple[int, int]]:
    """Lots along the line as (customers of a lot, number of such lots)."""
    weights = whole(of_size_one / runs.size)
    lots: list[tuple[int, int]] = []
    over, cell = 0, -1  # customers of the next runs whom the last lot has taken
    for of, weight, count in zip(runs.cell.tolist(), weights.tolist(), runs.count.tolist(), strict=True):
        if of != cell:
            _close(lots, over)
            over, cell = 0, of
        left = count - over
        if left <= 0:
            over = -left
            continue
        number = -(-left // weight)
        lots.append((weight, number))
        over = number * weight - left
    _close(lots, over)
    return lots


def _close(lots: list[tuple[int, int]], over: int) -> None:
    """Cut the last lot of a cell, which asks for more customers than there are, into such as are there."""
    if not over:
        return
    weight, number = lots.pop()
    if number > 1:
        lots.append((weight, number - 1))
    left = weight - over
    while left:
        part = int(whole(np.array([float(left)]))[0])
        lots.append((part, left // part))
        left %= part


def whole(weights: np.ndarray) -> np.ndarray:
    """The largest of 1, 2, 3, 4, 6, 8, 12, ... that a number holds, at least 1, int64: few weights make few blocks."""
    held = np.maximum(weights, 1.0)
    power = 2.0 ** np.floor(np.log2(held))
    power = np.where(power > held, power / 2, power)
    return np.where((held >= 1.5 * power) & (power > 1), 1.5 * power, power).astype(np.int64)
