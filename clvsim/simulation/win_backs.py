"""What a win-back's lift means for those who have left and for those who have not, under the fitted models.

An experiment shows the lift among all who are silent, of whom nobody sees who has left: the models say which share has.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from clvsim.errors import ConfigError, Problem
from clvsim.interventions.base import OfferTerms
from clvsim.kernels.rng import text_keys
from clvsim.models.around.pooling import Pooled
from clvsim.models.around.several import several_of
from clvsim.models.auto import win_back_problem
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Params
from clvsim.models.revenue import FittedCustomers
from clvsim.simulation.expected.activity import SOME
from clvsim.simulation.expected.customers import CUSTOMERS_AT_ONCE
from clvsim.simulation.people import reachable
from clvsim.simulation.plan import RunPlan, ScenarioPlan
from clvsim.types import CustomerSummary

LEAST_LOST = 0.05  # below it a lift among all says nothing of those who have left


class Silent(NamedTuple):
    """Customers who have been silent for as long as a win-back asks, per draw: how many, the share who are there, and
    the share who order within its time anyway, both (draws,). Nobody is silent: the average newcomer who ordered once.
    """

    customers: int
    alive: np.ndarray
    active: np.ndarray


class Answers(NamedTuple):
    """Chances that an invitation brings somebody who has left back, and somebody who is there to the shop, (draws,);
    and the share of draws in which one of them would have to be above 1."""

    lost: np.ndarray
    living: np.ndarray
    clipped: float


def answers_of(lift: np.ndarray, living: float, silent: Silent) -> Answers:
    """Chances with which of all silent customers `lift` more order, of whom a share `living` is there.

    Among those who are there only somebody who would not order in time anyway can be counted in a lift.
    """
    lost = _chance(lift * (1.0 - living), 1.0 - silent.alive)
    there = _chance(lift * living, silent.alive - silent.active)
    clipped = float(np.mean((lost > 1.0) | (there > 1.0)))
    return Answers(np.minimum(lost, 1.0), np.minimum(there, 1.0), clipped)


def _chance(share: np.ndarray, among: np.ndarray) -> np.ndarray:
    """share / among; 0 where nothing is shared out."""
    with np.errstate(divide="ignore"):
        return np.where(share > 0.0, share / np.maximum(among, 0.0), 0.0)


def with_answers(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> RunPlan:
    """The plan with the chances that the fitted models give its win-backs, and a note on each.

    Raises ConfigError for models that do not say who has left, and where too few of the silent have.
    """
    asked = [offer.win_back for scenario in plan.scenarios.values() for offer in scenario.levers.win_backs]
    if all(terms is None or terms.answers is not None for terms in asked):
        return plan
    if wrong := win_back_problem(fitted.retention):
        raise ConfigError([("retention", wrong)])
    problems: list[Problem] = []
    notes: list[str] = []
    scenarios = {}
    for name, scenario in plan.scenarios.items():
        offers = []
        for offer in scenario.levers.offers:
            if offer.win_back is None:
                offers.append(offer)
                continue
            silent = silent_of(offer, plan, fitted, summary)
            if (lost := 1.0 - silent.alive.mean()) < LEAST_LOST:
                problems.append(Problem(f"scenario.{name}.{offer.name}.silent_days", _too_few(offer, silent, lost)))
            answers = answers_of(offer.win_back.lift, offer.win_back.living, silent)
            terms = offer.win_back._replace(answers=answers.living)
            offers.append(replace(offer, take=answers.lost, win_back=terms))
            notes.append(_note(scenario, offer, silent, answers))
        scenarios[name] = replace(scenario, levers=replace(scenario.levers, offers=tuple(offers)))
    if problems:
        raise ConfigError(problems)
    return replace(plan, scenarios=scenarios, notes=(*plan.notes, *dict.fromkeys(notes)))


def silent_of(offer: OfferTerms, plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> Silent:
    """As of today; see `Silent`."""
    assert offer.win_back is not None
    least, most = offer.silent_days
    rows = np.flatnonzero(reached(offer, plan, fitted, summary, least, most))
    draws, days = plan.simulation.draws, offer.win_back.within_days
    if not rows.size:
        return newcomers_silent_for(least, days, fitted, draws)
    count, rows = rows.size, some_of(rows, plan, summary)
    customers = FittedCustomers.of(fitted, summary, draws)
    alive, active = np.zeros(draws), np.zeros(draws)
    size = CUSTOMERS_AT_ONCE
    for some in (customers.part(rows[low : low + size]) for low in range(0, rows.size, size)):
        at = some.life, some.histories
        alive += some.retention.probability_alive(*at, some.days_per_unit).sum(axis=1)
        active += some.retention.probability_active(*at, days, some.days_per_unit).sum(axis=1)
    return Silent(count, alive / rows.size, active / rows.size)


def some_of(rows: np.ndarray, plan: RunPlan, summary: CustomerSummary) -> np.ndarray:
    """Of more customers than are simulated those with the smallest keys, which is by chance."""
    if not plan.simulation.are_many(rows.size, SOME):
        return rows
    key = text_keys(summary.customers["customer_id"].to_numpy()[rows].tolist())
    return rows[np.argsort(key, kind="stable")[:SOME]]


def reached(
    offer: OfferTerms, plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, least: float, most: float
) -> np.ndarray:
    """Today's customers whom it reaches and who are as silent as it asks, (c,)."""
    if summary.customers.empty:
        return np.zeros(0, bool)
    silent = (summary.customers["T_days"] - summary.customers["recency_days"]).to_numpy(float)
    groups = np.array([offer.who.reaches(group) for group in plan.layout.groups])
    return groups[plan.layout.group] & (silent >= least) & (silent <= most) & reachable(fitted, summary)


