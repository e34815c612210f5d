"""Which values a parameter can have: declared by each model as `DOMAINS`, and checked wherever draws come in.

Compiled kernels believe what they are given, and draws are read from files. The bounds are far beyond all that data can
say, and near enough for every formula to stay finite.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_SEVERAL = 3  # problems that are told one by one


class Domain(NamedTuple):
    """Values from `low` to `high`, as `words` say; where asked `whole` numbers only, or the same in every draw
    (`constant`). Draws must have the parameter where it is `needed`."""

    low: float
    high: float
    words: str
    whole: bool = False
    constant: bool = False
    needed: bool = True

    @property
    def optional(self) -> "Domain":
        """The same of a parameter that draws may be without."""
        return self._replace(needed=False)

    def problem(self, name: str, draws: np.ndarray) -> str:
        """What is wrong with draws of the parameter, (draw,); "" if nothing is."""
        wrong = ~((draws >= self.low) & (draws <= self.high))
        if self.whole:
            wrong |= draws != np.round(draws)
        if wrong.any():
            many, example = int(wrong.sum()), draws[int(np.argmax(wrong))]
            return f"{name} must be {self.words}, and {many:,} of {draws.size:,} draws are not ({example:g})"
        if self.constant and np.ptp(draws):
            return f"{name} must be the same in every draw, and runs from {draws.min():g} to {draws.max():g}"
        return ""


def whole(low: int, high: int, *, constant: bool = False) -> Domain:
    return Domain(low, high, f"a whole number from {low} to {high}", whole=True, constant=constant)


POSITIVE = Domain(1e-9, 1e9, "above 0: from 1e-9 to 1e9")
DROPOUT = Domain(1e-9, 1e5, "above 0: from 1e-9 to 100,000")  # of p ~ Beta(a, b): memory and time grow with a
MONEY = Domain(1e-9, 1e15, "above 0: from 1e-9 to 1e15")
NOT_NEGATIVE = Domain(0.0, 1e3, "from 0 to 1,000")
SHOCK_SD = Domain(0.0, 5.0, "from 0 to 5")
ABOVE_ONE = Domain(np.nextafter(1.0, 2.0), 1e9, "above 1, where the mean exists, and at most 1e9")
PROBABILITY = Domain(0.0, 1.0, "from 0 to 1")
CORRELATION = Domain(-1.0, 1.0, "from -1 to 1")
LOG = Domain(-100.0, 35.0, "a log, from -100 to 35")
# A shop that sells in December alone has months of about no orders, and none of e^10 times as many.
LOG_FACTOR = Domain(-100.0, 10.0, "the log of a factor, from -100 to 10")
MOST_ORDERS_A_DAY, LARGEST_MEAN = 1e3, 1e15


def problems(domains: Mapping[str, Domain], params: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence for each parameter that is missing or has draws outside its domain; of many the first few.

    Parameters that nobody declared are nobody's, and pass.
    """
    absent = [name for name, domain in domains.items() if domain.needed and name not in params]
    found = [f"{', '.join(absent[:_SEVERAL])} {'is' if len(absent) == 1 else 'are'} missing"] if absent else []
    of_draws = (domain.problem(name, params[name]) for name, domain in domains.items() if name in params)
    found += [problem for problem in of_draws if problem]
    more = len(found) - _SEVERAL
    return found if more <= 0 else [*found[:_SEVERAL], f"and {more} more"]


def joint_problems(params: Mapping[str, np.ndarray], days_per_unit: float) -> list[str]:
    """A sentence for each rule that parameters, each in its domain, break together; of those of several models as well,
    whose names have a prefix.

    `r`, `alpha`: mean order rate, in the fastest month that is expected ahead. `p`, `gamma`, `q`, and `mu`, `omega`,
    `sigma`: mean amount.
    """
    rules = (
        (("r", "alpha"), "mean order rate a day", MOST_ORDERS_A_DAY, lambda r, alpha: r / alpha / days_per_unit),
        (("p", "gamma", "q"), "mean amount p gamma / (q - 1)", LARGEST_MEAN, lambda p, gamma, q: p * gamma / (q - 1)),
        (("mu", "omega", "sigma"), "mean amount", LARGEST_MEAN, _mean_lognormal),
    )
    found = []
    for names, words, most, of in rules:
        for name in (name for name in params if name.rpartition(".")[2] == names[0]):
            prefix = name.removesuffix(names[0])
            if not all(prefix + other in params for other in names):
                continue
            own = of(*(np.asarray(params[prefix + other], np.float64) for other in names))
            if names[0] == "r":
                own = own * np.exp(np.minimum(_log_fastest(params, prefix), 300.0))
            if wrong := int((~(own <= most)).sum()):
                which, example = ", ".join(prefix + other for other in names), own[int(np.argmax(~(own <= most)))]
                many = f"{wrong:,} of {own.size:,} draws"
                found.append(f"{which}: {words} must be at most {most:g}, and in {many} it is not ({example:g})")
    return found


def _mean_lognormal(mu: np.ndarray, omega: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(mu + (omega**2 + sigma**2) / 2, 300.0))


def _log_fastest(params: Mapping[str, np.ndarray], prefix: str) -> np.ndarray:
    """A bound of the log of the multiplier of months ahead, (draw,): see `models.around.path.mean_ahead`."""
    shock, level, slope, sd = (
        np.asarray(params.get(f"{prefix}path.{name}", 0.0)) for name in ("shock", "level", "slope", "sd")
    )
    return np.maximum(shock, 0) + np.maximum(level, 0) + 10 * np.maximum(slope, 0) + sd**2 / 2
