"""Free orders: the posterior of shares, customers' own ones, and what becomes of them in a fit, its file and values."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvsim
from clvsim.models.cache import write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend import paid
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal
from clvsim.models.spend.paid import CONCENTRATION, FIRST, REPEAT, PaidHistory, PaidRows
from clvsim.types import CustomerSummary

FIT = FitConfig(method="laplace", draws=1000, cache=False)
ROWS = PaidRows(np.array([0.0, 2.0, 3.0, 9.0]), np.array([1.0, 1.0, 0.0, 6.0]), np.array([5.0, 7.0, 11.0, 2.0]), 30, 20)


def a_shop(customers: int = 400, share: float = 0.6, first_share: float = 0.7, seed: int = 1) -> CustomerSummary:
    """Repeat orders as BG/NBD might have them, amounts of Gamma-Gamma, and free orders by customers' own shares.

    Shares ~ Beta(5 share, 5 (1 - share)).
    """
    r = np.random.default_rng(seed)
    x = r.geometric(0.25, customers) - 1
    T = r.integers(200, 700, customers).astype(float)
    own = r.beta(5 * share, 5 * (1 - share), customers) if share < 1 else np.ones(customers)
    positive = r.binomial(x, own)
    typical = r.gamma(6.0, 6.0, customers)
    amounts = [r.gamma(3.0, m / 3.0, n) for m, n in zip(typical, positive, strict=True)]
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(customers)],
            "frequency": x,
            "recency_days": np.where(x > 0, np.floor(T * r.uniform(0.3, 1.0, customers)), 0.0),
            "T_days": T,
            "first_amount": np.where(r.random(customers) < first_share, typical, 0.0),
            "repeat_amount": [a.sum() for a in amounts],
            "repeat_log_amount": [np.log(a).sum() for a in amounts],
            "repeat_log_square": [(np.log(a) ** 2).sum() for a in amounts],
            "repeat_positive": positive,
            "holdout_frequency": 0,
            "log_gaps": 0.0,
            "segment": "",
            "channel": "",
        }
    )
    return CustomerSummary(frame, date(2024, 9, 30), date(2022, 1, 1), date(2024, 9, 30), "week", "made up")


@pytest.fixture(scope="module")
def summary() -> CustomerSummary:
    return a_shop()


@pytest.fixture(scope="module")
def fitted(summary) -> FittedModels:
    return fit(summary, BgNbd(), GammaGamma(), FIT)


def by_quadrature(rows: PaidRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and log concentrations, evenly, and the probability of each pair, from scipy's Beta-binomial."""
    m, log_c = np.linspace(0.002, 0.998, 250), np.linspace(-6, 12, 241)
    a, b = m[:, None] * np.exp(log_c), (1 - m)[:, None] * np.exp(log_c)
    log_density = stats.norm.logpdf(log_c, np.log(10), 1.5) + 0 * a
    for k, f, count in zip(rows.paid, rows.free, rows.count, strict=True):
        log_density += count * stats.betabinom.logpmf(k, k + f, a, b)
    mass = np.exp(log_density - log_density.max())
    return m, log_c, mass / mass.sum()


def test_posterior_of_the_shares_is_exact():
    """Means and standard deviations of both parameters, and of a share that a customer without history has."""
    m, log_c, mass = by_quadrature(ROWS)
    draws = 20_000
    found = paid.learn(ROWS, draws, 1)
    for values, points, axis in ((found[REPEAT], m, 0), (np.log(found[CONCENTRATION]), log_c, 1)):
        weight = mass.sum(axis=1 - axis)
        mean = weight @ points
        sd = np.sqrt(weight @ (points - mean) ** 2)
        assert abs(values.mean() - mean) < 4 * sd / np.sqrt(draws)
        kurtosis = weight @ (points - mean) ** 4 / sd**4
        assert abs(values.std() / sd - 1) < 4 * np.sqrt((kurtosis - 1) / 4 / draws)
    first = stats.beta(31, 21)
    assert abs(found[FIRST].mean() - first.mean()) < 4 * first.std() / np.sqrt(draws)
    assert stats.kstest(found[FIRST], first.cdf).pvalue > 1e-3


