"""What a story says of a retention model, and random numbers that more than one story needs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from clvsim.models.priors import BetaPrior, LogNormalPrior

WEEK = 7.0  # days
CALIBRATION_DAYS = np.round(np.linspace(60.0, 340.0, 100))
UNIT = float(CALIBRATION_DAYS.mean())  # the likelihoods' unit of time where customers are observed for these days

Values = dict[str, Any]  # symbol -> a number, or (customer,)
Columns = dict[str, np.ndarray]  # of a summary, (customer,)


class Ridge(NamedTuple):
    """A prior whose log odds are sampled by their distance from a ridge: the free variable, and the ridge from other
    free variables and rows, a function, where the contract suite looks at it."""

    variable: str
    place: Any = None


class Story(NamedTuple):
    """A retention model as the life of customers whose two traits are known.

    The first trait is a rate of orders per day or a chance to buy at an opportunity; of contracts, which have nothing
    to decide, the exponent of their duration dependence. The second is a hazard per day, or a probability of leaving at
    an event. Times are in days, parameters in weeks, traits (customer,). Nothing is taken from the model's formulas.

    `params`: of newcomers, as published; `times`: those that are times. `config`: the model's settings. If there are
    times, the likelihood is a density per unit of time for each order.

    `traits(random, params, size)`: drawn from the paper's distributions.

    `live(random, first, second, days, ahead, **config)`: what becomes of these customers within `days`, as columns of
    a summary, where `frequency` counts what X(t) counts; and within `ahead` more days, `holdout_frequency`.

    `from_priors`: the paper's parameters from a value of each prior. `moved(params, buying, leaving)`: parameters with
    two factors on what effects act on. `ridges`: by the prior's name.

    `days`: how long the customers of a calibration are observed.

    `density(first, second, *history)`: densities of a history and being (alive, lost) at its end, given traits of any
    shape; `histories`, `extreme`: what the model conditions on, the latter many orders and long silences. None of
    contracts, of which tests/models/test_models_contracts.py knows as much and more.
    """

    params: Mapping[str, float]
    traits: Callable[[np.random.Generator, Mapping[str, Any], int], tuple[np.ndarray, np.ndarray]]
    live: Callable[..., Columns]
    from_priors: Callable[[Values], Values]
    moved: Callable[[Mapping[str, Any], float, float], Values]
    times: tuple[str, ...] = ()
    config: Mapping[str, Any] = {}
    ridges: Mapping[str, Ridge] = {}
    days: np.ndarray = CALIBRATION_DAYS
    density: Callable[..., tuple[Any, Any]] | None = None
    histories: Any = None
    extreme: Any = None

    @property
    def renewing(self) -> bool:
        return self.density is None


def survived(chance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How many occasions in a row a customer survives who leaves at each with that chance; inf at 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.floor(random.exponential(size=chance.size) / -np.log1p(-chance))


def time_of(nth: np.ndarray, events: np.ndarray, time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """When the nth of that many events of a Poisson process within `time` took place; 0 for the 0th.

    A share Beta(n, events - n + 1) of the time, so that ten thousand events cost no more than ten.
    """
    share = random.beta(np.maximum(nth, 1.0), np.maximum(events - nth, 0.0) + 1.0)
    return np.where(nth > 0, share * time, 0.0)


def beta_of(params: Mapping[str, Any], names: tuple[str, str], factor: float) -> Values:
    """Both parameters of a Beta with the odds of its mean times `factor`, at the same sum."""
    a, b = (np.asarray(params[name], float) for name in names)
    odds = a / b * factor
    mean = odds / (1 + odds)
    return {names[0]: (a + b) * mean, names[1]: (a + b) * (1 - mean)}


def from_mean(values: Values, process: str, names: tuple[str, str]) -> Values:
    """Parameters of a Beta from its mean and its sum."""
    total = values[f"{process}_concentration"]
    first = total * values[f"{process}_mean"]
    return {names[0]: first, names[1]: total - first}


def priors_of(model: Any) -> dict[str, Any]:
    """Fields of a model that are priors, not settings, by name."""
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    return {name: value for name, value in fields.items() if isinstance(value, BetaPrior | LogNormalPrior)}
