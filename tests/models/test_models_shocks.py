"""The path of the months in a fit: its evidence, the parameters that move with it, and the clock that goes on."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, gammaln
from scipy.stats import norm
from test_models_season import LENGTH, PUBLISHED, SALE, TODAY, WEEK, bought, densities, multiplier

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models import RETENTION, SPEND
from clvsim.models.around import path as paths
from clvsim.models.around.calendar import Calendar, Path, months_ahead, months_of
from clvsim.models.around.paced import PACE, Paced, paced_of
from clvsim.models.around.path import Evidence, PathPrior
from clvsim.models.around.pooling import Pooled
from clvsim.models.around.pooling import configured as with_levels
from clvsim.models.around.season import Seasonal, configured, seasonal_of
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels, restored
from clvsim.models.inference import centre
from clvsim.models.laws import Births
from clvsim.models.shocks import (
    Centre,
    Expansion,
    MonthlySlope,
    expand,
    learn,
    learn_pace,
    path_of,
    require_near,
    with_path,
    without_path,
)
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import EnvironmentConfig, SimulationConfig
from clvsim.simulation.environment import SdLaw, sd_law, season_by_week
from clvsim.simulation.worlds import make_worlds
from clvsim.types import DAYS_PER_MONTH, PARTS, CustomerSummary, Posterior

PRIOR = PathPrior(sd=0.2, level_sd=0.02, autocorrelation=0.5)
MONTHS = months_of(LENGTH)
KINDS = list(PUBLISHED)


@pytest.fixture(scope="module")
def log():
    return bought(np.random.default_rng(3), 40)


def published(kind: str, draws: int = 1) -> dict[str, np.ndarray]:
    return {name: np.full(draws, value) for name, value in PUBLISHED[kind].items()}


# --- what the log says of a path --------------------------------------------------------------------------------------


def month_of_day() -> np.ndarray:
    """0 the oldest, of the days of the log from its second on; months of 365.25/12 days backwards from today."""
    ago = np.arange(LENGTH)[::-1]
    return MONTHS - 1 - np.minimum((ago / DAYS_PER_MONTH).astype(int), MONTHS - 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("season", [False, True], ids=["alone", "with a season"])
def test_slope_is_that_of_the_process(log, kind, season):
    """dl/dv by central differences of the process itself, order by order, at a path that is not 0."""
    summary, days = log
    model: Any = RETENTION[kind]()
    base, params = np.ones(LENGTH), published(kind)
    if season:
        model = configured(RETENTION[kind](season="month", promotions={"sale": SALE}), summary)
        base = multiplier(np.arange(1 - LENGTH, 1))
        flat = {f"season[{m}]": np.zeros(1) for m in range(1, 13)} | {"promotion[sale]": np.zeros(1)}
        day = {int(d.split("[")[1][:-1]): d for d in flat if d.startswith("season")}
        for number, name in day.items():  # a day of that month without a sale
            at = next(d for d in range(1 - LENGTH, -200) if (day_of(d)).month == number)
            flat[name] = np.log(base[[at + LENGTH - 1]])
        flat["promotion[sale]"] = np.array([0.6])
        params |= flat
    v = 0.2 * np.sin(np.arange(MONTHS))
    found = MonthlySlope.of(model, summary, WEEK).at(params, v)
    T, month = summary.customers["T_days"], month_of_day()
    for k in (0, 7, MONTHS - 1):
        ends = []
        for step in (1e-3, -1e-3):
            m = base * np.exp((v + step * (np.arange(MONTHS) == k))[month])
            ends.append(sum(np.log(sum(densities(kind, a, own, m))) for a, own in zip(T, days, strict=True)))
        assert found[k] == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=1e-5, abs=1e-5)


def day_of(day: int) -> date:
    return TODAY + timedelta(days=day)


class Plain:
    """The log posterior of MBG/NBD by the clock of a path in unconstrained parameters, straight from the paper."""

    def __init__(self, summary: CustomerSummary) -> None:
        frame = summary.customers
        self.x, self.t_x, self.T = (frame[c].to_numpy(float) for c in ("frequency", "recency_days", "T_days"))
        daily: Any = summary.repeat_orders_by_day
        self.orders = daily.sum(axis=0)[1:]
        self.unit = self.T.mean()

    def __call__(self, theta: np.ndarray, v: np.ndarray) -> float:
        """theta: log r, log rate, logit of the mean dropout, log concentration."""
        m = np.exp(v[month_of_day()])
        since = np.concatenate([[0.0], np.cumsum(m[::-1])]) / self.unit
        T, silent = (since[np.rint(t).astype(int)] for t in (self.T, self.T - self.t_x))
        (r, rate, total), mean = np.exp(theta[[0, 1, 3]]), 1 / (1 + np.exp(-theta[2]))
        alpha, a, b, x = r / rate, total * mean, total * (1 - mean), self.x
        alive = (alpha + T) ** -(r + x) * np.exp(betaln(a, b + x + 1) - betaln(a, b))
        left = (alpha + T - silent) ** -(r + x) * np.exp(betaln(a + 1, b + x) - betaln(a, b))
        likelihood = np.log(alive + left) + gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        prior = norm.logpdf(theta[[0, 1, 3]], [0, 0, np.log(2)], 1.5).sum() + np.log(mean * (1 - mean))
        return likelihood.sum() + self.orders @ v[month_of_day()] + prior

    def refit(self, v: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
        """Best parameters given a path, and the log posterior there."""
        found = minimize(lambda at: -self(at, v), start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
        found = minimize(lambda at: -self(at, v), found.x, method="BFGS", options={"gtol": 1e-7})
        return found.x, -float(found.fun)

    def natural(self, theta: np.ndarray) -> dict[str, float]:
        (r, rate, total), mean = np.exp(theta[[0, 1, 3]]), 1 / (1 + np.exp(-theta[2]))
        return {"r": r, "alpha": r / rate * self.unit / WEEK, "a": total * mean, "b": total * (1 - mean)}


@pytest.fixture(scope="module")
def large():
    return bought(np.random.default_rng(11), 800, "mbg_nbd")[0]


def expansion_of(model: Any, summary: CustomerSummary) -> tuple[Expansion, Centre]:
    rows = model.sufficient(summary)
    density, mode = centre(compile_model(model.build(rows)), model.kind, 1)
    at = Centre(mode, lambda points: model.natural(density.constrain(points), rows, WEEK))
    return expand(MonthlySlope.of(model, summary, WEEK), at), at


def test_evidence_and_shift_are_those_of_refits(large):
    """g, S and J against the posterior maximised again, in plain Python, a small step away along some paths."""
    found, at = expansion_of(RETENTION["mbg_nbd"](), large)
    plain, (mode, best) = Plain(large), Plain(large).refit(np.zeros(MONTHS), at.mode.point)
    S, step = found.evidence.root @ found.evidence.root.T, 0.02
    time = np.arange(MONTHS)
    for direction in (np.sin(time), (time - 10.0) / 10, np.cos(2.5 * time)):
        (up, high), (down, low) = (plain.refit(sign * step * direction, mode) for sign in (1, -1))
        assert found.evidence.gradient @ direction == pytest.approx((high - low) / (2 * step), rel=2e-3, abs=0.02)
        assert direction @ S @ direction == pytest.approx((2 * best - high - low) / step**2, rel=5e-3)
        high, low = plain.natural(up), plain.natural(down)
        for name, shift in found.shift.items():
            moved = np.log(high[name] / low[name]) / (2 * step)
            assert shift @ direction == pytest.approx(moved, rel=0.01, abs=0.01), name


def test_a_level_of_all_months_is_the_rate(large):
    """It says nothing that the rate does not say: S has no curvature there but the priors', and alpha takes it all."""
    found, _ = expansion_of(RETENTION["mbg_nbd"](), large)
    same = np.ones(MONTHS)
    S = found.evidence.root @ found.evidence.root.T
    assert same @ S @ same < 1.0 < 200 < np.trace(S)
    assert found.shift["alpha"] @ same == pytest.approx(1.0, abs=0.01)
    assert found.shift["r"] @ same == pytest.approx(0.0, abs=0.01)


