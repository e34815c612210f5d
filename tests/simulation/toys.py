"""Made-up retention models, one for each kind of law that the simulator knows: only their laws are meant seriously.

Their parameters are those of BG/NBD.
"""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import gammaln

from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Customers, LifeLaw, Params, column
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bg_nbd import BgNbd

STAGES, INTERVAL = 3, 30.4375


def stage_weights(
    shape: np.ndarray, rate: np.ndarray, silence: np.ndarray, stages: int
) -> tuple[np.ndarray, np.ndarray]:
    """P(J of the next gap's stages are over | silent for a time), (..., J), and J; λ ~ Gamma(shape, rate) after it.

    Given λ the stages of the silence are Poisson(λ × silence), fewer than all of them; `rate` counts the silence.
    """
    stages_done = np.arange(stages)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(stages_done == 0, 0.0, stages_done * np.log(np.asarray(silence)[..., None]))
    log_weight = (
        powers
        - gammaln(stages_done + 1)
        + gammaln(shape[..., None] + stages_done)
        - stages_done * np.log(rate)[..., None]
    )
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True), stages_done


class Regular(BgNbd):
    """Gaps of three stages: existing customers are a mixture over the stages that lie behind them."""

    @staticmethod
    def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
        life = bg_nbd.laws(params, customers, days_per_unit)
        x, t_x, T = (np.asarray(v, np.float64) for v in customers)
        r, _, a, b = column(params, "r", "alpha", "a", "b")
        shape = r + STAGES * x
        weight, stages_done = stage_weights(shape, life.rate_rate, T - t_x, STAGES)
        tall = np.ones(STAGES)
        absent = np.zeros_like(weight)
        return LifeLaw(
            p_alive=life.p_alive,
            rate_shape=shape[..., None] + stages_done,
            rate_rate=life.rate_rate[..., None] * tall,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=(a + 0 * x)[..., None] * tall,
            drop_b=(b + x)[..., None] * tall,
            regularity=STAGES,
            weight=weight,
            stages_done=stages_done.astype(float),
        )

    @staticmethod
    def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
        return bg_nbd.newcomer_laws(params, days_per_unit)._replace(regularity=STAGES)


class Mixed(BgNbd):
    """Two kinds of customers, existing and new: the second orders half as often and is lost as time goes by."""

    @staticmethod
    def _mix(life: LifeLaw) -> LifeLaw:
        stacked: dict[str, Any] = {f: np.stack([v, v], axis=-1) for f, v in life._asdict().items() if f in BY_COMPONENT}
        stacked["rate_rate"] *= [1.0, 2.0]
        stacked["drop_a"] *= [1.0, 0.0]
        stacked["mu_shape"] = stacked["mu_shape"] + [0.0, 0.8]
        stacked["mu_rate"] = stacked["mu_rate"] + 300.0
        share = 1 / (1 + life.rate_shape)
        return life._replace(**stacked, weight=np.stack([share, 1 - share], axis=-1))

    @staticmethod
    def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
        return Mixed._mix(bg_nbd.laws(params, customers, days_per_unit))

    @staticmethod
    def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
        return Mixed._mix(bg_nbd.newcomer_laws(params, days_per_unit))


class Renewing(BgNbd):
    """Monthly contracts, each with a date of its own; the longer they last, the safer they are."""

    renewing: ClassVar[bool] = True
    interval_days: ClassVar[float] = INTERVAL

    @staticmethod
    def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
        T = np.asarray(customers.T_days, np.float64)
        r, _, a, b = column(params, "r", "alpha", "a", "b")
        served = T // INTERVAL
        exponent = 0.6 + r
        absent = np.zeros((r.size, T.size))
        return LifeLaw(
            p_alive=absent + 1,
            rate_shape=absent,
            rate_rate=absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=a + absent,
            drop_b=b + served**exponent,
            interval_days=INTERVAL,
            next_opportunity_days=(served + 1) * INTERVAL - T,
            tenure=served,
            tenure_exponent=exponent,
        )

    @staticmethod
    def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
        r, _, a, b = column(params, "r", "alpha", "a", "b")
        absent = np.zeros_like(r)
        return LifeLaw(
            np.ones_like(r), absent, absent, absent, absent, a, b, interval_days=INTERVAL, tenure_exponent=0.6 + r
        )


class Occasional(BgNbd):
    """An opportunity every four weeks, taken or not."""

    interval_days: ClassVar[float] = 28.0

    @staticmethod
    def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
        T, x = (np.asarray(v, np.float64) for v in (customers.T_days, customers.x))
        r, _, a, b = column(params, "r", "alpha", "a", "b")
        served = np.maximum(T // 28.0, x)
        absent = np.zeros((r.size, T.size))
        return LifeLaw(
            p_alive=absent + 0.7,
            rate_shape=absent,
            rate_rate=absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=a + absent,
            drop_b=10 * b + served,
            interval_days=28.0,
            next_opportunity_days=28.0 - T % 28.0,
            buy_a=4 * r + x,
            buy_b=1.0 + served - x + absent,
            tenure=served,
        )

    @staticmethod
    def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
        unobserved = Customers(*(np.zeros(1) for _ in range(3)))
        law = Occasional.laws(params, unobserved, days_per_unit)
        return law._replace(p_alive=np.ones_like(law.p_alive), next_opportunity_days=None, tenure=None)


BY_COMPONENT = ("rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b")
TOYS: dict[str, type[BgNbd]] = {
    "regular": Regular,
    "mixed": Mixed,
    "renewing": Renewing,
    "occasional": Occasional,
}


def as_toy(fitted: FittedModels, name: str) -> FittedModels:
    return replace(fitted, retention=TOYS[name]())
