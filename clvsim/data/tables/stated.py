"""No data: a business that states its customers' behaviour, and how many customers it has today."""

import hashlib
from datetime import date

import numpy as np
import pandas as pd

from clvsim import clock
from clvsim.data.config import StatedConfig
from clvsim.data.material import Material
from clvsim.types import CustomerSummary, QualityLine

NO_DATA = "Every number is stated: nothing was learned, and nothing can be checked against orders."
UNTRACKED = "There is no data, so nothing predicted can be compared with orders that came."


def material_of_stated(config: StatedConfig) -> Material:
    """The stated number of customers, who are taken to have just placed their first order; maybe none."""
    summary = summary_of(config.customers, config.today or clock.today(), config.time_unit)
    lines = (
        QualityLine("stated", "Data", "none", "every number is stated"),
        QualityLine("customers", "Customers of today", f"{config.customers:,}", "as stated; data.customers"),
        QualityLine("today", "Today", f"{summary.today}"),
    )
    return Material(summary, lines, weekly=None, unchecked=UNTRACKED, untracked=UNTRACKED)


def summary_of(customers: int, today: date, time_unit: str) -> CustomerSummary:
    """One row per customer, right after a first order of an amount that is not known."""
    whole, none = np.zeros(customers, np.int64), np.zeros(customers)
    digits = len(str(customers))
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series([f"customer-{i:0{digits}d}" for i in range(1, customers + 1)], dtype=object),
            "frequency": whole,
            "recency_days": none,
            "T_days": none,
            "first_amount": np.full(customers, np.nan),
            "repeat_amount": none,
            "repeat_log_amount": none,
            "repeat_log_square": none,
            "repeat_positive": whole,
            "holdout_frequency": whole,
            "segment": pd.Series([""] * customers, dtype=object),
            "channel": pd.Series([""] * customers, dtype=object),
        }
    )
    digest = hashlib.sha256(f"stated {customers} {today}".encode()).hexdigest()
    return CustomerSummary(frame, today, today, today, time_unit, digest, means_only=True)
