"""Size of the common shocks, learned from the months of the calibration."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln, ndtri
from scipy.stats import kstest
from shop import BG_NBD, posterior, run, shop

from clvsim.models.around.pooling import configured
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.environment import SdLaw, calibration_months, dispersion, log_evidence, sd_law
from clvsim.simulation.worlds import make_worlds
from clvsim.types import DAYS_PER_MONTH, PARTS, CustomerSummary

UNIFORM = np.linspace(0.001, 0.999, 400)
QUANTILES = np.array([0.05, 0.5, 0.95])


def plain_evidence(sd: float, orders: np.ndarray, expected: np.ndarray, phi: float) -> float:
    """The integral over log L by hand (a gamma function), over the path of three months by trapezoids.

    Where orders tell most (500 a month, sd .4) their hump is .11 wide: steps of .15 are good to 1e-4.
    """
    z = np.linspace(-6, 6, 81)
    first, second, third = np.meshgrid(z, z, z, indexing="ij")
    path = np.stack([first, phi * first + np.sqrt(1 - phi**2) * second, np.zeros_like(first)])
    path[2] = phi * path[1] + np.sqrt(1 - phi**2) * third
    mean = expected[:, None, None, None] * np.exp(sd * path)
    total = orders.sum()
    inside = (orders[:, None, None, None] * np.log(mean)).sum(axis=0) - total * np.log(mean.sum(axis=0))
    weight = np.exp(-0.5 * (first**2 + second**2 + third**2))
    return float(gammaln(total) + np.log((weight * np.exp(inside - inside.max())).sum()) + inside.max())


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("orders", [(40, 70, 35), (400, 500, 420), (3, 0, 2)])
def test_evidence_is_that_of_quadrature(orders, phi):
    """Laplace's error is worst with few orders; .01 in log density moves a quantile by less than a hundredth."""
    n, expected = np.array(orders, float), np.array([50.0, 48.0, 45.0])
    sds = np.array([0.0, 0.05, 0.1, 0.2, 0.4])
    evidence = log_evidence(sds, n, expected, phi)
    plain = np.array([plain_evidence(sd, n, expected, phi) for sd in sds])
    error = evidence - evidence[0] - (plain - plain[0])
    assert np.abs(error).max() < 0.01


def shocked(rng: np.random.Generator, sd: float, expected: np.ndarray, phi: float = 0.5) -> np.ndarray:
    """Monthly orders under AR(1) shocks."""
    u = rng.standard_normal(expected.size)
    for m in range(1, expected.size):
        u[m] = phi * u[m - 1] + np.sqrt(1 - phi**2) * u[m]
    return rng.poisson(expected * np.exp(sd * u - sd**2 / 2)).astype(float)


def test_posterior_is_calibrated():
    """sd from the prior, months from sd: the posterior's share below the truth is uniform."""
    rng = np.random.default_rng(2026)
    grid = np.arange(513) / 640
    prior = np.exp(-0.5 * (grid / 0.1) ** 2)
    ranks = []
    for _ in range(150):
        sd = abs(rng.normal(0, 0.1))
        expected = rng.uniform(20, 600) * np.linspace(1, 0.4, 14)
        evidence = log_evidence(grid, shocked(rng, sd, expected), expected, 0.5)
        density = prior * np.exp(evidence - evidence.max())
        ranks.append(np.interp(sd, grid, np.cumsum(density) / density.sum()))
    assert kstest(ranks, "uniform").pvalue > 0.01


# --- a log with known shocks ------------------------------------------------------------------------------------------

MONTHS, CUSTOMERS = 36, 4000
TODAY = date(2025, 6, 30)


def simulated_log(sd: float, seed: int) -> CustomerSummary:
    """Customers of BG/NBD acquired over three years, whose time runs by the month's shock; days are cut as in a log."""
    rng = np.random.default_rng(seed)
    days = int(MONTHS * DAYS_PER_MONTH) + 1
    u = rng.standard_normal(MONTHS)
    for m in range(1, MONTHS):
        u[m] = 0.5 * u[m - 1] + np.sqrt(0.75) * u[m]
    months_ago = (np.arange(days)[::-1] / DAYS_PER_MONTH).astype(int)
    speed = np.exp(sd * u - sd**2 / 2)[np.minimum(months_ago, MONTHS - 1)]
    clock = np.concatenate([[0.0], np.cumsum(speed)])
    born = rng.integers(0, days - 1, CUSTOMERS)
    rate = rng.gamma(BG_NBD["r"], 1 / (7 * BG_NBD["alpha"]), CUSTOMERS)
    p = rng.beta(BG_NBD["a"], BG_NBD["b"], CUSTOMERS)
    daily = np.zeros((PARTS, days), np.int64)
    for c in range(CUSTOMERS):
        clock_time = clock[born[c]] + 0.5 * speed[born[c]]
        while True:
            clock_time += rng.exponential(1 / max(rate[c], 1e-12))
            if clock_time >= clock[-1]:
                break
            daily[c % PARTS, np.searchsorted(clock, clock_time, side="right") - 1] += 1
            if rng.random() < p[c]:
                break
    frame = pd.DataFrame({"T_days": (days - 1 - born).astype(float)})
    first = TODAY - timedelta(days=days - 1)
    return CustomerSummary(frame, TODAY, first, TODAY, "week", "made up", daily)


