"""Whether a split test of a change pays, and how large it should be.

NumPy only. A test gives each of two arms n units (visitors, customers); what it shows is worth EVSI(n) for the whole
plan, less what it costs to run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from clvsim.decision.figures import REFUSED_BELOW

Verdict = Literal["ship now", "test", "forget it"]

_START, _POINTS, _ROUNDS = 34, 9, 7  # of the search: each round looks at a quarter of the last one's range
_NEARLY = 0.98  # of the best net benefit


@dataclass(frozen=True)
class Population:
    """Who the plan's difference is about, and who of them meets the test.

    `units`: N over the plan; `per_month`: how many come a month; `share` of them in the test, half in each arm;
    `window_months`: how long the last one is watched before the test is read. Everybody counts the same.
    """

    units: float
    per_month: float
    share: float = 1.0
    window_months: float = 0.0

    def __post_init__(self) -> None:
        if not (self.units > 0 and self.per_month > 0 and 0 < self.share <= 1 and self.window_months >= 0):
            raise ValueError(f"units and their number a month must be above 0, the share at most 1: {self}")

    def months(self, per_arm: np.ndarray | float) -> np.ndarray:
        """How long the test runs, with the last one's window."""
        return 2 * np.asarray(per_arm) / (self.share * self.per_month) + self.window_months

    def outside(self, per_arm: np.ndarray | float) -> np.ndarray:
        """Units that come while it runs and are in no arm."""
        return self.per_month * self.months(per_arm) - 2 * np.asarray(per_arm)

    @property
    def most_per_arm(self) -> float:
        """The largest test that ends before the plan does; below 1 there is no time for any."""
        return (self.units - self.per_month * self.window_months) * self.share / 2


@dataclass(frozen=True)
class Costs:
    """Of a test, in money: once, and per month that it runs."""

    fixed: float = 0.0
    per_month: float = 0.0


@dataclass(frozen=True)
class NetBenefit:
    """Of tests with `per_arm` (g,): what each part is worth or costs, in money over the plan, (g,) each."""

    per_arm: np.ndarray
    evsi: np.ndarray
    fixed: float
    regret: np.ndarray
    wait: np.ndarray

    @property
    def net(self) -> np.ndarray:
        return self.evsi - self.fixed - self.regret - self.wait


@dataclass(frozen=True)
class SplitTest:
    """What to do, and the best test: `parts` with one size; `near`: sizes that bring 98 % of its net benefit or more.

    `mcse` of the net benefit, from that of the EVSI. `close`: the net benefit is above 0 by less than three of them, so
    that the verdict is that without a test. `parts` is None where the plan has no time for a test.
    """

    verdict: Verdict
    parts: NetBenefit | None
    months: float
    near: tuple[float, float]
    mcse: float
    close: bool


def net_benefit(
    per_arm: np.ndarray | float,
    evsi: np.ndarray | float,
    means: tuple[float, float],
    population: Population,
    costs: Costs = Costs(),
    meanwhile: int | None = None,
) -> NetBenefit:
    """EVSI(n) − fixed cost − regret of the arms while the test runs − cost of the wait.

    Args:
        per_arm: n (g,).
        evsi: EVSI(n) (g,), of the whole plan: it is not multiplied by anybody any more.
        means: mean plan value of both options; the second is the change.
        population: N units, of which each brings 1/N of a plan value.
        costs: of the test.
        meanwhile: what units outside the test get until it is read, 0 or 1; by default the option that is better now.

    After the test everybody gets the option it chose, worth M = EVSI + max of means for N. Of the 2n in the arms half
    get each option: regret n/N·(2M − m₀ − m₁). Those outside get `meanwhile`: wait o/N·(M − m_meanwhile), and the cost
    by month. With means that are equal, everybody in the test and no costs this is Test & Roll's profit, which is
    largest at
    `profit_maximising_size`. A test that outlasts the plan has a net benefit of nan.
    """
    sizes = np.atleast_1d(np.asarray(per_arm, dtype=np.float64))
    worth = np.broadcast_to(np.asarray(evsi, dtype=np.float64), sizes.shape)
    after = worth + max(means)
    others = means[meanwhile] if meanwhile is not None else max(means)
    regret = sizes / population.units * (2 * after - sum(means))
    wait = population.outside(sizes) / population.units * (after - others) + costs.per_month * population.months(sizes)
    possible = sizes <= population.most_per_arm * (1 + 1e-12)
    return NetBenefit(sizes, np.where(possible, worth, np.nan), costs.fixed, regret, wait)


