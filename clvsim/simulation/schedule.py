"""What each lever of a scenario does from month to month, as the simulator reads it, averaged over draws."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.interventions.base import ContactProgramme, CostEntry, Funnel, Group, Mechanism, OfferTerms, Shift
from clvsim.simulation.ledger.contacts import month_of_week
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.tables import response, weekly_contacts
from clvsim.types import DAYS_PER_MONTH

MULTIPLIED = {
    "rate": "order rate, times",
    "spend": "amounts, times",
    "hazard": "hazard of leaving, times",
    "conversion": "odds of a first order, times",
    "visitors": "visitors, times",
    "ad_spend": "money spent on visitors, times",
}
LEADS = "share of visitors who do not buy and leave an address"
MARGIN, SHOWN, DAYS, MESSAGES, MONEY = (
    *("gross margin, plus", "shown, share of the weeks", "days of the campaign"),
    *("messages to each customer", "money"),
)


class Course(NamedTuple):
    """One quantity of one lever by month since today, (months,)."""

    lever: str
    what: str
    value: np.ndarray


def schedule(plan: RunPlan, today: date) -> pd.DataFrame:
    """Of each scenario a row per lever, quantity and month: scenario, lever, who, what, month (1, 2, …), begins (ISO
    date), mean. Means are over draws, and over the weeks of a month; messages and days are sums.

    A burst is that of those who are customers today. What messages do to the order rate is that of somebody who is on
    the list from today on. Not in it: what follows customers (costs per order), and what a customer's own days decide
    (birthdays, silences) but for whether the campaign runs.
    """
    months = plan.layout.months
    begins = [str(today + timedelta(days=1 + int(m * DAYS_PER_MONTH))) for m in range(months)]
    tables = [
        pd.DataFrame(
            {
                "scenario": name,
                "lever": course.lever,
                "who": str(mechanism.who),
                "what": course.what,
                "month": np.arange(1, months + 1),
                "begins": begins,
                "mean": course.value,
            }
        )
        for name, scenario in plan.scenarios.items()
        for lever, mechanism in zip(scenario.compiled.levers, scenario.compiled.mechanisms, strict=True)
        for course in courses(lever, mechanism, scenario.levers.contacts, plan)
    ]
    columns = ["scenario", "lever", "who", "what", "month", "begins", "mean"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def courses(
    lever: str, mechanism: Mechanism, programmes: Sequence[ContactProgramme], plan: RunPlan
) -> Iterator[Course]:
    """What a mechanism does by month, beside the contact programmes of its scenario."""
    weeks, months = plan.calendar.weeks, plan.layout.months
    month = month_of_week(weeks, months)
    in_month = np.bincount(month, minlength=months)

    def mean_by_month(weekly: np.ndarray) -> np.ndarray:
        return np.bincount(month, weekly, months) / np.maximum(in_month, 1)

    match mechanism:
        case Funnel():
            strength = mechanism.when.strength(np.arange(months) + 0.5) * (np.arange(months) < plan.acquisition.months)
            yield Course(lever, LEADS, mechanism.share.mean() * strength)
        case Shift(brings_customers=True):
            strength = mechanism.when.strength(np.arange(months) + 0.5)
            strength[plan.acquisition.months :] = 0.0
            yield Course(lever, MULTIPLIED[mechanism.target], np.exp(np.outer(mechanism.size, strength)).mean(axis=0))
        case Shift():
            weekly = mechanism.weekly(np.arange(mechanism.size.size), weeks)
            if mechanism.target == "margin":
                yield Course(lever, MARGIN, mean_by_month(weekly.mean(axis=0)))
            else:
                yield Course(lever, MULTIPLIED[mechanism.target], mean_by_month(np.exp(weekly).mean(axis=0)))
        case OfferTerms(occasion="dates"):
            at = (np.array(mechanism.dates) / DAYS_PER_MONTH).astype(int)
            yield Course(lever, DAYS, np.bincount(at[at < months], minlength=months).astype(float))
        case OfferTerms():
            yield Course(lever, SHOWN, mean_by_month((mechanism.when.weekly(weeks) > 0).astype(float)))
        case ContactProgramme():
            yield from courses_of_contacts(lever, mechanism, programmes, plan, month)
        case CostEntry(per="once"):
            yield Course(lever, MONEY, mechanism.amount.mean() * (np.arange(months) == int(mechanism.when.start_month)))
        case CostEntry(per="month"):
            paid = mechanism.when.strength(np.arange(months) + 0.5) * (np.arange(months) < plan.layout.horizon.months)
            yield Course(lever, MONEY, mechanism.amount.mean() * paid)


def courses_of_contacts(
    lever: str, programme: ContactProgramme, programmes: Sequence[ContactProgramme], plan: RunPlan, month: np.ndarray
) -> Iterator[Course]:
    """Messages by month, and what they do to the order rate of somebody who gets all of them from today on."""
    weeks, months = plan.calendar.weeks, plan.layout.months
    reached = next((group for group in plan.layout.groups if programme.who.reaches(group)), Group("company"))
    by_name = dict(zip((p.name for p in programmes), weekly_contacts(programmes, reached, weeks), strict=True))
    sent, does = by_name[programme.name], response(programme, by_name[programme.name], 1)
    yield Course(lever, MESSAGES, np.bincount(month, sent, months))
    log_rate = np.outer(programme.goodwill, does.goodwill[0]) - np.outer(programme.fatigue, does.fatigue[0])
    by_month = np.bincount(month, np.exp(log_rate).mean(axis=0), months)
    yield Course(lever, MULTIPLIED["rate"], by_month / np.maximum(np.bincount(month, minlength=months), 1))
