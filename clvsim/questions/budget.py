"""How much to spend on which channel: the split of a month's budget with the largest mean of value less spend."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.decision.budget import Channel, Split, best_split
from clvsim.decision.responses import Response, fit_response
from clvsim.errors import ConfigError, Problem
from clvsim.kernels.rng import text_key
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.settings import Settings
from clvsim.questions.spend_history import FORM, read_history
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span
from clvsim.scenario import BASELINE
from clvsim.texts import short_repr


class Spending(NamedTuple):
    """A channel: its response, what is spent a month now, and what that rests on; `seen`: least and most ever spent."""

    name: str
    response: Response
    now: float
    rests_on: str
    seen: tuple[float, float] | None = None


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without newcomers, a margin, or a response of any channel."""
    run.require("budget", "pav_per_newcomer")
    if not run.result.margin_known:
        raise ConfigError([("ask", "budget needs finance.gross_margin: what is spent is paid from margin")])
    value = run.draws.level("pav_per_newcomer", BASELINE)
    exists = np.isfinite(value)
    channels = from_history(settings, int(exists.sum()), run) if settings.spend_history else from_run(run, exists)
    budget = settings.budget_per_month or np.inf
    limit = -np.inf if settings.worst_at_least is None else settings.worst_at_least
    parts = [Channel(channel.response, value[exists]) for channel in channels]
    split = best_split(parts, budget, limit, min(run.draws.effective, exists.sum()))
    now = sum(part.worth(channel.now).mean() for part, channel in zip(parts, channels, strict=True))
    rows = tuple(_row(run, channel, split, number) for number, channel in enumerate(channels))
    return Answer(
        sentences=_sentences(run, channels, split, float(now), settings),
        text=Text(("", "now", "best a month", "loses < 2 %", "brings", "cost of one", "of one more", "rests on"), rows),
        table=_table(channels, split),
        picture=_picture(run, channels, split),
        notes=(
            "Value: contribution of a new customer over "
            f"{fmt.months(run.result.horizon_months)}, the same for all channels, before what winning them cost. Best: "
            "the largest mean of value less spend; single draws may lose.",
            "Beyond what was ever spent a curve is its form. Not modelled: customers who come anyway, seasons, what an "
            "ad does later, and that more is spent when demand is high anyway.",
        ),
    )


def from_run(run: Finished, exists: np.ndarray) -> list[Spending]:
    """Of channels that saturate, as the run states them. Raises ConfigError for those that never do."""
    found, problems = [], []
    for name, channel in run.config.acquisition.channels.items():
        spend = channel.visitors_per_month * channel.cost_per_visitor
        if channel.most_visitors_per_month is None or not spend:
            key = f"acquisition.channels.{name}." + ("most_visitors_per_month" if spend else "cost_per_visitor")
            what = (
                f"budget needs to know where more spend brings no more: {key} for clvsim run, or spend_history={FORM}"
            )
            problems.append(Problem("ask", what))
            continue
        conversion = _conversion(run, name)[exists]
        scale = -spend / np.log1p(-channel.visitors_per_month / channel.most_visitors_per_month)
        response = Response.stated("exponential", channel.most_visitors_per_month * conversion, scale)
        found.append(Spending(name, response, spend, "stated"))
    if problems:
        raise ConfigError(problems)
    if not found:
        raise ConfigError([("ask", f"budget needs spend by channel: spend_history={FORM}")])
    return found


def _conversion(run: Finished, name: str) -> np.ndarray:
    path = f"acquisition.channels.{name}.conversion"
    if path in run.draws.input_names:
        return run.draws.inputs[:, run.draws.input_names.index(path)]
    mean = next((one.mean for one in run.result.assumptions if one.path == path), np.nan)
    return np.full(run.draws.delta.shape[1], mean)


