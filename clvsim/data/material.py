"""The data of a run, the same for every kind of source."""

from typing import NamedTuple

import pandas as pd

from clvsim.data.checks import quality
from clvsim.data.days import days_of
from clvsim.data.log import TransactionLog
from clvsim.data.remarks import Signs, signs_of
from clvsim.data.summary import summarize, weekly_repeat_orders
from clvsim.types import CustomerSummary, QualityLine


class Material(NamedTuple):
    """Customers, quality lines about the source, and actual orders by week.

    `weekly` is None where the source has no dated orders; `untracked` is then the sentence that gives the reason.
    """

    summary: CustomerSummary
    quality: tuple[QualityLine, ...]
    weekly: pd.DataFrame | None
    guessed: tuple[tuple[str, str], ...] = ()  # (key, column) of columns that the configuration does not name
    untracked: str = ""
    synthetic: str = ""  # the sentence that says how the data were drawn; empty for real data
    signs: Signs | None = None  # of dated orders


def material_of_log(log: TransactionLog, opportunity_days: float = 0.0) -> Material:
    """The data of a run on a log of orders."""
    summary, days = summarize(log, opportunity_days), days_of(log)
    return Material(
        summary,
        quality(log, summary, days),
        weekly_repeat_orders(log, opportunity_days),
        log.guessed,
        signs=signs_of(log, days),
    )
