"""The data of a run, the same for every kind of source."""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from clvsim.data.checks import check_line, quality
from clvsim.data.cut import cut_of, repeat_orders
from clvsim.data.days import days_of
from clvsim.data.history import History, history_of
from clvsim.data.log import TransactionLog
from clvsim.data.looks import InShort, in_short, price_changes
from clvsim.data.payments import Payments, payments_of
from clvsim.data.read import as_of
from clvsim.data.remarks import Signs, interrupted, signs_of
from clvsim.data.returning import Returning, returning_of
from clvsim.data.so_far import SoFar, Span, so_far_of
from clvsim.data.summary import summarize, weekly_repeat_orders
from clvsim.data.trials import trials_of, without_trials
from clvsim.types import CustomerSummary, QualityLine, SharedPeriods, Trials


class HeldBack(NamedTuple):
    """What was known at the end of the check's training, and actual orders by week up to today."""

    summary: CustomerSummary  # counts what came later
    weekly: pd.DataFrame
    chosen: bool  # without `data.calibration_end`


class Material(NamedTuple):
    """Customers as of today, quality lines about the source, actual orders by week, and what checks the models.

    `weekly` is None where the source has no dated orders; `untracked` is then the sentence that gives the reason.
    Where nothing is held back, `check` is None and `unchecked` that sentence.
    """

    summary: CustomerSummary
    quality: tuple[QualityLine, ...]
    weekly: pd.DataFrame | None
    check: HeldBack | None = None
    unchecked: str = ""
    guessed: tuple[tuple[str, str], ...] = ()  # (key, column) of columns that the configuration does not name
    untracked: str = ""
    synthetic: str = ""  # the sentence that says how the data were drawn; empty for real data
    signs: Signs | None = None  # of dated orders
    payments: Payments | None = None  # one by one, where they fall due
    trials: Trials | None = None  # what became of those of a log, where payments fall due
    short: InShort | None = None  # of a log
    returning: Returning | None = None  # of a log in which nothing falls due
    history: History | None = None  # of a log
    so_far: SoFar | None = None  # of a log, where a span was given


def material_of_log(
    log: TransactionLog,
    opportunity_days: float | SharedPeriods = 0.0,
    interval_days: float = 0.0,
    *,
    brief: bool = False,
    span: Span | None = None,
) -> Material:
    """The data of a run on a log of orders, of those that fall due every `interval_days` where that is not 0.

    The latter are payments of contracts, of which each begins with its first one above 0.

    `brief`: without weekly orders, what is held back and the log's hash, with the same lines. `span`: of own ages up to
    which it is counted what each customer has brought.
    """
    falls_due = bool(interval_days) and not opportunity_days
    read, log = log, log if log.today == log.last_date else as_of(log, log.last_date)
    trials = trials_of(log, interval_days) if falls_due else None
    log = without_trials(log) if trials else log
    days = days_of(log)
    upset = interrupted(days)
    summary = marked(summarize(log, opportunity_days, hashed=not brief), upset)
    cut, check, held_back = cut_of(log, interval_days), None, 0
    if brief and not isinstance(cut, str) and not opportunity_days and not log.facts.refunds.rows:
        held_back = repeat_orders(log, cut)[1]
    elif not isinstance(cut, str):
        known = read if read.today == cut else as_of(log, cut)
        known = without_trials(known) if trials else known
        weekly = weekly_repeat_orders(known, opportunity_days)
        check = HeldBack(marked(summarize(known, opportunity_days), upset), weekly, log.config.calibration_end is None)
        held_back = int(check.summary.customers["holdout_frequency"].sum())
    changes = price_changes(log) if falls_due else None
    lines = (
        *quality(log, summary, days, falls_due=falls_due, trials=trials),
        *([changes] if changes else []),
        check_line(log, cut, held_back),
    )
    return Material(
        summary,
        lines,
        None if brief else weekly_repeat_orders(log, opportunity_days),
        check,
        unchecked=cut if isinstance(cut, str) else "",
        guessed=log.guessed,
        signs=signs_of(log, days),
        payments=payments_of(log) if falls_due else None,
        trials=trials,
        short=in_short(log, summary),
        returning=None if brief or falls_due else returning_of(log, interval_days),
        history=None if brief else history_of(log),
        so_far=so_far_of(log, span) if span else None,
    )


def marked(summary: CustomerSummary, upset: bool) -> CustomerSummary:
    """The summary, and the one in which orders have their own days, with whether the log is interrupted."""
    by_day = summary.by_day and replace(summary.by_day, interrupted=upset)
    return replace(summary, interrupted=upset, by_day=by_day)