def test_linear_shift_is_near_a_refit_where_shocks_are_large(large):
    """Shocks of .2: the parameters that go with a path move by their linear shift, to a fifth of their own step."""
    found, at = expansion_of(RETENTION["mbg_nbd"](), large)
    plain = Plain(large)
    start, _ = plain.refit(np.zeros(MONTHS), at.mode.point)
    v = 0.2 * np.random.default_rng(4).standard_normal(MONTHS)
    moved, before = plain.natural(plain.refit(v, start)[0]), plain.natural(start)
    for name, shift in found.shift.items():
        true, linear = np.log(moved[name] / before[name]), shift @ v
        assert linear == pytest.approx(true, abs=0.2 * abs(true) + 0.02), name


@pytest.mark.parametrize("kind", KINDS)
def test_levels_that_are_alike_say_the_same(log, kind):
    summary = replace(log[0], customers=log[0].customers.assign(segment=["one", "two"] * 20))
    section = RETENTION[kind](pool="segment")
    pooled = with_levels(section, summary)
    assert isinstance(pooled, Pooled)
    names = [n for of in pooled.names().values() for n in of] + [f"sd_{s.name}" for s in pooled.scales.values()]
    none = {name: np.zeros(1) for name in names}
    v = 0.1 * np.cos(np.arange(MONTHS))
    by_level = MonthlySlope.of(pooled, summary, WEEK).at(published(kind) | none, v)
    np.testing.assert_allclose(by_level, MonthlySlope.of(RETENTION[kind](), summary, WEEK).at(published(kind), v))