def plan_split_test(
    evsi: Callable[[np.ndarray], np.ndarray],
    means: tuple[float, float],
    population: Population,
    costs: Costs = Costs(),
    mcse: Callable[[float], float] = lambda _: 0.0,
    meanwhile: int | None = None,
    built: float = 0.0,
) -> SplitTest:
    """The best size of a test, and whether to test, to ship the change now, or to forget it.

    Args:
        evsi: EVSI of sizes (g,), `information.evsi` for one.
        means: mean plan value of both options; the second is the change.
        population: who meets the test.
        costs: of the test.
        mcse: Monte Carlo error of the EVSI of one size.
        meanwhile: what others get until it is read, as of `net_benefit`.
        built: what the change costs before it can be tested, part of its mean, which no verdict brings back: `evsi` is
            then that of a choice between the change and today less this.

    Sizes from 1 to the most that the plan has time for on a rising grid, refined around the best. "test" where its net
    benefit is above 0 by three Monte Carlo errors, otherwise "ship now" where the change has the larger mean, else
    "forget it".

    Not modelled: tests that are looked at before they end, more than two arms, what a test teaches for other plans.
    """
    without: Verdict = "ship now" if means[1] > means[0] else "forget it"
    most = population.most_per_arm
    if most < 1:
        return SplitTest(without, None, 0.0, (0.0, 0.0), 0.0, False)

    means, costs = once_built(means, costs, built)
    known: dict[float, float] = {}

    def parts_of(sizes: np.ndarray) -> NetBenefit:
        new = np.setdiff1d(sizes, list(known))
        if new.size:
            known.update(zip(new.tolist(), evsi(new).tolist(), strict=True))
        worth = np.array([known[size] for size in sizes.tolist()])
        return net_benefit(sizes, worth, means, population, costs, meanwhile)

    sizes = np.geomspace(1, most, _START)
    found = parts_of(sizes)
    for _ in range(_ROUNDS):
        best = int(np.nanargmax(found.net))
        low, high = sizes[max(best - 1, 0)], sizes[min(best + 1, sizes.size - 1)]
        if high - low < 1:  # unit
            break
        sizes = np.union1d(sizes, np.geomspace(low, high, _POINTS))
        found = parts_of(sizes)
    best = int(np.nanargmax(found.net))
    size = max(1.0, float(np.round(sizes[best])) if sizes[best] < most else float(np.floor(most)))
    chosen = parts_of(np.array([size]))
    net = float(chosen.net[0])
    moved = 1 - float(population.per_month * population.months(size)) / population.units
    error = mcse(size) * max(moved, 0.0)
    near = sizes[found.net >= min(_NEARLY * net, net)] if net > 0 else np.array([size])
    test = net > 0 and net >= REFUSED_BELOW * error
    return SplitTest(
        verdict="test" if test else without,
        parts=chosen,
        months=float(population.months(size)),
        near=(float(near.min(initial=size)), float(near.max(initial=size))),
        mcse=error,
        close=0 < net < REFUSED_BELOW * error,
    )


def once_built(means: tuple[float, float], costs: Costs, built: float) -> tuple[tuple[float, float], Costs]:
    """Means and costs as they are once a change is built for `built`, which no verdict brings back: today less this,
    and a test that costs what building makes of the better option's mean."""
    later = (means[0] - built, means[1])
    return later, replace(costs, fixed=costs.fixed + max(means) - max(later))


def profit_maximising_size(units: float, prior_sd: float, outcome_sd: float) -> float:
    """Units per arm that make most profit of N in all, where nothing sets two arms apart before the test.

    n* = √(N/4·(s/σ)² + (¾(s/σ)²)²) − ¾(s/σ)² of means N(μ, σ²) and outcomes of standard deviation s (Feit and Berman
    2019, "Test & Roll: Profit-Maximizing A/B Tests", Marketing Science 38(6), equation 10); its example N = 100,000,
    σ .03, s = √(.68·.32) gives 2,284. μ does not matter. Not modelled: costs of the test, arms that differ beforehand:
    `plan_split_test` has both.

    Raises ValueError unless all are above 0.
    """
    if not (units > 0 and prior_sd > 0 and outcome_sd > 0):
        raise ValueError(f"all must be above 0, got {units}, {prior_sd}, {outcome_sd}")
    ratio = (outcome_sd / prior_sd) ** 2
    return float(np.sqrt(units / 4 * ratio + (0.75 * ratio) ** 2) - 0.75 * ratio)
