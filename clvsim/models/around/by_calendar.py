"""What models have in common whose customers, all of them, do more of something on some days than on others.

m of a day is e^(effect of the month of the year + effects of the promotions that run), divided by its mean over what
the log has seen, so that the model's own parameters hold where m is 1. Purchases come m times as fast
(`models.around.season`), or a contract's hazard of ending is m times as high (`models.retention.due_season`).

Effects of months are Student's t with 4 degrees of freedom and scale 0.2 where the log has two years or more;
Normal(0, 0.05) where it has less, since ageing, or one odd month, looks like a season; Normal(0, 0.2), with mean 1 in
m, for months that it has not seen. Effects of promotions are Normal(0, 0.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from clvsim.errors import ConfigError, Problem
from clvsim.models.around.calendar import MEAN_DAY, Calendar
from clvsim.models.around.wrapper import PoolableWrapper
from clvsim.models.domain import Domain
from clvsim.models.inputs import containers
from clvsim.models.laws import Params
from clvsim.types import TWO_YEARS_DAYS, CustomerSummary

MONTH_SD, SHORT_MONTH_SD, PROMOTION_SD = 0.2, 0.05, 0.5
_TAIL = 4.0  # degrees of freedom, of months that came round twice: some shops sell in December alone


class EffectPrior(NamedTuple):
    """Of an effect on the log of m: Normal(0, scale), or Student's t with so many degrees of freedom."""

    scale: float
    freedom: float = 0.0

    def variable(self, pm: Any, name: str) -> Any:
        """A free variable of a PyMC model."""
        if self.freedom:
            return pm.StudentT(name, nu=self.freedom, mu=0.0, sigma=self.scale)
        return pm.Normal(name, 0.0, self.scale)


