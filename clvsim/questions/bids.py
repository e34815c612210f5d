"""What may be paid for a customer, a visitor or a lead."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.decision import Estimate, Headroom, bid_at_risk, bid_on_average, bid_within, headroom
from clvsim.errors import ConfigError, Problem
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.settings import Settings
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span
from clvsim.scenario import BASELINE

RULE_OF_THREE = 3
_UNKNOWN = float("nan")


class Bid(NamedTuple):
    """Highest prices of one `unit`, nan where not known.

    `average`: more loses on average; `p05`, `p95`: of the mean value of the plan's newcomers in the worlds; `safe`:
    with the chance of loss asked for; `window`: back within the months asked for; `paid`, `marginal`: what one costs
    today, and one more; `room`: what `average` leaves above that.
    """

    unit: str
    average: Estimate
    p05: float
    p95: float
    safe: float
    window: float
    paid: float
    marginal: float
    room: Headroom | None

    @property
    def third(self) -> float:
        """The price at which the value is three times the cost."""
        return self.average.value / RULE_OF_THREE


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without newcomers, a margin, or a window within the horizon."""
    run.require("max_bid", "pav_per_newcomer", "cac")
    problems = []
    if not run.result.margin_known:
        problems.append(Problem("ask", "max_bid needs finance.gross_margin: a price is paid from margin, not revenue"))
    if settings.within_months > run.result.horizon_months:
        horizon = fmt.months(run.result.horizon_months)
        problems.append(
            Problem("within_months", f"must lie within the run's {horizon}, got {settings.within_months:g}")
        )
    if problems:
        raise ConfigError(problems)
    name = settings.lever or BASELINE
    title = run.scenario(name).title
    bids = all_bids(run, name, settings)
    return Answer(
        sentences=sentences(run, bids, settings, title if name != BASELINE else ""),
        text=text(run, bids, settings),
        table=pd.DataFrame([_record(bid, name) for bid in bids]).assign(within_months=settings.within_months),
        picture=picture(run, bids[0], settings),
        notes=notes(run),
    )


def all_bids(run: Finished, name: str, settings: Settings) -> list[Bid]:
    """Of a customer; of a visitor and a lead where there are some."""
    draws = run.draws
    value, worlds = draws.level("pav_per_newcomer", name), draws.worlds("pav_per_newcomer", name)
    found = [_bid(run, "customer", name, np.ones_like(value), worlds, settings)]
    if run.has("visitor_value"):
        conversion = draws.level("visitor_value", name) / value
        found.append(_bid(run, "visitor", name, conversion, draws.worlds("visitor_value", name), settings))
    lead = _of_lead(run, name)
    return [*found, lead] if lead else found


def _bid(run: Finished, unit: str, name: str, conversion: np.ndarray, worlds: np.ndarray, settings: Settings) -> Bid:
    """`conversion` (draw,): customers per unit. `worlds` (world,): what a unit brings, mean over the plan's."""
    draws = run.draws
    value, cost = draws.level("pav_per_newcomer", name), draws.level("marginal_cac", name)
    exists = np.isfinite(value * conversion)
    ess = min(draws.effective, float(exists.sum()))
    average = bid_on_average(value[exists], conversion[exists], ess=ess)
    worlds = worlds[np.isfinite(worlds)]
    safe = bid_at_risk(worlds, settings.chance_of_loss, ess=min(draws.effective, worlds.size))
    curve = draws.curve[draws.scenarios.index(name), exists]
    ages = np.arange(curve.shape[1])
    window = bid_within(curve, ages, settings.within_months, conversion[exists], ess)
    costs = [np.nanmean((each * conversion)[exists]) for each in (draws.level("cac", name), cost)]
    known = exists & np.isfinite(cost)
    room = headroom(value[known], (cost * conversion)[known], conversion[known], ess=ess) if known.any() else None
    low, high = np.quantile(worlds, [0.05, 0.95])
    prices = (float(low), float(high), safe.value if safe else _UNKNOWN, window.value, *map(float, costs))
    return Bid(unit, average, *prices, room)


def _of_lead(run: Finished, name: str) -> Bid | None:
    """Of the books, which hold no draws: its value on average and in 9 of 10 futures."""
    books = run.result.books
    if books is None:
        return None
    rows = books[(books["metric"] == "lead_value") & (books["scenario"] == name)]
    may, best = (rows[rows["basis"] == basis].sort_values("at") for basis in ("realised", "expected"))
    if not len(may) or not len(best):
        return None
    mean, ends = float(best["mean"].iloc[-1]), may.iloc[-1]
    unknown = (_UNKNOWN,) * 4
    return Bid("lead", Estimate(mean, _UNKNOWN), float(ends["p05"]), float(ends["p95"]), *unknown, None)


