"""Closed forms of more customers than are simulated: of everybody in a few draws, and from these in all of them.

What a customer is expected to bring is a smooth function of a few parameters, so that its values in all draws lie close
to the span of those in some: a few draws are chosen on some customers, of whom all draws are worked out (an
interpolative decomposition; Cheng, Gimbutas, Martinsson & Rokhlin 2005, SIAM J. Sci. Comput. 26(4)). Sums over all
customers are then corrected by what is left on these (a difference estimator; Särndal, Swensson & Wretman 1992, ch. 6).
docs/scale.md.
"""

from typing import NamedTuple

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.models.revenue import FittedCustomers
from clvsim.simulation.expected.customers import DRAWS_AT_ONCE, ByDraw, ExistingSums, by_draw, sum_by_group
from clvsim.simulation.plan import RunPlan
from clvsim.types import CustomerSummary

TRIED, EXTREME = 1536, 512  # customers of whom all draws are worked out: some, and those with most orders so far
FEWEST_OF_MANY = 4 * (TRIED + EXTREME)  # of fewer customers all draws are worked out, which takes no longer
MOST_DRAWS = 24  # in which everybody is
CLOSE_ENOUGH = 2e-4  # root mean square of what is left of the customers tried, beside their own size
_EVERY = 4  # of the customers tried decides which draws are chosen
_AT_ONCE = 16_384
_SMALL = 0.05  # of the mean: errors of customers of less are not relative to themselves


class Tried(NamedTuple):
    """Customers of whom all draws are known."""

    rows: np.ndarray  # (t,)
    weight: np.ndarray  # (t,) for how many each stands
    values: ByDraw  # (draws, t) each


class Chosen(NamedTuple):
    """Draws in which everybody is worked out, and how all draws follow from them."""

    draws: np.ndarray  # (k,)
    follow: ByDraw  # (draws, k) each


def levels_of_many(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray
) -> tuple[np.ndarray, ExistingSums]:
    """As `existing_levels` has it; `order` (c,) is that of the customers' keys, and of equal histories it stays so."""
    customers = FittedCustomers.of(fitted, summary, plan.simulation.draws)
    tried = try_some(plan, customers, summary, order)
    first, *_, last = customers.histories
    order = order[np.lexsort((last[order], first[order]))]  # what neighbours have alike is worked out once
    chosen = choose(tried)
    group, groups = plan.layout.group, plan.layout.first_new_group
    means, sums = of_everybody(plan, customers, order, chosen)
    left = ByDraw(*(own - follow @ own[chosen.draws] for own, follow in zip(tried.values, chosen.follow, strict=True)))

    def total(name: str) -> np.ndarray:
        missing = sum_by_group(getattr(left, name) * tried.weight, group[tried.rows], groups)
        return getattr(chosen.follow, name) @ getattr(sums, name) + missing

    there = np.stack([total("alive").sum(axis=1), total("there").sum(axis=1)], axis=1)
    return means, ExistingSums(total("revenue"), total("discounted"), total("orders"), there)


def try_some(plan: RunPlan, customers: FittedCustomers, summary: CustomerSummary, order: np.ndarray) -> Tried:
    """Those with most orders, each for itself, and of all others the first in the order of keys, which is by chance."""
    from joblib import Parallel, delayed

    orders = summary.customers["frequency"].to_numpy()
    most = order[np.argsort(-orders[order], kind="stable")[:EXTREME]]
    others = order[~np.isin(order, most)]
    rows = np.concatenate([most, others[:TRIED]])
    alike = np.lexsort((summary.customers["T_days"].to_numpy()[rows], orders[rows]))
    weight = np.concatenate([np.ones(most.size), np.full(rows.size - most.size, others.size / max(1, TRIED))])
    rows, weight = rows[alike], weight[alike]
    some, draws = customers.part(rows), plan.simulation.draws
    done = Parallel(plan.simulation.jobs, backend="threading")(
        delayed(by_draw)(some.part(slice(None), slice(low, low + DRAWS_AT_ONCE)), plan)
        for low in range(0, draws, DRAWS_AT_ONCE)
    )
    return Tried(rows, weight, ByDraw(*(np.concatenate(part) for part in zip(*done, strict=True))))


def choose(tried: Tried) -> Chosen:
    """Draws one after the other, each the one that is furthest from what follows from those before it."""
    scaled = [own / scale_of(own) for own in tried.values]
    left = np.concatenate([own[:, ::_EVERY] for own in scaled], axis=1)
    left /= np.sqrt(left.shape[1])
    chosen: list[int] = []
    while len(chosen) < min(MOST_DRAWS, len(left)):
        size = (left**2).sum(axis=1)
        if chosen and size.mean() < CLOSE_ENOUGH**2:
            break
        chosen.append(int(size.argmax()))
        along = left[chosen[-1]] / np.sqrt(size[chosen[-1]])
        left = left - np.outer(left @ along, along)
    draws = np.array(sorted(chosen))
    follow = (own @ np.linalg.pinv(own[draws], rcond=1e-10) for own in scaled)
    return Chosen(draws, ByDraw(*follow))


def scale_of(values: np.ndarray) -> np.ndarray:
    """Size of each customer's values (draws, t), (t,) > 0."""
    size = np.abs(values).mean(axis=0)
    mean = float(size.mean())
    return size + _SMALL * mean if mean > 0 else np.ones_like(size)


def of_everybody(
    plan: RunPlan, customers: FittedCustomers, order: np.ndarray, chosen: Chosen
) -> tuple[np.ndarray, ByDraw]:
    """Means over all draws of P(alive), orders and value, (3, c); and sums over each group in the chosen draws, (k,
    groups) each."""
    from joblib import Parallel, delayed

    group, groups = plan.layout.group, plan.layout.first_new_group
    means, sums = np.empty((3, order.size)), ByDraw(*np.zeros((len(ByDraw._fields), chosen.draws.size, groups)))
    mean_of = {name: getattr(chosen.follow, name).mean(axis=0) for name in ("alive", "orders", "value")}
    some = customers._replace(
        life={name: values[chosen.draws] for name, values in customers.life.items()},
        money={name: values[chosen.draws] for name, values in customers.money.items()},
    )

    def part(rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        found = by_draw(some.part(rows), plan)
        own = np.stack([mean @ getattr(found, name) for name, mean in mean_of.items()])
        own[0] = own[0].clip(0.0, 1.0)
        return own, [sum_by_group(values, group[rows], groups) for values in found]

    parts = [order[low : low + _AT_ONCE] for low in range(0, order.size, _AT_ONCE)]
    done = Parallel(plan.simulation.jobs, backend="threading", return_as="generator")(
        delayed(part)(rows) for rows in parts
    )
    for rows, (own, by_group) in zip(parts, done, strict=True):
        means[:, rows] = own
        for total, values in zip(sums, by_group, strict=True):
            total += values
    return means, sums
