"""Pasts made up from a known model: a forecast at an early today, by the model that made them, and what came."""

from datetime import date, timedelta

import numpy as np

from clvsim import archive, fit, simulate, summarize
from clvsim.data.config import SyntheticConfig
from clvsim.data.later import Later, later_orders, month_ends
from clvsim.data.read import as_of
from clvsim.data.synthetic import read_synthetic
from clvsim.data.trials import without_trials
from clvsim.models import RETENTION, SPEND
from clvsim.models.config import FitConfig
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE, Scenario
from clvsim.scoring import Forecast, Scored, score, worlds_of
from clvsim.simulation.config import EnvironmentConfig, SimulationConfig
from clvsim.types import Posterior

MONTHS = 6
CALM = EnvironmentConfig(sd_prior=0.0, level_sd_prior=0.0, learn=False)
BASE = {BASELINE: Scenario(title="As today")}
START, KNOWN_DAYS = date(2023, 1, 2), 300


def section(seed: int, **keys: object) -> SyntheticConfig:
    return SyntheticConfig.model_validate(
        {"customers": 150, "start": START, "acquisition_days": 180, "span_days": 500, "seed": seed, **keys}
    )


def known_model(config: SyntheticConfig, draws: int) -> FittedModels:
    """The model that makes up the log, as certain: every draw has its parameters."""
    life = {name: np.full(draws, value) for name, value in config.parameters.items() if value is not None}
    own = config.spend
    money = {"p": own.p, "q": own.q, "gamma": own.gamma, "first_order_factor": own.first_order_factor}
    spend = {name: np.full(draws, float(value)) for name, value in money.items()}
    kind = {"renewal": config.renewal} if config.renewing else {}
    model = RETENTION[config.model].model_validate(kind)
    return FittedModels(model, SPEND["gamma_gamma"](), Posterior(life, spend, time_unit=config.time_unit))


def scored_past(
    config: SyntheticConfig, *, draws: int = 250, known_days: int = KNOWN_DAYS, learn: bool = False
) -> tuple[Scored, Later]:
    """The forecast of the model that made the log up, as of an early today, against the log; its parameters learned
    from what was known then where `learn` says so."""
    log = read_synthetic(config)
    today = START + timedelta(days=known_days)
    early = as_of(log, today)
    interval = known_model(config, 1).retention.interval_days
    early, whole = (without_trials(one) for one in (early, log)) if interval else (early, log)
    summary = summarize(early)
    fitted = known_model(config, draws)
    if learn:
        asked = FitConfig(method="laplace", draws=draws, cache=False, allow_poor=True)
        fitted = fit(summary, fitted.retention, fitted.spend, asked)
    setting = SimulationConfig(draws=draws, replicates=2, horizon_months=MONTHS, jobs=1)
    simulation = simulate(fitted, summary, BASE, simulation=setting, environment=CALM, seed=config.seed)
    ledger = archive.ledger_dataset(simulation.scenarios[BASELINE].ledger)
    ids = summary.customers["customer_id"].to_numpy(str)
    forecast = Forecast("past", today, MONTHS, "", ids, worlds_of(ledger, MONTHS, 0))
    ends = month_ends(today, MONTHS, interval)
    due = int((ends <= (log.last_date - today).days).sum())
    later = later_orders(whole, ids, today, ends[:due])
    return score(forecast, later, due), later