def _record(bid: Bid, name: str) -> dict:
    numbers = bid._asdict() | {"average": bid.average.value, "mcse": bid.average.mcse, "third": bid.third}
    numbers["room"] = bid.room.value if bid.room else _UNKNOWN
    return {"scenario": name, **numbers}


def sentences(run: Finished, bids: list[Bid], settings: Settings, under: str) -> tuple[str, ...]:
    customer = bids[0]
    place = _place(customer)

    def price(value: float) -> str:
        return fmt.money(value, place, run.currency)

    if customer.average.value <= 0:
        return ("No price for a new customer pays: on average one brings less than goods and orders cost.",)
    start = f"Under “{under}”, pay" if under else "Pay"
    found = [f"{start} at most {price(customer.average.value)} for a new customer; whoever pays more loses on average."]
    if np.isfinite(customer.safe):
        risk = fmt.sure(settings.chance_of_loss)
        found.append(
            f"At {price(max(customer.safe, 0.0))} the plan’s newcomers together lose money in {risk} of futures."
        )
    found.append(_today(customer, price))
    if len(bids) > 1 and bids[1].unit == "visitor":
        visitor = bids[1]
        most, third = (money(run, value, visitor.average.mcse) for value in (visitor.average.value, visitor.third))
        found.append(f"For a visitor that is {most}, or {third} where the value is to be {RULE_OF_THREE} × the cost.")
    return tuple(found)


def _today(bid: Bid, price) -> str:
    """What is paid today, and whether one customer more still pays."""
    if not bid.paid > 0:
        return "What a new customer costs today is not given, or nothing."
    paid = f"Today one costs {price(bid.paid)}"
    if bid.room is None or not np.isfinite(bid.marginal):
        return f"{paid}; what one more costs is not known."
    more = "as much as one more" if price(bid.marginal) == price(bid.paid) else f"one more {price(bid.marginal)}"
    if bid.room.value <= 0:
        return f"{paid}, {more}, which is more than one brings: buy fewer."
    sure = fmt.sure(bid.room.p_above)
    return f"{paid}, {more}: that leaves {price(bid.room.value)} on average, and pays with {sure} certainty."


def _place(bid: Bid) -> int:
    return max(-2, fmt.last_place((bid.average.value, bid.p05, bid.p95), bid.average.mcse))


def text(run: Finished, bids: list[Bid], settings: Settings) -> Text:
    window = months_of(settings)
    headings = (
        *("", "at most", "9 in 10 futures", f"loss in {fmt.percent(settings.chance_of_loss)}"),
        *(f"back in {window}", "a third", "paid today", "one more"),
    )
    rows = []
    for bid in bids:
        place = _place(bid)
        numbers = (bid.safe, bid.window, bid.third, bid.paid, bid.marginal)
        cells = (fmt.money(value, place, run.currency) if np.isfinite(value) else "–" for value in numbers)
        span = f"[{fmt.money(bid.p05, place)}, {fmt.money(bid.p95, place)}]"
        rows.append((f"a {bid.unit}", fmt.money(bid.average.value, place, run.currency), span, *cells))
    return Text(headings, tuple(rows))


def months_of(settings: Settings) -> str:
    return f"{settings.within_months:g} month{'' if settings.within_months == 1 else 's'}"


def picture(run: Finished, bid: Bid, settings: Settings) -> Ranges:
    rows = (
        Span("What a new customer brings, mean over the plan’s newcomers", bid.p05, bid.average.value, bid.p95),
        Span(f"Loss in {fmt.sure(settings.chance_of_loss)} of futures", _UNKNOWN, bid.safe, _UNKNOWN),
        Span(f"Back within {months_of(settings)}", _UNKNOWN, bid.window, _UNKNOWN),
        Span("A third of the value", _UNKNOWN, bid.third, _UNKNOWN),
    )
    marks = ((bid.paid, "paid today"),) if bid.paid > 0 else ()
    return Ranges(rows, "Price of a new customer; bar: 9 in 10 futures", currency=run.currency, marks=marks)


def notes(run: Finished) -> tuple[str, ...]:
    mean = float(np.nanmean(run.draws.level("newcomers", BASELINE)))
    newcomers = fmt.number(mean, fmt.last_place((mean,)))
    layers = display.in_layers(run.result.layers, stated=bool(run.result.no_data))
    return (
        f"Values are contribution over {fmt.months(run.result.horizon_months)} of a customer’s own life, before "
        "acquisition cost, discounted to the first order.",
        f"Futures: of the mean over the plan’s {newcomers} newcomers; they differ by "
        f"{layers}. What a single customer brings is far less sure.",
        "At most: for somebody who is neutral to risk. Compare it with what one more costs, not with the mean cost.",
    )
