"""Logs of BG/NBD and Gamma-Gamma in plain NumPy, order by order, as summaries."""

import datetime as dt

import numpy as np
import pandas as pd

from clvsim.types import CustomerSummary
from tests.nested.answer import Histories

TODAY = dt.date(2025, 6, 30)
PARAMS = {"r": 0.6, "alpha": 40.0, "a": 0.8, "b": 2.5}  # days
SPEND = {"p": 4.0, "q": 4.0, "gamma": 30.0}  # an order is worth 40 on average


def log_of(seed: int, customers: int, days: int) -> CustomerSummary:
    """Customers who came evenly over the first nine tenths of that many days."""
    random = np.random.default_rng([20_25, seed])
    rows = []
    for i in range(customers):
        observed = float(days - int(random.uniform(0, 0.9 * days)))
        rate, p = random.gamma(PARAMS["r"]) / PARAMS["alpha"], random.beta(PARAMS["a"], PARAMS["b"])
        ordered, day = [], 0.0
        while True:
            day += random.exponential() / rate
            if day >= observed:
                break
            ordered.append(day)
            if random.random() < p:
                break
        nu = random.gamma(SPEND["q"]) / SPEND["gamma"]
        amounts = random.gamma(SPEND["p"], size=1 + len(ordered)) / nu
        rows.append((f"c{i:04d}", len(ordered), float(np.floor(ordered[-1])) if ordered else 0.0, observed, amounts))
    frame = pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "frequency": [row[1] for row in rows],
            "recency_days": [row[2] for row in rows],
            "T_days": [row[3] for row in rows],
            "first_amount": [row[4][0] for row in rows],
            "repeat_amount": [row[4][1:].sum() for row in rows],
            "repeat_log_amount": [np.log(row[4][1:]).sum() for row in rows],
            "repeat_log_square": [(np.log(row[4][1:]) ** 2).sum() for row in rows],
            "repeat_positive": [row[1] for row in rows],
            "holdout_frequency": 0,
            "segment": "",
            "channel": "",
        }
    )
    start = TODAY - dt.timedelta(days=days)
    return CustomerSummary(frame, TODAY, start, TODAY, "week", f"made up {seed}")


def histories_of(summary: CustomerSummary) -> Histories:
    columns = ("frequency", "recency_days", "T_days", "repeat_amount")
    return Histories(*(summary.customers[name].to_numpy(float) for name in columns))
