"""Data that a model can be fitted to, and still must not be trusted on: a warning says so. And data that it cannot."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.errors import DiagnosticsError
from clvsim.models import RETENTION
from clvsim.models.around import pooling
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.fit import attrition_warnings, fit
from clvsim.models.fitted import FittedModels
from clvsim.models.inference import mode_only
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma, tail_alarm
from clvsim.types import CustomerSummary, Posterior

PARAMS = {"r": 0.24, "alpha": 4.41, "a": 0.79, "b": 2.43, "s": 0.61, "beta": 11.7}
WEEK = 7.0


def customers(x, t_x, T, mean=30.0) -> CustomerSummary:
    """Times in weeks, a summary without orders."""
    x, t_x, T, mean = (np.broadcast_to(np.asarray(v, float), np.shape(x)) for v in (x, t_x, T, mean))
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(x.size)],
            "frequency": x.astype(np.int64),
            "recency_days": t_x * WEEK,
            "T_days": T * WEEK,
            "first_amount": np.nan,
            "repeat_amount": x * mean,
            "repeat_log_amount": np.nan,
            "repeat_positive": x.astype(np.int64),
            "holdout_frequency": np.int64(0),
            "segment": "",
            "channel": "",
        }
    )
    day = date(2024, 12, 31)
    return CustomerSummary(frame, day, day, day, "week", "", means_only=True)


def fitted(kind: str, model: Any = None, **changes: float) -> FittedModels:
    names = ("r", "alpha", "s", "beta") if kind == "pareto_nbd" else ("r", "alpha", "a", "b")
    draws = {name: np.full(60, changes.get(name, PARAMS[name])) for name in names}
    return FittedModels(model or RETENTION[kind](), GammaGamma(), Posterior(draws, {}, "week"))


@pytest.mark.parametrize(
    "kind",
    ["bg_nbd", "mbg_nbd", "pareto_nbd"],
)
def test_all_gone_or_nobody_gone_is_said(kind: str) -> None:
    x = np.full(3000, 6)
    x[::2] = 0  # one-time buyers do not count: under BG/NBD they never leave
    gone, here, some = (
        customers(x, 10.0 * (x > 0), 500.0),
        customers(x, 10.0 * (x > 0), 10.0),
        customers(x, 10.0 * (x > 0), 17.0),
    )
    (text,) = attrition_warnings(fitted(kind), gone)
    assert text.startswith("Practically everybody has left: of those who ordered more than once 0.")
    loyal = {"a": 1e-4, "s": 1e-4}
    (text,) = attrition_warnings(fitted(kind, **loyal), here)
    assert text.startswith("Hardly anybody has left: of those who ordered more than once 0.0")
    assert attrition_warnings(fitted(kind), some) == ()
    assert attrition_warnings(fitted(kind), customers(np.zeros(5), 0.0, 9.0)) == ()


def test_levels_do_not_hide_that_all_are_gone() -> None:
    gone = customers(np.full(30, 6), 10.0, 500.0)
    two = replace(gone, customers=gone.customers.assign(segment=["a", "b"] * 15))
    model: Any = pooling.configured(BgNbd(pool="segment"), two)
    effects = {name: np.zeros(60) for names in model.names().values() for name in names}
    plain = fitted("bg_nbd", model)
    draws = {**plain.posterior.retention, **effects}
    (text,) = attrition_warnings(replace(plain, posterior=replace(plain.posterior, retention=draws)), two)
    assert text.startswith("Practically everybody has left")


def test_opportunities_that_all_went_by_unused_are_said() -> None:
    x = np.full(10, 3)
    gone = replace(customers(x, 30.4375 * 5 / WEEK, 300.0), opportunity_days=30.4375)
    draws = {"alpha": 6.0, "beta": 2.0, "gamma": 0.7, "delta": 3.0}
    posterior = Posterior({k: np.full(60, v) for k, v in draws.items()}, {}, "week")
    (text,) = attrition_warnings(FittedModels(BgBb(), GammaGamma(), posterior), gone)
    assert text.startswith("Practically everybody has left")


def test_the_unit_is_the_posteriors() -> None:
    """A posterior out of a file may count days where the data count weeks."""
    x = np.full(10, 6)
    at = customers(x, 10.0, 20.0)
    weeks, days = fitted("bg_nbd"), fitted("bg_nbd", alpha=PARAMS["alpha"] * WEEK)
    days = replace(days, posterior=replace(days.posterior, time_unit="day"))
    assert attrition_warnings(days, at) == attrition_warnings(weeks, at) == ()


def test_a_mean_that_hardly_exists_is_said() -> None:
    thin = {"q": np.r_[np.full(10, 1.05), np.full(90, 3.0)]}
    assert tail_alarm(thin).startswith(
        "Spend is so uneven that its mean hardly exists: in 10% of the draws q is below 1.1"
    )
    assert tail_alarm({"q": np.r_[np.full(5, 1.05), np.full(95, 3.0)]}) == ""


def test_money_over_nine_orders_of_magnitude_is_no_silent_number() -> None:
    """Such means have no mode that a search could end in; the quality table warns of them before."""
    rng = np.random.default_rng(3)
    x = rng.integers(1, 6, 400)
    wild = customers(x, 10.0, 20.0, 10.0 ** rng.uniform(-4, 7, 400))
    model = GammaGamma()
    with pytest.raises(
        DiagnosticsError, match="gamma_gamma: the search for the posterior's mode did not end in a maximum"
    ):
        mode_only(compile_model(model.build(model.sufficient(wild))), "gamma_gamma", 20, 1)


def test_both_models_say_what_they_lack_before_any_fit() -> None:
    """Nobody came back: neither how often nor how much can be learnt; no time passed at all: the same."""
    for T in (9.0, 0.0):
        with pytest.raises(DiagnosticsError) as error:
            fit(customers(np.zeros(20), 0.0, T), BgNbd(), GammaGamma(), FitConfig(cache=False))
        assert error.value.code == 3
        said = [p.what for p in error.value.problems]
        assert len(said) == 2
        assert "needs repeat orders, and no customer has any" in said[0]
        assert "positive amount: there are none" in said[1]
