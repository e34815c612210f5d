"""Newcomers: how many each channel brings in each month of every world, what they cost, and blocks to simulate them in.

A cell is a (channel, month); cells are ordered by channel, then month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clvsim import effects
from clvsim.interventions.base import Group, Shift
from clvsim.kernels import rng
from clvsim.kernels.structs import Arrivals, seal
from clvsim.models.fitted import FittedModels
from clvsim.simulation.config import AcquisitionConfig
from clvsim.simulation.layout import Layout
from clvsim.simulation.people import Block, newcomer_laws, people_of, quarters_of
from clvsim.simulation.worlds import Worlds
from clvsim.special import expit, logit, pdtrik
from clvsim.types import DAYS_PER_MONTH


@dataclass(frozen=True)
class ArrivalPlan:
    """Newcomers of one scenario in every world."""

    arrivals: Arrivals  # (w, cells)
    visitors: np.ndarray  # (w, cells)
    conversion: np.ndarray  # (w, cells)
    cost: np.ndarray  # (w, cells), money spent on visitors


@dataclass(frozen=True)
class Acquired:
    """Newcomers of one scenario per world, summed over channels and months."""

    visitors: np.ndarray  # (w,)
    customers: np.ndarray  # (w,) with weights
    cost: np.ndarray  # (w,), undiscounted
    cac: np.ndarray  # (w,) expected cost per acquired customer
    conversion: np.ndarray  # (w,) expected, over visitors
    represented: np.ndarray  # (w,) customers who are represented with a weight above 1

    @property
    def weighted_share(self) -> float:
        """Share of newcomers who are represented with a weight above 1."""
        total = self.customers.sum()
        return float(self.represented.sum() / total) if total else 0.0


def base_conversions(acquisition: AcquisitionConfig, draw_keys: np.ndarray) -> dict[str, effects.EffectDraws]:
    """Conversion of each channel per draw, before any intervention; `draw_keys` (draws,) uint64."""
    return {
        name: effects.draw(
            channel.conversion,
            rng.world_uniforms(draw_keys, f"acquisition.{name}.conversion"),
            "probability",
            path=f"acquisition.channels.{name}.conversion",
        )
        for name, channel in acquisition.channels.items()
    }


def plan_arrivals(
    acquisition: AcquisitionConfig,
    shifts: tuple[Shift, ...],
    worlds: Worlds,
    conversions: Mapping[str, np.ndarray],
    cap: int,
) -> ArrivalPlan:
    """Newcomers of one scenario: visitors × conversion of each cell, and the number of customers.

    Where the *baseline* expects more than `cap` newcomers in a cell, `cap` representatives carry the weight of all.
    """
    months = acquisition.months
    shape = (worlds.key.size, len(acquisition.channels) * months)
    count, weight = np.zeros(shape, np.int64), np.ones(shape)
    visitors, conversion, cac, cost = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf), np.zeros(shape)
    for c, (name, channel) in enumerate(acquisition.channels.items()):
        base = conversions[name][worlds.draw]
        for m in range(months):
            cell = c * months + m
            visitors[:, cell] = channel.visitors_per_month * np.exp(worlds.log_visitors[:, m])
            conversion[:, cell] = shifted_conversion(base, shifts, Group("new", "", name), worlds.draw, m)
            cost[:, cell] = visitors[:, cell] * channel.cost_per_visitor
            np.divide(channel.cost_per_visitor, conversion[:, cell], out=cac[:, cell], where=conversion[:, cell] > 0)
            expected, capped = visitors[:, cell] * conversion[:, cell], visitors[:, cell] * base > cap
            count[~capped, cell] = count_all(name, m, worlds.key[~capped], expected[~capped])
            if capped.any():
                count[capped, cell], weight[capped, cell] = count_representatives(
                    name, m, worlds.key[capped], expected[capped], cap
                )
    return ArrivalPlan(Arrivals(seal(count, np.int64), seal(weight), seal(cac)), visitors, conversion, cost)


def count_all(channel: str, month: int, world_key: np.ndarray, expected: np.ndarray) -> list[int]:
    """Newcomers of a cell: unit-exponential steps that fit into the expected number, so that more only adds ordinals.

    `world_key`, `expected` (w,).
    """
    from clvsim.kernels.simulate import count_arrivals

    key = rng.text_key(f"arrivals {channel} {month}")
    return [count_arrivals(key, w, e) for w, e in zip(world_key, expected, strict=True)]


def count_representatives(
    channel: str, month: int, world_key: np.ndarray, expected: np.ndarray, cap: int
) -> tuple[np.ndarray, np.ndarray]:
    """Newcomers of a cell, Poisson by inversion: at most `cap` of them, and the weight of each, both (w,)."""
    u = rng.world_uniforms(world_key, f"arrivals {channel}", rng.ARRIVAL_COUNT, month)
    number = np.ceil(pdtrik(u, expected)).clip(0)
    count = np.minimum(number, cap).astype(np.int64)
    return count, np.maximum(number / np.maximum(count, 1), 1.0)


def shifted_conversion(
    base: np.ndarray, shifts: tuple[Shift, ...], group: Group, draw: np.ndarray, month: int
) -> np.ndarray:
    """Conversion (w,) of a cell after the shifts of its logit; where their sum is exactly 0, `base` bit for bit."""
    add = np.zeros_like(base)
    for shift in shifts:
        if shift.target == "conversion" and shift.who.reaches(group):
            add += shift.size[draw] * shift.when.strength(np.array([month + 0.5]))[0]
    changes = (add != 0) & (base > 0) & (base < 1)
    shifted = base.copy()
    shifted[changes] = expit(logit(base[changes]) + add[changes])
    return shifted


def newcomer_blocks(
    acquisition: AcquisitionConfig, fitted: FittedModels, plans: Sequence[ArrivalPlan], layout: Layout, size: int
) -> list[Block]:
    """Blocks of newcomers with as many ordinals in each cell as any world of any scenario needs.

    Empty without channels. `size`: customers of a block.
    """
    if not acquisition.channels:
        return []
    months = acquisition.months
    ordinals = np.max([plan.arrivals.count.max(axis=0) for plan in plans], axis=0)
    cell = np.repeat(np.arange(ordinals.size), ordinals)
    ordinal = np.concatenate([np.arange(n) for n in ordinals])
    key = newcomer_keys(list(acquisition.channels), months, cell, ordinal)
    channel, month = cell // months, cell % months
    blocks = []
    for c, name in enumerate(acquisition.channels):
        laws = newcomer_laws(fitted, name)
        channel_rows = np.flatnonzero(channel == c)
        for low in range(0, channel_rows.size, size):
            rows = channel_rows[low : low + size]
            people = people_of(
                key=key[rows],
                group=layout.first_new_group + channel[rows],
                cell=cell[rows],
                ordinal=ordinal[rows],
                cohort=layout.first_new_cohort + channel[rows] * quarters_of(acquisition) + month[rows] // 3,
                born=month[rows] * DAYS_PER_MONTH,
                spread=np.full(rows.size, DAYS_PER_MONTH),
            )
            blocks.append(Block(people, laws, newcomers=True, renewing=fitted.retention.renewing))
    return blocks


def newcomer_keys(channels: Sequence[str], months: int, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Entity key of each newcomer from the channel's name, the month and the ordinal in the cell, (c,) uint64."""
    cells = range(len(channels) * months)
    roots = np.array([rng.text_key(f"newcomer {channels[c // months]} {c % months}") for c in cells], np.uint64)
    with np.errstate(over="ignore"):
        return rng.mix_array(roots[cell] + (ordinal.astype(np.uint64) + np.uint64(1)) * rng.GOLDEN)


def sum_acquired(plan: ArrivalPlan) -> Acquired:
    """Sum a plan over cells; ratios are nan where the expected newcomers or the visitors are 0."""
    visitors = plan.visitors.sum(axis=1)
    customers = plan.arrivals.count * plan.arrivals.weight
    expected = (plan.visitors * plan.conversion).sum(axis=1)
    cost = plan.cost.sum(axis=1)
    return Acquired(
        visitors=visitors,
        customers=customers.sum(axis=1),
        cost=cost,
        cac=np.divide(cost, expected, out=np.full_like(cost, np.nan), where=expected > 0),
        conversion=np.divide(expected, visitors, out=np.full_like(cost, np.nan), where=visitors > 0),
        represented=(customers * (plan.arrivals.weight > 1)).sum(axis=1),
    )