def from_history(settings: Settings, draws: int, run: Finished) -> list[Spending]:
    """Responses learned from months of spend and new customers."""
    table = read_history(Path(str(settings.spend_history)))
    found = []
    for name, rows in table.groupby("channel", sort=True):
        spend, customers = rows["spend"].to_numpy(float), rows["customers"].to_numpy(float)
        try:
            fitted = fit_response(spend, customers, draws=draws, seed=int(text_key(f"seed {run.result.seed} {name}")))
        except ValueError as error:
            raise ConfigError([("spend_history", f"channel {short_repr(name)}: {error}")]) from None
        last = rows.sort_values("month")["spend"].to_numpy(float)[-1]
        months = fmt.months(len(rows))
        found.append(Spending(str(name), fitted.response, float(last), f"{months} of spend", fitted.seen))
    return found


def _sentences(
    run: Finished, channels: list[Spending], split: Split, now: float, settings: Settings
) -> tuple[str, ...]:
    if not split.feasible:
        limit = money(run, settings.worst_at_least or 0.0)
        worst = money(run, split.worst.value, split.worst.mcse)
        safest = f"No split keeps the worst tenth at {limit} or more: the safest has {worst}."
        return (f"{safest} Lower the limit.",)
    spends = " and ".join(
        f"{fmt.money(spend, _place(spend), run.currency)} on {channel.name}"
        for spend, channel in zip(split.spends, channels, strict=True)
        if spend > 0
    )
    gain = money(run, split.gain.value, split.gain.mcse)
    if not spends:
        return ("Spend nothing on these: not even the first money comes back on average.",)
    first = (
        f"Spend {spends} a month: that brings {gain} more than it costs, on average, where today’s spend brings "
        f"{money(run, now, split.gain.mcse)}."
    )
    found = [
        first,
        f"In the worst tenth it brings {money(run, split.worst.value, split.worst.mcse)}, luck not counted.",
    ]
    if split.spent_out:
        found.append("The budget binds: more would pay, and the last money brings the same everywhere.")
    beyond = [
        channel.name
        for spend, channel in zip(split.spends, channels, strict=True)
        if channel.seen is not None and spend > channel.seen[1]
    ]
    if beyond:
        found.append(f"That is more than was ever spent on {', '.join(beyond)}: go there in steps, and look.")
    return tuple(found)


def _place(value: float) -> int:
    return max(-2, fmt.last_place((value,), digits=2))


def _row(run: Finished, channel: Spending, split: Split, number: int) -> tuple[str, ...]:
    low, high = split.band[number]
    place = _place(max(high, split.spends[number]))
    costs = (
        fmt.money(cost, _place(cost), run.currency) if np.isfinite(cost) else "–"
        for cost in (split.average_cost[number], split.marginal_cost[number])
    )
    return (
        channel.name,
        fmt.money(channel.now, _place(channel.now), run.currency),
        fmt.money(split.spends[number], place, run.currency),
        f"[{fmt.money(low, place)}, {fmt.money(high, place)}]",
        fmt.number(split.customers[number], max(0, fmt.last_place((split.customers[number],), digits=2))),
        *costs,
        channel.rests_on,
    )


def _table(channels: list[Spending], split: Split) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "channel": [channel.name for channel in channels],
            "spend_now": [channel.now for channel in channels],
            "spend_best": split.spends,
            "spend_low": split.band[:, 0],
            "spend_high": split.band[:, 1],
            "customers": split.customers,
            "average_cost": split.average_cost,
            "marginal_cost": split.marginal_cost,
            "gain": split.gain.value,
            "gain_mcse": split.gain.mcse,
            "worst_tenth": split.worst.value,
            "feasible": split.feasible,
        }
    )


def _picture(run: Finished, channels: list[Spending], split: Split) -> Ranges:
    spans = tuple(
        Span(f"{channel.name} (now {fmt.money(channel.now, _place(channel.now), run.currency)})", low, best, high)
        for channel, best, (low, high) in zip(channels, split.spends, split.band, strict=True)
    )
    return Ranges(spans, "Spend a month; bar: loses less than 2 % of what the best brings", currency=run.currency)