def newcomers_silent_for(days_silent: float, within_days: float, fitted: FittedModels, draws: int) -> Silent:
    """The average newcomer who ordered once and has been silent ever since; on average days of the log."""
    life = fitted.retention_draws(slice(draws))
    _, alive, active = silent_ones(fitted.retention, life, days_silent, within_days, fitted.days_per_unit)
    return Silent(0, alive, active)


def silent_ones(
    retention: Any, params: Params, days_silent: float, within_days: float, days_per_unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P(silent for so long) of newcomers, and of those who are P(there) and P(orders within a time), each (draws,)."""
    at = days_silent, within_days, days_per_unit
    if shared := several_of(retention):
        found = np.empty((3, len(next(iter(params.values())))))
        for share in shared.shares(params):
            found[:, share.rows] = silent_ones(share.model, share.params, *at)
        return found[0], found[1], found[2]
    if isinstance(retention, Pooled):
        levels, shares = retention.levels_of_newcomers()
        parts = [silent_ones(retention.section, retention.parameters(params, int(level)), *at) for level in levels]
        silent, alive, active = np.moveaxis(np.array(parts), 0, -1)
        weight = silent * shares
        total = weight.sum(axis=-1)
        return total, (weight * alive).sum(axis=-1) / total, (weight * active).sum(axis=-1) / total
    if hasattr(retention, "section"):  # by a clock, or beside a pace
        return silent_ones(retention.section, retention.own(params), *at)
    history = retention.newborn()._replace(T_days=np.full(1, days_silent))
    return (
        retention.order_pmf(params, 0, days_silent / days_per_unit, days_per_unit)[:, 0],
        retention.probability_alive(params, history, days_per_unit)[:, 0],
        retention.probability_active(params, history, within_days, days_per_unit)[:, 0],
    )


def _too_few(offer: OfferTerms, silent: Silent, lost: float) -> str:
    whom = f"the {silent.customers:,} customers silent for so long today" if silent.customers else "newcomers"
    return (
        f"after {offer.silent_days[0]:g} days of silence only {lost:.1%} of {whom} have left, so that a lift among all "
        "does not say how many of these come back; wait longer, or use a campaign, whose offer those who are there take"
    )


def _note(scenario: ScenarioPlan, offer: OfferTerms, silent: Silent, answers: Answers) -> str:
    title, lost = scenario.compiled.description.title, 1.0 - silent.alive.mean()
    whom = (
        f"the {silent.customers:,} of today's customers who are silent for so long"
        if silent.customers
        else f"newcomers who ordered once and not for {offer.silent_days[0]:g} days (no customer is silent for so long)"
    )
    lift = offer.win_back.lift.mean() if offer.win_back else 0.0
    text = (
        f"“{title}”, {offer.name}: of {whom}, {lost:.0%} have left for good on average over the draws; a lift of "
        f"{lift:.1%} of all then means that {answers.lost.mean():.1%} of those who have left come back"
    )
    if answers.living.any():
        text += f", and {answers.living.mean():.1%} of those who are there and would not order by then do so"
    if answers.clipped:
        text += (
            f". In {answers.clipped:.0%} of the draws there are fewer people than are said to answer: all of them do, "
            "and less of the lift comes than was stated"
        )
    return text + "."
