"""What each channel of newcomers brings and costs: a row per channel, and one of all together."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.books.table import joined, rows
from clvsim.comparison.table import layers
from clvsim.metrics import cost_of_more
from clvsim.scenario import BASELINE
from clvsim.simulation.levels import ratio
from clvsim.simulation.run import Simulation

BOOK = "channels"
ALL, OTHERS = "all", "other channels"
MOST_CHANNELS = 40  # with rows of their own


class Channels(NamedTuple):
    """Newcomers of one scenario by channel, (w, channels) each; `contribution` over their own horizon, discounted to
    the first order, before the cost of acquisition."""

    names: tuple[str, ...]
    visitors: np.ndarray
    customers: np.ndarray
    cost: np.ndarray
    expected: np.ndarray
    responding: np.ndarray
    contribution: np.ndarray
    acquired: np.ndarray


def channels_of(simulation: Simulation, name: str) -> Channels | None:
    """Of a scenario; None where no newcomers are planned. `acquired` are those whom its ledger follows."""
    scenario = simulation.scenarios[name]
    own, ledger = scenario.acquired, scenario.ledger
    if own is None:
        return None
    groups = [group.channel for group in ledger.groups if group.origin == "new"]
    names = tuple(dict.fromkeys(groups))
    of_channel = np.array([[group == one for one in names] for group in groups], float)
    lines = [number for number, line in enumerate(ledger.lines) if line.account == "customers_acquired"]
    return Channels(
        names=names,
        visitors=own.channel_visitors,
        customers=own.channel_customers,
        cost=own.channel_cost,
        expected=own.channel_expected,
        responding=own.channel_responding,
        contribution=ledger.contribution(age=True).sum(axis=2) @ of_channel,
        acquired=ledger.age[:, :, lines, 0].sum(axis=(2, 3)) @ of_channel,
    )


def channel_table(simulation: Simulation, name: str) -> pd.DataFrame:
    """Rows of a scenario; none without newcomers. `at` is 0, groups are `channel NAME`, and `all`.

    `visitors`, none where nobody knows how many they are; `customers`; `acquisition_cost`, undiscounted;
    `contribution` within the own horizon of each customer, discounted to the first order: these add up over channels.
    Of one customer: `cac`, `marginal_cac`, `pav`, and with a known margin `clv` = PAV − CAC and `ltv_cac`. They are
    what the metrics of these names are of all newcomers. Beyond `MOST_CHANNELS` the later ones share a row.

    Not modelled: which channels a customer has touched before the one that is typed, costs of levers and per month.
    """
    own, base = channels_of(simulation, name), channels_of(simulation, BASELINE)
    if own is None or base is None:
        return joined([])
    parts = []
    for group, among in groups_of(own.names).items():
        for metric, values in figures(summed(own, among), summed(base, among), simulation.economics.margin_known):
            head = (BOOK, metric, name, group, [0.0])
            parts.append(rows(*head, values[:, None], "realised", layers(simulation, "realised")))
    return joined(parts)


def groups_of(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Channels of each row."""
    shown = len(names) if len(names) <= MOST_CHANNELS else MOST_CHANNELS - 1
    groups = {f"channel {name}": [number] for number, name in enumerate(names[:shown])}
    if shown < len(names):
        groups[OTHERS] = list(range(shown, len(names)))
    return groups | {ALL: list(range(len(names)))}


def summed(channels: Channels, among: list[int]) -> Channels:
    """Some channels as one: arrays (w,)."""
    sums = {field: getattr(channels, field)[:, among].sum(axis=1) for field in Channels._fields[1:]}
    return Channels(names=tuple(channels.names[number] for number in among), **sums)


def figures(own: Channels, base: Channels, margin_known: bool) -> list[tuple[str, np.ndarray]]:
    """Metrics of one row in each world, (w,) each, nan where nobody comes; `base` are the baseline's."""
    cac, pav = ratio(own.cost, own.expected), ratio(own.contribution, own.acquired)
    of_next = ratio(own.cost, own.responding)
    found = [
        ("visitors", own.visitors),
        ("customers", own.customers),
        ("acquisition_cost", own.cost),
        ("contribution", own.contribution),
        ("cac", cac),
        ("marginal_cac", cost_of_more(own.cost - base.cost, own.expected - base.expected, of_next)),
        ("pav", pav),
    ]
    return [*found, ("clv", pav - cac), ("ltv_cac", ratio(pav, cac))] if margin_known else found
