"""Newcomers a month: the prior against its recursion step by step, the evidence against quadrature, recovery of growth
and season, shocks of mean 1, and how often months to come lie in their intervals."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

from clvsim.data.newcomers import FirstOrders
from clvsim.kernels.rng import world_keys
from clvsim.models import arrivals
from clvsim.models.arrivals import Sizes, learn_arrivals
from clvsim.types import DAYS_PER_MONTH


def seen(count: np.ndarray, first: float = 1.0) -> FirstOrders:
    """Months of equal length, of whose first the log has a part."""
    days = np.full(count.size, DAYS_PER_MONTH)
    days[0] *= first
    return FirstOrders(count, days, date(2020, 1, 1), date(2024, 1, 1))


def sizes(rho: float, omega: float, k: float, tau: float) -> Sizes:
    return Sizes(*(np.array([value]) for value in (rho, omega, k, tau)))


def lives(rng: np.random.Generator, months: int, rho: float, omega: float, tau: float, n: int) -> tuple:
    """Log means of months before today, and level, slope and months of the year as of today, step by step; (n, ...)."""
    season = tau * rng.standard_normal((n, 12))
    season -= season.mean(axis=1, keepdims=True)
    slope = omega / np.sqrt(1 - 0.9**2) * rng.standard_normal(n)
    level = np.zeros((n, months))
    for t in range(1, months):
        level[:, t] = level[:, t - 1] + slope
        slope = rho * slope + omega * rng.standard_normal(n)
    level += (3.0 * rng.standard_normal(n) - level[:, -1])[:, None]
    of_year = np.arange(-months, 0) % 12
    return level + season[:, of_year], np.column_stack([level[:, -1], slope, season])


def test_prior_covariances_are_those_of_the_recursion() -> None:
    months, n = 15, 40_000
    f, state = lives(np.random.default_rng(1), months, 0.85, 0.1, 0.3, n)
    K, cross, own = (part[0] for part in arrivals._covariances(months, sizes(0.85, 0.1, 50.0, 0.3)))
    for found, a, b in ((K, f, f), (cross, state, f), (own, state, state)):
        simulated = a.T @ b / n
        error = np.sqrt((found**2 + np.outer((a**2).mean(axis=0), (b**2).mean(axis=0))) / n)
        assert (np.abs(found - simulated) < 5 * error).all()


@pytest.mark.parametrize("k", [4.0, 400.0])
def test_evidence_and_state_are_those_of_quadrature(k: float) -> None:
    """Two months, whose two log means are summed over on a grid. A normal is off by the posterior's skewness: little in
    evidence, and in the mean little of its sd."""
    count, exposure, one = np.array([30, 41]), np.array([0.6, 1.0]), sizes(0.8, 0.1, k, 0.2)
    centre = np.log(count.sum() / exposure.sum())
    omega, tau = 0.1, 0.2
    step = omega**2 / (1 - 0.9**2)  # of the level between them
    season, between = tau**2 * (1 - 1 / 12), -(tau**2) / 12
    K = np.array([[9 + step + season, 9 + between], [9 + between, 9 + season]])
    common, apart = np.meshgrid(centre + np.linspace(-3, 3, 601), np.linspace(-3, 3, 601), indexing="ij")
    f = np.stack([common + apart / 2, common - apart / 2], axis=-1).reshape(-1, 2)
    mean = exposure * np.exp(f)
    log_likelihood = nbinom.logpmf(count, k, k / (k + mean)).sum(axis=1)
    log_prior = -0.5 * np.einsum("ni,ij,nj->n", f - centre, np.linalg.inv(K), f - centre)
    log_prior -= 0.5 * np.linalg.slogdet(2 * np.pi * K)[1]
    density = np.exp(log_likelihood + log_prior)
    found = arrivals._posterior(seen(count, 0.6), one)
    assert found.evidence[0] == pytest.approx(np.log(density.sum() * 0.01**2), abs=0.03)
    mean_f = density @ f / density.sum()
    # The level of today is what is left of the last month's log mean without its month of the year.
    cross = np.array([9.0, 9.0]) @ np.linalg.solve(K, mean_f - centre)
    sd = np.sqrt((found.root[0, 0] ** 2).sum())
    assert 0.15 < sd < 0.6
    assert found.mean[0, 0] == pytest.approx(centre + cross, abs=0.2 * sd)


def series(seed: int, months: int, growth: float, season: float, a_month: float = 200.0) -> np.ndarray:
    t = np.arange(-months, 0)
    mean = a_month * np.exp(growth * (t + 1) + season * np.cos(2 * np.pi * t / 12))
    return np.random.default_rng(seed).poisson(mean)


def test_a_steady_log_goes_on_as_it_is() -> None:
    """Five years of 200 a month: the mean of five years' posterior is within its own 1.2 % times three, and tight."""
    found = learn_arrivals(seen(series(1, 60, 0.0, 0.0)), world_keys(1, np.arange(1000), 0), 12)
    mean = found.mean.mean(axis=1)
    assert mean.mean() == pytest.approx(200, rel=0.08)
    low, high = np.quantile(mean, [0.05, 0.95])
    assert low < 200 < high
    assert 0.03 < (high - low) / 200 < 0.3
    assert np.median(found.k) > 100


