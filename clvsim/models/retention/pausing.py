"""Contracts that may pause: who has missed a payment is not lost for sure.

At each due day a contract ends with a chance of its own, as without pauses. One that goes on and was paid the last time
pauses with probability pi, one in a pause is paid again with probability rho; both are the same for all. Ending and
pausing are independent, so that of contracts going on after n due days the j-th renewal from now is paid with
probability S(n + j) / S(n) times a_j,

    a_j = s + (a_0 - s) l^j,   s = rho / (pi + rho),   l = 1 - pi - rho,   a_0 = 1 after a payment, 0 in a pause.

A history is n due days up to the last payment, whose payments, pauses and returns are counted, and m missed since:

    L = S(n) pi^C (1 - pi)^A rho^C (1 - rho)^(M - C) T_m,
    T_m = sum over j of (S(n + j - 1) - S(n + j)) / S(n) u_j + S(n + m) / S(n) v_m,  j = 1..m, T_0 = 1,

u_j: chance to have paused for the j - 1 due days before the contract ended, v_m for all m. docs/models/pauses.md.

Not modelled: pauses of an agreed length, customers who pause more often than others, months that differ.

Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clvsim.models.around.levels import Poolable
from clvsim.models.around.wrapper import PoolableWrapper
from clvsim.models.domain import PROBABILITY, Domain
from clvsim.models.inputs import containers
from clvsim.models.laws import LifeLaw, Params, column, unique_rows
from clvsim.models.retention.due import due_days
from clvsim.models.retention.survival import ContractRows, Contracts, log_kept, renewals_ahead
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

PAUSE, RESUME = "pause", "resume"
_FORGOTTEN = 40.0  # l^j below exp(-40) is none
_LONGEST = 2000  # renewals after which a pause of today is forgotten in any case


class PausedContracts(NamedTuple):
    """Contracts as of today, (customer,): due days up to the last payment, and `missed` since, which are settled.

    Before the last payment: due days `kept` (paid after a payment), pauses (`breaks`), all that were missed in them
    (`idle`). `seen`, `lost` (1: the last due day is not paid), `next_days`, `outstanding` as of `Contracts`.
    """

    renewals: np.ndarray
    seen: np.ndarray
    missed: np.ndarray
    kept: np.ndarray
    breaks: np.ndarray
    idle: np.ndarray
    lost: np.ndarray
    next_days: np.ndarray
    outstanding: np.ndarray


class PauseRows(NamedTuple):
    """Distinct (seen, missed), each (row,), and how many contracts have them; sums over all contracts of `kept`,
    `breaks` and `idle`."""

    seen: np.ndarray
    missed: np.ndarray
    count: np.ndarray
    kept: float
    breaks: float
    idle: float


class PauseInputs(NamedTuple):
    """What the density computes with: the inputs of the model underneath; numbers 0..N of due days; rows and their
    counts without missed ones; rows with some: how many, (row,), and which due days these are, (row, missed)."""

    section: Any
    n: np.ndarray
    paid: np.ndarray
    paid_count: np.ndarray
    silent: np.ndarray
    missed: np.ndarray
    silent_count: np.ndarray
    due: np.ndarray
    sums: np.ndarray  # kept, breaks, idle


@dataclass(frozen=True)
class Pausing(PoolableWrapper):
    """A model of contracts that may pause. `params` are the section's, and `PAUSE`, `RESUME`."""

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        return self.section.model_dump(mode=mode)

    def model_dump_json(self) -> str:
        return self.section.model_dump_json()

    @property
    def beside(self) -> Mapping[str, Domain]:
        return {PAUSE: PROBABILITY, RESUME: PROBABILITY}

    @property
    def WHO_IS_LOST(self) -> str:
        return (
            "A contract counts as active while its last due day is paid. Whether one that has missed some has ended "
            "or will come back is judged by how many came back so far, and after how long."
        )

    # --- data ---------------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> PausedContracts:
        found, settled = self.section.judged(summary)
        frame, due = summary.customers, due_days(summary, self.section.renewal)
        paid = np.minimum(frame["frequency"].to_numpy(np.float64), found.renewals)
        idle = found.renewals - paid
        own = (frame["rhythm"] == self.section.renewal).to_numpy() if "rhythm" in frame else np.zeros(idle.size, bool)
        several = frame["breaks"].to_numpy(np.float64) if "breaks" in frame else np.ones(idle.size)
        breaks = np.where(own, np.clip(several, np.minimum(idle, 1.0), idle), np.minimum(idle, 1.0))
        missed = np.where(found.lost > 0, np.maximum(settled - found.renewals, 1.0), 0.0)
        kept = np.maximum(paid - breaks - (found.renewals - found.seen), 0.0)
        ahead = np.maximum(due.ahead(found.renewals + missed + 1), 0.0)
        return PausedContracts(
            found.renewals, found.seen, missed, kept, breaks, idle, found.lost, ahead, found.outstanding
        )

    def newborn(self) -> PausedContracts:
        none, first = np.zeros(1), self.section.newborn()
        return PausedContracts(
            none, none, none, none, none, none, none, next_days=first.next_days, outstanding=first.outstanding
        )

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> PauseRows:
        """Raises as the section does."""
        self.section.sufficient(summary)
        return self.unique_contracts(summary)

    def unique_contracts(self, summary: CustomerSummary, level: np.ndarray | None = None) -> PauseRows:
        found = self.histories(summary)
        rows, count = unique_rows([found.seen, found.missed])
        return PauseRows(rows[:, 0], rows[:, 1], count, found.kept.sum(), found.breaks.sum(), found.idle.sum())

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        return self.section.remarks(summary)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        said = self.section.warnings(summary, params)
        if self.histories(summary).breaks.any():
            return said
        return (*said, "No contract has come back after a pause: how many do is the prior's word (retention.pauses)")

    # --- fit ----------------------------------------------------------------------------------------------------------

    def inputs(self, rows: PauseRows) -> PauseInputs:
        none = np.zeros(rows.seen.size, np.int64)
        section = self.section.inputs(ContractRows(rows.seen, (rows.missed > 0) * 1.0, rows.count, none))
        paid, silent = rows.missed == 0, rows.missed > 0
        longest = int(rows.missed.max(initial=0)) + 1
        due = rows.seen[silent, None] + np.arange(longest + 1)
        size = int((rows.seen + rows.missed).max(initial=0)) + 2
        return PauseInputs(
            section,
            np.arange(float(size)),
            rows.seen[paid].astype(np.int64),
            rows.count[paid],
            rows.seen[silent].astype(np.int64),
            rows.missed[silent].astype(np.int64),
            rows.count[silent],
            np.minimum(due, size - 1).astype(np.int64),
            np.array([rows.kept, rows.breaks, rows.idle]),
        )

    def build(self, rows: PauseRows) -> Any:
        """Free variables: the section's, and the chances to pause and to return."""
        import pymc as pm

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            params = self.section.graph(pm, inputs.section)
            pause = self.section.pause_chance.variable(pm, PAUSE)
            resume = self.section.return_chance.variable(pm, RESUME)
            pm.Potential("log_likelihood", self.log_density({**params, PAUSE: pause, RESUME: resume}, inputs))
        return model

    def log_density(self, params: Mapping[str, Any], inputs: Any) -> Any:
        """`log_likelihood` as a graph, of all contracts."""
        import pytensor.tensor as pt

        (gamma, delta), c = (params[name] for name in self.section.SYMBOLS), params.get("c", 1.0)
        pause, resume = params[PAUSE], params[RESUME]
        served = pt.exp(c * pt.log(pt.maximum(inputs.n, 1.0))) * (inputs.n > 0)
        log_s = pt.gammaln(delta + served) - pt.gammaln(gamma + delta + served)
        log_s = log_s - log_s[0]
        kept, breaks, idle = inputs.sums[0], inputs.sums[1], inputs.sums[2]
        chain = (
            kept * pt.log1p(-pause) + breaks * (pt.log(pause) + pt.log(resume)) + (idle - breaks) * pt.log1p(-resume)
        )
        survival = pt.exp(log_s[inputs.due] - log_s[inputs.silent][:, None])  # (row, 0..longest) after the last payment
        ended = survival[:, :-1] - survival[:, 1:]
        j = pt.arange(ended.shape[1])
        waited = pt.switch(pt.eq(j, 0), 1.0, pause * pt.exp((j - 1) * pt.log1p(-resume)))
        happened = pt.sum(ended * waited * (j < inputs.missed[:, None]), axis=1)
        number = pt.arange(inputs.missed.shape[0])
        paused = survival[number, inputs.missed] * pause * pt.exp((inputs.missed - 1) * pt.log1p(-resume))
        tail = log_s[inputs.silent] + pt.log(happened + paused)
        return chain + pt.sum(inputs.paid_count * log_s[inputs.paid]) + pt.sum(inputs.silent_count * tail)

    def natural(self, draws: Params, rows: PauseRows, days_per_unit: float) -> dict[str, np.ndarray]:
        none = np.zeros(rows.seen.size, np.int64)
        plain = ContractRows(rows.seen, (rows.missed > 0) * 1.0, rows.count, none)
        found = self.section.natural(draws, plain, days_per_unit)
        return {**found, PAUSE: np.asarray(draws[PAUSE]), RESUME: np.asarray(draws[RESUME])}

    def log_likelihood(self, params: Params, histories: PausedContracts, days_per_unit: float) -> np.ndarray:
        pause, resume = column(params, PAUSE, RESUME)
        happened, paused = self._since(params, histories)
        chain = histories.kept * np.log1p(-pause) + histories.breaks * (np.log(pause) + np.log(resume))
        chain = chain + (histories.idle - histories.breaks) * np.log1p(-resume)
        return log_kept(self.section.shapes(params), 0.0, histories.seen) + chain + np.log(happened + paused)

    def _since(self, params: Params, histories: PausedContracts) -> tuple[np.ndarray, np.ndarray]:
        """The two terms of T_m: ended at one of the missed due days, or in a pause; 0 and 1 where none is missed."""
        pause, resume = column(params, PAUSE, RESUME)
        shapes, n, missed = self.section.shapes(params), histories.seen, histories.missed
        happened = np.zeros((pause.shape[0], missed.size))
        before, waited = np.ones_like(happened), np.ones_like(pause)
        for j in range(1, int(missed.max(initial=0)) + 1):
            after = np.exp(log_kept(shapes, n, float(j)))
            happened += np.where(missed >= j, (before - after) * waited, 0.0)
            before, waited = after, pause * (1 - resume) ** (j - 1)
        still = pause * (1 - resume) ** np.maximum(missed - 1, 0.0) * np.exp(log_kept(shapes, n, missed))
        return happened, np.where(missed > 0, still, 1.0)

    # --- quantities ---------------------------------------------------------------------------------------------------

    def _plain(self, histories: PausedContracts) -> Contracts:
        """As the section has them: going on after all due days that are settled."""
        served, on = histories.renewals + histories.missed, np.zeros_like(histories.lost)
        return Contracts(served, served, on, histories.next_days, histories.outstanding, on)

    def probability_alive(self, params: Params, histories: PausedContracts, days_per_unit: float) -> np.ndarray:
        """P(has not ended): after missed payments of those who have missed as many; else as of contracts that are due
        or overdue, and may also have paused."""
        happened, paused = self._since(params, histories)
        (pause,) = column(params, PAUSE)
        kept = np.exp(log_kept(self.section.shapes(params), histories.renewals, 1.0))
        waits = histories.outstanding
        due = waits / (1 - kept + kept * pause + kept * (1 - pause) * waits)
        overdue = np.where(waits < 1, due, 1.0)
        return np.where(histories.missed > 0, paused / (happened + paused), overdue)

    def _transient(
        self, params: Params, n: np.ndarray, periods: float, force: float, shape: tuple[int, int]
    ) -> np.ndarray:
        """Sum of S(n + j) / S(n) l^j exp(-force (j - 1)) over the next renewals, (draw, n)."""
        pause, resume = column(params, PAUSE, RESUME)
        step, shapes, total = 1 - pause - resume, self.section.shapes(params), np.zeros(shape)
        away = np.abs(step).max()
        forgotten = _FORGOTTEN / -np.log(away) if 0 < away < 1 else 1.0
        for j in range(1, int(min(periods, forgotten + 1, _LONGEST)) + 1):
            total += step**j * np.exp(log_kept(shapes, n, float(j)) - force * (j - 1))
        return total

    def expected_discounted_orders(
        self, params: Params, histories: PausedContracts, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Payments expected within the horizon given that the contract goes on; see the module."""
        shapes, (pause, resume) = self.section.shapes(params), column(params, PAUSE, RESUME)
        per_day = np.log1p(annual_rate) / DAYS_PER_YEAR
        share, force = resume / (pause + resume), per_day * self.interval_days
        served = histories.renewals + histories.missed
        left = self.section.opportunities(histories.next_days, horizon_days)
        result = np.zeros((pause.shape[0], left.size))
        for periods, paid, who in _alike(left, histories.missed == 0):
            n, place = np.unique(served[who], return_inverse=True)
            steady = share * renewals_ahead(shapes, n, periods, force)
            off = (1 - share if paid else -share) * self._transient(params, n, periods, force, steady.shape)
            result[:, who] = (steady + off)[:, place]
        return result * np.exp(-per_day * histories.next_days)

    def expected_orders(
        self, params: Params, histories: PausedContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        ahead = self.expected_discounted_orders(params, histories, horizon_days, 0.0, days_per_unit)
        return self.probability_alive(params, histories, days_per_unit) * ahead

    def probability_active(
        self, params: Params, histories: PausedContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one payment within the horizon): over the renewal that is the first one paid."""
        shapes, (pause, resume) = self.section.shapes(params), column(params, PAUSE, RESUME)
        left = self.section.opportunities(histories.next_days, horizon_days)
        paid, served = histories.missed == 0, histories.renewals + histories.missed
        total = np.zeros((pause.shape[0], left.size))
        for j in range(1, int(min(left.max(initial=0), _LONGEST)) + 1):
            idle = (1 - resume) ** (j - 1) * resume
            after = 1 - pause if j == 1 else pause * (1 - resume) ** (j - 2) * resume
            total += (left >= j) * np.where(paid, after, idle) * np.exp(log_kept(shapes, served, float(j)))
        return total * self.probability_alive(params, histories, days_per_unit)

    def probability_staying(
        self, params: Params, histories: PausedContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(has not ended after the horizon | has not today), in a pause or not."""
        return self.section.probability_staying(params, self._plain(histories), horizon_days, days_per_unit)

    expected_discounted_orders_new = Poolable.expected_discounted_orders_new
    probability_staying_new = Poolable.probability_staying_new

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        horizons = np.atleast_1d(t) * days_per_unit
        return np.hstack([self.expected_orders(params, self.newborn(), float(h), days_per_unit) for h in horizons])

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        """P(X(t) = 0..n): payments of the first d due days, of a contract that lasts as many."""
        pause, resume = column(params, PAUSE, RESUME)
        due = int(self.section.opportunities(self.section.first_renewal, t * days_per_unit))
        lasts = np.exp(log_kept(self.section.shapes(params), 0.0, np.arange(due + 1.0)))
        lasts[:, :-1] -= lasts[:, 1:].copy()
        after, idle = np.zeros((2, pause.shape[0], due + 1))  # by payments so far, the last one paid or not
        after[:, 0] = 1.0
        total = lasts[:, :1] * (after + idle)
        for d in range(1, due + 1):
            pays = (1 - pause) * after + resume * idle
            after, idle = np.hstack([np.zeros_like(pause), pays[:, :-1]]), pause * after + (1 - resume) * idle
            total = total + lasts[:, d : d + 1] * (after + idle)
        return np.hstack([total, np.zeros((pause.shape[0], max(n - due, 0)))])[:, : n + 1]

    # --- laws ---------------------------------------------------------------------------------------------------------

    def laws(self, params: Params, histories: PausedContracts, days_per_unit: float) -> LifeLaw:
        law = self.section.laws(params, self._plain(histories), days_per_unit)
        alive = self.probability_alive(params, histories, days_per_unit)
        return self._pausing(law, params)._replace(p_alive=alive, paused=(histories.missed > 0) * 1.0)

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        return self._pausing(self.section.newcomer_laws(params, days_per_unit), params)

    def laws_given_dead(self, params: Params, histories: PausedContracts, days_per_unit: float) -> LifeLaw:
        """As if the contract had ended instead of the first renewal that was missed."""
        plain = self._plain(histories._replace(missed=np.zeros_like(histories.missed)))
        return self._pausing(self.section.laws_given_dead(params, plain, days_per_unit), params)

    def _pausing(self, law: LifeLaw, params: Params) -> LifeLaw:
        pause, resume = column(params, PAUSE, RESUME)
        return law._replace(pause=pause, resume=resume, paused=np.zeros(law.p_alive.shape[1]))


def _alike(left: np.ndarray, paid: np.ndarray) -> Iterator[tuple[float, bool, np.ndarray]]:
    """Customers with equally many due days ahead, after a payment or in a pause: how many, which, and who."""
    for periods in np.unique(left[left > 0]):
        for state in (True, False):
            who = (left == periods) & (paid == state)
            if who.any():
                yield float(periods), state, who
