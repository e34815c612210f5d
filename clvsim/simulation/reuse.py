"""Lives that a scenario leaves as they were: their sums are the baseline's, and they are not simulated again.

A life depends on the levers that reach its group, and on nothing that happens to others. Where a scenario has the
baseline's levers for a group, today's customers of it live as they do there; so do its newcomers up to the baseline's
number, in worlds in which there are not fewer. What acquiring them has cost may differ, and with it who repays: the
baseline's run counts that under each scenario's cost (`structs.Arrivals.cac`). Sums of integers are the same bits in
whatever order they are added.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clvsim.interventions.base import Group
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal
from clvsim.simulation.ledger import Raw
from clvsim.simulation.people import Block
from clvsim.simulation.tables import Levers, key_of

if TYPE_CHECKING:
    from clvsim.simulation.engine import Job

ELSEWHERE = -2  # cell of today's customers who are not simulated in a call


@dataclass(frozen=True)
class Sharing:
    """What each scenario takes from the baseline's sums of one block.

    `same` (jobs, w, g): lives of a group are the baseline's; False for the baseline itself. `tariff` (jobs,): under
    which its newcomers repay; `cac` (w, cells × tariffs) of the baseline's run.
    """

    same: np.ndarray
    tariff: tuple[int, ...]
    cac: np.ndarray

    @property
    def tariffs(self) -> int:
        return max(self.tariff) + 1

    @property
    def any(self) -> bool:
        return bool(self.same.any())


def sharing(block: Block, jobs: Sequence["Job"], groups: Sequence[Group]) -> Sharing:
    """What scenarios take from the first, which is the baseline. Nothing where that has offers or contacts itself."""
    base, worlds = jobs[0], jobs[0].raw.calendar.shape[0]
    same, tariff = np.zeros((len(jobs), worlds, len(groups)), bool), [0] * len(jobs)
    tables = [base.arrivals.cac]
    if not base.levers.offers and not base.levers.contacts:
        for number, job in enumerate(jobs[1:], start=1):
            for g in np.unique(block.people.group):
                if lever_key(job.levers, groups[g]) == lever_key(base.levers, groups[g]):
                    same[number, :, g] = alike(block, job, base, g) if block.newcomers else True
            if block.newcomers and same[number].any() and not np.array_equal(job.arrivals.cac, base.arrivals.cac):
                tariff[number] = len(tables)
                tables.append(job.arrivals.cac)
    cac = tables[0] if len(tables) == 1 else seal(np.stack(tables, axis=-1).reshape(worlds, -1))
    return Sharing(same, tuple(tariff), cac)


def lever_key(levers: Levers, group: Group) -> tuple[Hashable, ...]:
    """What of a scenario's levers a life of the group can notice."""
    shifts = [s for s in levers.shifts if not s.brings_customers]
    reaching = (m for m in (*shifts, *levers.offers, *levers.contacts) if m.who.reaches(group))
    return tuple(map(key_of, reaching))


def alike(block: Block, job: "Job", base: "Job", group: int) -> np.ndarray:
    """Worlds (w,) in which a block's newcomers up to the baseline's number are the same and cost the same."""
    cells = np.unique(block.people.cell)
    ours, theirs = job.arrivals, base.arrivals
    not_fewer = (ours.marginal_from == theirs.count) & (ours.count >= theirs.count) & (ours.weight == theirs.weight)
    return not_fewer[:, cells].all(axis=1) & (job.dues[:, group] == base.dues[:, group]).all(axis=1)


def rest_of(
    block: Block, arrivals: ks.Arrivals, base: ks.Arrivals, same: np.ndarray
) -> tuple[ks.People, ks.Arrivals] | None:
    """The lives of a block that are to be simulated where those of `same` (w, g) are not; None: nobody.

    `arrivals` and `base` are those of the worlds at hand.
    """
    people = block.people
    if not block.newcomers:
        elsewhere = same[0, people.group]  # of today's customers in all worlds alike
        cell = np.where(elsewhere, ELSEWHERE, people.cell)
        return None if elsewhere.all() else (people._replace(cell=seal(cell, np.int64)), arrivals)
    shared = same[:, people.group[0]]  # a block's newcomers are of one group
    start = np.where(shared[:, None], base.count, 0)
    cells = np.unique(people.cell)
    if (start >= arrivals.count)[:, cells].all():
        return None
    return people, arrivals._replace(start=seal(start, np.int64))


def empty_sums(raw: Raw, tariffs: int) -> Raw:
    """Sums like those of the baseline, with a line for those who repay each further tariff."""
    more = [(0, 0), (0, 0), (0, tariffs - 1), (0, 0), (0, 0)]
    calendar, age = (np.pad(np.zeros_like(book), more) for book in (raw.calendar, raw.age))
    return raw._replace(calendar=calendar, age=age, cohort=np.zeros_like(raw.cohort))


def add_all(raw: Raw, sums: Raw) -> None:
    """Add sums to the baseline's own, those under other tariffs left out."""
    lines = raw.calendar.shape[2]
    for book in ("calendar", "age"):
        getattr(raw, book)[...] += getattr(sums, book)[:, :, :lines]
    raw.cohort[...] += sums.cohort


def add_shared(raw: Raw, base: Raw, same: np.ndarray, tariff: int, people: ks.People) -> None:
    """Add the baseline's sums of a block, those of the lives in `same` (w, g), to a scenario's."""
    lines = np.arange(ks.BASE_LINES)
    by_age = lines.copy()
    if tariff:
        by_age[ks.REPAID] = ks.BASE_LINES + tariff - 1
    for g in np.flatnonzero(same.any(axis=0)):
        worlds, rows = np.flatnonzero(same[:, g]), (2 * g, 2 * g + 1)
        at = np.ix_(worlds, rows, lines)
        raw.calendar[at] += base.calendar[at]
        raw.age[at] += base.age[np.ix_(worlds, rows, by_age)]
        cohorts = np.ix_(worlds, np.unique(people.cohort[people.group == g]))
        raw.cohort[cohorts] += base.cohort[cohorts]