@dataclass(frozen=True)
class ByCalendar(PoolableWrapper):
    """A model with effects of the calendar. `params` are the model's own and these effects, (draw,).

    Effects are reported after division by the mean, so log m of a day is the sum of those it has.
    """

    calendar: Calendar

    SEEN: ClassVar[float]  # of what a kind of day has been seen on, below which a month counts as not seen

    @property
    def seen(self) -> np.ndarray:
        """What m is averaged over, by kind of day, (kind,)."""
        raise NotImplementedError

    @property
    def beside(self) -> Mapping[str, Domain]:
        return self.calendar.domains

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        return {**self.section.model_dump(mode=mode), "calendar": self.calendar.model_dump(mode=mode)}

    def model_dump_json(self) -> str:
        return f"[{self.section.model_dump_json()}, {self.calendar.model_dump_json()}]"

    def own(self, params: Params) -> dict[str, np.ndarray]:
        """The parameters of the model underneath."""
        effects = frozenset(self.calendar.names)  # made anew each time they are asked for
        return {name: values for name, values in params.items() if name not in effects}

    # --- fit ----------------------------------------------------------------------------------------------------------

    def require_calendar(self, summary: CustomerSummary) -> None:
        """Raises ConfigError for a summary of another day than that of the fit."""
        if summary.today != self.calendar.today or summary.first_date < self.calendar.first_date:
            what = f"was fitted to a log from {self.calendar.first_date} to {self.calendar.today}, not to this one"
            raise ConfigError([Problem("retention.season", what)])

    def build(self, rows: Any) -> Any:
        """The PyMC model on unique rows; its free variables are those of `graph`, its data `inputs`."""
        import pymc as pm

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            pm.Potential("log_likelihood", self.log_density(self.graph(pm, inputs), inputs))
        return model

    def inputs(self, rows: Any) -> Any:
        """With those of the model underneath as `section`, `columns` and `share` as of the properties' names."""
        raise NotImplementedError

    def log_density(self, params: Mapping[str, Any], inputs: Any) -> Any:
        """Log-likelihood of all rows as a graph; parameters may be (level,)."""
        raise NotImplementedError

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
        """The model's own parameters and `log_m` of each kind of day. Free variables: the model's own and one for each
        effect of the calendar."""
        import pytensor.tensor as pt

        params = self.section.graph(pm, inputs.section)
        effects: list[Any] = [prior.variable(pm, name) for name, prior in self.free().items()]
        raw = sum(effect * inputs.effects[i] for i, effect in enumerate(effects))
        return {**params, "log_m": raw - log_mean(pt, inputs.share, raw)}

    def informative(self, rows: Any) -> np.ndarray:
        return self.section.informative(rows)

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """The model's own; the calendar is the same for all."""
        return self.section.apply_factors(params, buying, leaving)

    def free(self) -> dict[str, EffectPrior]:
        """Names and priors of the free variables; without months only the others vary.

        A month that has hardly been seen has the season's own prior, whatever the log's length.
        """
        short = self.calendar.length < TWO_YEARS_DAYS
        unseen, seen = EffectPrior(MONTH_SD), EffectPrior(SHORT_MONTH_SD) if short else EffectPrior(MONTH_SD, _TAIL)
        on = self.calendar.features(np.array(self.calendar.codes)).T @ self.seen
        priors = {
            effect.variable: EffectPrior(PROMOTION_SD)
            if effect.kind == "promotion"
            else (unseen if amount < self.SEEN else seen)
            for effect, amount in zip(self.calendar.effects, on, strict=True)
        }
        if not self.calendar.monthly:
            priors.pop(MEAN_DAY.variable, None)
        return priors

    @property
    def columns(self) -> np.ndarray:
        """Which of the free variables a kind of day has, (effect, kind)."""
        columns = self.calendar.features(np.array(self.calendar.codes)).T
        return columns if self.calendar.monthly else columns[1:]

    @property
    def share(self) -> np.ndarray:
        """Of what has been seen that is of each kind, (kind,)."""
        return self.seen / self.seen.sum()

    def natural(self, draws: Params, rows: Any, days_per_unit: float) -> dict[str, np.ndarray]:
        """The model's own parameters; effects of months less log of the mean, and the other effects."""
        natural_params = self.section.natural(draws, rows, days_per_unit)
        effects = [np.asarray(draws[name])[:, None] for name in self.free()]
        columns = self.columns
        raw = sum(effect * column for effect, column in zip(effects, columns, strict=True))
        mean = log_mean(np, self.share, raw)
        if self.calendar.monthly:  # a month that was never seen has a width, and the mean month's rate in the mean
            never = ~(columns[:12] * (self.seen > 0)).any(axis=1)
            effects = [e - MONTH_SD**2 / 2 if i < 12 and never[i] else e for i, e in enumerate(effects)]
        if not self.calendar.monthly:
            effects = [np.zeros_like(mean), *effects]
        return natural_params | {
            effect.label: (values - (mean if effect.kind == "season" else 0.0))[:, 0]
            for effect, values in zip(self.calendar.effects, effects, strict=True)
        }

    # --- days ---------------------------------------------------------------------------------------------------------

    def effects(self, params: Params) -> np.ndarray:
        """Effects of the calendar, (draw, effect)."""
        return np.stack([np.asarray(params[name], np.float64) for name in self.calendar.names], axis=1)

    def log_multiplier(self, params: Params, day: np.ndarray) -> np.ndarray:
        """log m of days, told by their number from today, (draw, day)."""
        codes, code_of = np.unique(self.calendar.code(day), return_inverse=True)
        return (self.effects(params) @ self.calendar.features(codes).T)[:, code_of]

    def short_warning(self, what: str, kept: str) -> tuple[str, ...]:
        """That under two years `what` looks like a season, and that months of `kept` are held together."""
        if not self.calendar.monthly or self.calendar.length >= TWO_YEARS_DAYS:
            return ()
        return (
            f"Seasons from a log of {self.calendar.length:,} days: under two years no month comes round twice, so "
            f"what looks like a season may be {what}; months are kept close to each other (prior sd "
            f"{SHORT_MONTH_SD:g} of the log {kept})",
        )


def log_mean(xp: Any, share: Any, log_m: Any) -> Any:
    """log of the mean of m over what was seen, (..., 1); `share` of it is of each kind of day; `xp` computes."""
    return xp.log(xp.sum(share * xp.exp(log_m), axis=-1, keepdims=True))


def calendar_of(model: Any) -> Calendar | None:
    """The calendar that a model has effects of, whether customers are told apart by levels or not."""
    while model is not None:
        if isinstance(model, ByCalendar):
            return model.calendar
        model = getattr(model, "section", None)
    return None