def test_growth_and_season_are_recovered() -> None:
    """Five years that grow by 2 % a month and swing by e^.4: next year's months, with growth that fades by a tenth."""
    found = learn_arrivals(seen(series(2, 60, 0.02, 0.4)), world_keys(1, np.arange(1000), 0), 12)
    ahead = np.arange(12)
    swing = np.exp(0.4 * np.cos(2 * np.pi * ahead / 12))
    low, high = np.quantile(found.mean, [0.05, 0.95], axis=0)
    grown = 200 * np.exp(0.02 * (1 - 0.9 ** (ahead + 1)) / 0.1) * swing
    assert ((low < grown) & (grown < high)).mean() >= 0.75
    assert np.abs(found.season.mean(axis=0) - np.log(swing)).max() < 0.12
    assert np.median(found.mean.mean(axis=1)) == pytest.approx(grown.mean(), rel=0.12)
    best = f"the one from {named(found, int(found.season.mean(axis=0).argmax()))} is the best"
    assert best in found.in_words()


def named(found: arrivals.Arriving, month: int) -> str:
    first, last = (pd.Timestamp(found.seen.today) + pd.DateOffset(months=m) for m in (month, month + 1))
    return f"{first + pd.Timedelta(days=1):%d %B} to {last:%d %B}"


def test_below_two_years_a_season_is_hardly_used_and_named() -> None:
    swinging = learn_arrivals(seen(series(3, 18, 0.0, 0.7)), world_keys(1, np.arange(500), 0), 12)
    assert np.abs(swinging.season.mean(axis=0)).max() < 0.35
    assert "below two years of log a season is hardly told from growth and chance: from" in swinging.in_words()
    assert "times as many came as in a mean month" in swinging.in_words()
    steady = learn_arrivals(seen(series(3, 18, 0.0, 0.0)), world_keys(1, np.arange(500), 0), 12)
    assert steady.in_words().endswith("chance")
    assert np.abs(steady.season.mean(axis=0)).max() < 0.06


def test_part_of_a_month_counts_as_one() -> None:
    """A first month of which the log has 3 days, with a tenth of the orders, is no slow month."""
    count = series(4, 24, 0.0, 0.0)
    count[0] = 20
    part = learn_arrivals(seen(count, 0.1), world_keys(1, np.arange(500), 0), 6).mean.mean()
    assert part == pytest.approx(200, rel=0.1)