# --- the path given its evidence --------------------------------------------------------------------------------------


def some_evidence(months: int, seed: int = 0) -> Evidence:
    random = np.random.default_rng(seed)
    root = random.standard_normal((months, months)) * 3
    return paths.evidence_of(root @ root.T @ (0.3 * random.standard_normal(months)), root @ root.T)


def plain_covariance(months: int, sd: float, level_sd: float, phi: float) -> np.ndarray:
    """Of (v, shock, level, slope today) by summing up independent normals month by month."""
    normals = 2 * months
    u, s, level = np.zeros((months, normals)), np.zeros((months, normals)), np.zeros((months, normals))
    for m in range(months):
        e, w = np.eye(normals)[m], np.eye(normals)[months + m]
        u[m] = e if m == 0 else phi * u[m - 1] + np.sqrt(1 - phi**2) * e
        s[m] = w if m == 0 else 0.9 * s[m - 1] + np.sqrt(1 - 0.81) * w
        level[m] = 0 if m == 0 else level[m - 1] + s[m - 1]
    level = level_sd * (level - level.mean(axis=0))
    everything = np.vstack([sd * u + level, sd * u[-1], level[-1], level_sd * s[-1]])
    return everything @ everything.T


def test_draws_are_those_of_gaussian_conditioning():
    """Means and covariances of the path and of where it stands, by (I + KS)^-1 of each pair of sds, averaged."""
    evidence, months, draws = some_evidence(7), 7, 60_000
    S, g = evidence.root @ evidence.root.T, evidence.gradient
    sds = paths.posterior_sds(evidence, PRIOR)
    mean, square = np.zeros(months + 3), np.zeros((months + 3, months + 3))
    for sd, level_sd, weight in zip(*sds, strict=True):
        K = plain_covariance(months, sd, level_sd, 0.5)
        inverse = np.linalg.inv(np.eye(months) + K[:months, :months] @ S)
        posterior = K - K[:, :months] @ S @ inverse @ K[:months]
        of_pair = K[:, :months] @ (g - S @ inverse @ K[:months, :months] @ g)
        mean += weight * of_pair
        square += weight * (posterior + np.outer(of_pair, of_pair))
    covariance = square - np.outer(mean, mean)
    found = paths.draw_paths(evidence, PRIOR, draws, 3)
    table = np.column_stack([found.v, *(found.states[name] for name in paths.STATES[:3])])
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(table.mean(axis=0) - mean) < 4.5 * sd / np.sqrt(draws)).all()
    error = np.abs(np.cov(table.T) - covariance) / np.outer(sd, sd)
    assert error.max() < 6 * np.sqrt(3 / draws)  # tails are longer than a normal's: sds differ between draws
    assert found.states["path.sd"].mean() == pytest.approx((sds.probability * sds.sd).sum(), rel=1e-3)


def test_log_evidence_is_the_integral():
    """Two months: the Gaussian integral over v by a grid."""
    evidence = some_evidence(2, 5)
    S, g = evidence.root @ evidence.root.T, evidence.gradient
    axis = np.linspace(-2, 2, 801)
    first, second = np.meshgrid(axis, axis, indexing="ij")
    v = np.stack([first.ravel(), second.ravel()], axis=1)
    for sd in (0.1, 0.3):
        K = sd**2 * np.array([[1.0, 0.5], [0.5, 1.0]])
        density = np.exp(-0.5 * np.einsum("im,mn,in->i", v, np.linalg.inv(K), v)) / np.sqrt(np.linalg.det(K))
        tilted = np.exp(v @ g - 0.5 * np.einsum("im,mn,in->i", v, S, v))
        integral = (density * tilted).sum() * (axis[1] - axis[0]) ** 2 / (2 * np.pi)
        assert paths.log_evidence(evidence, K[None])[0] == pytest.approx(np.log(integral), abs=1e-6)
    assert paths.log_evidence(evidence, np.zeros((1, 2, 2)))[0] == 0


def test_prior_of_the_sds():
    """Half the probability has no level; means are those of half-normals, .798 of their scale."""
    grid = paths.prior_sds(PRIOR)
    assert grid.probability.sum() == pytest.approx(1.0)
    assert grid.probability[grid.level_sd == 0].sum() == pytest.approx(0.5)
    assert (grid.probability * grid.sd).sum() == pytest.approx(0.2 * np.sqrt(2 / np.pi), rel=0.01)
    assert (grid.probability * grid.level_sd).sum() == pytest.approx(0.01 * np.sqrt(2 / np.pi), rel=0.01)
    alone = paths.prior_sds(PRIOR.model_copy(update={"level_sd": 0.0}))
    assert not alone.level_sd.any()


