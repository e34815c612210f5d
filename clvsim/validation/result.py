"""Results of a validation as frozen values: all figures of its page, its table and the terminal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from clvsim.types import Diagnostic, ModelScore, Tracking
from clvsim.validation.vocabulary import Vocabulary, vocabulary_of

PIT_LIMITS = (0.65, 0.92)  # share of customers in the central 80 % below or above which a model is refused
FAR_OFF = 0.5  # of the actual total: a mean further from it is no forecast, however wide its interval


class Forecast(NamedTuple):
    """Orders of a group within the hold-out: mean and 90 % interval of simulated worlds.

    `position`: share of the worlds with fewer orders than there were; those with as many count half.
    """

    mean: float
    p05: float
    p95: float
    position: float = float("nan")


class GroupCheck(NamedTuple):
    """A group of customers: how many, orders they placed, or what they paid, and what was predicted for them by set of
    layers."""

    label: str
    customers: int
    actual: float
    forecasts: Mapping[str, Forecast]  # by layers, the fullest last

    @property
    def full_forecast(self) -> Forecast:
        """Forecast with every layer that was simulated."""
        return list(self.forecasts.values())[-1]

    @property
    def position(self) -> float:
        """Where the actual number lies among the worlds with every layer, from 0 to 1."""
        return self.full_forecast.position

    @property
    def error(self) -> float:
        """The forecast's mean over the actual number, less 1; nan where nothing came."""
        return self.full_forecast.mean / self.actual - 1 if self.actual else math.nan

    @property
    def holds(self) -> bool:
        """Whether the actual number lies in the 90 % interval of the worlds, and not far from their mean."""
        f = self.full_forecast
        return f.p05 <= self.actual <= f.p95 and not abs(self.error) > FAR_OFF


class ShareCheck(NamedTuple):
    """Customers whose predicted chance lies in one bin: mean chance of being alive and of ordering, share who did.

    `low`, `high`: where that share would lie nine times in ten if the chances of ordering were right.
    """

    customers: int
    alive: float
    active: float
    observed: float
    low: float
    high: float


class Prediction(NamedTuple):
    """Of each customer's orders or money: the expected number and the CRPS of the whole prediction, (customer,)."""

    expected: np.ndarray
    crps: np.ndarray


class Score(NamedTuple):
    """Error per customer, and the difference of its CRPS to the best's with a standard error over customers.

    `gini`: normalised, of the order in which customers are put. `tenths_error`: what sums over tenths of the customers,
    by what was expected of them, miss in all, as a share of what came.
    """

    name: str
    crps: float
    mae: float
    difference: float
    difference_se: float
    gini: float = math.nan
    tenths_error: float = math.nan


class Cumulative(NamedTuple):
    """Orders since today at the end of each full week of the hold-out, (week,)."""

    actual: np.ndarray
    mean: np.ndarray
    p05: np.ndarray
    p95: np.ndarray


def clearly_above(crps: np.ndarray, best: np.ndarray) -> bool:
    """Whether errors of the same customers, (customer,), are larger on average beyond two standard errors."""
    difference = crps - best
    error = difference.std(ddof=1) / np.sqrt(difference.size) if difference.size > 1 else np.inf
    return bool(difference.mean() > 2 * error)


@dataclass(frozen=True)
class RevenueCheck:
    """One retention model with its spend model against what was paid in the hold-out, in the log's money."""

    total: GroupCheck
    tenths: tuple[GroupCheck, ...]  # of the customers, by the revenue expected of them
    prediction: Prediction


@dataclass(frozen=True)
class ModelCheck:
    """One retention model against the hold-out."""

    model: str
    who_is_lost: str
    method: str
    diagnostics: tuple[Diagnostic, ...]
    total: GroupCheck
    cohorts: tuple[GroupCheck, ...]  # by first order
    classes: tuple[GroupCheck, ...]  # by repeat orders in calibration
    tracking: Tracking
    cumulative: Cumulative
    pit: np.ndarray  # (customer,)
    by_active: tuple[ShareCheck, ...]  # bins of the chance to order
    by_alive: tuple[ShareCheck, ...]  # bins of the chance to be alive
    prediction: Prediction  # of orders
    total_crps: float  # of the orders of all customers together
    tenths: tuple[GroupCheck, ...] = ()  # of the customers, by the orders expected of them
    revenue: RevenueCheck | None = None  # None where the log has no amounts

    @property
    def crps(self) -> np.ndarray:
        """Of each customer's orders, (customer,)."""
        return self.prediction.crps

    def tenths_of(self, *, money: bool) -> tuple[GroupCheck, ...]:
        """Tenths of the customers by the orders, or the revenue, expected of them."""
        return self.tenths if not money else self.revenue.tenths if self.revenue else ()

    @property
    def central(self) -> float:
        """Share of customers whose PIT lies in the central 80 %."""
        return float(((self.pit >= 0.1) & (self.pit <= 0.9)).mean())

    @property
    def fits(self) -> bool:
        return PIT_LIMITS[0] <= self.central <= PIT_LIMITS[1]


@dataclass(frozen=True)
class Validation:
    """All models and simple rules against one hold-out. The first model is the run's own."""

    models: tuple[ModelCheck, ...]
    scores: tuple[Score, ...]  # of the models, the least CRPS first
    rules: tuple[Score, ...]  # of simple rules, the least CRPS first; differences to the best model
    rule_words: Mapping[str, str]
    revenue_scores: tuple[Score, ...]  # of the models, in money; empty where the log has no amounts
    revenue_rules: tuple[Score, ...]
    leave_one_out: tuple[ModelScore, ...]  # leave-one-out; empty for a single model
    customers: int
    first_date: date
    today: date
    last_date: date
    environment: bool  # whether shocks common to all were simulated
    draws: int
    draft: bool
    poor_fit: bool
    warnings: tuple[str, ...]
    renewing: bool = False  # customers hold contracts, whose orders are renewals
    merged_days: float = 0.0  # all orders of a customer in a period of that length are one; 0: each order is one
    shared_period: str = ""  # such a period in words, where periods are the same for all customers
    currency: str = ""
    shared: Mapping[str, float] = field(default_factory=dict)  # weights of models that share the first one's draws

    @property
    def words(self) -> Vocabulary:
        return vocabulary_of(self.renewing)

    @property
    def holdout_days(self) -> int:
        return (self.last_date - self.today).days

    @property
    def own_model(self) -> ModelCheck:
        return self.models[0]

    @property
    def layers(self) -> tuple[str, ...]:
        """Sets of layers, the fullest last."""
        return tuple(self.own_model.total.forecasts)

    @property
    def tied_models(self) -> tuple[ModelCheck, ...]:
        """The model with the least error per customer, and those whose error is not clearly larger.

        Not clearly: a difference in CRPS, paired by customer, of at most two standard errors. Models that do
        not fit stay out if others do, and of these the ones whose total does not hold, if that of others does.
        """
        ordered = [self.check(s.name) for s in self.scores]
        fitting = [m for m in ordered if m.fits] or ordered
        best, *others = [m for m in fitting if m.total.holds] or fitting
        return (best, *(m for m in others if not clearly_above(m.crps, best.crps)))

    @property
    def trusted_model(self) -> ModelCheck:
        """Of the tied models the one with the least CRPS of all orders together."""
        return min(self.tied_models, key=lambda m: m.total_crps)

    @property
    def trusted(self) -> bool:
        """Whether even that model is to be trusted: its customers fit, and its total holds."""
        return self.trusted_model.fits and self.trusted_model.total.holds

    def check(self, name: str) -> ModelCheck:
        return next(m for m in self.models if m.model == name)
