"""Where the next unit of money does more: in finding customers, or in what is done for them; and what losses cost."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.errors import ConfigError
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.costs import costs_of
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.evidence import EXAMPLE
from clvsim.report.pictures import Ranges, Span
from clvsim.scenario import BASELINE

_UNITS = {"$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "pound", "GBP": "pound"}


class Return(NamedTuple):
    """What a unit of money brings back, (draw,), when spent as `title` says.

    Of a lever, which may cost more in one draw than in another, 1 + its difference / the mean spent: on average all
    that comes back over all that is spent.

    `spent`: how much is, discounted; `keeping`: what of the difference comes from today's customers, nan of finding;
    `backing`: what it rests on, in words.
    """

    name: str
    title: str
    returned: np.ndarray
    spent: float
    keeping: float
    backing: str

    @property
    def mean(self) -> float:
        return float(self.returned.mean())


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a margin, and where no money is spent on anything."""
    if not run.result.margin_known:
        what = "keep_or_find needs finance.gross_margin: money is weighed against margin, not against revenue"
        raise ConfigError([("ask", what)])
    run.require_money("keep_or_find")
    finding, levers = find_one_more(run), returns_of_levers(run, settings.lever)
    lost = run.draws.there[:, 0] - run.draws.there[:, 1]
    ways = [*([finding] if finding else []), *levers]
    if not ways:
        what = "keep_or_find needs something that money is spent on: a lever with a cost, or acquisition with one"
        raise ConfigError([("ask", what)])
    ends = [np.quantile(way.returned, [0.05, 0.95]) for way in ways]
    table = pd.DataFrame(
        {
            "way": [way.name for way in ways],
            "returned_mean": [way.mean for way in ways],
            "returned_p05": [low for low, _ in ends],
            "returned_p95": [high for _, high in ends],
            "spent": [way.spent for way in ways],
            "from_todays_customers": [way.keeping for way in ways],
            "lost_per_month": lost.mean(),
        }
    )
    spans = tuple(Span(way.title, low, way.mean, high) for way, (low, high) in zip(ways, ends, strict=True))
    unit, months = _unit(run), fmt.months(run.result.horizon_months)
    return Answer(
        sentences=(*_of_returns(run, finding, levers), *_of_losses(run, lost)),
        text=Text(
            ("", f"per {unit}", "90 % on average", "spent in all", "from today’s", "rests on"),
            tuple(_row(run, way) for way in ways),
        ),
        table=table,
        picture=Ranges(
            spans,
            f"Back per {unit} spent; bar: 90 % on average",
            currency=run.currency,
            marks=((1.0, "break-even"),),
        ),
        notes=(
            f"Brings: contribution over {months}, the {unit} itself included, so that 1 is break-even. Of finding, one "
            f"more {unit} at the margin. Of a lever, on average over all that it costs: it can be spent once.",
            "From today’s: what of a lever’s difference comes from customers of today. The rest comes from new ones, "
            "less what the lever costs once or by the month, whoever is reached.",
        ),
    )


def find_one_more(run: Finished) -> Return | None:
    """Of one more unit of money spent on acquisition; None where it costs nothing, or nobody comes."""
    if not run.has("marginal_cac"):
        return None
    value, cost = run.draws.level("pav_per_newcomer", BASELINE), run.draws.level("marginal_cac", BASELINE)
    exists = np.isfinite(value) & np.isfinite(cost) & (cost > 0)
    if not exists.any():
        return None
    lines = [name for name in run.draws.line_names if name.startswith("cost_acquisition/")]
    spent = float(sum(run.draws.line(name, BASELINE).mean() for name in lines))
    backing = "stated" if run.result.no_data else "log"
    return Return("find", "Finding: one more customer", value[exists] / cost[exists], spent, float("nan"), backing)