@pytest.mark.parametrize("true", [0.0, 0.2])
def test_size_of_shocks_is_recovered(true):
    """36 months that are each known to .03."""
    random, months = np.random.default_rng(8), 36
    u = np.linalg.cholesky(plain_covariance(months, 1.0, 0.0, 0.5)[:months, :months]) @ random.standard_normal(months)
    S = np.eye(months) / 0.03**2
    evidence = paths.evidence_of(S @ (true * u + 0.03 * random.standard_normal(months)), S)
    low, high = np.quantile(paths.draw_paths(evidence, PRIOR, 2000, 1).states["path.sd"], [0.02, 0.98])
    assert low <= true + 0.001 <= high
    assert high < (0.35 if true else 0.04)


def test_signs_of_drift_and_season():
    """Coefficients are generalised least squares' where months are known well and shocks small; both are named."""
    months = 24
    S = (np.eye(months) - 1 / months) / 0.02**2  # what all months share is the customers' own rate
    time = np.arange(months) / 12
    drifting = paths.signs(paths.evidence_of(S @ (-0.5 * time), S), PRIOR)
    assert drifting.slope == pytest.approx(-0.5, abs=0.02)
    assert drifting.slope_z < -10
    assert drifting.harmonic < 1
    waving = paths.signs(paths.evidence_of(S @ (0.2 * np.sin(2 * np.pi * time + 1)), S), PRIOR)
    assert waving.amplitude == pytest.approx(0.2, abs=0.02)
    assert waving.harmonic > 6.18
    short = paths.signs(paths.evidence_of(np.ones(17), np.eye(17)), PRIOR)
    assert (short.harmonic, short.amplitude) == (0.0, 0.0)
    assert paths.signs(paths.evidence_of(np.ones(2), np.eye(2)), PRIOR) == (0.0, 0.0, 0.0, 0.0)
    nothing = paths.evidence_of(np.zeros(24), np.zeros((24, 24)))
    assert paths.signs(nothing, PRIOR) == (0.0, 0.0, 0.0, 0.0)
    assert paths.draw_paths(nothing, PRIOR, 400, 1).states["path.sd"].mean() == pytest.approx(0.16, abs=0.02)


def test_sentences_name_figure_and_key():
    drift, season = Path(
        months=20,
        today=TODAY,
        autocorrelation=0.5,
        slope=np.log(0.6),
        slope_z=-8.31,
        harmonic=9.5,
        amplitude=np.log(1.2),
    ).sentences(has_season=False)
    assert "fallen over the log, by 40% a year" in drift
    assert "8.3 standard errors" in drift
    assert "environment.level_sd_prior" in drift
    assert "20% up and down (chi-square 9.5" in season
    assert season.endswith("retention.season=month")
    seasonal = Path(months=20, today=TODAY, autocorrelation=0.5, harmonic=9.5)
    assert seasonal.sentences(has_season=False)[0].endswith("set retention.season=month")
    assert "retention.season" not in seasonal.sentences(has_season=False, season_key="")[0]
    assert seasonal.sentences(has_season=True) == ()
    assert Path(months=20, today=TODAY, autocorrelation=0.5, slope=0.3, slope_z=1.9).sentences(has_season=False) == ()


# --- months ahead -----------------------------------------------------------------------------------------------------


def states(draws: int, shock=0.1, level=-0.2, slope=0.03, sd=0.2, level_sd=0.02) -> dict[str, np.ndarray]:
    return {n: np.full(draws, v) for n, v in zip(paths.STATES, (shock, level, slope, sd, level_sd), strict=True)}


def test_months_ahead_are_those_of_gaussian_conditioning():
    """Mean and variance of u and of the level k months ahead, given both and the slope today, from the joint normal."""
    ahead, phi = 14, 0.5
    months = 1 + ahead
    normals = 2 * months
    u, s, level = np.zeros((months, normals)), np.zeros((months, normals)), np.zeros((months, normals))
    for m in range(months):
        e, w = np.eye(normals)[m], np.eye(normals)[months + m]
        u[m] = e if m == 0 else phi * u[m - 1] + np.sqrt(1 - phi**2) * e
        s[m] = w if m == 0 else 0.9 * s[m - 1] + np.sqrt(1 - 0.81) * w
        level[m] = 0 if m == 0 else level[m - 1] + s[m - 1]
    sd, level_sd, shock, at, slope = 0.2, 0.02, 0.1, -0.2, 0.03
    v = sd * u[1:] + level_sd * level[1:]
    today = np.vstack([sd * u[0], level_sd * s[0]])
    gain = v @ today.T @ np.linalg.inv(today @ today.T)
    mean, variance = at + gain @ [shock, slope], v @ v.T - gain @ (today @ v.T)
    of_shock = sd**2 * (1 - phi ** (2 * np.arange(1.0, months)))
    of_level = level_sd**2 * paths.level_variance(ahead)
    np.testing.assert_allclose(np.diag(variance), of_shock + of_level, atol=1e-14)
    k = np.arange(1, months)
    found = paths.mean_ahead(states(1), k, phi)[0]
    np.testing.assert_allclose(found, mean + 0.5 * of_shock, atol=1e-12)
    random = np.random.default_rng(1)
    draws = 40_000
    one = random.standard_normal((draws, ahead))
    drawn = sd * paths.shock_innovations(one, phi, known_today=True)
    drawn = drawn + level_sd * paths.level_innovations(random.standard_normal((draws, ahead)))
    scale = np.sqrt(np.outer(np.diag(variance), np.diag(variance)))
    assert (np.abs(np.cov(drawn.T) - variance) / scale).max() < 5 * np.sqrt(2 / draws)