@pytest.mark.parametrize("sd", [0.0, 0.3])
def test_recovery(sd):
    """Months of about 130 orders, each with a chance of 10 %, since who stays is chance too."""
    law = sd_law(posterior(2), simulated_log(sd, 5), EnvironmentConfig(sd_prior=0.2))
    low, median, high = law.quantile(QUANTILES)
    assert law.months == MONTHS
    if sd == 0:
        assert (median < 0.07, high < 0.1) == (True, True)  # the prior's: .135, .39
    else:
        assert low < sd < high
        assert high - low < 0.2  # the prior's is .38


@pytest.mark.parametrize("seed", [5, 6])
def test_chance_beyond_poisson_is_measured(seed):
    """Simulated many times over, months of this shop scatter around a free level by 1.26 times their mean.

    In the margins 16 parts and 36 months leave 525 degrees of freedom: the sd of the figure is .08.
    """
    months = calibration_months(posterior(2), simulated_log(0.0, seed))
    assert dispersion(months.orders, months.expected[0]) == pytest.approx(1.26, abs=4 * 0.08)


def test_parts_that_differ_in_level_only_are_poisson():
    rng = np.random.default_rng(4)
    mean = np.outer(rng.gamma(2, 10, 16), rng.gamma(5, 1, 12))
    ratio = dispersion(rng.poisson(mean), np.ones_like(mean))
    assert ratio == pytest.approx(1.0, abs=4 * np.sqrt(2 / 165))
    assert dispersion(np.full((16, 1), 7.0), np.ones((16, 1))) == 1.0
    assert dispersion(np.diag([3.0, 0.0]), np.ones((2, 2))) == 1.0  # one part and one month: nothing to compare


def test_months_are_those_of_the_log(cdnow):
    """Full months backwards from today, everybody's orders, and E X(t) of everybody's age at their edges."""
    months = calibration_months(posterior(2), cdnow)
    daily = cdnow.repeat_orders_by_day
    assert daily is not None
    assert (daily.sum(), daily.shape) == (2457, (PARTS, 273))
    assert months.orders.shape == (PARTS, 8)
    assert months.orders.sum() == daily[:, -round(8 * DAYS_PER_MONTH) :].sum()
    age = cdnow.customers["T_days"].to_numpy() + 0.5
    parameters = {name: np.array([value]) for name, value in BG_NBD.items()}

    def until(days_ago: float, rows: slice = slice(None)) -> float:
        t, distinct_row = np.unique(np.maximum(age[rows] - days_ago, 0) / 7, return_inverse=True)
        return bg_nbd.expected_orders_new(parameters, t)[0][distinct_row].sum()

    for m, (start, end) in {7: (30, 0), 6: (61, 30), 0: (244, 213)}.items():
        assert months.expected[0, :, m].sum() == pytest.approx(until(end) - until(start))
    part = slice(3, None, PARTS)
    assert months.expected[1, 3, 7] == pytest.approx(until(0, part) - until(30, part))
    orders = cdnow.customers["frequency"].to_numpy()
    np.testing.assert_array_equal(daily.sum(axis=1), [orders[k::PARTS].sum() for k in range(PARTS)])


# --- when the prior stays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("summary", "learn"),
    [(shop(), True), (replace(shop(), repeat_orders_by_day=np.ones((PARTS, 274), np.int64)), False)],
    ids=["no counts", "not asked for"],
)
def test_prior_is_kept(summary, learn):
    law = sd_law(posterior(4), summary, EnvironmentConfig(learn=learn))
    assert law == SdLaw(0.1, 0, None)