def returns_of_levers(run: Finished, only: str | None = None) -> list[Return]:
    """Of each lever that costs something, the best first."""
    if only is not None:
        run.scenario(only)
        if not costs_of(run.draws, only):
            raise ConfigError([("lever", f"{only} costs nothing in this run, so that no money is spent on it")])
    found = []
    for lever in run.levers:
        costs = costs_of(run.draws, lever.name)
        spent = np.sum([cost.amount for cost in costs], axis=0) if costs else np.zeros(1)
        if only not in (None, lever.name) or not (spent > 0).all():
            continue
        keeping = float("nan")
        if run.has("rlv_total"):
            kept = run.draws.level("rlv_total", lever.name) - run.draws.level("rlv_total", BASELINE)
            keeping = float(kept.mean())
        backing = EXAMPLE if lever.illustrative else lever.evidence or "stated"
        returned = 1 + run.draws.change(lever.name).values / spent.mean()
        found.append(Return(lever.name, lever.title, returned, float(spent.mean()), keeping, backing))
    return sorted(found, key=lambda way: -way.mean)


def _unit(run: Finished) -> str:
    return _UNITS.get(run.currency, run.currency or "unit")


def _row(run: Finished, way: Return) -> tuple[str, ...]:
    error = decision.estimate(way.returned, ess=min(run.draws.effective, way.returned.size)).mcse
    low, high = np.quantile(way.returned, [0.05, 0.95])
    place = max(-2, fmt.last_place((way.mean, low, high), error))
    span = f"[{fmt.number(low, place)}, {fmt.number(high, place)}]"
    kept = "–" if np.isnan(way.keeping) else money(run, round(way.keeping, -1), signed=True)
    return way.title, fmt.money(way.mean, place, run.currency), span, money(run, way.spent), kept, way.backing


def _of_returns(run: Finished, finding: Return | None, levers: list[Return]) -> list[str]:
    unit, found = _unit(run), []
    firm = [way for way in levers if way.backing != EXAMPLE]
    paying = [way for way in firm if way.mean > 1]

    def brings(way: Return) -> str:
        sure = fmt.sure(float((way.returned > 1).mean()))
        return f"{fmt.money(way.mean, -2, run.currency)} on average, more than itself with {sure} certainty"

    after = bool(paying) and finding is not None and finding.mean > max(1.0, paying[0].mean)  # the lever
    if paying:
        best = paying[0]
        place = ("comes second", "Then") if after else ("comes first", "First")
        start = f"{place[1]} “{best.title}”"
        if best.backing == "stated":
            start = f"If what is stated of it is right, “{best.title}” {place[0]}"
        found.append(f"{start}: each {unit} of the {money(run, best.spent)} that it costs brings {brings(best)}.")
    elif firm:
        found.append("No lever here brings back what it costs.")
    if finding is not None:
        verdict = "First find customers" if after else "Then find customers" if paying else "Find customers"
        if finding.mean <= 1:
            verdict = "Do not spend more on finding customers"
        found.insert(0 if after else len(found), f"{verdict}: one more {unit} there brings {brings(finding)}.")
    return found or ["All levers here that cost something are examples: state what yours cost and do."]


def _of_losses(run: Finished, lost: np.ndarray) -> list[str]:
    """What replacing those who are lost in a month costs."""
    if not lost.any():
        return []
    there, number = run.draws.there[:, 0].mean(), max(0, fmt.last_place((lost.mean(),), digits=2))
    gone = (
        f"Of about {fmt.number(there, max(0, fmt.last_place((there,))))} customers who are still there, about "
        f"{fmt.number(lost.mean(), number)} are lost in a month"
    )
    cost = run.draws.level("marginal_cac", BASELINE) if run.has("marginal_cac") else np.array([np.nan])
    exists = np.isfinite(cost) & (cost > 0)
    if not exists.any():
        return [f"{gone}; what a new one costs is not given, or nothing."]
    price = float((lost[exists] * cost[exists]).mean())
    return [f"{gone}; as many new ones cost {money(run, price, price / 100)} a month."]
