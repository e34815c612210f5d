"""How to split a budget over channels whose response is uncertain.

NumPy and SciPy. Axis 0 is the draw. What is made largest is the *mean* over draws of value less spend; single draws may
lose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from clvsim.decision.downside import downside, worst_weights
from clvsim.decision.figures import Estimate, estimate
from clvsim.decision.responses import Response

TOLERATED_LOSS = 0.02  # of the largest mean
_ALL_SUBSETS = 6  # channels: of more, single ones and all of them are where a search starts
_HALVINGS = 14  # of a range, for the ends of a band
_STEPS = 16  # of a range, where a response is S-shaped: beyond a hollow the mean may rise again
_SMOOTH = {"ftol": 1e-13, "maxiter": 300}
_KINKED = {"ftol": 1e-8, "maxiter": 40}  # the worst tenth are other draws from one spend to the next
_NOTHING = 1e-9  # of the largest spend that can pay


class Channel(NamedTuple):
    """A response, and the value of a customer whom it brings (n,) before what it cost to win them."""

    response: Response
    value: np.ndarray

    def worth(self, spend: float) -> np.ndarray:
        """Value less spend by draw, (n,)."""
        return self.value * self.response.customers(spend) - spend


@dataclass(frozen=True)
class Split:
    """Spends by channel, (c,) each where not said otherwise.

    `gain`: mean of value less spend of all together; `worst`: mean of its worst tenth of draws, on average values:
    luck is not in it. `customers`: mean number; `average_cost`, `marginal_cost`: spend over it, and 1 over the mean of
    dn/dS. `band` (c, 2): spends of a channel, the others' adjusted, that lose less than 2 % of the gain.
    `spent_out`: the budget binds. `feasible`: the limit on the worst tenth holds; where no split keeps it, the spends
    are those whose worst tenth is best.
    """

    spends: np.ndarray
    gain: Estimate
    worst: Estimate
    customers: np.ndarray
    average_cost: np.ndarray
    marginal_cost: np.ndarray
    band: np.ndarray
    spent_out: bool
    feasible: bool


def best_split(
    channels: Sequence[Channel],
    budget: float = np.inf,
    limit: float = -np.inf,
    ess: float = np.nan,
) -> Split:
    """The split of a period's budget with the largest mean of value less spend.

    Args:
        channels: of one period each, with as many draws.
        budget: most that may be spent in all; less is spent where the last unit does not come back.
        limit: least mean of the worst tenth of draws.
        ess: how many independent draws they are worth, by default all.

    Where neither limit nor budget binds each channel's last unit of spend brings one unit of value: mean v·n'(S) = 1,
    for an exponential S* = S₀ log(v n∞/S₀); where the budget binds these are equal among channels (Dorfman and Steiner
    1954, "Optimal advertising and optimal quality", American Economic Review 44(5)). Searched by sequential quadratic
    programming (SciPy) from every subset of channels, since an S-shaped response may pay only from some spend on.

    Not modelled: channels that help or disturb each other, spends that act later, customers who come anyway.

    Raises ValueError where draws do not fit, are not finite, or the budget is not above 0.
    """
    draws = {channel.value.shape for channel in channels}
    if len(draws) != 1 or not all(np.isfinite(channel.value).all() for channel in channels):
        raise ValueError(f"values of customers must be finite with as many draws by channel, got {draws}")
    if not budget > 0:
        raise ValueError(f"a budget must be above 0, got {budget}")
    search = _Search(tuple(channels), budget, limit)
    spends, feasible = search.best()
    worth = search.worth(spends)
    response = [channel.response for channel in channels]
    customers = np.array([float(r.customers(s).mean()) for r, s in zip(response, spends, strict=True)])
    slope = np.array([float(r.slope(s).mean()) for r, s in zip(response, spends, strict=True)])
    return Split(
        spends=spends,
        gain=estimate(worth, 0.0, ess),
        worst=downside(worth, ess=ess),
        customers=customers,
        average_cost=np.divide(spends, customers, out=np.full_like(spends, np.nan), where=customers > 0),
        marginal_cost=np.divide(1.0, slope, out=np.full_like(slope, np.inf), where=slope > 0),
        band=np.array(
            [search.band(spends, channel) if feasible else [spends[channel]] * 2 for channel in range(len(channels))]
        ),
        spent_out=bool(spends.sum() >= budget * (1 - 1e-6)),
        feasible=feasible,
    )


def _boundary(good: Callable[[float], bool], inside: float, outside: float) -> float:
    """How far from a good point one may go towards one that is not."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if good(middle) else (inside, middle)
    return inside