@pytest.mark.parametrize("known", [True, False])
def test_multipliers_of_worlds_have_mean_one(known):
    """Of each month, whatever the level's sd, given where the path stands."""
    draws = 20_000
    law = SdLaw(0.3, 12, np.full(draws, 0.3), np.full(draws, 0.03)) if known else SdLaw(0.3)
    worlds = make_worlds(5, draws, 1, 24, EnvironmentConfig(sd_prior=0.3), law)
    m = np.exp(worlds.log_rate)
    z = (m.mean(axis=0) - 1) / (m.std(axis=0) / np.sqrt(draws))
    assert np.abs(z).max() < 4
    spread = worlds.log_rate.std(axis=0)
    if known:
        assert spread[0] == pytest.approx(0.3 * np.sqrt(0.75), rel=0.02)  # the month after one that is known
        assert spread[23] == pytest.approx(np.sqrt(0.09 + 0.0009 * paths.level_variance(24)[-1]), rel=0.03)
        assert worlds.level_sd[0] == 0.03


def test_clock_goes_on_from_today(log):
    """log m of days: months of the log as they are in the draw, then the conditional mean, in months from today."""
    model: Any = with_path(RETENTION["bg_nbd"](), log[0], Path(months=MONTHS, today=TODAY, autocorrelation=0.5))
    v = np.random.default_rng(2).normal(0, 0.1, (3, MONTHS))
    params = published("bg_nbd", 3) | {f"path[{k}]": v[:, MONTHS - k] for k in range(1, MONTHS + 1)} | states(3)
    past = model.log_multiplier(params, np.arange(1 - LENGTH, 1))
    np.testing.assert_array_equal(past, v[:, month_of_day()])
    day = np.arange(1, 2600)
    month = ((day - 1) / DAYS_PER_MONTH).astype(int) + 1
    month = np.where(month > 6, np.minimum(month, 60) - 1 - (np.minimum(month, 60) - 7) % 3 + 2, month)  # its quarter's
    expected = paths.mean_ahead(params, month, 0.5)
    np.testing.assert_allclose(model.log_multiplier(params, day), expected)
    np.testing.assert_array_equal(months_ahead(np.array([-5, 0, 1, 31, 32])), [0, 0, 1, 1, 2])
    ahead = model.ahead(params, 100.5)
    assert ahead.edges[-1] == 100.5
    np.testing.assert_allclose(ahead.reached[:, -1], np.exp(expected[:, :100]).sum(axis=1) + 0.5 * ahead.pace[:, -1])
    weekly = model.by_week(params, 1, 3)
    np.testing.assert_allclose(np.exp(weekly[:, 0]), np.exp(expected[:, :7]).mean(axis=1))
    assert seasonal_of(model) is model
    assert set(model.own(params)) == set(PUBLISHED["bg_nbd"])


def test_path_goes_with_season_and_levels(log):
    """All at once: log m adds up, quantities are finite, and without the path the model is what it was."""
    summary = replace(log[0], customers=log[0].customers.assign(segment=["one", "two"] * 20))
    section = RETENTION["pareto_nbd"](season="month", promotions={"sale": SALE}, pool="segment")
    pooled: Any = with_levels(section, summary, configured(section, summary))
    path = Path(months=MONTHS, today=TODAY, autocorrelation=0.5)
    inner: Any = with_path(pooled.section, summary, path)
    model = replace(pooled, section=inner)
    assert (inner.calendar.monthly, inner.calendar.months) == (True, MONTHS)
    assert sum(inner.calendar.days) == LENGTH
    assert sum(inner.calendar.orders) == summary.customers["frequency"].sum()
    names = [n for of in pooled.names().values() for n in of] + [f"sd_{s.name}" for s in pooled.scales.values()]
    effects = {f"season[{m}]": np.full(2, 0.01 * m) for m in range(1, 13)} | {"promotion[sale]": np.full(2, 0.5)}
    months = {f"path[{k}]": np.full(2, 0.02 * k) for k in range(1, MONTHS + 1)}
    params = published("pareto_nbd", 2) | {n: np.zeros(2) for n in names} | effects | months | states(2)
    day = np.arange(1 - LENGTH, 1)
    season, both = (m.log_multiplier(params, day) for m in (pooled.section, inner))
    np.testing.assert_allclose(both - season, np.full((2, 1), 0.02) * (MONTHS - month_of_day()))
    histories = model.histories(summary)
    for name, rest in (("expected_orders", (90.0,)), ("probability_active", (90.0,)), ("log_likelihood", ())):
        assert np.isfinite(getattr(model, name)(params, histories, *rest, WEEK)).all()
    plain, rest = without_path(model, params)
    assert plain == pooled
    assert set(rest) == set(params) - set(months) - set(paths.STATES)
    alone, _ = without_path(with_path(RETENTION["bg_nbd"](), summary, path), {})
    assert alone == RETENTION["bg_nbd"]()


