"""Contact lines of the ledger: customers on the list in each week times the schedule of contacts."""

from collections.abc import Sequence

import numpy as np

from clvsim.kernels.structs import COUNT_UNIT, Contacts
from clvsim.simulation.ledger.lines import DISCOUNTED, PLAIN, Cohort
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK


def month_of_week(weeks: int, periods: int) -> np.ndarray:
    """Month that the middle of each week lies in, (weeks,)."""
    month = (np.arange(weeks) + 0.5) * DAYS_PER_WEEK / DAYS_PER_MONTH
    return month.astype(int).clip(max=periods - 1)


def sum_by_month(weekly: np.ndarray, periods: int) -> np.ndarray:
    """Sums over the weeks of each month along the last axis."""
    month = month_of_week(weekly.shape[-1], periods)
    out = np.zeros((*weekly.shape[:-1], periods))
    starts = np.searchsorted(month, np.arange(month[-1] + 1))
    out[..., : month[-1] + 1] = np.add.reduceat(weekly, starts, axis=-1)
    return out


def calendar_contacts(
    on_list: np.ndarray, cohorts: Sequence[Cohort], contacts: Contacts, weekly_discount: np.ndarray, out: np.ndarray
) -> None:
    """Fill the calendar's contact lines `out` (w, 2g, programmes, 2, months).

    Customers on the list in each week, (w, 2 cohorts, weeks), times the contacts of that week.
    """
    group = np.array([c.group for c in cohorts])
    for g in np.unique(group):
        for half in (0, 1):
            people = on_list[:, 2 * np.flatnonzero(group == g) + half].sum(axis=1)
            for p in range(contacts.count.shape[0]):
                sent = people * np.diff(contacts.count[p, g])
                out[:, 2 * g + half, p, PLAIN] = sum_by_month(sent, out.shape[-1])
                out[:, 2 * g + half, p, DISCOUNTED] = sum_by_month(sent * weekly_discount, out.shape[-1])


def age_contacts(age_exit: np.ndarray, contacts: Contacts, newcomers: Sequence[int], out: np.ndarray) -> None:
    """Add the full months on the list to the age ledger's contact lines `out` (w, 2g, programmes, 2, ages).

    The kernel has posted the month in which a customer leaves; `age_exit` (w, 2g, arrival weeks, 2, ages) counts them.
    `newcomers` are the groups that have an age.
    """
    ages = out.shape[-1]
    joined = np.arange(age_exit.shape[2])[:, None]
    last = contacts.count.shape[-1] - 1
    week = np.minimum(joined + np.ceil(np.arange(ages + 1) * DAYS_PER_MONTH / DAYS_PER_WEEK).astype(int), last)
    for half in [2 * g + h for g in newcomers for h in (0, 1)]:
        for column, schedule in enumerate((contacts.count, contacts.discounted)):
            leaving = age_exit[:, half, :, column]
            staying = (leaving[..., ::-1].cumsum(axis=-1)[..., ::-1] - leaving) / COUNT_UNIT  # leave in a later month
            for p in range(schedule.shape[0]):
                sent = np.diff(schedule[p, half // 2][week], axis=-1)  # (arrival weeks, ages)
                out[:, half, p, column] += np.einsum("wam,am->wm", staying, sent)