class _Search(NamedTuple):
    channels: tuple[Channel, ...]
    budget: float
    limit: float

    @property
    def most(self) -> np.ndarray:
        """Spends above which a channel cannot pay, (c,)."""
        value = [float((np.maximum(c.value, 0) * c.response.ceiling).mean()) for c in self.channels]
        return np.minimum(value, self.budget)

    @property
    def unit(self) -> float:
        return max(float(self.most.max()), np.finfo(np.float64).tiny)

    @property
    def concave(self) -> bool:
        """Whether there is one maximum only."""
        return all((c.response.shape <= 1).all() and (c.value >= 0).all() for c in self.channels)

    def worth(self, spends: np.ndarray) -> np.ndarray:
        return np.sum([c.worth(s) for c, s in zip(self.channels, spends, strict=True)], axis=0)

    def slopes(self, spends: np.ndarray) -> np.ndarray:
        """Of the worth in each spend, (n, c)."""
        least = _NOTHING * self.unit
        parts = [
            c.value * c.response.slope(max(float(s), least)) - 1 for c, s in zip(self.channels, spends, strict=True)
        ]
        return np.stack(parts, axis=1)

    def keeps(self, spends: np.ndarray) -> bool:
        if np.isinf(self.limit):
            return True
        worth = self.worth(spends)
        return float(worst_weights(worth) @ worth) >= self.limit - 1e-7 * max(self.unit, abs(self.limit))

    def best(self) -> tuple[np.ndarray, bool]:
        ranges = [(0.0, float(most)) for most in self.most]
        starts = [self._start(np.array(subset)) for subset in self._subsets()]
        if np.isinf(self.limit):
            return self._largest([self._climb(start, ranges) for start in starts]), True
        safest = self._largest([self._climb(start, ranges, worst=True) for start in [*starts, 0 * starts[0]]], True)
        if not self.keeps(safest):
            return safest, False
        free = [self._climb(start, ranges) for start in starts]
        found = [safest, *free, *(self._towards(safest, end) for end in free)]
        found += [self._climb(start, ranges, held=True) for start in [self._largest(found[1:]), safest]]
        return self._largest([spends for spends in found if self.keeps(spends)]), True

    def band(self, spends: np.ndarray, channel: int) -> tuple[float, float]:
        """Least and most spend of a channel that loses little, the others' adjusted."""
        gain = float(self.worth(spends).mean())
        at = float(spends[channel])
        if gain <= 0:
            return at, at

        def good(spend: float) -> bool:
            ranges = [(0.0, float(most)) for most in self.most]
            ranges[channel] = (spend, spend)
            start = np.where(np.arange(spends.size) == channel, 0.0, spends)
            if start.sum() > 0:
                start = start * min(1.0, max(self.budget - spend, 0.0) / float(start.sum()))
            start[channel] = spend

            def loses_little(found: np.ndarray) -> bool:
                return self.worth(found).mean() >= (1 - TOLERATED_LOSS) * gain and self.keeps(found)

            return loses_little(start) or loses_little(self._climb(start, ranges, held=not np.isinf(self.limit)))

        def farthest(end: float) -> float:
            inside = at
            for outside in np.linspace(at, end, 2 if self.concave else _STEPS + 1)[1:]:
                if not good(float(outside)):
                    return _boundary(good, inside, float(outside))
                inside = float(outside)
            return end

        return farthest(0.0), farthest(float(self.most[channel]))

    def _subsets(self) -> list[tuple[bool, ...]]:
        number = len(self.channels)
        if self.concave:
            return [(True,) * number]
        if number <= _ALL_SUBSETS:
            return [subset for subset in product((True, False), repeat=number) if any(subset)]
        return [(True,) * number, *(tuple(i == j for i in range(number)) for j in range(number))]

    def _start(self, subset: np.ndarray) -> np.ndarray:
        spends = np.where(subset, self.most, 0.0) / 2
        return spends * min(1.0, self.budget / max(float(spends.sum()), np.finfo(np.float64).tiny))

    def _largest(self, found: Sequence[np.ndarray], worst: bool = False) -> np.ndarray:
        def height(spends: np.ndarray) -> float:
            worth = self.worth(spends)
            return float(worst_weights(worth) @ worth) if worst else float(worth.mean())

        return max([*found, np.zeros(len(self.channels))] if np.isinf(self.limit) else found, key=height)

    def _towards(self, safe: np.ndarray, end: np.ndarray) -> np.ndarray:
        """As far from safe spends to others as the limit lets one go."""
        part = _boundary(lambda part: self.keeps(safe + part * (end - safe)), 0.0, 1.0)
        return safe + part * (end - safe)

    def _climb(
        self, start: np.ndarray, ranges: Sequence[tuple[float, float]], *, worst: bool = False, held: bool = False
    ) -> np.ndarray:
        """A local maximum of the mean, or of the worst tenth's; `held` to the limit."""
        from scipy.optimize import minimize

        unit, number = self.unit, len(self.channels)

        def tail(x: np.ndarray) -> tuple[float, np.ndarray]:
            worth = self.worth(x * unit)
            weights = worst_weights(worth)
            return float(weights @ worth) / unit, weights @ self.slopes(x * unit)

        def height(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = (
                tail(x) if worst else (float(self.worth(x * unit).mean()) / unit, self.slopes(x * unit).mean(0))
            )
            return -value, -slope

        constraints = []
        if np.isfinite(self.budget):
            constraints.append(
                {"type": "ineq", "fun": lambda x: self.budget / unit - x.sum(), "jac": lambda _: -np.ones(number)}
            )
        if held:
            limit = self.limit / unit
            constraints.append({"type": "ineq", "fun": lambda x: tail(x)[0] - limit, "jac": lambda x: tail(x)[1]})
        bounds = [(low / unit, high / unit) for low, high in ranges]
        found = minimize(
            height,
            start / unit,
            jac=True,
            method="SLSQP",
            bounds=bounds,
            constraints=constraints,
            options=_KINKED if worst or held else _SMOOTH,
        )
        spends = np.clip(found.x * unit, *np.array(ranges).T)
        total = float(spends.sum())
        return spends * min(1.0, self.budget / total) if total > 0 else spends
