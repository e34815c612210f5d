"""What a split test of a lever measures: which number, on which scale, in whom, and how many of them there are."""

from typing import NamedTuple

import numpy as np

from clvsim.decision.information import log_odds_se2, prior_size, rate_se2
from clvsim.decision.split_tests import Population
from clvsim.errors import ConfigError
from clvsim.interventions.base import Intervention
from clvsim.questions.answer import Finished
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.scenario import BASELINE
from clvsim.special import expit, logit
from clvsim.types import Assumption, ScenarioDescription


class Measured(NamedTuple):
    """`delta` (draw,): the number on the scale of its standard error; `prior`: how large a sample, per arm, its draws
    are worth; `counted`: in whom, in words; `window_months`: how long each is watched."""

    label: str
    delta: np.ndarray
    prior: float
    counted: str
    population: Population
    window_months: float = 0.0


class AllAtOnce(Population):
    """Customers of today: all are there when a test starts, and each is watched for the window.

    A unit is a customer for a window; `per_month` is the customers over the window.
    """

    @property
    def number(self) -> float:
        return self.per_month * self.window_months

    def months(self, per_arm: np.ndarray | float) -> np.ndarray:
        return np.full_like(np.asarray(per_arm, dtype=np.float64), self.window_months)

    def outside(self, per_arm: np.ndarray | float) -> np.ndarray:
        return self.number - 2 * np.asarray(per_arm)

    @property
    def most_per_arm(self) -> float:
        return self.number / 2 if self.units > self.number else 0.0


def measured(run: Finished, lever: ScenarioDescription, settings: Settings) -> Measured | None:
    """The first number that drives a lever, is uncertain and can be seen in a split test; None where there is none, and
    of a scenario that combines others, whose parts are tested one by one."""
    if run.config.library[lever.name].combine:
        return None
    for one in lever.assumptions:
        found = _of_number(run, lever, one, settings) if one.drives and one.path in run.draws.input_names else None
        if found is not None and np.isfinite(found.prior):
            return found
    return None


def _of_number(run: Finished, lever: ScenarioDescription, one: Assumption, settings: Settings) -> Measured | None:
    applied = run.draws.inputs[:, run.draws.input_names.index(one.path)]
    intervention, field = _stated_by(run, one.path)
    if intervention is None:
        return None
    label, target = one.label.partition(":")[0], getattr(intervention, "target", "")
    if field == "size" and target == "conversion":
        return _conversion(run, label, applied, settings)
    if field == "take" and one.unit == "probability":
        return _share(run, lever, label, applied, one.path)
    moves_rate = (field == "size" and target == "rate") or field in ("goodwill", "curve.gain", "if_accepted.rate")
    return _rate(run, label, applied, settings) if moves_rate else None


def _stated_by(run: Finished, path: str) -> tuple[Intervention | None, str]:
    """The intervention of a number's path, and its field there."""
    _, owner, name, field = path.split(".", 3)
    scenario = run.config.library.get(owner)
    return (scenario.interventions.get(name) if scenario else None), field


def _conversion(run: Finished, label: str, applied: np.ndarray, settings: Settings) -> Measured | None:
    """Of visitors: the odds in both arms."""
    per_month = sum(channel.visitors_per_month for channel in run.config.acquisition.channels.values())
    if not per_month or not run.has("visitor_value"):
        return None
    before = run.draws.level("visitor_value", BASELINE) / run.draws.level("pav_per_newcomer", BASELINE)
    p0 = float(np.nanmean(before))
    p1 = float(expit(logit(p0) + applied.mean()))
    prior = prior_size(log_odds_se2(1.0, p0, p1), 1.0, applied)
    tested = settings.visitors_per_month or per_month
    if tested > per_month:
        what = f"must be at most the {per_month:,g} of the run, whose value is at stake, got {tested:,g}"
        raise ConfigError([("visitors_per_month", what)])
    population = Population(per_month * run.config.acquisition.months, per_month, tested / per_month)
    return Measured(label, applied, prior, "visitors", population)


def _share(run: Finished, lever: ScenarioDescription, label: str, applied: np.ndarray, path: str) -> Measured | None:
    """Of those to whom an offer is shown: the share who take it, which the arm without it does not show."""
    cause = path.split(".", 3)[2]
    shown = [run.draws.line(f"{account}/{cause}", lever.name).mean() for account in ("offers_shown", "contacts")]
    number, p = float(max(shown)), float(applied.mean())
    if number <= 0 or not 0 < p < 1:
        return None
    delta = logit(np.clip(applied, 1e-9, 1 - 1e-9))
    prior = prior_size(1 / (p * (1 - p)), 1.0, delta)
    months = run.result.horizon_months
    return Measured(label, delta, prior, "people to whom it is shown", Population(number, number / months))


def _rate(run: Finished, label: str, applied: np.ndarray, settings: Settings) -> Measured | None:
    """Of today's customers: orders within the time that each is watched."""
    import pandas as pd

    from clvsim.archive import CUSTOMERS

    window, horizon = settings.watched_months, run.result.horizon_months
    if window >= horizon:
        what = f"must be below the {fmt.months(horizon)} of the run, got {window:g}"
        raise ConfigError([("watched_months", what)])
    path = run.folder / CUSTOMERS
    if not path.is_file() or not run.result.customers:
        return None
    expected = pd.read_parquet(path, columns=["expected_orders"])["expected_orders"].to_numpy(float)
    expected = expected[np.isfinite(expected)]
    if not expected.size or expected.mean() <= 0:
        return None
    cv = float(expected.std() / expected.mean())
    prior = prior_size(rate_se2(1.0, float(expected.mean()) / horizon, window, cv), 1.0, applied)
    number = float(expected.size)
    population = AllAtOnce(number * horizon / window, number / window, window_months=window)
    return Measured(label, applied, prior, "customers of today", population, window)
