"""What each lever of a scenario does from month to month, and from week to week, as the simulator reads it, averaged
over draws."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.interventions.base import ContactProgramme, CostEntry, Funnel, Group, Mechanism, OfferTerms, Shift
from clvsim.simulation.ledger.contacts import month_of_week
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.tables import response, weekly_contacts
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK, ScheduleLine

MULTIPLIED = {
    "rate": "order rate, times",
    "spend": "amounts, times",
    "hazard": "hazard of leaving, times",
    "conversion": "odds of a first order, times",
    "visitors": "visitors, times",
    "ad_spend": "money spent on visitors, times",
}
LEADS = "share of visitors who do not buy and leave an address"
MOST_MONTHS, MOST_SCENARIOS, MOST_LINES = 60, 16, 12  # that are drawn; lines of each scenario
MARGIN, SHOWN, DAYS, MESSAGES, MONEY = (
    *("gross margin, plus", "shown, share of the weeks", "days of the campaign"),
    *("messages to each customer", "money"),
)


class Course(NamedTuple):
    """One quantity of one lever by month since today, (months,); and the same as steps of a week or a month.

    `days` since today on which they begin, and their `height`, (n,) each; of what happens on `single` days these.
    """

    lever: str
    what: str
    value: np.ndarray
    days: np.ndarray
    height: np.ndarray
    single: bool = False


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


def drawn(plan: RunPlan) -> tuple[ScheduleLine, ...]:
    """The same as lines to draw, of which only those steps are kept that change anything, up to `MOST_MONTHS`.

    Of the first `MOST_SCENARIOS` scenarios that have levers, and the first `MOST_LINES` of each.
    """
    end = min(plan.layout.months, MOST_MONTHS) * DAYS_PER_MONTH
    found: list[ScheduleLine] = []
    for name in [name for name, scenario in plan.scenarios.items() if scenario.compiled.mechanisms][:MOST_SCENARIOS]:
        scenario, programmes = plan.scenarios[name].compiled, plan.scenarios[name].levers.contacts
        lines = [
            line_of(name, str(mechanism.who), course, end)
            for lever, mechanism in zip(scenario.levers, scenario.mechanisms, strict=True)
            for course in courses(lever, mechanism, programmes, plan)
        ]
        found += lines[:MOST_LINES]
    return tuple(found)


def line_of(name: str, who: str, course: Course, end: float) -> ScheduleLine:
    changes = np.append(True, np.diff(course.height) != 0) | course.single
    kept = changes[: course.days.size] & (course.days < end)
    days, height = course.days[kept].tolist(), course.height[kept].tolist()
    return ScheduleLine(name, course.lever, who, course.what, course.single, end, tuple(days), tuple(height))


def courses(
    lever: str, mechanism: Mechanism, programmes: Sequence[ContactProgramme], plan: RunPlan
) -> Iterator[Course]:
    """What a mechanism does, beside the contact programmes of its scenario."""
    weeks, months = plan.calendar.weeks, plan.layout.months
    month = month_of_week(weeks, months)

    def by_week(what: str, weekly: np.ndarray) -> Course:
        in_month = np.maximum(np.bincount(month, minlength=months), 1)
        mean = np.bincount(month, weekly, months) / in_month
        return Course(lever, what, mean, np.arange(weeks) * float(DAYS_PER_WEEK), weekly)

    def by_month(what: str, monthly: np.ndarray) -> Course:
        return Course(lever, what, monthly, np.arange(months) * DAYS_PER_MONTH, monthly)

    match mechanism:
        case Funnel():
            strength = mechanism.when.strength(np.arange(months) + 0.5) * (np.arange(months) < plan.acquisition.months)
            yield by_month(LEADS, mechanism.share.mean() * strength)
        case Shift(brings_customers=True):
            strength = mechanism.when.strength(np.arange(months) + 0.5)
            strength[plan.acquisition.months :] = 0.0
            yield by_month(MULTIPLIED[mechanism.target], np.exp(np.outer(mechanism.size, strength)).mean(axis=0))
        case Shift():
            weekly = mechanism.weekly(np.arange(mechanism.size.size), weeks)
            if mechanism.target == "margin":
                yield by_week(MARGIN, weekly.mean(axis=0))
            else:
                yield by_week(MULTIPLIED[mechanism.target], np.exp(weekly).mean(axis=0))
        case OfferTerms(occasion="dates"):
            dates = np.array(mechanism.dates, float)
            at = (dates / DAYS_PER_MONTH).astype(int)
            number = np.bincount(at[at < months], minlength=months).astype(float)
            yield Course(lever, DAYS, number, dates, np.ones(dates.size), single=True)
        case OfferTerms():
            yield by_week(SHOWN, (mechanism.when.weekly(weeks) > 0).astype(float))
        case ContactProgramme():
            yield from courses_of_contacts(lever, mechanism, programmes, plan, by_week)
        case CostEntry(per="once"):
            paid = mechanism.amount.mean() * (np.arange(months) == int(mechanism.when.start_month))
            yield Course(lever, MONEY, paid, np.flatnonzero(paid) * DAYS_PER_MONTH, paid[paid != 0], single=True)
        case CostEntry(per="month"):
            runs = mechanism.when.strength(np.arange(months) + 0.5) * (np.arange(months) < plan.layout.horizon.months)
            yield by_month(MONEY, mechanism.amount.mean() * runs)


def courses_of_contacts(
    lever: str,
    programme: ContactProgramme,
    programmes: Sequence[ContactProgramme],
    plan: RunPlan,
    by_week: Callable[[str, np.ndarray], Course],
) -> Iterator[Course]:
    """Messages by month, and what they do to the order rate of somebody who gets all of them from today on."""
    weeks, months = plan.calendar.weeks, plan.layout.months
    reached = next((group for group in plan.layout.groups if programme.who.reaches(group)), Group("company"))
    by_name = dict(zip((p.name for p in programmes), weekly_contacts(programmes, reached, weeks), strict=True))
    sent, does = by_name[programme.name], response(programme, by_name[programme.name], 1)
    yield by_week(MESSAGES, sent)._replace(value=np.bincount(month_of_week(weeks, months), sent, months))
    log_rate = np.outer(programme.goodwill, does.goodwill[0]) - np.outer(programme.fatigue, does.fatigue[0])
    yield by_week(MULTIPLIED["rate"], np.exp(log_rate).mean(axis=0))
