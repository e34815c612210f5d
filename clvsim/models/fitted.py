"""Both models with draws of their parameters: what a fit or a file hands to everything that comes after it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from clvsim.models import RETENTION, SPEND
from clvsim.models.around import paced, plans, pooling, season, several
from clvsim.models.around.wrapper import with_pauses
from clvsim.models.domain import POSITIVE, PROBABILITY, joint_problems, problems
from clvsim.models.laws import RECOVERY, Params, distinct_histories
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.spend import paid
from clvsim.models.spend.trend import LEVEL
from clvsim.types import DAYS_PER_UNIT, CustomerSummary, Posterior

_OF_LIFE = {RECOVERY: PROBABILITY.optional}  # where charges failed
_OF_MONEY = {**paid.DOMAINS, LEVEL: POSITIVE.optional}  # where some orders are free, where amounts had a trend
OBSERVED = "observed"  # the method's name of a model in which nothing is inferred


@dataclass(frozen=True)
class FittedModels:
    """A retention and a spend model, configured as they were fitted, and draws of the parameters of both."""

    retention: RetentionModel
    spend: SpendModel
    posterior: Posterior

    @property
    def draws(self) -> int:
        return self.posterior.draws

    @property
    def days_per_unit(self) -> float:
        """Days of the unit of time that the retention model's parameters are in."""
        return DAYS_PER_UNIT[self.posterior.time_unit]

    @property
    def method(self) -> str:
        """How the draws of both models came about, in words: once where it was the same way."""
        life, money = self.posterior.retention_method, self.posterior.spend_method
        if money == life or money.name == OBSERVED:
            return str(life)
        return f"{life} ({self.retention.kind}), {money} ({self.spend.kind})"

    def first(self, draws: int) -> "FittedModels":
        """The same with its first draws only."""
        life, money = self.retention_draws(slice(draws)), self.spend_draws(slice(draws))
        return replace(self, posterior=replace(self.posterior, retention=life, spend=money))

    def retention_draws(self, draws: slice = slice(None)) -> dict[str, np.ndarray]:
        """Parameters of the retention model in some draws, each (draw,)."""
        return {name: values[draws] for name, values in self.posterior.retention.items()}

    def spend_draws(self, draws: slice = slice(None)) -> dict[str, np.ndarray]:
        """Parameters of the spend model in some draws, each (draw,)."""
        return {name: values[draws] for name, values in self.posterior.spend.items()}


def implausible(
    retention: RetentionModel, spend: SpendModel, life: Params, money: Params, days_per_unit: float
) -> list[str]:
    """A sentence for each parameter of the two models that is missing or has draws that it cannot have; where none is,
    for those that together mean what cannot be."""
    own = [*problems({**retention.DOMAINS, **_OF_LIFE}, life), *problems({**spend.DOMAINS, **_OF_MONEY}, money)]
    return own or [*joint_problems(life, days_per_unit), *joint_problems(money, days_per_unit)]


def implausible_draws(fitted: FittedModels) -> list[str]:
    """The same of models with their draws."""
    posterior = fitted.posterior
    return implausible(fitted.retention, fitted.spend, posterior.retention, posterior.spend, fitted.days_per_unit)


def expected_portfolio_orders(fitted: FittedModels, summary: CustomerSummary, horizon_days: float) -> np.ndarray:
    """Orders expected of all existing customers within the horizon, (draw,): parameter uncertainty and nothing else."""
    model, draws = fitted.retention, fitted.posterior.retention
    total = np.zeros(fitted.draws)
    for distinct, count in distinct_histories(model.histories(summary), fitted.draws):
        total += model.expected_orders(draws, distinct, horizon_days, fitted.days_per_unit) @ count
    return total


def restored(
    retention: str, retention_settings: Mapping[str, Any], spend: str, spend_settings: Mapping[str, Any]
) -> tuple[RetentionModel, SpendModel]:
    """The models of those kinds from what `model_dump` returned of each, {} for all defaults.

    Raises KeyError for a kind that is not registered, ValidationError for settings that it does not have.
    """
    money = SPEND[spend].model_validate(spend_settings)
    if retention == several.KIND:
        told = several.Settings.model_validate(retention_settings)
        models = tuple(_restored_life(str(own["kind"]), own) for own in told.models)
        together: Any = several.Several(models, told.weights)
        return together, money
    return _restored_life(retention, retention_settings), money


def _restored_life(retention: str, retention_settings: Mapping[str, Any]) -> RetentionModel:
    wrappers = ("calendar", "pace", "design")
    no_more = (*wrappers, "trend")  # what fits once had: see `season.restored`
    section = {name: value for name, value in retention_settings.items() if name not in no_more}
    calendar, pace, design = (retention_settings.get(name) for name in wrappers)
    if by_plan := retention_settings.get("by_plan"):
        told = plans.Settings.model_validate(by_plan)
        members = tuple(_restored_life(retention, settings) for settings in told.models)
        return paced.restored(cast(RetentionModel, plans.ByPlan(told.column, told.plans, members)), pace)
    model = paced.restored(season.restored(RETENTION[retention].model_validate(section), calendar), pace)
    return pooling.restored(with_pauses(model), design)
