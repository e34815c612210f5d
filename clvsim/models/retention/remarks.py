"""What the payments of a log say against contracts of one length that never pause, before anything is fitted."""

from typing import Any

import numpy as np

from clvsim.anniversaries import day_number, month_of
from clvsim.data.yearly import Season, season_in
from clvsim.models.around.levels import BY_PLAN
from clvsim.models.retention.due import renewals_due
from clvsim.types import RENEWAL_DAYS, TWO_YEARS_DAYS, CustomerSummary

_ALIKE, _SOME = 0.1, 0.05  # a gap's distance from a period; the share of contracts that is said
_FEW_LOSSES = 0.5  # expected in a month, of fewer of which it is not counted
_FEW = 20  # contracts, of fewer of which a share says little


def season_of_losses(section: Any, summary: CustomerSummary) -> Season | None:
    """The season in how many contracts end at the renewals of a month, against what is usual at their ages; None of a
    log below two years or without dates, and where a season does not go with what `section` asks for."""
    length = (summary.today - summary.first_date).days
    if summary.repeat_orders_by_day is None or length < TWO_YEARS_DAYS or section.renewal == BY_PLAN or section.pauses:
        return None
    found = renewals_due(section, summary)
    usual = np.bincount(found.nth, found.ended) / np.maximum(np.bincount(found.nth), 1)
    first = month_of(np.array(day_number(summary.first_date)))
    month = month_of(found.day) - first
    expected = np.bincount(month, usual[found.nth])
    counted = expected >= _FEW_LOSSES
    return season_in(np.bincount(month, found.ended), np.maximum(expected, _FEW_LOSSES), counted, int(first))


def other_lengths(summary: CustomerSummary, renewal: str) -> tuple[str, ...]:
    """Contracts paid two times or more, whose payments lie as far apart as those of another length."""
    paid = summary.customers["frequency"].to_numpy(np.float64)
    gap = summary.customers["recency_days"].to_numpy(np.float64)[paid > 0] / paid[paid > 0]
    alike = {name: np.abs(gap / days - 1) < _ALIKE for name, days in RENEWAL_DAYS.items()}
    others = {name: int(found.sum()) for name, found in alike.items() if name != renewal}
    if sum(others.values()) < _SOME * max(gap.size, _FEW):
        return ()
    listed = ", ".join(f"{number:,} every {name}" for name, number in others.items() if number)
    return (
        f"Plans of different length: of {gap.size:,} contracts paid more than once, {listed} instead of every "
        f"{renewal}. All are treated as due every {renewal}; retention.renewal={BY_PLAN} gives each plan its own",
    )


def returns(summary: CustomerSummary, renewal: str) -> tuple[str, ...]:
    """Contracts that were paid again after a due day that nobody paid."""
    frame = summary.customers
    if "breaks" not in frame:
        return ()
    regular = frame["rhythm"].isin(list(RENEWAL_DAYS) if renewal == BY_PLAN else [renewal]).to_numpy()
    back = int((frame["breaks"].to_numpy()[regular] > 0).sum())
    if back < _SOME * max(int(regular.sum()), _FEW):
        return ()
    return (
        f"{back:,} of {regular.sum():,} contracts have come back after missing a due day. Those in a pause today count "
        "as lost, and the others as if they never paused; retention.pauses=true models it",
    )