def test_a_path_of_nothing_is_no_path(log):
    """sigma = kappa = 0: the same ledger to the last bit, and the same expected values."""
    summary, draws = log[0], 40
    spend = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
    money = {name: np.full(draws, v) for name, v in spend.items()}
    none = {f"path[{k}]": np.zeros(draws) for k in range(1, MONTHS + 1)} | states(draws, 0, 0, 0, 0, 0)
    section = RETENTION["mbg_nbd"]()
    calm = FittedModels(section, SPEND["gamma_gamma"](), Posterior(published("mbg_nbd", draws), money, "week"))
    path = Path(months=MONTHS, today=TODAY, autocorrelation=0.5)
    still = FittedModels(
        with_path(section, summary, path),
        SPEND["gamma_gamma"](),
        Posterior(published("mbg_nbd", draws) | none, money, "week"),
    )
    one, other = (
        simulate(
            fitted,
            summary,
            {BASELINE: Scenario(title="As today")},
            simulation=SimulationConfig(draws=draws, horizon_months=5, jobs=1),
            environment=environment,
        )
        for fitted, environment in ((calm, EnvironmentConfig(sd_prior=0.0)), (still, EnvironmentConfig()))
    )
    for name in ("calendar", "age", "halves"):
        np.testing.assert_array_equal(
            *(getattr(found.scenarios[BASELINE].ledger, name) for found in (one, other)), err_msg=name
        )
    np.testing.assert_allclose(one.expected.existing_revenue, other.expected.existing_revenue, rtol=1e-9)


# --- fit --------------------------------------------------------------------------------------------------------------

LAPLACE = FitConfig(method="laplace", draws=600, cache=False)


@pytest.fixture(scope="module")
def learned(large):
    return fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), LAPLACE, months=PRIOR)


def test_fit_gives_each_draw_its_path(large, learned):
    """`bought` lives by seasons: their path is found. What the path moves in a draw is theta + J v."""
    model, draws = learned.retention, learned.posterior.retention
    assert isinstance(model, Seasonal)
    assert model.calendar.months == MONTHS
    v = np.stack([draws[f"path[{k}]"] for k in range(MONTHS, 0, -1)], axis=1)
    true = np.array([np.log(multiplier(np.arange(1 - LENGTH, 1)))[month_of_day() == k].mean() for k in range(MONTHS)])
    z = (v.mean(axis=0) - true) / v.std(axis=0)
    assert np.abs(z - z.mean()).max() < 4
    assert np.corrcoef(v.mean(axis=0), true)[0, 1] > 0.5  # a month has some 60 orders
    plain = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), LAPLACE)
    assert plain.retention == RETENTION["mbg_nbd"]()
    shift = expansion_of(RETENTION["mbg_nbd"](), large)[0].shift
    for name, values in plain.posterior.retention.items():
        np.testing.assert_allclose(draws[name], values * np.exp(v @ shift[name]), rtol=1e-6)
    law = sd_law(learned, large, EnvironmentConfig())
    assert (law.months, law.sd is draws["path.sd"]) == (MONTHS, True)
    assert sd_law(learned, large, EnvironmentConfig(learn=False)) == SdLaw(0.2)
    assert sd_law(plain, large, EnvironmentConfig()) == SdLaw(0.2)


@pytest.mark.parametrize("kind", ["mbg_nbd", "pareto_nbd"])
def test_groups_learn_their_months_together(large, learned, kind):
    """Segments that are alike: the path is that of one group, and everything that a run asks of the model is there."""
    segment = np.where(np.arange(len(large.customers)) % 2, "one", "two")
    summary = replace(large, customers=large.customers.assign(segment=segment))
    found = fit(summary, RETENTION[kind](pool="segment"), SPEND["fixed_price"](), LAPLACE, months=PRIOR)
    model: Any = found.retention
    assert isinstance(model, Pooled)
    assert isinstance(model.section, Seasonal)
    known = path_of(model)
    assert known is not None
    assert known.months == MONTHS
    paths_of = [
        np.stack([of.posterior.retention[f"path[{k}]"] for k in range(1, MONTHS + 1)]) for of in (found, learned)
    ]
    sd = paths_of[1].std(axis=1)
    assert np.abs(paths_of[0].mean(axis=1) - paths_of[1].mean(axis=1)).max() < 0.5 * sd.max()
    ours, theirs = (one.mean(axis=1) for one in paths_of)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    simulation = simulate(
        found, summary, {BASELINE: Scenario(title="x")}, simulation=SimulationConfig(draws=10, horizon_months=3, jobs=1)
    )
    assert simulation.scenarios[BASELINE].ledger.total("orders").mean() > 0


