"""A contract's own figures as of today: who is active, MRR, ARPA, churn, renewals by age, expansion, trials.

What was observed is counted from the payments; what is expected comes from the model's closed forms, one value per draw
of its parameters, so that intervals hold how little is known of customers and neither luck nor shocks to come. The
figures' definitions and sources: docs/contracts.md.

Not modelled: contracts that change their plan (each has the one that `models.around.plans` says), and prices that are
agreed for the future.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from clvsim.anniversaries import MONTHS_OF, anchor_of, day_number, due_on, nearest
from clvsim.data.payments import Payments
from clvsim.models.around.plans import ByPlan
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import distinct_histories, rows_of
from clvsim.models.prices import mean_payments
from clvsim.models.retention.due import due_days
from clvsim.types import (
    DAYS_PER_MONTH,
    DAYS_PER_YEAR,
    GRACE_DAYS,
    RENEWAL_DAYS,
    ContractFigures,
    Counted,
    CustomerSummary,
    PlanFigures,
    Range,
    Renewal,
    Trials,
)

YEAR = 12
_AGES = 24  # renewals that are kept
_CHUNK_CELLS = 1 << 21
_STANDS = (  # columns of histories that say how a contract stands, and not which parameters it has
    *("renewals", "seen", "lost", "missed", "kept", "breaks", "idle"),
    *("next_days", "outstanding", "recovering", "late"),
)
_NOBODY = Range(np.nan, np.nan, np.nan)


class Standing(NamedTuple):
    """Contracts of one plan, each (contract,), as counted from payments.

    `paying`: days since the first payment above zero, nan where there is none. `unpaid`: days since the first due day
    that is not paid, below 0 where it lies ahead; `lost` says whether it is too late to wait for that payment. `mrr`
    and `mrr_then`: what is paid now and was paid a year ago, a month; `mrr_then` is 0 where nothing was.
    """

    paying: np.ndarray
    unpaid: np.ndarray
    lost: np.ndarray
    mrr: np.ndarray
    mrr_then: np.ndarray

    @property
    def active(self) -> np.ndarray:
        return (self.lost == 0) & ~np.isnan(self.paying)


class Part(NamedTuple):
    """The contracts of one plan: its name ("" where all have the same period), their rows in the summary."""

    name: str
    period: str
    rows: np.ndarray


class Retained(NamedTuple):
    """What is left of contracts. `contracts`, `money`: expected shares of today's active ones and of their MRR ahead,
    (draw, months). Of those that paid a year ago: how many still do (`kept`), their MRR then, and now: of each at most
    what it was (`gross`), and as it is (`net`); 0 where nobody paid a year ago, or single payments are unknown."""

    contracts: np.ndarray
    money: np.ndarray
    kept: Counted
    mrr_then: float
    gross: float
    net: float


def contract_figures(
    fitted: FittedModels, summary: CustomerSummary, payments: Payments | None, trials: Trials | None = None
) -> ContractFigures | None:
    """The figures of a log of contracts; None where customers hold none.

    Without single `payments`, as of a table of survivors, prices are means, and nothing is said of a year ago.
    `trials`: of the log, which are none of its contracts unless they paid (`clvsim.data.trials`).
    """
    if not fitted.retention.renewing:
        return None
    histories, plans = standings(fitted, summary, payments)
    each = [figures_of(fitted, [plan], histories, summary) for plan in plans]
    together = figures_of(fitted, plans, histories, summary) if len(plans) > 1 else each[0]
    return ContractFigures(together, tuple(each) if len(plans) > 1 else (), trials)


def standings(
    fitted: FittedModels, summary: CustomerSummary, payments: Payments | None
) -> tuple[Any, list[tuple[Part, Standing]]]:
    """Histories of all customers, and how the contracts of each plan stand."""
    histories = fitted.retention.histories(summary)
    parts = parts_of(fitted.retention, summary)
    return histories, [(part, standing_of(part, summary, rows_of(histories, part.rows), payments)) for part in parts]


def parts_of(model: Any, summary: CustomerSummary) -> list[Part]:
    """The contracts of each plan that has some; all, where there are no plans."""
    while not isinstance(model, ByPlan) and hasattr(model, "section"):
        model = model.section
    if not isinstance(model, ByPlan):
        return [Part("", model.renewal, np.arange(len(summary.customers)))]
    plans = ((model.plans[one.number], one.rows) for one in model.parts(summary))
    return [Part(plan.name, plan.period, rows) for plan, rows in plans]


def figures_of(
    fitted: FittedModels, plans: Sequence[tuple[Part, Standing]], histories: Any, summary: CustomerSummary
) -> PlanFigures:
    """Figures of one plan or of several together; `histories` are those of all customers of the summary."""
    only = plans[0][0] if len(plans) == 1 else Part("", "", np.concatenate([part.rows for part, _ in plans]))
    columns = zip(*(standing for _, standing in plans), strict=True)
    standing = Standing(*(np.concatenate(column) for column in columns))
    own = rows_of(histories, only.rows)
    paid = ~np.isnan(standing.paying)
    active, unpaid, stayed = standing.active, paid & (standing.lost > 0), standing.active & (standing.mrr_then > 0)
    edges = [months_settled(one, float(summary.customers["T_days"].max())) for _, one in plans]
    by_month = [ended(one, since) for (_, one), since in zip(plans, edges, strict=True)]
    by_year = [ended(one, since[::YEAR]) for (_, one), since in zip(plans, edges, strict=True)]
    ends = churn(fitted, rows_of(own, active))
    return PlanFigures(
        plan=only.name,
        period=only.period,
        contracts=paid.size,
        active=int(active.sum()),
        unpaid=int(unpaid.sum()),
        paused=in_a_pause(fitted, rows_of(own, unpaid)),
        mrr=float(standing.mrr[active].sum()),
        due=int((active & (own.next_days < DAYS_PER_MONTH)).sum()),
        churn_month=range_of(ends[0]),
        churn_year=range_of(ends[1]),
        months_seen=max(since.size - 1 for since in edges),
        ended_month=Counted(*map(sum, zip(*by_month, strict=True))),
        ended_year=Counted(*map(sum, zip(*by_year, strict=True))),
        mrr_year_ago=float(standing.mrr_then.sum()),
        stayed=int(stayed.sum()),
        mrr_then=float(standing.mrr_then[stayed].sum()),
        mrr_now=float(standing.mrr[stayed].sum()),
        renewals=renewals_of(fitted, own) if only.period else (),
    )


# --- what was paid ----------------------------------------------------------------------------------------------------


def standing_of(part: Part, summary: CustomerSummary, histories: Any, payments: Payments | None) -> Standing:
    """A plan's contracts; `histories` are theirs."""
    own = replace(summary, customers=summary.customers.iloc[part.rows].reset_index(drop=True))
    T = own.customers["T_days"].to_numpy(np.float64)
    unpaid = T - due_days(own, part.period).day(histories.renewals + 1)
    per_month = DAYS_PER_MONTH / RENEWAL_DAYS[part.period]
    if payments is None:
        price = np.nan_to_num(mean_payments(own))
        return Standing(np.where(price > 0, T, np.nan), unpaid, histories.lost, price * per_month, np.zeros_like(T))
    size, today = len(summary.customers), day_number(summary.today)
    paid = Payments(*(column[payments.amount > 0] for column in payments))
    paying = today - first_days(paid, size)[part.rows]
    now, _ = last_prices(paid, size, part.period)
    year_ago = int(due_on(anchor_of(np.array(today), np.array(today)), -YEAR))
    then, since = last_prices(Payments(*(c[paid.day <= year_ago] for c in paid)), size, part.period)
    current = (year_ago - since <= RENEWAL_DAYS[part.period] + GRACE_DAYS[part.period])[part.rows]
    current &= ~((histories.lost > 0) & (unpaid >= today - year_ago))
    mrr_then = np.where(current, then[part.rows], 0.0) * per_month
    return Standing(paying, unpaid, histories.lost, now[part.rows] * per_month, mrr_then)


