"""What customers pay for a contract, as a summary shows it, and who stands for those who are to come."""

import numpy as np

from clvsim.types import DAYS_PER_YEAR, CustomerSummary

_FEWEST = 30


def mean_payments(summary: CustomerSummary) -> np.ndarray:
    """Mean repeat payment above zero, else the first one, (customer,) in money; 0 or nan where none is."""
    frame = summary.customers
    x, total, first = (frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount", "first_amount"))
    return np.divide(total, x, out=first.copy(), where=x > 0)


def last_payments(summary: CustomerSummary) -> np.ndarray:
    """The last payment that fell due (`clvsim.data.prices`), (customer,) in money; the mean one where the source has no
    single payments; 0 or nan where nothing was paid."""
    frame = summary.customers
    return frame["last_amount"].to_numpy(np.float64) if "last_amount" in frame else mean_payments(summary)


def latest(summary: CustomerSummary) -> np.ndarray:
    """Who came within the last year, or is of the 30 who came last, (customer,) of bool: as those who are to come."""
    age = summary.customers["T_days"].to_numpy(np.float64)
    return age <= max(DAYS_PER_YEAR, np.sort(age)[:_FEWEST][-1])
