"""Newcomers: how many each channel brings in each month of every world, what they cost, and blocks to simulate them in.

A cell is a (channel, month); cells are ordered by channel, then month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clvsim import effects
from clvsim.interventions.base import Funnel, Group, Shift
from clvsim.kernels import rng
from clvsim.kernels.structs import Arrivals, seal
from clvsim.models.arrivals import Arriving
from clvsim.models.fitted import FittedModels
from clvsim.simulation.config import AcquisitionConfig
from clvsim.simulation.layout import Layout
from clvsim.simulation.people import Block, blocks_of_newcomers, quarters_of
from clvsim.simulation.worlds import Worlds
from clvsim.special import expit, logit, pdtrik
from clvsim.types import DAYS_PER_MONTH


@dataclass(frozen=True)
class ArrivalPlan:
    """Newcomers of one scenario in every world."""

    arrivals: Arrivals  # (w, cells)
    number: np.ndarray  # (w, cells) customers, with weights
    visitors: np.ndarray  # (w, cells); of the log those who would come anyway, whose conversion is 1
    conversion: np.ndarray  # (w, cells)
    cost: np.ndarray  # (w, cells), money spent on them
    responding: np.ndarray  # (w, cells) customers more for each 100 % of spend more, at the present spend
    expected: np.ndarray  # (w, cells) customers, given the visitors: those who convert, and leads who buy
    leads: np.ndarray  # (w, cells)
    leads_by_funnel: np.ndarray  # (w, funnels, months), in the order of the scenario's mechanisms


@dataclass(frozen=True)
class Acquired:
    """Newcomers of one scenario per world, summed over months; over channels too, unless it says by channel."""

    visitors: np.ndarray  # (w,); nan of the log, which does not say how many they are
    customers: np.ndarray  # (w,) with weights
    cost: np.ndarray  # (w,), undiscounted
    cac: np.ndarray  # (w,) expected cost per acquired customer
    next_cac: np.ndarray  # (w,) that of one more, where all channels spend more in proportion
    conversion: np.ndarray  # (w,) expected, over visitors
    expected_customers: np.ndarray  # (w,), given the world's visitors
    represented: np.ndarray  # (w,) customers who are represented with a weight above 1
    leads: np.ndarray  # (w,)
    by_lead: np.ndarray  # (w,) expected customers who were leads
    channel_visitors: np.ndarray  # (w, channels), as those of all; so are the next three
    channel_customers: np.ndarray
    channel_cost: np.ndarray
    channel_expected: np.ndarray
    channel_responding: np.ndarray  # (w, channels) customers more for each 100 % of spend more
    leads_by_funnel: np.ndarray  # (w, funnels, months)

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
    baseline: ArrivalPlan | None = None,
    arriving: Arriving | None = None,
) -> ArrivalPlan:
    """Newcomers of one scenario: visitors × conversion of each cell, and the number of customers.

    Of a log (`arriving`) visitors are those who would come anyway, whom a shift of the conversion's odds multiplies.

    Where the *baseline* expects more than `cap` newcomers in a cell, `cap` representatives carry the weight of all.
    Those beyond the number that the `baseline` has in the same world and cell (None: this is the baseline) are
    additional customers, whose quality the shifts of the conversion state. Representatives stand for one kind only.
    """
    months = acquisition.months
    shape = (worlds.key.size, len(acquisition.channels) * months)
    number, capped = np.zeros(shape), np.zeros(shape, bool)
    visitors, conversion, cac, cost = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf), np.zeros(shape)
    log_quality, responding = np.zeros((2, *shape)), np.zeros(shape)
    expected, leads, many = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    by_funnel = {shift.name: np.zeros((shape[0], months)) for shift in shifts if isinstance(shift, Funnel)}
    for c, (name, channel) in enumerate(acquisition.channels.items()):
        base, group = conversions[name][worlds.draw], Group("new", "", name)
        for m in range(months):
            cell = c * months + m
            mean = channel.visitors_per_month if arriving is None else arriving.mean[worlds.draw, m]
            present = mean * np.exp(worlds.log_visitors[:, m])
            spend, free = (np.exp(arrival_shift(t, shifts, group, worlds.draw, m)) for t in ("ad_spend", "visitors"))
            growth, by_spend = channel.response(spend)
            visitors[:, cell] = present * growth * free
            conversion[:, cell] = shifted_conversion(base, shifts, group, worlds.draw, m, of_log=acquisition.from_log)
            expected[:, cell], capped[:, cell] = visitors[:, cell] * conversion[:, cell], present * base > cap
            responding[:, cell] = present * by_spend * free * conversion[:, cell]
            if acquisition.from_log:
                cost[:, cell], cac[:, cell] = costs_of_log(acquisition, expected[:, cell], spend)
            else:
                cost[:, cell] = present * channel.cost_per_visitor * spend
                cac[:, cell] = over(channel.cost_per_visitor * spend, conversion[:, cell] * growth * free)
        own = slice(c * months, (c + 1) * months)
        found = leads_of(shifts, group, worlds.draw, visitors[:, own] * (1.0 - conversion[:, own]))
        if found is not None:
            leads[:, own] = found.leads
            for funnel, left in found.leads_by_funnel.items():
                by_funnel[funnel] += left
            before, cost[:, own] = expected[:, own].copy(), cost[:, own] + found.cost
            expected[:, own] += found.customers
            responding[:, own] *= over(expected[:, own], before, nobody=1.0)
            cac[:, own] = over(cost[:, own], expected[:, own])
        for m in range(months):
            cell = c * months + m
            gains = {} if found is None else found.gains(expected[:, cell], m)
            log_quality[:, :, cell] = additional_quality(shifts, group, worlds.draw, m, gains)
            many = capped[:, cell]
            number[~many, cell] = count_all(name, m, worlds.key[~many], expected[~many, cell])
            if many.any():
                number[many, cell] = count_by_inversion(name, m, worlds.key[many], expected[many, cell])
    count, weight = represented(number, np.where(capped, cap, np.inf))
    marginal_from, marginal_weight = count, weight
    if baseline is not None:
        count, weight, marginal_from, marginal_weight = beyond(baseline, number, count, weight)
    arrivals = Arrivals(
        count=seal(count, np.int64),
        start=seal(np.zeros(shape), np.int64),
        marginal_from=seal(marginal_from, np.int64),
        weight=seal(weight),
        marginal_weight=seal(marginal_weight),
        marginal_rate=seal(np.exp(log_quality[0])),
        marginal_spend=seal(np.exp(log_quality[1])),
        cac=seal(cac),
    )
    own_leads = np.stack(list(by_funnel.values()), axis=1) if by_funnel else np.zeros((shape[0], 0, months))
    return ArrivalPlan(arrivals, number, visitors, conversion, cost, responding, expected, leads, own_leads)


class Leads(NamedTuple):
    """Of one channel by month, (w, months): leads, what they cost, and customers whom they become; by funnel too."""

    leads: np.ndarray
    cost: np.ndarray
    by_funnel: dict[str, np.ndarray]
    leads_by_funnel: dict[str, np.ndarray]

    @property
    def customers(self) -> np.ndarray:
        return np.sum(list(self.by_funnel.values()), axis=0)

    def gains(self, expected: np.ndarray, month: int) -> dict[str, np.ndarray]:
        """How far each funnel raises the log of the customers of a month, (w,) each; `expected` with all of them."""
        return {
            name: -np.log1p(-np.minimum(over(customers[:, month], expected, nobody=0.0), 1.0 - 1e-12))
            for name, customers in self.by_funnel.items()
        }


def leads_of(shifts: tuple[Shift, ...], group: Group, draw: np.ndarray, undecided: np.ndarray) -> Leads | None:
    """What funnels make of a channel's visitors who do not buy at once, (w, months); None without a funnel.

    Leads come evenly over a month, so those who buy some days later fall into two months; after the last of them
    nobody is counted.
    """
    funnels = [shift for shift in shifts if isinstance(shift, Funnel) and shift.who.reaches(group)]
    if not funnels:
        return None
    months = undecided.shape[1]
    leads, cost, by_funnel, leads_by_funnel = np.zeros_like(undecided), np.zeros_like(undecided), {}, {}
    for funnel in funnels:
        running = funnel.when.strength(np.arange(months) + 0.5) > 0
        own = undecided * funnel.share[draw][:, None] * running
        leads += own
        cost += own * funnel.cost[draw][:, None]
        by_funnel[funnel.name] = customers_by_month(funnel, own, draw)
        leads_by_funnel[funnel.name] = own
    return Leads(leads, cost, by_funnel, leads_by_funnel)


def customers_by_month(funnel: Funnel, leads: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Customers whom a funnel's e-mails make of leads, in the month in which they buy, both (w, months)."""
    months = leads.shape[1]
    customers = np.zeros((leads.shape[0], months + 1 + int(366 / DAYS_PER_MONTH) + 1))
    for share, days in zip(funnel.bought(draw), funnel.after_days, strict=True):
        later, part = divmod(days / DAYS_PER_MONTH, 1.0)
        first = int(later)
        customers[:, first : first + months] += (1.0 - part) * leads * share[:, None]
        customers[:, first + 1 : first + 1 + months] += part * leads * share[:, None]
    return customers[:, :months]


