"""Customers whom customers refer, generation by generation: newcomers whose number follows from orders.

The kernel counts referrals where offers that were taken are counted: by world, half of the customers and month. As many
children come in that month; their own referrals are the next generation, until nobody comes any more. A cell is a
(lever, month, half), in which ordinals are added and never exchanged: who is referred does not depend on by whom, so
that more referrals only add people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clvsim.errors import ConfigError
from clvsim.interventions.base import REFERRED, OfferTerms
from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal
from clvsim.models.fitted import FittedModels
from clvsim.simulation import engine
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.people import Block, blocks_of_newcomers, quarters_of
from clvsim.simulation.plan import RunPlan

if TYPE_CHECKING:
    from clvsim.simulation.run import SimulatedScenario

TOP_BIT = np.uint64(1 << 63)


def run_referrals(
    plan: RunPlan, fitted: FittedModels, setting: engine.Setting, jobs: Sequence[engine.Job], customers: int
) -> None:
    """Simulate all who are referred, adding to the jobs' ledgers; `customers` are followed without them, on average.

    Raises ConfigError where a programme multiplies beyond `simulation.max_people`.
    """
    for (name, scenario), job in zip(plan.scenarios.items(), jobs, strict=True):
        offers = {o: offer for o, offer in enumerate(scenario.levers.offers) if offer.referral is not None}
        if not offers:
            continue
        come = np.zeros((setting.worlds.key.size, len(offers) * plan.acquisition.months * 2), np.int64)
        while True:
            known, come = come, births(job, list(offers), plan.acquisition.months)
            if (come == known).all():
                break
            refuse_too_many(plan, name, list(offers.values()), customers + float(come.sum(axis=1).mean()))
            arrivals = arrivals_of(list(offers.values()), setting.worlds.draw, known, come)
            for block in blocks_of(plan, fitted, list(offers.values()), known, come):
                engine.run_block(block, [replace(job, arrivals=arrivals)], setting, plan.simulation.jobs)


def referral_notes(scenarios: Iterable["SimulatedScenario"]) -> tuple[str, ...]:
    """How many others each of those who come brings: whether a programme grows by itself or fades."""
    return tuple(
        f"Referrals in “{scenario.compiled.description.title}”: each customer who comes brings "
        f"{reproduction(scenario.ledger):.2g} others on average within the months of acquisition. Rewards are taken "
        "off those who refer, and what the referred bring is not added to them: values per customer fall where the "
        "plan gains."
        for scenario in scenarios
        if any(line.account == "referrals" for line in scenario.ledger.lines)
    )


def reproduction(ledger: Ledger) -> float:
    """Customers whom each newcomer and each who was referred brings, over all worlds; 0 where nobody comes."""
    coming = [g for g, group in enumerate(ledger.groups) if group.origin in ("new", "referred")]
    brought, came = (
        ledger.calendar[:, coming][:, :, [i for i, line in enumerate(ledger.lines) if line.account == account], 0].sum()
        for account in ("referrals", "customers_acquired")
    )
    return float(brought / came) if came else 0.0


def births(job: engine.Job, offers: Sequence[int], months: int) -> np.ndarray:
    """All referrals so far, (w, cells) int64; those of representatives in part are rounded."""
    lines = [ks.BASE_LINES + ks.OFFER_LINES * o + ks.TAKEN for o in offers]
    counted = job.raw.calendar[:, :, lines, 0]  # (w, 2g, offers, periods)
    by_half = np.stack([counted[:, half::2].sum(axis=1) for half in (0, 1)], axis=-1)  # (w, offers, periods, halves)
    by_half[:, :, months - 1] += by_half[:, :, months:].sum(axis=2)  # its last week may reach into the next month
    return np.floor(by_half[:, :, :months] / ks.COUNT_UNIT + 0.5).astype(np.int64).reshape(len(counted), -1)


def refuse_too_many(plan: RunPlan, name: str, offers: Sequence[OfferTerms], people: float) -> None:
    most = plan.simulation.max_people
    if people > most:
        levers = ", ".join(offer.name for offer in offers)
        what = (
            f"{levers}: a world holds {people:,.0f} customers so far, more than simulation.max_people {most:,}; lower "
            "per_order or acquisition.months, or raise it"
        )
        raise ConfigError([(f"scenario.{name}", what)])


def arrivals_of(offers: Sequence[OfferTerms], draw: np.ndarray, known: np.ndarray, come: np.ndarray) -> ks.Arrivals:
    """Children who were not simulated yet; their quality is that of additional customers. None of them cost a visit."""
    cells = come.shape[1] // len(offers)
    rate, spend = (
        np.stack([np.exp(values[draw]) for values in fields], axis=1).repeat(cells, axis=1)
        for fields in zip(*(offer.referral for offer in offers if offer.referral is not None), strict=True)
    )
    ones = np.ones(come.shape)
    return ks.Arrivals(
        count=seal(come, np.int64),
        start=seal(known, np.int64),
        marginal_from=seal(np.zeros_like(come), np.int64),
        weight=seal(ones),
        marginal_weight=seal(ones),
        marginal_rate=seal(rate),
        marginal_spend=seal(spend),
        cac=seal(np.full(come.shape, np.inf)),
    )


def blocks_of(
    plan: RunPlan, fitted: FittedModels, offers: Sequence[OfferTerms], known: np.ndarray, come: np.ndarray
) -> list[Block]:
    """Blocks with all ordinals that some world needs."""
    layout, months = plan.layout, plan.acquisition.months
    first, end = known.min(axis=0), come.max(axis=0)
    cell = np.repeat(np.arange(end.size), end - first)
    ordinal = np.concatenate([np.arange(low, high) for low, high in zip(first, end, strict=True)])
    month = cell // 2 % months
    return blocks_of_newcomers(
        fitted,
        "",
        plan.simulation.shard_customers,
        month=month,
        cell=cell,
        ordinal=ordinal,
        key=keys_of([offer.name for offer in offers], months, cell, ordinal),
        group=np.full(cell.size, layout.groups.index(REFERRED)),
        cohort=len(layout.cohorts) - quarters_of(plan.acquisition) + month // 3,
    )


def keys_of(levers: Sequence[str], months: int, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Entity key of each child, (c,) uint64, whose top bit is the half of those who referred it."""
    cells = ((lever, month, half) for lever in levers for month in range(months) for half in (0, 1))
    roots = [rng.text_key(f"referred {lever} {month} {half}") for lever, month, half in cells]
    with np.errstate(over="ignore"):
        key = rng.mix_array(np.array(roots)[cell] + (ordinal.astype(np.uint64) + np.uint64(1)) * rng.GOLDEN)
    return np.where(cell % 2 == 1, key | TOP_BIT, key & ~TOP_BIT)
