"""How it went so far, from the log: sales by month, and what each quarter's customers brought, beside the model's."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from clvsim.books.ages import shown_ages
from clvsim.books.cohorts import cohort_labels, merged
from clvsim.books.table import MOST_MONTHS, counted, joined, rows
from clvsim.comparison.table import layers
from clvsim.data.history import History
from clvsim.kernels.structs import COHORT_CONTRIBUTION
from clvsim.scenario import BASELINE
from clvsim.simulation.ledger import Economics
from clvsim.simulation.levels import ratio
from clvsim.simulation.run import Simulation

SALES, VALUE = "sales_by_month", "cohort_value"
AGES = (0, 1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 60)  # months since the first order


def history_rows(simulation: Simulation, history: History | None) -> pd.DataFrame:
    """Rows of the log and of the baseline; none where the source has no dated orders.

    `sales_by_month`: revenue of whole months up to today, `at` 0 being the last one, of first and of repeat orders.
    `cohort_value`, money per customer, undiscounted, acquisition cost not taken off, revenue without a known margin:
    `value_by_age` up to an age that a whole quarter has reached, `value_so_far` up to today, `customers` of a quarter
    of first orders; `value_to_come` of them within the horizon (`at`), and `value_by_age` of newcomers, simulated. What
    contacts cost is in neither; goods and the cost per order are, at today's margin.
    """
    if history is None or not history.quarters:
        return joined([])
    sales = [
        counted(SALES, "revenue", group, np.arange(values.size), values)
        for group, values in (("first", history.first), ("repeat", history.repeat))
        if values.size
    ]
    return joined([*sales, *quarters(simulation, history), *newcomers(simulation)])


def quarters(simulation: Simulation, history: History) -> list[pd.DataFrame]:
    """Rows of each quarter of first orders; the oldest of many are one."""
    labels, place = merged([("existing", quarter) for quarter in history.quarters])
    horizon = min(simulation.horizon_months, MOST_MONTHS)
    ahead = to_come(simulation, labels, horizon)
    basis = ("realised", layers(simulation, "realised"))
    parts = []
    for number, label in enumerate(labels):
        of_quarter, group = place == number, label.replace("existing", "log")
        customers = int(history.customers[of_quarter].sum())
        last = int(history.followed[of_quarter].min())
        ages = [age for age in AGES if age <= last]
        by_age = contribution(
            simulation.economics,
            history.revenue[of_quarter][:, ages].sum(axis=0),
            history.orders[of_quarter][:, ages].sum(axis=0),
        )
        so_far = contribution(
            simulation.economics,
            history.revenue_so_far[of_quarter].sum(keepdims=True),
            history.orders_so_far[of_quarter].sum(keepdims=True),
        )
        parts += [
            counted(VALUE, "customers", group, [0.0], np.array([float(customers)])),
            counted(VALUE, "value_by_age", group, ages, by_age / customers),
            counted(VALUE, "value_so_far", group, [0.0], so_far / customers),
        ]
        if label in ahead:
            parts.append(rows(VALUE, "value_to_come", BASELINE, group, [horizon], ahead[label] / customers, *basis))
    return parts


def contribution(economics: Economics, revenue: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """What revenue and a number of orders leave after goods and the cost of each order; revenue without a margin."""
    return economics.gross_margin * revenue - economics.cost_per_order * orders


def to_come(simulation: Simulation, labels: Sequence[str], months: int) -> dict[str, np.ndarray]:
    """Contribution within these months of today's customers, by label of a quarter, (w, 1)."""
    ledger = simulation.scenarios[BASELINE].ledger
    sums = ledger.cohort[:, :, COHORT_CONTRIBUTION, :months].sum(axis=2)
    cohorts = cohort_labels(ledger)
    shown, place = merged(cohorts)
    of_label = {label: sums[:, place == number].sum(axis=1, keepdims=True) for number, label in enumerate(shown)}
    return {label: of_label[label] for label in labels if label in of_label}


def newcomers(simulation: Simulation) -> list[pd.DataFrame]:
    """What a newcomer of the baseline brings by age; nothing without newcomers."""
    scenario = simulation.scenarios[BASELINE]
    if scenario.acquired is None:
        return []
    ledger = scenario.ledger
    people = ledger.total("customers_acquired", age=True)
    curve = ratio(ledger.contribution_by_age(discounted=False), people[:, None])
    ages = shown_ages(curve.shape[1] - 1)
    basis = ("realised", layers(simulation, "realised"))
    return [rows(VALUE, "value_by_age", BASELINE, "newcomers", ages, curve[:, ages], *basis)]