def costs_of_log(
    acquisition: AcquisitionConfig, expected: np.ndarray, spend: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Money spent in a cell of the log's newcomers, and on each expected one, inf where none is; all arrays (w,).

    `spend`: factor on what is spent a month.
    """
    monthly = acquisition.spend_per_month * spend
    return acquisition.cost_per_customer * expected + monthly, acquisition.cost_per_customer + over(monthly, expected)


def over(cost: np.ndarray, customers: np.ndarray, nobody: float = np.inf) -> np.ndarray:
    """Cost of each customer; `nobody` where there is none."""
    return np.divide(cost, customers, out=np.full_like(customers, nobody), where=customers > 0)


def represented(number: np.ndarray, cap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many lives stand for a number of customers, at most `cap`, and the weight of each."""
    count = np.minimum(number, cap)
    return count, np.maximum(number / np.maximum(count, 1), 1.0)


def beyond(
    baseline: ArrivalPlan, number: np.ndarray, count: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count, weight, and the first ordinal and weight of additional customers, (w, cells) each.

    Where there are more customers than in the baseline, its lives keep their weight, and so many more stand for the
    others that theirs is not above it.
    """
    more, own = np.maximum(number - baseline.number, 0.0), baseline.arrivals
    lives = np.ceil(more / own.weight)
    additional = np.where(more > 0, more / np.maximum(lives, 1), own.weight)
    grows = number >= baseline.number
    return (
        np.where(grows, own.count + lives, count),
        np.where(grows, own.weight, weight),
        np.where(grows, own.count, count),
        np.where(grows, additional, weight),
    )


def additional_quality(
    shifts: tuple[Shift, ...], group: Group, draw: np.ndarray, month: int, funnels: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Log factors on the rate and on the amounts of a cell's additional customers, (w,) each.

    With several levers, a mean of theirs weighted by how far each raises the logit, or the log of visitors, spend or,
    by its name in `funnels`, customers; one without a quality brings customers like all others.
    """
    gain, rate, spend = np.zeros((3, draw.size))
    for shift in shifts:
        if shift.brings_customers and shift.who.reaches(group):
            own = np.maximum(shift.size[draw] * shift.when.strength(np.array([month + 0.5]))[0], 0.0)
            if isinstance(shift, Funnel):
                own = funnels[shift.name]
            gain += own
            if shift.quality is not None:
                rate += own * shift.quality.rate[draw]
                spend += own * shift.quality.spend[draw]
    rises = gain > 0
    rate, spend = (np.divide(log, gain, out=np.zeros_like(log), where=rises) for log in (rate, spend))
    return rate, spend


def count_all(channel: str, month: int, world_key: np.ndarray, expected: np.ndarray) -> list[int]:
    """Newcomers of a cell: unit-exponential steps that fit into the expected number, so that more only adds ordinals.

    `world_key`, `expected` (w,).
    """
    from clvsim.kernels.simulate import count_arrivals

    key = rng.text_key(f"arrivals {channel} {month}")
    return [count_arrivals(key, w, e) for w, e in zip(world_key, expected, strict=True)]


def count_by_inversion(channel: str, month: int, world_key: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Newcomers of a cell, Poisson by inversion, (w,)."""
    u = rng.world_uniforms(world_key, f"arrivals {channel}", rng.ARRIVAL_COUNT, month)
    return np.ceil(pdtrik(u, expected)).clip(0)


def arrival_shift(target: str, shifts: tuple[Shift, ...], group: Group, draw: np.ndarray, month: int) -> np.ndarray:
    """Sum of the shifts of one target that reach a cell, (w,); exactly 0 without any."""
    add = np.zeros(draw.size)
    for shift in shifts:
        if shift.target == target and shift.who.reaches(group):
            add += shift.size[draw] * shift.when.strength(np.array([month + 0.5]))[0]
    return add


def shifted_conversion(
    base: np.ndarray, shifts: tuple[Shift, ...], group: Group, draw: np.ndarray, month: int, *, of_log: bool = False
) -> np.ndarray:
    """Conversion (w,) of a cell after the shifts of its logit; where their sum is exactly 0, `base` bit for bit.

    `of_log`: `base` is 1 for those who come anyway, whose conversion is unknown: odds stand for it, as where it is
    small.
    """
    add = arrival_shift("conversion", shifts, group, draw, month)
    if of_log:
        return base * np.exp(add)
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
    group = np.array([layout.new_group(name) for name in acquisition.channels])[channel] + layout.targets.stratum(key)
    cohort = layout.first_new_cohort + (group - layout.first_new_group) * quarters_of(acquisition) + month // 3
    each = {"month": month, "cell": cell, "ordinal": ordinal, "key": key, "group": group, "cohort": cohort}
    blocks: list[Block] = []
    for g in range(layout.first_new_group, len(layout.groups)):
        of_group = {field: values[group == g] for field, values in each.items()}
        blocks += blocks_of_newcomers(fitted, layout.groups[g].channel, size, **of_group)
    return blocks


def newcomer_keys(channels: Sequence[str], months: int, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Entity key of each newcomer from the channel's name, the month and the ordinal in the cell, (c,) uint64."""
    cells = range(len(channels) * months)
    roots = np.array([rng.text_key(f"newcomer {channels[c // months]} {c % months}") for c in cells], np.uint64)
    with np.errstate(over="ignore"):
        return rng.mix_array(roots[cell] + (ordinal.astype(np.uint64) + np.uint64(1)) * rng.GOLDEN)


def sum_acquired(plan: ArrivalPlan, months: int, *, of_log: bool = False) -> Acquired:
    """Sum a plan over cells, which are `months` for each channel; ratios are nan where the expected newcomers or the
    visitors are 0, or unknown.
    """
    channels = plan.cost.shape[1] // months

    def by_channel(cells: np.ndarray) -> np.ndarray:
        return cells.reshape(-1, channels, months).sum(axis=2)

    customers, weighted = plan.number, (plan.arrivals.weight > 1) | (plan.arrivals.marginal_weight > 1)
    visitors = np.full(len(plan.visitors), np.nan) if of_log else plan.visitors.sum(axis=1)
    expected = plan.expected.sum(axis=1)
    cost, responding = plan.cost.sum(axis=1), plan.responding.sum(axis=1)
    return Acquired(
        visitors=visitors,
        customers=customers.sum(axis=1),
        cost=cost,
        cac=np.divide(cost, expected, out=np.full_like(cost, np.nan), where=expected > 0),
        next_cac=np.divide(cost, responding, out=np.full_like(cost, np.nan), where=responding > 0),
        conversion=np.divide(expected, visitors, out=np.full_like(cost, np.nan), where=visitors > 0),
        expected_customers=expected,
        represented=(customers * weighted).sum(axis=1),
        leads=plan.leads.sum(axis=1),
        by_lead=expected - (plan.visitors * plan.conversion).sum(axis=1),
        channel_visitors=by_channel(np.full_like(plan.visitors, np.nan) if of_log else plan.visitors),
        channel_customers=by_channel(customers),
        channel_cost=by_channel(plan.cost),
        channel_expected=by_channel(plan.expected),
        channel_responding=by_channel(plan.responding),
        leads_by_funnel=plan.leads_by_funnel,
    )
