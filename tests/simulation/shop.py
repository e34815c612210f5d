"""A small made-up shop, published parameters as a posterior, and short ways to simulate and to look at ledgers."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation, simulate
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.ledger import Ledger, Line
from clvsim.types import CustomerSummary, Posterior

CONFIGS = Path(__file__).parents[2] / "configs"
# Maximum likelihood on CDNOW: Fader, Hardie & Lee 2005 (Table 2), weeks; Fader & Hardie 2013, dollars.
BG_NBD = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}
GAMMA_GAMMA = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
BG, MBG = BgNbd(), MbgNbd()
CALM = EnvironmentConfig(sd_prior=0.0)


def posterior(
    draws: int,
    spread: float = 0.0,
    unit: str = "week",
    money: float = 1.0,
    model: BgNbd | MbgNbd = BG,
    **changed: float,
) -> FittedModels:
    """The published values in every draw; with `spread`, lognormal around them with that sd. `model`: another one with
    the same parameters."""
    r = np.random.default_rng(20)
    values = {**BG_NBD, **GAMMA_GAMMA, **changed}
    samples = {name: value * np.exp(spread * r.standard_normal(draws)) for name, value in values.items()}
    samples["alpha"] = samples["alpha"] * {"week": 1, "day": 7}[unit]
    samples["gamma"] = samples["gamma"] * money
    samples["q"] = np.maximum(samples["q"], 1.01)  # below 1 the mean spend does not exist
    life, spend = ({name: samples[name] for name in names} for names in (BG_NBD, GAMMA_GAMMA))
    return FittedModels(model, GammaGamma(), Posterior(life, spend, unit))


def with_draws(fitted: FittedModels, **changed: Any) -> FittedModels:
    """The same models with another `retention`, `spend`, `retention_method`, ... of the posterior."""
    return replace(fitted, posterior=replace(fitted.posterior, **changed))


def shop(customers: int = 60, segments: int = 1, unit: str = "week", money: float = 1.0) -> CustomerSummary:
    """Histories that BG/NBD could have made, about one repeat order each, T from 27 to 39 weeks."""
    r = np.random.default_rng(1997)
    x = np.minimum(r.geometric(0.45, customers) - 1, 12)
    horizon = r.integers(190, 274, customers)
    recency = np.where(x > 0, np.floor(horizon * r.uniform(0.2, 1.0, customers)), 0.0)
    amounts = r.gamma(3.0, 11.0, customers)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(customers)],
            "frequency": x,
            "recency_days": recency,
            "T_days": horizon.astype(float),
            "first_amount": money * r.gamma(3.0, 11.0, customers),
            "repeat_amount": money * amounts * x,
            "repeat_log_amount": np.log(money * amounts) * x,
            "repeat_positive": x,
            "holdout_frequency": np.zeros(customers, np.int64),
            "segment": [f"s{i % segments}" if segments > 1 else "" for i in range(customers)],
            "channel": [""] * customers,
        }
    )
    return CustomerSummary(frame, date(2024, 9, 30), date(2024, 1, 1), date(2024, 9, 30), unit, "made up")


def channels(**changed: Any) -> AcquisitionConfig:
    """One channel; about 8 newcomers in each of three months."""
    ads = {"visitors_per_month": 400, "conversion": 0.02, "cost_per_visitor": 0.4} | changed
    return AcquisitionConfig.model_validate({"months": ads.pop("months", 3), "channels": {"ads": ads}})


def scenarios(**interventions: Mapping[str, Any]) -> dict[str, Scenario]:
    """The baseline and one scenario per keyword, whose value maps names of interventions to their settings."""
    library = {name: Scenario.model_validate({"title": name, **sections}) for name, sections in interventions.items()}
    return {BASELINE: Scenario(title="As today")} | library


def shipped(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / "scenario" / f"{name}.yaml").read_text())


def run(
    library: Mapping[str, Scenario] | None = None,
    *,
    draws: int = 12,
    horizon_months: int = 12,
    summary: CustomerSummary | None = None,
    fitted: FittedModels | None = None,
    acquisition: AcquisitionConfig | None = None,
    environment: EnvironmentConfig = CALM,
    margin: float | None = 0.4,
    cost_per_order: float = 1.5,
    rate: float = 0.1,
    seed: int = 3,
    **config: Any,
) -> Simulation:
    return simulate(
        fitted or posterior(draws),
        summary if summary is not None else shop(),
        library or scenarios(),
        simulation=SimulationConfig.model_validate(
            {"draws": draws, "horizon_months": horizon_months, "jobs": 1} | config
        ),
        finance=FinanceConfig(gross_margin=margin, cost_per_order=cost_per_order, annual_discount_rate=rate),
        acquisition=acquisition,
        environment=environment,
        seed=seed,
    )


def ledger(simulation: Simulation, name: str = BASELINE) -> Ledger:
    return simulation.scenarios[name].ledger


def line(book: Ledger, account: str, cause: str, age: bool = False) -> np.ndarray:
    """One line, (w, g, 2, months)."""
    return (book.age if age else book.calendar)[:, :, book.lines.index(Line(account, cause))]


def assert_same(a: Simulation, b: Simulation, *, customers: bool = True) -> None:
    """Every bit of every ledger."""
    assert list(a.scenarios) == list(b.scenarios)
    for name in a.scenarios:
        assert_same_ledger(ledger(a, name), ledger(b, name))
    if customers:
        pd.testing.assert_frame_equal(a.customers, b.customers, check_exact=True)


def assert_same_ledger(a: Ledger, b: Ledger) -> None:
    assert set(a.lines) == set(b.lines)
    for entry in a.lines:
        for age in (False, True):
            np.testing.assert_array_equal(line(a, *entry, age=age), line(b, *entry, age=age), err_msg=str(entry))
    for part in ("cohort", "halves", "age_halves"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part), err_msg=part)


def error(values: np.ndarray) -> float:
    """Monte Carlo standard error of the mean of worlds."""
    return float(values.std(ddof=1) / np.sqrt(values.size))
