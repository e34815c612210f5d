"""First orders of a log by month: how many new customers came, on how many days, as far as they are new."""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from clvsim.anniversaries import Anchor, day_number, day_of_month, due_on, month_of
from clvsim.data.days import Days
from clvsim.data.remarks import mid_life
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

YEAR = 12  # months
_MOST_MONTHS = 60  # that count: what is older says nothing of the level of today
FEWEST_MONTHS, FEWEST_ORDERS = 3, 30


class FirstOrders(NamedTuple):
    """Months that end on today's day of the month, in the order of time; the oldest may be a part of one.

    `count` first orders, int64, and `days` that the log has of each, both (month,). `left_out`: first orders before
    `start`, of customers who are older than the log.
    """

    count: np.ndarray
    days: np.ndarray
    start: date
    today: date
    left_out: int = 0

    @property
    def exposure(self) -> np.ndarray:
        """Days of each month as a share of a mean one, (month,)."""
        return self.days / DAYS_PER_MONTH

    @property
    def months(self) -> float:
        return float(self.exposure.sum())

    @property
    def total(self) -> int:
        return int(self.count.sum())

    @property
    def last_year(self) -> tuple[float, float]:
        """Newcomers a month in the last twelve months, or in as many as there are, and how many these are."""
        months = float(self.exposure[-YEAR:].sum())
        return float(self.count[-YEAR:].sum()) / months, months

    @property
    def closed(self) -> date | None:
        """Since when nobody is new, for a year or half of the log, as in a log of one group.

        None where some are, or too few ever were to tell.
        """
        months = np.flatnonzero(self.count)
        few = self.months < FEWEST_MONTHS or self.total < FEWEST_ORDERS
        if few or self.count.size - months[-1] - 1 < min(YEAR, self.count.size / 2):
            return None
        return self.today - timedelta(days=int(self.days[months[-1] + 1 :].sum()))

    def problem(self) -> str:
        """Why nothing can be learned of newcomers to come, "" where it can."""
        span = f"the log has {self.total:,} from {self.start} to {self.today}"
        if self.months < FEWEST_MONTHS:
            return f"needs first orders of at least {FEWEST_MONTHS} months; {span} ({self.months:.1f} months)"
        if self.total < FEWEST_ORDERS:
            return f"needs at least {FEWEST_ORDERS} first orders; {span}"
        if last := self.closed:
            return f"needs newcomers who still come; {span}, and none since {last}: a group that was closed then"
        return ""


def first_orders(summary: CustomerSummary) -> FirstOrders | None:
    """First orders up to today; None where the source does not date orders.

    A month has each day of the month once, so that what falls due by the calendar is spread evenly. The log's first
    day, which is one because somebody ordered, does not count. Where first orders pile up at its start
    (`remarks.mid_life`) only those after they have settled do.
    """
    dated = summary.dated
    if dated.repeat_orders_by_day is None:
        return None
    length = (dated.today - dated.first_date).days
    ago = np.rint(dated.customers["T_days"].to_numpy(np.float64)).astype(np.int64)
    day = length - ago
    pile = mid_life(Days(np.arange(day.size), day, day, length))
    start = pile.settled if pile else 1
    today = np.array(day_number(dated.today))
    back = today - due_on(Anchor(month_of(today), day_of_month(today)), -np.arange(_MOST_MONTHS + 1))
    first = min(length - start + 1, int(back[-1]))  # days that count
    months = int(np.searchsorted(back, first))
    edges = np.append(back[:months], first)
    return FirstOrders(
        np.histogram(ago[(day >= start) & (ago < first)], np.append(edges[:-1], np.inf))[0][::-1],
        np.diff(edges)[::-1],
        dated.today - timedelta(days=first - 1),
        dated.today,
        int((day < start).sum()) if pile else 0,
    )
