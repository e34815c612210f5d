"""Payments that a hold-out can be checked on: a log may have none, or none that its spend model can learn from."""

from dataclasses import replace
from typing import NamedTuple

from clvsim.errors import DiagnosticsError
from clvsim.models import SPEND
from clvsim.models.protocol import SpendModel
from clvsim.types import CustomerSummary


class Payments(NamedTuple):
    """The summary and the spend model to fit, and what is done instead of what the configuration asks for, in a
    sentence ("" where nothing is)."""

    summary: CustomerSummary
    spend: SpendModel
    instead: str = ""


def payments_of(summary: CustomerSummary, spend: SpendModel) -> Payments:
    """What of the payments can be checked.

    Without a repeat order above zero each order counts 1: a model of orders is fitted as ever, and without a column
    `holdout_amount` money is not checked. Where the spend model finds nothing to learn, as of amounts that are all the
    same, each customer's own price goes on.
    """
    frame = summary.customers
    if not frame["repeat_positive"].to_numpy().any():
        x = frame["frequency"]
        each_is_one = {"first_amount": 1.0, "repeat_amount": x.astype(float), "repeat_positive": x, "last_amount": 1.0}
        counted = frame.assign(**each_is_one, repeat_log_amount=0.0, repeat_log_square=0.0)
        counted = counted.drop(columns="holdout_amount", errors="ignore")
        instead = "No repeat order has an amount above zero: orders are checked, revenue is not."
        return Payments(replace(summary, customers=counted), SPEND["fixed_price"](), instead)
    try:
        spend.sufficient(summary)
    except DiagnosticsError as error:
        why = error.problems[0].what.partition(";")[0]
        instead = f"spend={spend.kind}: {why}. Payments go on as with spend=fixed_price: each customer pays the same."
        return Payments(summary, SPEND["fixed_price"](), instead)
    return Payments(summary, spend)