def first_days(paid: Payments, size: int) -> np.ndarray:
    """Day number of each customer's first payment, nan where there is none, (size,)."""
    first = np.full(size, np.nan)
    customer, place = np.unique(paid.customer, return_index=True)
    first[customer] = paid.day[place]
    return first


def last_prices(paid: Payments, size: int, period: str) -> tuple[np.ndarray, np.ndarray]:
    """Amount of each customer's last regular payment and its day number, (size,); 0 and -inf where there is none.

    Regular is what lies within the grace of a day on which the contract falls due, counted from its first payment: what
    is charged in between, as for a change of plan, is not the price of a period.
    """
    price, day = np.zeros(size), np.full(size, -np.inf)
    if not paid.day.size:
        return price, day
    _, first, who = np.unique(paid.customer, return_index=True, return_inverse=True)
    last = np.append(first[1:], paid.customer.size) - 1
    start = paid.day[first][who]
    if period in MONTHS_OF:
        anchor = anchor_of(start, paid.day[last][who])
        number = nearest(anchor, MONTHS_OF[period], paid.day)
        off = paid.day - due_on(anchor, number * MONTHS_OF[period])
    else:
        every = RENEWAL_DAYS[period]
        since = (paid.day - start) % every
        off = np.minimum(since, every - since)
    regular = np.flatnonzero(np.abs(off) <= GRACE_DAYS[period])
    price[paid.customer[regular]] = paid.amount[regular]  # of several the last one stays: they are in order of days
    day[paid.customer[regular]] = paid.day[regular]
    return price, day


