"""What a run works on, whatever it was read from."""

from typing import NamedTuple

import pandas as pd

from clvsim.data.checks import quality
from clvsim.data.log import TransactionLog
from clvsim.data.summary import summarize, weekly_repeat_orders
from clvsim.types import CustomerSummary, QualityLine


class Material(NamedTuple):
    """Customers, what is to be said about the source, and actual orders by week.

    `weekly` is None where the source has no dated orders: then nothing can be tracked, and `untracked` says why.
    """

    summary: CustomerSummary
    quality: tuple[QualityLine, ...]
    weekly: pd.DataFrame | None
    guessed: tuple[tuple[str, str], ...] = ()  # (key, column) that nobody named
    untracked: str = ""
    synthetic: str = ""  # what made the data up, in a sentence


def material_of_log(log: TransactionLog, opportunity_days: float = 0.0) -> Material:
    """A log's customers as of today."""
    summary = summarize(log, opportunity_days)
    return Material(summary, quality(log, summary), weekly_repeat_orders(log, opportunity_days), log.guessed)
