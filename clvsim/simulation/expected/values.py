"""`ExpectedLevels`: what the baseline brings on average, given each draw's parameters. Plain arrays, no formulas."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activity:
    """Customers expected to be there at the end of each calendar month, (draws, months) each, under the baseline.

    Lost ones are not: whoever will never order again. A newcomer is `followed` for the horizon from the first order on.
    """

    existing: np.ndarray
    newcomers: np.ndarray  # followed or not
    followed: np.ndarray  # of the newcomers


@dataclass(frozen=True)
class ExpectedLevels:
    """Conditional expectations per draw: closed forms of the models, nothing simulated.

    Of a baseline without shifts of rates, spend or hazard, offers and contacts; a shift of a conversion counts. Shocks
    common to all customers stand at their mean. Money is what customers order for, before any cost.

    Groups are the ledger's existing ones, channels and arrival months those of the acquisition: (draws, channels,
    months) is empty without channels. What one newcomer brings counts the first order, and is discounted to it; by
    `ages` the first order stands in the first month. Averages over newcomers weigh arrival months by `newcomers`.
    """

    existing_customers: np.ndarray  # (groups,) who are not known to be lost
    existing_revenue: np.ndarray  # (draws, groups), discounted to today
    existing_discounted_orders: np.ndarray  # (draws, groups)
    existing_orders: np.ndarray  # (draws, groups), undiscounted
    visitors: np.ndarray  # (channels, months); nan of the log
    acquisition_cost: np.ndarray  # (draws, channels, months), money spent on newcomers, undiscounted
    newcomers: np.ndarray  # (draws, channels, months), visitors times conversion, or as the log says
    arrival_discount: np.ndarray  # (months,) mean discount of a first order in each month
    first_revenue: np.ndarray  # (draws, channels), of one first order
    newcomer_revenue: np.ndarray  # (draws, channels, months), of one newcomer within the horizon
    newcomer_discounted_orders: np.ndarray  # (draws, channels, months)
    newcomer_orders: np.ndarray  # (draws, channels, months), undiscounted
    age_revenue: np.ndarray  # (draws, channels, ages), of one newcomer in each month of own age, discounted
    age_discounted_orders: np.ndarray  # (draws, channels, ages)
    age_revenue_undiscounted: np.ndarray  # (draws, channels, ages)
    age_orders: np.ndarray  # (draws, channels, ages), undiscounted
    existing_there: np.ndarray  # (draws, 2) of today's customers, those still there today and in a month
    activity: Activity | None  # with channels, and where a scenario has a cost per month