@pytest.mark.parametrize("days", [20, 45], ids=["no full month", "one month"])
def test_few_months_leave_the_prior(days):
    summary = shop()
    young = summary.customers.assign(T_days=summary.customers["T_days"].clip(upper=days - 1.0))
    few = replace(summary, customers=young, repeat_orders_by_day=np.full((PARTS, days), 9, np.int64))
    np.testing.assert_array_equal(
        sd_law(posterior(4), few, EnvironmentConfig()).quantile(UNIFORM), 0.1 * ndtri(0.5 + 0.5 * UNIFORM)
    )


def test_without_evidence_inversion_is_the_prior_s():
    """Two months of one order each say next to nothing."""
    summary = shop()
    quiet = np.zeros((PARTS, 274), np.int64)
    quiet[0, -10] = quiet[1, -40] = 1
    law = sd_law(posterior(4), replace(summary, repeat_orders_by_day=quiet), EnvironmentConfig())
    assert law.months == 9
    np.testing.assert_allclose(law.quantile(UNIFORM), 0.1 * ndtri(0.5 + 0.5 * UNIFORM), rtol=0.06)


def test_layer_can_be_switched_off():
    daily = np.full((PARTS, 274), 9, np.int64)
    law = sd_law(posterior(4), replace(shop(), repeat_orders_by_day=daily), EnvironmentConfig(sd_prior=0.0))
    assert not law.quantile(UNIFORM).any()


# --- what may not change it -------------------------------------------------------------------------------------------


def test_units_do_not_matter(cdnow):
    law = sd_law(posterior(16), cdnow, EnvironmentConfig())
    daily = sd_law(posterior(16, unit="day"), cdnow, EnvironmentConfig())
    np.testing.assert_allclose(daily.quantile(UNIFORM), law.quantile(UNIFORM), rtol=1e-9)


def test_worlds_are_paired_and_extended(cdnow):
    """The same uniform as under the prior, at another quantile; more worlds keep the first ones."""
    config = EnvironmentConfig()
    law = sd_law(posterior(16), cdnow, config)
    prior, few, more = (
        make_worlds(3, n, 1, 4, config, given_law) for n, given_law in ((40, None), (40, law), (60, law))
    )
    np.testing.assert_array_equal(np.argsort(prior.environment_sd), np.argsort(few.environment_sd))
    assert np.median(few.environment_sd) > np.median(prior.environment_sd)  # CDNOW's months differ that much
    np.testing.assert_array_equal(more.log_rate[:40], few.log_rate)


def test_page_says_what_informed_it(cdnow):
    learned = run(fitted=posterior(20), draws=20, summary=cdnow, environment=EnvironmentConfig(), horizon_months=1)
    (line,) = (a for a in learned.assumptions if a.path.startswith("environment"))
    assert line.kind == "learned"
    assert "updated on its 8 full months up to today" in line.text
    assert line.mean == pytest.approx(learned.worlds.environment_sd.mean())
    assumed = run(draws=12, environment=EnvironmentConfig(learn=False))
    (line,) = (a for a in assumed.assumptions if a.path.startswith("environment"))
    assert (line.kind, "not estimated from the data" in line.text) == ("prior", True)


def test_groups_are_expected_to_order_as_they_do():
    """Two segments, one of which orders 3 times as fast: the months expect what each of them does, added up."""
    summary = shop(segments=2)
    summary = replace(summary, repeat_orders_by_day=np.full((PARTS, 200), 2, np.int64))
    model: Any = configured(BgNbd.model_validate({"pool": "segment"}), summary)
    names = [name for names in model.names().values() for name in names]
    effects = dict.fromkeys([*names, *(f"sd_{scale.name}" for scale in model.scales.values())], np.zeros(2))
    fast = {"log_rate[segment s1]": np.full(2, np.log(3.0))}
    base = posterior(2)
    draws = {**base.posterior.retention, **effects, **fast}
    fitted = replace(base, retention=model, posterior=replace(base.posterior, retention=draws))
    expected = calibration_months(fitted, summary).expected
    segment = summary.customers["segment"].to_numpy()
    by_hand = 0.0
    for name, factor in (("s0", 1.0), ("s1", 3.0)):
        T = summary.customers["T_days"].where(segment == name, -1e9)  # nobody else has come yet
        alone = replace(summary, customers=summary.customers.assign(T_days=T))
        plain = posterior(2, alpha=BG_NBD["alpha"] / factor)
        by_hand = by_hand + calibration_months(plain, alone).expected
    np.testing.assert_allclose(expected, by_hand, rtol=1e-9)
