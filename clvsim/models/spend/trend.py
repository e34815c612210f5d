"""Amounts at today's level, where customers' orders grow or fall with calendar time (`clvsim.data.trend`).

    log z(today) = log z + slope * (years since the order)

before anything is fitted, for repeat and first orders; no uncertainty of the slope is left out:

    level ~ Lognormal of mean 1, sd of log = se(slope) * mean age of the orders

multiplies all amounts of a draw. The trend stops today. docs/models/spend_trend.md.
"""

import math
from dataclasses import replace

import numpy as np

from clvsim.errors import ConfigError
from clvsim.models.laws import Params, column
from clvsim.types import CustomerSummary, SpendTrend

LEVEL = "trend.level"
_BEYOND_CHANCE = 2.0  # standard errors


def levelled(summary: CustomerSummary, trend: bool) -> CustomerSummary:
    """The summary with amounts at today's level, if `trend` asks for it and they can be brought there.

    Raises ConfigError where orders have no days.
    """
    if not trend:
        return summary
    found = summary.trend
    if found is None:
        raise ConfigError([("spend.trend", "needs a log of dated orders, and the data have none; set it to false")])
    if found.problem:
        return summary
    frame, b = summary.customers, found.slope
    logs, lag, lag_log = (frame[name] for name in ("repeat_log_amount", "repeat_lag", "repeat_lag_log"))
    amounts = {
        "first_amount": frame["first_amount"] * np.exp(b * frame["T_days"] / 365.25),
        "repeat_amount": frame["repeat_amount_today"],
        "repeat_log_amount": logs + b * lag,
        "repeat_log_square": frame["repeat_log_square"] + 2 * b * lag_log + b**2 * frame["repeat_lag_square"],
    }
    return replace(summary, customers=frame.assign(**amounts))


def level_sd(summary: CustomerSummary, trend: bool) -> float:
    """Standard error of the log of today's level, as the slope has it; 0 where amounts stay as they are."""
    found = summary.trend
    return found.se * found.lag if trend and found and not found.problem else 0.0


def level_draws(sd: float, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Today's level against the best guess, (draw,); none where there is no doubt."""
    if not sd:
        return {}
    normal = np.random.default_rng([seed, 5]).standard_normal(draws)
    return {LEVEL: np.exp(sd * normal - sd**2 / 2)}


def level_of(params: Params) -> np.ndarray | float:
    """Factor on all amounts, (draw, 1)."""
    return column(params, LEVEL)[0] if LEVEL in params else 1.0


def trend_warnings(summary: CustomerSummary, trend: bool) -> tuple[str, ...]:
    """What a trend does to figures that leave it out, beyond chance; or why it is left out though it was asked for."""
    found = summary.trend
    if found is None:
        return ()
    if found.problem:
        return (f"spend.trend: amounts stay as they are, since {found.problem}",) if trend else ()
    if trend or not abs(found.slope) > _BEYOND_CHANCE * found.se:
        return ()
    today = math.expm1(found.slope * found.lag)
    return (
        f"{_grow(found)}, and money is at the mean level of the log: today's is {today:+.0%} from there "
        "(spend.trend=true brings amounts to it)",
    )


def price_warnings(summary: CustomerSummary, price: str) -> tuple[str, ...]:
    """What a trend of prices, beyond chance, does to those that stay as they are; `price` is that of `fixed_price`."""
    found = summary.trend
    if found is None or found.problem or not abs(found.slope) > _BEYOND_CHANCE * found.se:
        return ()
    if price == "last":
        return (
            f"{_grow(found)}: prices stay at each customer's last one, and changes to come are not foreseen (a "
            "lever of spend in a scenario says what they would bring)",
        )
    today = math.expm1(found.slope * found.lag)
    return (f"{_grow(found)}, and prices are means of the log: today's are {today:+.0%} from there (spend.price=last)",)


def used(summary: CustomerSummary, trend: bool) -> str:
    """What was done with the trend, in a sentence; "" where amounts stay as they are."""
    found = summary.trend
    if not trend or found is None or found.problem:
        return ""
    today = math.expm1(found.slope * found.lag)
    return (
        f"{_grow(found)}: amounts are brought to today's level, {today:+.0%} from the mean of the log, and stay there "
        "(spend.trend=true)"
    )


def _grow(found: SpendTrend) -> str:
    margin = _BEYOND_CHANCE * found.se
    yearly, low, high = (math.expm1(v) for v in (found.slope, found.slope - margin, found.slope + margin))
    way = "grow" if yearly > 0 else "shrink"
    return f"Orders of one customer {way} by {abs(yearly):.0%} a year ({low:+.0%} to {high:+.0%})"
