"""How many people referral programmes bring on average, before anybody is simulated: whether a world has room for them.

Roughly: of some draws and some customers, with orders as they are without any other lever, and children like other
newcomers.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from clvsim.interventions.base import REFERRED, OfferTerms
from clvsim.models.fitted import FittedModels
from clvsim.models.revenue import FittedCustomers
from clvsim.simulation import people
from clvsim.simulation.expected.newcomers import expected_newcomers
from clvsim.simulation.plan import RunPlan
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

MOST_DRAWS, MOST_CUSTOMERS = 50, 2000


def crowded(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> Iterator[str]:
    """A sentence for each scenario in which more people are expected than `simulation.max_people`, at which a run ends.

    Only where programmes ask for every order.
    """
    most = plan.simulation.max_people
    for name, scenario in plan.scenarios.items():
        offers = [offer for offer in scenario.levers.offers if offer.referral is not None]
        if not offers or any(offer.on_orders for offer in offers):
            continue
        came, r = expected_referred(plan, fitted, summary, offers)
        own = len(summary.customers) + expected_newcomers(plan).sum(axis=(1, 2)).mean()
        if own + came.mean() > most:
            many = f"about {own + came.mean():,.0f}" if np.isfinite(came).all() else f"more than {most:,}"
            low, high = np.quantile(r, [0.05, 0.95])
            yield (
                f"{name}: {', '.join(offer.name for offer in offers)} may multiply beyond simulation.max_people "
                f"{most:,}, at which the run ends: {many} customers are expected in a world, where each who comes at "
                f"first brings {low:.2g} to {high:.2g} others; lower per_order or acquisition.months, or raise it"
            )


def expected_referred(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, offers: Sequence[OfferTerms]
) -> tuple[np.ndarray, np.ndarray]:
    """Children of all generations in some draws, and how many each who comes in the first month brings, (draws,) each;
    inf where a month's children bring more than one other in that month.

    Month by month: births = share × orders of today's customers and of all who came so far, the month's own included.
    """
    draws, months, groups = min(plan.simulation.draws, MOST_DRAWS), plan.acquisition.months, plan.layout.groups
    older = orders_of_today(fitted, summary, draws, months)
    of_age = orders_by_age(fitted, draws, months)
    newcomers = expected_newcomers(plan)[:draws].sum(axis=1)
    came = np.zeros((draws, months))  # referred in each month
    sizes, by_group = plan.layout.sizes[: plan.layout.first_new_group], groups[: plan.layout.first_new_group]
    asked = np.zeros((3, draws, months))  # children of an order: of today's customers, newcomers, and those referred
    for offer in offers:
        running = offer.when.strength(np.arange(months) + 0.5) > 0
        existing = sum(n for n, group in zip(sizes, by_group, strict=True) if offer.who.reaches(group))
        new = [group for group in groups if group.origin == "new"]
        reached = (
            existing / max(sizes.sum(), 1),
            sum(offer.who.reaches(group) for group in new) / max(len(new), 1),
            float(offer.who.reaches(REFERRED)),
        )
        asked += np.array(reached)[:, None, None] * offer.take[:draws, None] * running
    for m in range(months):
        earlier = of_age[:, m:0:-1] if m else np.zeros((draws, 0))
        roots = asked[0, :, m] * older[:, m]
        if newcomers.shape[1]:
            roots = roots + asked[1, :, m] * ((newcomers[:, :m] * earlier).sum(axis=1) + newcomers[:, m] * of_age[:, 0])
        roots = roots + asked[2, :, m] * (came[:, :m] * earlier).sum(axis=1)
        at_once = asked[2, :, m] * of_age[:, 0]
        came[:, m] = np.where(at_once < 1, roots / np.maximum(1 - at_once, 1e-12), np.where(roots > 0, np.inf, 0.0))
    with np.errstate(invalid="ignore"):
        return came.sum(axis=1), (asked[2] * of_age).sum(axis=1)


def orders_of_today(fitted: FittedModels, summary: CustomerSummary, draws: int, months: int) -> np.ndarray:
    """Orders of all of today's customers in each month ahead, (draws, months), from some of them."""
    if summary.customers.empty:
        return np.zeros((draws, months))
    rows = people.key_order(summary)[1][:MOST_CUSTOMERS]
    some = FittedCustomers.of(fitted, summary, draws).part(rows)
    upto = [
        some.retention.expected_orders(some.life, some.histories, m * DAYS_PER_MONTH, some.days_per_unit).sum(axis=1)
        for m in range(1, months + 1)
    ]
    each = np.diff(np.stack(upto, axis=1), axis=1, prepend=0.0)
    return each * len(summary.customers) / rows.size


def orders_by_age(fitted: FittedModels, draws: int, months: int) -> np.ndarray:
    """Orders of a newcomer, the first one included, in the calendar month of the first and in those after it, (draws,
    months); who comes in a month does so in its middle."""
    at = (np.arange(months) + 0.5) * DAYS_PER_MONTH / fitted.days_per_unit
    repeat = fitted.retention.expected_orders_new(fitted.retention_draws(slice(draws)), at, fitted.days_per_unit)
    return np.diff(1.0 + repeat, axis=1, prepend=0.0)
