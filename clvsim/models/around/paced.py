"""A model without a clock in a log whose months were learned beside it: from today on all goes `pace` times as fast.

BG/CNBD-k and MBG/CNBD-k see gaps between orders, which a clock would stretch one by one. Their months are those of
MBG/NBD on the same customers (`models.shocks.learn_pace`): in each draw `path.pace` is the ratio by which its path
moves the orders that MBG/NBD expects of a year. Customers leave after orders, so orders at `pace` times the rate up to
day h, discounted at force f, are those at the rate itself up to pace * h, at force f / pace.

Where customers order on given days only the model itself takes the pace, as `PACE` among its parameters: BG/BB's chance
p to buy becomes 1 - (1 - p)^pace, and the hazard of contracts is so many times as high (`models.hazards`).

Not modelled: how the path moves this model's own parameters, months ahead that differ, and that at a rate so many times
as high a year has fewer orders than that, since customers leave sooner.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clvsim.models.around.by_calendar import calendar_of
from clvsim.models.around.calendar import Path
from clvsim.models.around.path import LEVEL_SD, SD, STATES
from clvsim.models.around.wrapper import PoolableWrapper
from clvsim.models.domain import POSITIVE, SHOCK_SD, Domain
from clvsim.models.laws import PACE, Births, LifeLaw, Params
from clvsim.models.protocol import RetentionModel
from clvsim.types import CustomerSummary


@dataclass(frozen=True)
class Paced(PoolableWrapper):
    """The section with a pace of each draw after today. `params` are its own, `PACE`, and the sds of shocks."""

    path: Path

    @property
    def beside(self) -> Mapping[str, Domain]:
        return {PACE: POSITIVE._replace(high=1e4, words="from 1e-9 to 10,000"), SD: SHOCK_SD, LEVEL_SD: SHOCK_SD}

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        return {**self.section.model_dump(mode=mode), "pace": self.path.model_dump(mode=mode)}

    def model_dump_json(self) -> str:
        return f"[{self.section.model_dump_json()}, {self.path.model_dump_json()}]"

    def own(self, params: Params) -> dict[str, np.ndarray]:
        """The parameters of the model underneath."""
        return {name: values for name, values in params.items() if name not in (PACE, *STATES)}

    def by_week(self, params: Params, first: int, weeks: int) -> np.ndarray:
        """log of the mean multiplier over weeks from day number `first` on (1: tomorrow), (draw, week)."""
        ahead = np.minimum(np.maximum(first + 7 * np.arange(weeks) + 6, 0), 7) / 7  # share of a week's days after today
        return np.log(1 + ahead * (np.asarray(params[PACE], np.float64)[:, None] - 1))

    def _by_draw(self, params: Params, function: Callable[[dict[str, np.ndarray], float], np.ndarray]) -> np.ndarray:
        """A function of (one draw's own parameters, its pace), draw by draw; of all at once, and of a pace of 1, where
        the model takes it among its parameters."""
        own = self.own(params)
        if self.interval_days > 0:
            return function({**own, PACE: params[PACE]}, 1.0)
        return np.concatenate([
            function({name: values[d : d + 1] for name, values in own.items()}, float(pace))
            for d, pace in enumerate(np.asarray(params[PACE], np.float64))
        ])  # fmt: skip

    # --- up to today --------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Any:
        return self.section.histories(summary)

    def newborn(self) -> Any:
        return self.section.newborn()

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        return self.section.apply_factors(params, buying, leaving)

    def log_likelihood(self, params: Params, histories: Any, days_per_unit: float) -> np.ndarray:
        return self.section.log_likelihood(self.own(params), histories, days_per_unit)

    def probability_alive(self, params: Params, histories: Any, days_per_unit: float) -> np.ndarray:
        return self.section.probability_alive(self.own(params), histories, days_per_unit)

    def laws(self, params: Params, histories: Any, days_per_unit: float) -> LifeLaw:
        """The model's own: the simulator's clock carries the pace."""
        return self.section.laws(self.own(params), histories, days_per_unit)

    def laws_given_dead(self, params: Params, histories: Any, days_per_unit: float) -> LifeLaw:
        return self.section.laws_given_dead(self.own(params), histories, days_per_unit)

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        return self.section.newcomer_laws(self.own(params), days_per_unit)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        """At the pace of the log, as `order_pmf`."""
        return self.section.expected_orders_new(self.own(params), t, days_per_unit)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        return self.section.order_pmf(self.own(params), n, t, days_per_unit)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """What the months look like, and what the model has to say."""
        calendar = calendar_of(self.section)
        months = calendar is not None and calendar.monthly
        key = "retention.season=month" if self.renewing else "retention=mbg_nbd retention.season=month"
        if hasattr(self.section, "plans"):  # whose contracts have a clock for all plans, and no season
            key = ""
        path = (
            ()
            if summary.dated.interrupted
            else self.path.sentences(has_season=months, season_key=key, renewing=self.renewing)
        )
        return (*path, *self.section.warnings(summary, self.own(params)))

    # --- after today --------------------------------------------------------------------------------------------------

    def probability_active(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        of = self.section.probability_active
        return self._by_draw(params, lambda one, pace: of(one, histories, pace * horizon_days, days_per_unit))

    def probability_staying(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        of = self.section.probability_staying
        return self._by_draw(params, lambda one, pace: of(one, histories, pace * horizon_days, days_per_unit))

    def probability_staying_new(self, params: Params, horizons_days: np.ndarray, days_per_unit: float) -> np.ndarray:
        of = self.section.probability_staying_new
        return self._by_draw(params, lambda one, pace: of(one, pace * horizons_days, days_per_unit))

    def expected_orders(self, params: Params, histories: Any, horizon_days: float, days_per_unit: float) -> np.ndarray:
        of = self.section.expected_orders
        return self._by_draw(params, lambda one, pace: of(one, histories, pace * horizon_days, days_per_unit))

    def expected_discounted_orders(
        self, params: Params, histories: Any, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        of = self.section.expected_discounted_orders

        def one_draw(one: Params, pace: float) -> np.ndarray:
            return of(one, histories, pace * horizon_days, slower(annual_rate, pace), days_per_unit)

        return self._by_draw(params, one_draw)

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        of = self.section.expected_discounted_orders_new

        def one_draw(one: Params, pace: float) -> np.ndarray:
            return of(one, pace * horizons_days, slower(annual_rate, pace), days_per_unit, births)

        return self._by_draw(params, one_draw)


def slower(annual_rate: float, pace: float) -> float:
    """The discount rate of a time that runs `pace` times as fast as the calendar."""
    return float(np.expm1(np.log1p(annual_rate) / pace))


def restored(model: RetentionModel, path: Mapping[str, Any] | None) -> RetentionModel:
    """The model of a posterior that kept a path of months beside it."""
    paced: Any = Paced(model, Path.model_validate(path)) if path else model
    return paced


def paced_of(model: RetentionModel) -> Paced | None:
    """What carries the pace in a model, whether customers are told apart by levels or not."""
    inner = getattr(model, "section", None)
    return next((found for found in (model, inner) if isinstance(found, Paced)), None)