@pytest.mark.parametrize("rows", [
    PaidRows(np.array([1.0]), np.array([0.0]), np.array([1.0]), 2, 0),
    PaidRows(np.array([0.0, 300_000.0]), np.array([1.0, 200_000.0]), np.array([1.0, 1.0]), 2, 0),
    PaidRows(np.array([4.0, 3.0]), np.array([0.0, 1.0]), np.array([1e6, 1.0]), 2, 0),
    PaidRows(np.array([1.0, 2.0, 40.0]), np.array([1.0, 2.0, 40.0]), np.array([1e5, 1e5, 1e5]), 2, 0),
])  # fmt: skip
def test_hardly_any_data_and_very_many(rows):
    """The grid finds the mass wherever it is, and is much finer than it is wide."""
    found = paid.learn(rows, 4000, 1)
    for values in (found[REPEAT], found[CONCENTRATION]):
        assert np.isfinite(values).all()
        assert (values > 0).all()
        assert np.unique(values).size == 4000
    observed = (rows.count @ rows.paid) / (rows.count @ (rows.paid + rows.free))
    if rows.count.sum() > 2:
        assert found[REPEAT].mean() == pytest.approx(observed, abs=5e-4)


def test_a_customers_share_given_their_own_orders():
    """Posterior mean of s, by quadrature over it; a newcomer's is the population's."""
    params = {REPEAT: np.array([0.6, 0.3]), CONCENTRATION: np.array([4.0, 40.0])}
    law = paid.laws(params, PaidHistory(np.array([0.0, 3.0, 0.0]), np.array([0.0, 1.0, 9.0])))
    shares = np.asarray(paid.expected_share(law))
    s = (np.arange(20_000) + 0.5) / 20_000
    for d, (m, c) in enumerate(zip(*params.values(), strict=True)):
        for i, (k, f) in enumerate(((0, 0), (3, 1), (0, 9))):
            weight = stats.beta.pdf(s, m * c, (1 - m) * c) * s**k * (1 - s) ** f
            assert shares[d, i] == pytest.approx(weight @ s / weight.sum(), rel=1e-3)
    assert law.first == 1.0
    np.testing.assert_allclose(np.ravel(paid.expected_share(paid.newcomer_laws(params))), params[REPEAT])


def test_without_free_orders_there_is_no_parameter_and_no_other_bit():
    """Not in the fit, not in laws, and not in the order in which distinct customers stand."""
    summary = a_shop(share=1.0, first_share=1.0)
    assert paid.rows(summary) is None
    found = fit(summary, BgNbd(), GammaGamma(), FIT)
    assert list(found.posterior.spend) == ["p", "q", "gamma", "first_order_factor"]
    assert paid.newcomer_laws(found.posterior.spend) == paid.ALL
    only_first = a_shop(share=1.0, first_share=0.7)
    again = fit(only_first, BgNbd(), GammaGamma(), FIT)
    for name in ("p", "q", "gamma"):
        np.testing.assert_array_equal(again.posterior.spend[name], found.posterior.spend[name])
    assert set(again.posterior.spend) - set(found.posterior.spend) == {FIRST}
    one, other = (clvsim.expected_spend(models, summary).to_numpy() for models in (found, again))
    np.testing.assert_array_equal(one, other)


def test_fit_finds_the_shares(summary, fitted):
    """Within four posterior standard deviations of the truth, and amounts are those of paid orders."""
    spend = fitted.posterior.spend
    for name, truth in ((REPEAT, 0.6), (FIRST, 0.7), (CONCENTRATION, 5.0)):
        assert abs(spend[name].mean() - truth) < 4 * spend[name].std()
        assert spend[name].std() < 0.5 * truth
    frame = summary.customers
    paid_mean = frame["repeat_amount"].sum() / frame["repeat_positive"].sum()
    assert spend["gamma"] * spend["p"] / (spend["q"] - 1) == pytest.approx(paid_mean, rel=0.25)


@pytest.mark.parametrize("spend", [GammaGamma(), Lognormal(), FixedPrice()])
def test_first_order_factor_is_the_ratio_of_paid_means(summary, spend):
    """Whatever share of first orders is free; all came within the last year, whom newcomers pay like."""
    frame = summary.customers.assign(T_days=summary.customers["T_days"].clip(upper=365))
    all_paid = frame["first_amount"].where(frame["first_amount"] > 0, frame["first_amount"].max())
    few = frame["first_amount"].where(frame["customer_id"] < "c0200", 0.0)
    kept = frame["first_amount"][frame["customer_id"] < "c0200"]
    for first, mean in ((all_paid, all_paid.mean()), (few, kept[kept > 0].mean())):
        rows = spend.sufficient(replace(summary, customers=frame.assign(first_amount=first)))
        assert rows.first_mean == pytest.approx(mean, rel=1e-12)