def test_shocks_ahead_have_mean_one_and_the_log_s_dispersion() -> None:
    found = learn_arrivals(seen(series(5, 36, 0.0, 0.0)), world_keys(1, np.arange(50), 0), 12)
    found = found._replace(rho=np.full(50, 0.9), omega=np.full(50, 0.03), k=np.full(50, 25.0))
    draw = np.repeat(np.arange(50), 800)
    key = np.concatenate([world_keys(3, np.arange(50), r) for r in range(800)]).reshape(800, 50).T.ravel()
    factor = np.exp(found.log_shocks(key, draw, 12))
    assert (np.abs(factor.mean(axis=0) - 1) < 4 * factor.std(axis=0) / np.sqrt(draw.size)).all()
    assert factor[:, 0].var() == pytest.approx(1 / 25, rel=0.05)
    level = 0.03**2 * ((1 - 0.9 ** np.arange(1, 12)) / 0.1) @ ((1 - 0.9 ** np.arange(1, 12)) / 0.1)
    assert factor[:, 11].var() == pytest.approx((1 + 1 / 25) * np.exp(level) - 1, rel=0.1)


def test_more_draws_and_months_extend_what_is_there() -> None:
    log = seen(series(6, 30, 0.0, 0.2))
    few, more = (learn_arrivals(log, world_keys(1, np.arange(n), 0), 12) for n in (40, 90))
    longer = learn_arrivals(log, world_keys(1, np.arange(40), 0), 20)
    np.testing.assert_array_equal(more.mean[:40], few.mean)
    np.testing.assert_array_equal(longer.mean[:, :12], few.mean)
    key, draw = world_keys(2, np.arange(40), 0), np.arange(40)
    shocks = few.log_shocks(key, draw, 20)
    np.testing.assert_array_equal(longer.log_shocks(key, draw, 20)[:, :12], shocks[:, :12])
    assert not shocks[:, 12:].any()


def test_a_log_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 30 first orders"):
        learn_arrivals(seen(np.array([3, 4, 5, 6])), world_keys(1, np.arange(10), 0), 12)


def world(rng: np.random.Generator, months: int, ahead: int) -> np.ndarray:
    """First orders by month, from the law itself with its parameters from their priors, plainly."""
    rho, omega, tau = rng.beta(18, 2), 0.05 * abs(rng.normal()), (0.3 if months >= 24 else 0.1) * abs(rng.normal())
    k = max(0.2 * abs(rng.normal()), 1e-3) ** -2
    level, slope = np.log(40.0), omega / np.sqrt(1 - 0.9**2) * rng.normal()
    season = tau * rng.normal(size=12)
    season -= season.mean()
    count = []
    for t in range(-months, ahead):
        mean = np.exp(level + season[t % 12])
        count.append(rng.poisson(min(mean * rng.gamma(k, 1 / k), 1e9)))
        level += slope
        slope = rho * slope + omega * rng.normal()
    return np.array(count)


@pytest.mark.slow
@pytest.mark.parametrize("months", [9, 30])
def test_what_comes_lies_in_its_intervals_as_often_as_they_say(months: int) -> None:
    """Totals of the year ahead and the first month of it, in 90 % intervals, over 100 worlds: 90 less or more 3 sds of
    3 each. Worlds that change more than a hundredfold are left out, as no shop's do."""
    inside, at = [], 0
    while len(inside) < 100:
        rng = np.random.default_rng([17, at])
        at += 1
        count = world(rng, months, 12)
        log = seen(count[:months])
        rates = count[:months].clip(1)
        if log.problem() or max(rates.max(), count.max()) > 100 * max(rates.min(), 1) or count.max() > 4000:
            continue
        keys = world_keys(at, np.arange(600), 0)
        found = learn_arrivals(log, keys, 12)
        mean = found.mean * np.exp(found.log_shocks(keys, np.arange(600), 12))
        drawn = rng.poisson(np.minimum(mean, 1e9))
        pairs = ((drawn.sum(axis=1), count[months:].sum()), (drawn[:, 0], count[months]))
        inside.append([0.05 <= ((d < c).mean() + (d <= c).mean()) / 2 <= 0.95 for d, c in pairs])
    held = np.mean(inside, axis=0)
    assert (held > 0.90 - 3 * 0.03).all()
    assert (held < 0.90 + 3 * 0.03).all()