def test_nuts_and_map_have_a_path_too(large):
    nuts = FitConfig(method="nuts", draws=600, tune=300, chains=2, cache=False, allow_poor=True)
    sampled = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), nuts, months=PRIOR)
    by_laplace = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), LAPLACE, months=PRIOR)
    for name in ("path[1]", "path.sd"):
        np.testing.assert_array_equal(sampled.posterior.retention[name], by_laplace.posterior.retention[name])
    draft = LAPLACE.model_copy(update={"method": "map"})
    one = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), draft, months=PRIOR).posterior.retention
    assert all(np.ptp(values) == 0 for values in one.values())


def test_only_where_days_are_known(large):
    undated = replace(large, repeat_orders_by_day=None)
    found = fit(undated, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), LAPLACE, months=PRIOR)
    assert not any(name.startswith("path") for name in found.posterior.retention)


# --- beside a model without a clock -----------------------------------------------------------------------------------


def paced(kind: str = "mbg_cnbd", k: int = 2) -> Any:
    return Paced(RETENTION[kind](k=k), Path(months=12, today=TODAY, autocorrelation=0.5))


def test_a_faster_pace_is_a_higher_rate():
    """Of newcomers: orders at `pace` are those of rates so many times as high, discounted by the calendar."""
    model, births = paced(), Births(np.zeros(1), 30.0)
    params = published("mbg_nbd", 2) | {PACE: np.array([0.6, 1.7])}
    ages = np.array([40.0, 400.0])
    found = model.expected_discounted_orders_new(params, ages, 0.2, WEEK, births)
    faster = published("mbg_nbd", 2)
    faster["alpha"] = faster["alpha"] / params[PACE]
    expected = model.section.expected_discounted_orders_new(faster, ages, 0.2, WEEK, births)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    staying = model.probability_staying_new(params, ages, WEEK)
    np.testing.assert_allclose(staying, model.section.probability_staying_new(faster, ages, WEEK), rtol=1e-7)


def test_pace_is_simulated_as_it_is_expected(large):
    """Orders of a quarter, discounted or not, and who is active in it; past weeks run as they did."""
    draws, model = 300, paced()
    params = published("mbg_nbd", draws) | {PACE: np.full(draws, 1.6), **states(draws, sd=0, level_sd=0)}
    spend = {"price": np.full(draws, 9.0), "first_order_factor": np.ones(draws)}
    fitted = FittedModels(model, SPEND["fixed_price"](), Posterior(params, spend, "week"))
    few = replace(large, customers=large.customers.assign(log_gaps=0.0))
    found = simulate(
        fitted,
        few,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, horizon_months=3, jobs=1),
        environment=EnvironmentConfig(),
    )
    orders = found.scenarios[BASELINE].ledger.total("orders")
    expected = model.expected_orders(params, model.histories(few), 3 * DAYS_PER_MONTH, WEEK).sum(axis=1)
    assert np.abs(orders.mean() - expected.mean()) < 4 * orders.std() / np.sqrt(draws)
    weekly: Any = season_by_week(fitted, 1, -13, 4)
    np.testing.assert_allclose(np.exp(weekly[0]), [1, 1, 1.6, 1.6])


def test_pace_is_how_much_months_move_the_total(large):
    """The ratio of MBG/NBD's orders of a year; MBG/CNBD-1, which is MBG/NBD, then expects nearly as many."""
    model: Any = RETENTION["mbg_nbd"]()
    _, at = expansion_of(model, large)
    plain = published("mbg_nbd", 20)
    by_clock, with_months = learn(model, plain, at, large, PRIOR, WEEK, 1)
    found, params = learn_pace(RETENTION["mbg_cnbd"](k=1), plain, (by_clock, with_months, plain), large, WEEK)
    histories = model.histories(large)
    total, without = (
        one.expected_orders(draws, histories, 365.25, WEEK).sum(axis=1)
        for one, draws in ((by_clock, with_months), (model, plain))
    )
    np.testing.assert_allclose(params[PACE], total / without, rtol=0.03)  # of 200 histories among some 700
    summary = replace(large, customers=large.customers.assign(log_gaps=0.0))
    reached = found.expected_orders(params, found.histories(summary), 365.25, WEEK).sum(axis=1)
    moved, asked = np.log(reached / without), np.log(total / without)
    assert (np.abs(moved) <= np.abs(asked) + 0.03).all()
    assert np.corrcoef(moved, asked)[0, 1] > 0.99
    assert params[PACE].std() > 0.01