def test_money_is_orders_times_share_times_amount(summary, fitted):
    """The expected value of each customer, against arithmetic with the model's own quantities and counts."""
    frame, spend = summary.customers, fitted.posterior.spend
    k, n = frame["repeat_positive"].to_numpy(float), frame["frequency"].to_numpy(float)
    m, c = spend[REPEAT][:, None], spend[CONCENTRATION][:, None]
    p, q, gamma = (spend[name][:, None] for name in ("p", "q", "gamma"))
    mean = (m * c + k) / (c + n) * p * (gamma + frame["repeat_amount"].to_numpy()) / (q + p * k - 1)
    np.testing.assert_allclose(clvsim.expected_spend(fitted, summary), mean, rtol=1e-12)
    options: dict[str, Any] = {"horizon_months": 12.0, "annual_discount_rate": 0.1}
    orders = clvsim.expected_discounted_orders(fitted, summary, **options).to_numpy()
    np.testing.assert_allclose(clvsim.expected_rlv(fitted, summary, **options), orders * mean, rtol=1e-12)
    total = clvsim.reduce_draws("expected_rlv", fitted, summary, **options)["total"]
    np.testing.assert_allclose(total, (orders * mean).sum(axis=1), rtol=1e-10)


def test_a_file_keeps_the_shares_and_one_without_them_learns_them(summary, fitted, tmp_path):
    def read(path):
        return fit(summary, BgNbd(), GammaGamma(), FIT.model_copy(update={"posterior": (str(path),)}))

    write_posterior(fitted, tmp_path / "own.nc")
    again = read(tmp_path / "own.nc").posterior.spend
    for name, values in fitted.posterior.spend.items():
        assert sorted(again[name]) == sorted(values)
    bare = {name: values for name, values in fitted.posterior.spend.items() if name not in paid.LABELS}
    write_posterior(replace(fitted, posterior=replace(fitted.posterior, spend=bare)), tmp_path / "bare.nc")
    learned = read(tmp_path / "bare.nc").posterior.spend
    assert abs(learned[REPEAT].mean() - again[REPEAT].mean()) < 4 * again[REPEAT].std() / np.sqrt(500)


def test_the_cache_tells_free_orders_apart(tmp_path, summary):
    """First orders that are free are no rows of the spend model, and yet a posterior follows from them."""
    frame = summary.customers
    some = np.flatnonzero(frame["first_amount"] == 0)[:5]
    more_rows = frame.copy()
    more_rows.loc[some, "first_amount"] = frame.loc[frame["first_amount"] > 0, "first_amount"].mean()
    config = FitConfig(method="map", draws=4)
    few, many = (
        fit(replace(summary, customers=f), BgNbd(), GammaGamma(), config, cache_dir=tmp_path)
        for f in (more_rows, frame)
    )
    assert not many.posterior.from_cache
    assert few.posterior.spend[FIRST][0] > many.posterior.spend[FIRST][0]
    assert all(np.ptp(values) == 0 for values in many.posterior.spend.values())
    assert fit(summary, BgNbd(), GammaGamma(), config, cache_dir=tmp_path).posterior.from_cache


def test_tables_of_means_know_whose_orders_were_free():
    """A mean of 0 is one of free orders; first orders are not there, and like repeat orders."""
    frame = a_shop().customers.assign(first_amount=np.nan, repeat_log_amount=np.nan)
    frame["repeat_positive"] = frame["frequency"] * (frame["repeat_positive"] > 0)
    rows = paid.rows(replace(a_shop(), customers=frame, means_only=True))
    assert rows is not None
    assert ((rows.paid == 0) | (rows.free == 0)).all()
    found = paid.learn(rows, 100, 1)
    np.testing.assert_array_equal(found[FIRST], found[REPEAT])


def test_order_of_customers_does_not_matter(summary):
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1))
    one, other = (paid.rows(s) for s in (summary, shuffled))
    assert one is not None
    assert other is not None
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
