"""What each e-mail of a funnel is worth: credit for the customers whom a sequence brings, by all subsets of it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.books.table import joined, rows
from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import per_draw
from clvsim.comparison.payback import curve_of_others, expected_curve
from clvsim.comparison.table import layers
from clvsim.interventions.base import Funnel
from clvsim.interventions.funnel import EMAILS
from clvsim.simulation.arrivals import customers_by_month
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.run import Simulation

BOOK = "email_credit"
SEQUENCE = "sequence"


def customers_of_subsets(funnel: Funnel, leads: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Customers whom each subset of a funnel's e-mails brings, sent on its own days and nothing else, (w, 2^e).

    Columns as of `decision.shapley`: 0 is nothing sent, the last one all of them. `leads` (w, months) by the month in
    which they leave an address, `draw` (w,) of each world. Each lead that is left after the e-mails before buys with
    the e-mail's chance: of a subset S the share 1 − Π(1 − b_e), less who would buy after the last month of newcomers.
    """
    number = len(funnel.buy)
    values = np.zeros((leads.shape[0], 1 << number))
    for subset in range(1, 1 << number):
        sent = [e for e in range(number) if subset >> e & 1]
        part = replace(
            funnel,
            buy=tuple(funnel.buy[e] for e in sent),
            after_days=tuple(funnel.after_days[e] for e in sent),
        )
        values[:, subset] = customers_by_month(part, leads, draw).sum(axis=1)
    return values


def buy_after_each(values: np.ndarray) -> np.ndarray:
    """Customers who buy right after each e-mail of the whole sequence, (w, e), from those of subsets (w, 2^e)."""
    number = values.shape[1].bit_length() - 1
    first_ones = [(1 << e) - 1 for e in range(number + 1)]
    return np.diff(values[:, first_ones], axis=1)


def email_credit(
    simulation: Simulation, name: str, curves: Mapping[str, np.ndarray], leads: Ledger | None = None
) -> pd.DataFrame:
    """Rows of a scenario's funnels; none without leads. `at`: days after the address was left; 0 of the sequence.

    Groups are `LEVER first`, … and `LEVER sequence`, which its e-mails add up to. `customers_after`: who buy after that
    e-mail and before the next one, so that the first finds most. `customers`: credit for them, Shapley's value: what
    the e-mail adds, averaged over all orders in which the e-mails could have been added to nothing sent; an early one
    keeps no credit for those whom a later one would have won. `value`: credit times what a customer by e-mail brings,
    the cost of leads not taken off. On average, per draw: of a customer who has had three e-mails nobody can say which
    it was. `curves` and `leads` as of `value_by_age`. Not modelled: e-mails that work only together.
    """
    scenario = simulation.scenarios[name]
    funnels = [mechanism for mechanism in scenario.compiled.mechanisms if isinstance(mechanism, Funnel)]
    if scenario.acquired is None or not scenario.acquired.leads.any():
        return joined([])
    designs, basis = make_designs(simulation), ("expected", layers(simulation, "expected"))
    if leads is not None:
        curve = curve_of_others(simulation, name, designs, leads)
    else:
        curve = curves[name] if name in curves else expected_curve(simulation, name, designs)
    parts = []
    for number, funnel in enumerate(funnels):
        subsets = customers_of_subsets(funnel, scenario.acquired.leads_by_funnel[:, number], simulation.worlds.draw)
        credit, after = (per_draw(simulation, part) for part in (decision.shapley(subsets), buy_after_each(subsets)))
        figures = {"customers": credit, "customers_after": after, "value": credit * curve[:, -1:]}
        for metric, values in figures.items():
            for e, email in enumerate(EMAILS[: len(funnel.buy)]):
                head = (BOOK, metric, name, f"{funnel.name} {email}", [funnel.after_days[e]])
                parts.append(rows(*head, values[:, e : e + 1], *basis))
            total = values.sum(axis=1, keepdims=True)
            parts.append(rows(BOOK, metric, name, f"{funnel.name} {SEQUENCE}", [0.0], total, *basis))
    return joined(parts)
