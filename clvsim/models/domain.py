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


POSITIVE = Domain(1e-30, 1e15, "above 0 and at most 1e15")
NOT_NEGATIVE = Domain(0.0, 1e3, "from 0 to 1,000")
ABOVE_ONE = Domain(np.nextafter(1.0, 2.0), 1e15, "above 1, where the mean exists, and at most 1e15")
PROBABILITY = Domain(0.0, 1.0, "from 0 to 1")
CORRELATION = Domain(-1.0, 1.0, "from -1 to 1")
LOG = Domain(-100.0, 100.0, "the log of a factor, from -100 to 100")


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
