"""Whether customers' amounts grow or fall with calendar time, whoever comes and goes.

Slope of the logs of paid repeat orders on their day with an intercept per customer (the within estimator), its standard
error clustered by customer (Liang & Zeger 1986, "Longitudinal data analysis using generalized linear models",
Biometrika 73(1), 13-22). First orders have a level of their own, and are left out. docs/models/spend_trend.md.

Not told apart: amounts that change with calendar time, and with how long somebody has been a customer.
"""

import math

import numpy as np
import pandas as pd

from clvsim.types import SpendTrend

SHORTEST_DAYS = 183  # of a log: a trend and a season look alike
FEWEST_CUSTOMERS = 10  # that errors are clustered by
STEEPEST = 10.0  # of log amounts over the log


def spend_trend(customers: pd.DataFrame, days: int) -> SpendTrend:
    """Of a summary's customers with ages of orders in years; `days` is the length of the log."""
    names = ("repeat_positive", "repeat_lag", "repeat_lag_square", "repeat_lag_log", "repeat_log_amount")
    n, lag, lag_square, lag_log, log_amount = (customers[name].to_numpy(np.float64) for name in names)
    orders = math.fsum(n)
    mean_lag = math.fsum(lag) / orders if orders else math.nan
    repeated = n > 1
    n, lag, lag_square, lag_log, log_amount = (v[repeated] for v in (n, lag, lag_square, lag_log, log_amount))
    spread = np.maximum(lag_square - lag**2 / n, 0.0)
    spread, together = spread[spread > 1e-9], (lag * log_amount / n - lag_log)[spread > 1e-9]
    if not spread.size:
        return SpendTrend(math.nan, math.nan, 0, mean_lag, "no customer has two paid repeat orders on different days")
    total = math.fsum(spread)
    slope = math.fsum(together) / total
    clusters = spread.size
    residual = math.sqrt(math.fsum((together - slope * spread) ** 2))
    se = residual / total * math.sqrt(clusters / (clusters - 1)) if clusters > 1 else math.nan
    return SpendTrend(slope, se, clusters, mean_lag, _problem(slope, clusters, days))


def _problem(slope: float, customers: int, days: int) -> str:
    if days < SHORTEST_DAYS:
        return f"the log spans {days} days, and a trend cannot be told from a season in less than {SHORTEST_DAYS}"
    if customers < FEWEST_CUSTOMERS:
        return f"only {customers} customers have two paid repeat orders, {FEWEST_CUSTOMERS} are needed"
    if abs(slope) * days / 365.25 > STEEPEST:
        return "amounts change by many orders of magnitude over the log (are currencies mixed?)"
    return ""
