"""How revenue is spread over customers: in the log, and in the months ahead."""

import numpy as np
import pandas as pd

from clvsim.books.table import counted, joined, rows
from clvsim.comparison.table import layers
from clvsim.scenario import BASELINE
from clvsim.simulation.concentration import TOP, concentration_of
from clvsim.simulation.run import Simulation
from clvsim.types import CustomerSummary

BOOK = "concentration"
LOG, AHEAD = "log", "existing"


def concentration(simulation: Simulation, summary: CustomerSummary) -> pd.DataFrame:
    """Rows of the baseline: of customers who pay anything in a time, how much of the revenue the largest bring.

    Group `existing`: today's customers within the horizon, `log`: all customers in all of the log, where it has their
    amounts. These are times of different length, and everybody in the log has bought: the two are no trend.
    `share_of_largest` at 0.1 is the share of revenue of the largest tenth; `gini` and `buyers` stand at 0.
    Undiscounted, before any cost; refunds are taken off in the log only. Not modelled: newcomers.
    """
    ahead, basis = simulation.concentration, ("realised", layers(simulation, "realised"))
    there = np.isfinite(ahead.gini)
    return joined(
        [
            *observed(summary),
            rows(BOOK, "buyers", BASELINE, AHEAD, [0.0], ahead.buyers[:, None], *basis),
            rows(BOOK, "gini", BASELINE, AHEAD, [0.0], ahead.gini[there, None], *basis),
            rows(BOOK, "share_of_largest", BASELINE, AHEAD, TOP, ahead.shares[there], *basis),
        ]
    )


def observed(summary: CustomerSummary) -> list[pd.DataFrame]:
    """Rows of the log; none where it does not hold what customers paid first."""
    customers = summary.customers
    paid = (customers["first_amount"] + customers["repeat_amount"]).to_numpy(float)
    if np.isnan(paid).any() or not (paid > 0).any():
        return []
    largest = np.sort(paid[paid > 0])[::-1]
    buyers, gini, shares = concentration_of(np.ones(largest.size), largest)
    return [
        counted(BOOK, "buyers", LOG, [0.0], np.array([buyers])),
        counted(BOOK, "gini", LOG, [0.0], np.array([gini])),
        counted(BOOK, "share_of_largest", LOG, TOP, shares),
    ]
