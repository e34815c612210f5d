"""What a lever costs: lines of its ledger that its own mechanisms posted and the baseline does not have."""

from typing import NamedTuple

import numpy as np

from clvsim.comparison.draws import Draws
from clvsim.scenario import BASELINE

POSTED = ("cost_contact", "cost_incentive", "cost_fixed")
OF_LEVERS = {"cost_orders": "orders"}  # accounts that the business itself posts to, under this cause


class Cost(NamedTuple):
    """A lever's cost beyond the baseline's, discounted, (draw,): of `account`, posted by the mechanism `cause`."""

    account: str
    cause: str
    amount: np.ndarray


def costs_of(draws: Draws, scenario: str) -> list[Cost]:
    """Those that are not 0: of goods sold, of the orders themselves and of acquisition there are none."""
    found = []
    for name in draws.line_names:
        account, _, cause = name.partition("/")
        if account in POSTED or (account in OF_LEVERS and cause != OF_LEVERS[account]):
            amount = draws.line(name, scenario) - draws.line(name, BASELINE)
            if amount.any():
                found.append(Cost(account, cause, amount))
    return found