def months_settled(standing: Standing, length: float) -> np.ndarray:
    """Days ago at which the last months end and begin, up to twelve that lie in a log of so many days, (month + 1,).

    They end before the oldest payment that may still come fell due: of what was due before, it is known who paid.
    """
    waiting = standing.unpaid[(standing.lost == 0) & (standing.unpaid >= 0)]
    settled = float(waiting.max(initial=-1.0))
    whole = int(min(YEAR, (length - settled) // DAYS_PER_MONTH))
    return settled + DAYS_PER_MONTH * np.arange(max(whole, 0) + 1)


def ended(standing: Standing, edges: np.ndarray) -> Counted:
    """Of contracts that were active at the start of a time how many ended in it, summed over times between `edges` in
    days ago, ascending. A contract ends on the first due day that is not paid."""
    over, count, of = standing.lost > 0, 0, 0
    for end, start in pairwise(edges):
        before = (standing.paying >= start) & ~(over & (standing.unpaid > start))
        count += int((before & over & (standing.unpaid > end)).sum())
        of += int(before.sum())
    return Counted(count, of)


def was_due(histories: Any, number: int) -> np.ndarray:
    """Whose renewal of that number the likelihood counts, as made or as the one not made, (contract,) of bool."""
    return (histories.seen >= number) | ((histories.lost > 0) & (histories.seen == number - 1))


def renewed(histories: Any, number: int) -> Counted:
    """How many of those due for a renewal made it."""
    return Counted(int((histories.seen >= number).sum()), int(was_due(histories, number).sum()))


# --- what is expected -------------------------------------------------------------------------------------------------


def churn(fitted: FittedModels, active: Any) -> np.ndarray:
    """Chance that a contract that is active today has ended a month, and a year, from now, (2, draw): the mean over
    `active` histories; nan where there is none.

    One minus P(has not ended | history) P(renews whenever it falls due until then), with the pace of the log's months.
    """
    model, draws, unit = fitted.retention, fitted.posterior.retention, fitted.days_per_unit
    total, number = np.zeros((2, fitted.draws)), 0.0
    for distinct, count in distinct_histories(active, fitted.draws):
        alive = model.probability_alive(draws, distinct, unit)
        for row, horizon in enumerate((DAYS_PER_MONTH, DAYS_PER_YEAR)):
            total[row] += (1 - alive * model.probability_staying(draws, distinct, horizon, unit)) @ count
        number += float(count.sum())
    return total / number if number else np.full_like(total, np.nan)


def retained(
    fitted: FittedModels, summary: CustomerSummary, payments: Payments | None, months: Sequence[int]
) -> Retained | None:
    """What is left of today's contracts after so many `months`, and was left of those of a year ago; None where
    customers hold none, or nobody is active.

    Ahead each contract keeps its price, so that money leaves with contracts only: chances of the parameters alone, at
    the log's own pace, without shocks to come, newcomers, changes of prices or of plans.
    """
    if not fitted.retention.renewing:
        return None
    histories, plans = standings(fitted, summary, payments)
    rows = np.concatenate([part.rows for part, _ in plans])
    standing = Standing(*(np.concatenate(column) for column in zip(*(one for _, one in plans), strict=True)))
    active, then = standing.active, standing.mrr_then
    now = np.where(active, standing.mrr, 0.0)
    if not active.any():
        return None
    ahead = staying(fitted, rows_of(histories, rows[active]), standing.mrr[active], months)
    return Retained(
        ahead[0],
        ahead[1],
        Counted(int((active & (then > 0)).sum()), int((then > 0).sum())),
        float(then.sum()),
        float(np.minimum(now, then).sum()),
        float(now[then > 0].sum()),
    )


def staying(fitted: FittedModels, active: Any, money: np.ndarray, months: Sequence[int]) -> np.ndarray:
    """Share of `active` histories expected to be there after so many months, and of their `money` (contract,),
    (2, draw, months); nan where there is none of either."""
    model, draws, unit = fitted.retention, fitted.posterior.retention, fitted.days_per_unit
    rows, place = np.unique(np.column_stack(active), axis=0, return_inverse=True)
    weights = np.stack([np.bincount(place.reshape(-1), w, len(rows)) for w in (np.ones_like(money), money)])
    total = np.zeros((2, fitted.draws, len(months)))
    step = max(1, _CHUNK_CELLS // fitted.draws)
    for low in range(0, len(rows), step):
        part = type(active)(*rows[low : low + step].T)
        alive = model.probability_alive(draws, part, unit)
        for m, month in enumerate(months):
            chance = alive * model.probability_staying(draws, part, month * DAYS_PER_MONTH, unit)
            total[:, :, m] += weights[:, low : low + step] @ chance.T
    whole = weights.sum(axis=1)[:, None, None]
    return np.divide(total, whole, out=np.full_like(total, np.nan), where=whole > 0)


def in_a_pause(fitted: FittedModels, histories: Any) -> Range | None:
    """How many contracts are expected to have paused rather than ended; None where pauses are not modelled."""
    if "missed" not in histories._fields:
        return None
    total = np.zeros(fitted.draws)
    for distinct, count in distinct_histories(histories, fitted.draws):
        total += fitted.retention.probability_alive(fitted.posterior.retention, distinct, fitted.days_per_unit) @ count
    return range_of(total)


def renewals_of(fitted: FittedModels, histories: Any) -> tuple[Renewal, ...]:
    """The renewals that somebody has been due for: who made them, and the mean of S(n) / S(n - 1) over those who were
    due, whose parameters (or days, in a season) may differ. At the log's own pace, before shocks to come."""
    most = min(int((histories.seen + (histories.lost > 0)).max(initial=0)), _AGES)
    told_apart = [values for name, values in histories._asdict().items() if name not in _STANDS]
    table = np.column_stack([np.zeros_like(histories.lost), *told_apart])
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    due = np.array([np.bincount(group.reshape(-1), was_due(histories, n + 1), first.size) for n in range(most)])
    expected = np.zeros((fitted.draws, most))
    step = max(1, _CHUNK_CELLS // (fitted.draws * (most + 1)))
    for low in range(0, first.size if most else 0, step):
        lasts = survival(fitted, rows_of(histories, first[low : low + step]), most)
        expected += np.einsum("dgn,ng->dn", lasts[..., 1:] / lasts[..., :-1], due[:, low : low + step])
    counted = [renewed(histories, n + 1) for n in range(most)]
    return tuple(Renewal(n + 1, one, range_of(expected[:, n] / one.of)) for n, one in enumerate(counted) if one.of)


def survival(fitted: FittedModels, like: Any, most: int) -> np.ndarray:
    """S(0), ..., S(most): the model's share of contracts that make so many renewals, as of histories of the same
    parameters and days, (draw, history, most + 1)."""
    n = np.tile(np.arange(most + 1.0), like.lost.size)
    plain = {name: np.repeat(values, most + 1) for name, values in like._asdict().items()}
    none = {name: np.zeros_like(n) for name in ("lost", "missed", "kept", "breaks", "idle") if name in plain}
    histories = type(like)(**{**plain, **none, "renewals": n, "seen": n})
    found = fitted.retention.log_likelihood(fitted.posterior.retention, histories, fitted.days_per_unit)
    return np.exp(found).reshape(fitted.draws, -1, most + 1)


def range_of(draws: np.ndarray) -> Range:
    """Of (draw,)."""
    if np.isnan(draws).any():
        return _NOBODY
    low, high = np.quantile(draws, [0.05, 0.95])
    return Range(float(draws.mean()), float(low), float(high))
