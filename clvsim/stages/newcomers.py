"""What a run says of newcomers: those stated beside those that the log brought, or what the log makes expect."""

import math
from typing import TYPE_CHECKING

import numpy as np

from clvsim.config import RunConfig
from clvsim.data.material import Material
from clvsim.data.newcomers import YEAR, FirstOrders, first_orders
from clvsim.report import format as fmt
from clvsim.scenario import BASELINE
from clvsim.simulation.plan import RunPlan
from clvsim.types import QualityLine

if TYPE_CHECKING:
    import pandas as pd

_APART = 1.25  # times as many, either way, that are worth a warning
_SURE = 2.0  # standard errors of a count


def with_newcomers(material: Material, plan: RunPlan) -> Material:
    """The same with a line on newcomers, where they come and the log says how many did."""
    if not plan.acquisition.channels:
        return material
    seen = plan.arriving.seen if plan.arriving else first_orders(material.summary)
    if seen is None or (seen.problem() and not (seen.closed and not plan.arriving)):
        return material
    line = expected_line(plan) if plan.arriving else stated_line(plan, seen)
    lines = tuple(map(without_channels, material.quality)) if plan.arriving else material.quality
    return material._replace(quality=(*lines, line)) if line else material


def without_channels(line: QualityLine) -> QualityLine:
    """The line on the newcomers of two years, which names no channels where the log itself says how many come."""
    return line._replace(note=line.note.partition(";")[0]) if line.key == "arrivals" else line


def expected_line(plan: RunPlan) -> QualityLine | None:
    """What the log brought, and what it makes expect on average."""
    if plan.arriving is None:
        return None
    mean, (brought, last) = plan.arriving.mean.mean(axis=1), plan.arriving.seen.last_year
    low, high = np.quantile(mean, [0.05, 0.95])
    place = fmt.last_place([mean.mean(), high], digits=2)
    value, *ends = (fmt.number(float(x), place) for x in (mean.mean(), low, high))
    return QualityLine(
        "newcomers",
        "New customers a month",
        f"{a_month(brought)} in {last_months(last)}",
        f"about {value} ({ends[0]} to {ends[1]}) over the next {plan.acquisition.months}, {plan.arriving.in_words()}",
    )


def stated_line(plan: RunPlan, seen: FirstOrders) -> QualityLine | None:
    """A warning where visitors and conversions make up other numbers than the log's last year brought."""
    channels = plan.acquisition.channels.items()
    stated = sum(channel.visitors_per_month * plan.conversions[name].values.mean() for name, channel in channels)
    label = f"You stated {a_month(stated)} new customers a month"
    if stated > 0 and (last := seen.closed):
        note = "what new ones bring is taken from those who came before"
        return QualityLine("closed", label, f"the log has none since {fmt.day(last)}", note, "warning")
    brought, months = seen.last_year
    if stated <= 0 or brought <= 0:
        return None
    apart = abs(math.log(stated / brought))
    if apart <= max(math.log(_APART), _SURE / math.sqrt(brought * months)):
        return None
    return QualityLine(
        "newcomers",
        label,
        f"the log brought {a_month(brought)} a month",
        f"in {last_months(months)}: acquisition.from_log=true, without channels, goes on from those",
        "warning",
    )


def newcomers_sentence(config: RunConfig, plan: RunPlan, table: "pd.DataFrame") -> str:
    """Newcomers a month that may come, beside those that came, and what they cost; "" unless they come as in the log.

    `table`: the comparison's. The interval is that of what may happen.
    """
    if plan.arriving is None:
        return ""
    rows = table[(table["scenario"] == BASELINE) & (table["metric"] == "newcomers")].set_index("basis")
    months = plan.acquisition.months
    mean, low, high = (
        float(rows.loc[basis, column]) / months
        for basis, column in (("expected", "mean"), ("realised", "p05"), ("realised", "p95"))
    )
    brought, last = plan.arriving.seen.last_year
    place = fmt.last_place([mean, high], digits=2)
    about, *ends = (fmt.number(x, place) for x in (mean, low, high))
    return (
        f"About {about} new customers a month are expected over the next {fmt.months(months)} (90{fmt.NBSP}% interval "
        f"{ends[0]} to {ends[1]}); the log brought {a_month(brought)} a month in {last_months(last)}. "
        f"{cost_sentence(config)}"
    ).strip()


def cost_sentence(config: RunConfig) -> str:
    """What newcomers of the log cost, or that no cost was given; "" where no cost counts."""
    acquisition, currency = config.acquisition, config.finance.currency
    if config.finance.gross_margin is None:
        return ""
    each, spent = acquisition.cost_per_customer, acquisition.spend_per_month
    if each:
        return f"Each costs {fmt.money(each, fmt.own_place(each), currency)}."
    if spent:
        return f"They cost {fmt.money(spent, fmt.own_place(spent), currency)} a month, however many come."
    return (
        "No cost of theirs was given, so none is taken off (acquisition.cost_per_customer or "
        "acquisition.spend_per_month)."
    )


def a_month(number: float) -> str:
    return fmt.number(number, fmt.last_place([number], digits=2))


def last_months(months: float) -> str:
    return "its last twelve months" if months > YEAR - 1 else f"its {months:.1f} months"