def test_regular_buyers_get_their_months_from_beside(large, tmp_path):
    summary = replace(large, customers=large.customers.assign(log_gaps=1.0, segment=["one", "two"] * 400))
    poor = LAPLACE.model_copy(update={"allow_poor": True})
    section = RETENTION["bg_cnbd"](k=2, pool="segment")
    found = fit(summary, section, SPEND["fixed_price"](), poor, months=PRIOR)
    pooled: Any = found.retention
    assert paced_of(pooled) is pooled.section
    law = sd_law(found, summary, EnvironmentConfig())
    assert law.months == MONTHS
    assert (found.posterior.retention[PACE] > 0).all()
    write_posterior(found, tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").retention == found.retention
    plain, rest = without_path(found.retention, found.posterior.retention)
    assert isinstance(plain, Pooled)
    assert plain.section == section
    assert not any(name.startswith("path") for name in rest)
    alone = fit(summary, section, SPEND["fixed_price"](), poor)
    np.testing.assert_array_equal(alone.posterior.retention["r"], found.posterior.retention["r"])


def test_path_is_kept_with_the_posterior(large, learned, tmp_path):
    write_posterior(learned, tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    assert again.retention == learned.retention
    np.testing.assert_array_equal(season_by_week(again, 5, 1, 9), season_by_week(learned, 5, 1, 9))
    notes: list[str] = []
    config = LAPLACE.model_copy(update={"posterior": (str(tmp_path / "posterior.nc"),)})
    used = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), config, months=PRIOR, log=notes.append)
    assert (used.retention, notes) == (learned.retention, [])
    later = replace(large, today=large.today + timedelta(days=30))
    moved = fit(later, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), config, months=PRIOR, log=notes.append)
    assert moved.retention == RETENTION["mbg_nbd"]()
    assert "the months that it learned end on 2025-03-20, today is 2025-04-19" in notes[0]
    unasked = fit(large, RETENTION["mbg_nbd"](), SPEND["fixed_price"](), config, log=notes.append)
    assert (unasked.retention, len(notes)) == (RETENTION["mbg_nbd"](), 1)


def test_cache_knows_what_a_path_follows_from(large, tmp_path):
    notes: list[str] = []

    def fits(summary=large, months=PRIOR) -> bool:
        """Whether anything had to be fitted."""
        notes.clear()
        config = LAPLACE.model_copy(update={"cache": True})
        model, spend = RETENTION["mbg_nbd"](), SPEND["fixed_price"]()
        found = fit(summary, model, spend, config, months=months, cache_dir=tmp_path, log=notes.append)
        return not found.posterior.from_cache

    assert [fits(), fits()] == [True, False]
    assert [fits(months=PRIOR.model_copy(update={"level_sd": 0.0})), fits(months=None)] == [True, True]
    daily: Any = large.repeat_orders_by_day
    assert fits(replace(large, repeat_orders_by_day=daily[:, ::-1]))
    assert [fits(), fits(months=None)] == [False, False]


def test_files_from_before_are_read():
    """`trend` in the settings of a fit that did not use it is passed over; one that did has to be fitted again."""
    calendar = Calendar(first_date=date(2024, 1, 1), today=date(2025, 12, 31), monthly=True, promotions={})
    old = RETENTION["bg_nbd"](season="month").model_dump(mode="json") | {"trend": "auto"}
    kept = calendar.model_dump(mode="json") | {"trend": False}
    del kept["path"]
    model, _ = restored("bg_nbd", old | {"calendar": kept}, "fixed_price", {})
    assert seasonal_of(model) == model
    with pytest.raises(ValueError, match=r"no longer offered; fit it again"):
        restored("bg_nbd", old | {"calendar": kept | {"trend": True}}, "fixed_price", {})


def test_another_day_is_refused_by_a_path(large, learned):
    with pytest.raises(ConfigError, match="not to this one"):
        learned.retention.histories(replace(large, today=large.today + timedelta(days=1)))


def test_learning_uses_the_seed(large):
    model: Any = RETENTION["mbg_nbd"]()
    _, at = expansion_of(model, large)
    params = published("mbg_nbd", 50)
    (_, one), (_, same), (_, other) = (learn(model, params, at, large, PRIOR, WEEK, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["path[3]"], same["path[3]"])
    assert not np.array_equal(one["path[3]"], other["path[3]"])
    assert large.repeat_orders_by_day.shape == (PARTS, LENGTH + 1)


def test_months_that_no_shock_explains_are_not_followed() -> None:
    """Where orders break off, the expansion around the mode would carry parameters off by any factor."""
    none = Evidence(np.zeros(2), np.zeros((2, 2)))
    found = Expansion(none, {"r": np.array([0.1, 0.1]), "alpha": np.array([0.0, 2.0])})
    v = np.full((1000, 2), 2.4)
    require_near("bg_nbd", found, v)
    v[:20] = 2.6
    with pytest.raises(DiagnosticsError, match="bg_nbd: months of the log differ more than shocks can"):
        require_near("bg_nbd", found, v)
