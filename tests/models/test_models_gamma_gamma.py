"""Gamma-Gamma against published numbers, quadrature, and itself in other currencies.

Fader & Hardie 2013 (note 025): p 6.25 q 3.74 gamma 15.44, fitted to customers' means. Fitted to single orders, computed
independently: p 3.61 (.12), mean 35.29.
"""

from dataclasses import replace

import numpy as np
import pytest
from plainly import PLAIN
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import gamma as gamma_distribution

from clvsim.errors import DiagnosticsError
from clvsim.models.compiled import compile_model
from clvsim.models.inference import mode_only
from clvsim.models.laws import SpendHistory, spend_history_of
from clvsim.models.priors import LogNormalPrior
from clvsim.models.spend import gamma_gamma
from clvsim.models.spend.gamma_gamma import GammaGamma, SpendCheck, spend_check, spend_rows, spend_warnings


def params(p, q, gamma):
    return {"p": np.array([p]), "q": np.array([q]), "gamma": np.array([gamma])}


@pytest.fixture(scope="module")
def repeat(cdnow):
    """x, total, sum of logs of the 946 repeat customers, in the order of their ids."""
    frame = cdnow.customers[cdnow.customers["repeat_positive"] > 0]
    assert len(frame) == 946
    return tuple(frame[c].to_numpy(float) for c in ("repeat_positive", "repeat_amount", "repeat_log_amount"))


def maximum(log_density):
    options = {"xatol": 1e-8, "fatol": 1e-9, "maxiter": 5000, "maxfev": 5000}
    found = minimize(
        lambda v: -log_density(params(*np.exp(v))).sum(), np.log([3, 3, 20]), method="Nelder-Mead", options=options
    )
    return params(*np.exp(found.x)), -found.fun


@pytest.fixture(scope="module")
def published_fit(repeat):
    x, total, _ = repeat
    return maximum(lambda v: gamma_gamma.log_likelihood_of_means(v, x, total / x))


def test_fit_to_means_is_the_published_one(published_fit, repeat):
    found, value = published_fit
    assert value == pytest.approx(-4055.9177, abs=1e-3)
    assert [found[k][0] for k in ("p", "q", "gamma")] == pytest.approx([6.25, 3.74, 15.44], abs=0.01)
    assert gamma_gamma.expected_spend_new(found)[0, 0] == pytest.approx(35.17, abs=0.01)
    x, total, _ = repeat
    printed = gamma_gamma.log_likelihood_of_means(params(6.25, 3.74, 15.44), x, total / x).sum()
    assert printed == pytest.approx(-4055.9192, abs=1e-4)


def test_conditional_means_are_the_published_ones(published_fit, repeat):
    """E(M | history) of the first five repeat customers."""
    x, total, _ = repeat
    found = gamma_gamma.expected_spend(published_fit[0], x[:5], total[:5])[0]
    np.testing.assert_allclose(found, [24.65, 18.91, 71.46, 18.91, 27.28], atol=0.01, rtol=0)


def test_fit_to_orders(repeat):
    found, _ = maximum(lambda v: gamma_gamma.log_likelihood(v, *repeat))
    assert found["p"][0] == pytest.approx(3.61, abs=0.01)
    assert gamma_gamma.expected_spend_new(found)[0, 0] == pytest.approx(35.29, abs=0.01)


def test_likelihood_of_orders_is_the_integral_over_nu():
    p, q, gamma = 3.6, 4.5, 34.0
    z = np.array([20.0, 35.0, 12.0])

    def joint(nu):
        return gamma_distribution.pdf(z, p, scale=1 / nu).prod() * gamma_distribution.pdf(nu, q, scale=1 / gamma)

    value, _ = quad(joint, 0, 3, epsabs=0, epsrel=1e-10)
    args = [np.array([v]) for v in (3.0, z.sum(), np.log(z).sum())]
    assert gamma_gamma.log_likelihood(params(p, q, gamma), *args)[0, 0] == pytest.approx(np.log(value), abs=1e-8)


def test_likelihood_of_means_is_that_of_one_order():
    """With one order the mean is the order, so both densities are the same."""
    z = np.array([5.0, 50.0])
    both = [
        gamma_gamma.log_likelihood(params(3.6, 4.5, 34.0), np.ones(2), z, np.log(z)),
        gamma_gamma.log_likelihood_of_means(params(3.6, 4.5, 34.0), np.ones(2), z),
    ]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12, rtol=0)


def test_laws_have_the_conditional_mean():
    """E[order] = p E[1/nu] = p rate / (shape - 1) over the law handed to the simulator."""
    values = {k: np.repeat(v, 3) for k, v in params(3.6, 4.5, 34.0).items()}
    history = SpendHistory(np.array([0.0, 2.0]), np.array([0.0, 90.0]))
    law = gamma_gamma.laws(values, history)
    assert (law.order_shape.shape, law.nu_shape.shape, law.nu_rate.shape) == ((3, 1), (3, 2), (3, 2))
    mean = law.order_shape * law.nu_rate / (law.nu_shape - 1)
    np.testing.assert_allclose(mean, gamma_gamma.expected_spend(values, *history), rtol=1e-14)
    np.testing.assert_allclose(mean[:, :1], gamma_gamma.expected_spend_new(values), rtol=1e-14)
    newcomer = gamma_gamma.newcomer_laws(values)
    np.testing.assert_array_equal(newcomer.nu_rate, law.nu_rate[:, :1])


@pytest.fixture(scope="module")
def rows(cdnow):
    return GammaGamma().sufficient(cdnow)


def test_rows_hold_all_orders(rows):
    assert (rows.count.sum(), (rows.count * rows.x).sum()) == (946, 2457)
    assert rows.unit == pytest.approx(38.81, abs=0.005)
    assert (rows.count * rows.total).sum() == pytest.approx(2457, rel=1e-12)
    assert rows.first_count == 2349  # eight of 2,357 first orders were free


def test_model_density_in_dollars_and_cents(cdnow, rows, repeat):
    """log density plus Jacobian at 20 points given in money; and the likelihood is the plain one but for the unit."""
    frame = cdnow.customers
    history = spend_history_of(cdnow)
    logs, first = frame["repeat_log_amount"].to_numpy(float), frame["first_amount"].to_numpy(float)
    in_cents = SpendHistory(history.x, history.total * 100)
    cents = spend_rows(in_cents, logs + history.x * np.log(100), first * 100)
    models = [GammaGamma().build(r) for r in (rows, cents)]
    logps = [m.compile_logp(mode=PLAIN) for m in models]
    likelihood = models[0].compile_logp(mode=PLAIN, vars=models[0].potentials)
    rng = np.random.default_rng(6)
    for i in range(20):
        p, excess, mean = np.exp(rng.normal(0, 0.3, 3)) * [3.6, 3.5, 35.0]
        values = []
        for r, logp, scale in zip((rows, cents), logps, (1, 100), strict=True):
            point = {
                "p_log__": np.log(p),
                "q_minus_1_log__": np.log(excess),
                "mean_log__": np.log(mean * scale / r.unit),
            }
            values.append(float(logp(point)))
            if i < 3 and scale == 1:
                plain = gamma_gamma.log_likelihood(params(p, 1 + excess, mean * excess / p), *repeat).sum()
                assert float(likelihood(point)) == pytest.approx(plain + 2457 * np.log(r.unit), abs=1e-7, rel=0)
        assert values[0] == pytest.approx(values[1], abs=1e-9, rel=0)


def test_posterior_agrees_with_the_published_mean(posterior):
    found = posterior.spend
    mean = found["gamma"] * found["p"] / (found["q"] - 1)
    assert mean.mean() == pytest.approx(35.2, rel=0.02)
    assert found["p"].mean() == pytest.approx(3.61, abs=0.12)
    assert found["p"].std() == pytest.approx(0.12, rel=0.15)
    assert (found["q"] > 1).all()


def test_first_orders_average_the_observed_ones(posterior, cdnow):
    """Over draws: the observed mean 33.10 of positive first orders, spread by its standard error."""
    first = cdnow.customers["first_amount"].to_numpy(float)
    first = first[first > 0]
    found = posterior.spend
    mean = found["first_order_factor"] * found["gamma"] * found["p"] / (found["q"] - 1)
    error = first.std(ddof=1) / np.sqrt(first.size)
    assert mean.mean() == pytest.approx(first.mean(), abs=4 * error / np.sqrt(mean.size))
    # sd of n normal draws has a relative standard error of 1/sqrt(2n)
    assert mean.std() == pytest.approx(error, rel=4 / np.sqrt(2 * mean.size))


def test_first_order_factor_follows_the_seed(rows):
    mean = np.full(50, 35.0)
    same, again, other = (gamma_gamma.first_order_factor(mean, rows, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(same, again)
    assert (same != other).all()


def test_spend_that_cannot_be_fitted_is_said():
    x, first = np.array([2.0, 0, 3]), np.array([10.0, 11.0, 12.0])

    def refused(x, total, logs, first, match):
        with pytest.raises(DiagnosticsError, match=match):
            spend_rows(SpendHistory(np.array(x, float), np.array(total, float)), np.array(logs, float), np.array(first))

    refused([0, 0], [0, 0], [0, 0], first, "positive amount: there are none")
    refused(x, x * 9.99, x * np.log(9.99), first, "amounts that vary")  # one price
    refused(x, x * [5, 0, 7.3], x * np.log([5, 1, 7.3]), first, "amounts that vary")  # a price per customer
    refused([1, 1], [10, 10], np.log([10, 10]), first, "amounts that vary")


def test_too_few_paid_first_orders_say_nothing():
    """Where others were free: those of newcomers who pay are then like repeat orders, and the fit is the same."""
    x, total, logs = np.array([2.0, 0.0]), np.array([30.0, 0.0]), np.array([np.log(200), 0.0])
    few, known = (spend_rows(SpendHistory(x, total), logs, np.array(first)) for first in ([10.0, 0.0], [10.0, 12.0]))
    assert few.first_count == 0
    np.testing.assert_array_equal(gamma_gamma.first_order_factor(np.full(5, 35.0), few, 1), 1.0)
    inputs = GammaGamma().inputs(few)
    assert inputs.orders == GammaGamma().inputs(known).orders
    assert inputs.orders is not None
    assert inputs.means is None


def test_a_mean_that_is_off_is_put_down_to_what_the_log_shows():
    """To frequency only where spend goes with it beyond chance, and in the direction of the difference."""
    check = SpendCheck(500, 300, 0.0, 1234.56, 1000.0, 1000.0, 1456.78, 1150.0, 1900.0)
    (open_,) = spend_warnings(check)
    assert "1,460 each in the model, 1,230 in the log (+18%)" in open_
    assert "between 1,150 and 1,900" in open_
    assert "frequen" not in open_
    (uneven,) = spend_warnings(check._replace(fitted_p05=1400.0))
    assert "rests on the model's form" in uneven
    assert "frequen" not in uneven
    (few,) = spend_warnings(check._replace(fitted_mean=1000.0, fitted_p05=950.0, fitted_p95=1050.0))
    assert "a few large orders carry the actual mean" in few
    (less,) = spend_warnings(check._replace(correlation=-0.15))
    assert "frequent buyers do not count for less" in less
    (other,) = spend_warnings(check._replace(correlation=0.15))  # would make the actual mean the larger one
    assert "frequen" not in other


def test_correlation_of_spend_with_frequency_warns(cdnow, posterior):
    """CDNOW: correlation .11, but heavy buyers make the mean per order 38.81 against 35.3."""
    check = spend_check(cdnow, posterior.spend)
    assert check.correlation == pytest.approx(0.114, abs=5e-4)
    assert check.mean_repeat_order == pytest.approx(38.81, abs=0.005)
    (text,) = posterior.warnings
    assert "38.8 in the log" in text
    assert f"{check.fitted_mean:.1f} each in the model" in text
    assert "orders of frequent buyers do not count for more" in text
    strong = spend_warnings(check._replace(correlation=0.4))
    assert len(strong) == 1
    assert "correlation 0.40 over 946 repeat customers" in strong[0]
    assert spend_warnings(check._replace(mean_repeat_order=check.fitted_mean)) == ()
    assert spend_warnings(check._replace(mean_repeat_order=check.fitted_mean, correlation=0.4, customers=20)) == ()
    assert "No customer has two" in spend_warnings(check._replace(customers_twice=0))[0]


# --- means instead of orders ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_means(cdnow):
    """CDNOW without its orders."""
    frame = cdnow.customers.assign(first_amount=np.nan, repeat_log_amount=np.nan)
    return replace(cdnow, customers=frame, means_only=True)


def test_density_of_means(of_means, repeat):
    """The PyMC model's likelihood is that of the means, but for the unit of money; nothing of single orders is used."""
    x, total, _ = repeat
    rows = GammaGamma().sufficient(of_means)
    model = GammaGamma().build(rows)
    likelihood = model.compile_logp(mode=PLAIN, vars=model.potentials)
    rng = np.random.default_rng(8)
    for _ in range(5):
        p, excess, mean = np.exp(rng.normal(0, 0.3, 3)) * [6.0, 2.7, 35.0]
        point = {"p_log__": np.log(p), "q_minus_1_log__": np.log(excess), "mean_log__": np.log(mean / rows.unit)}
        plain = gamma_gamma.log_likelihood_of_means(params(p, 1 + excess, mean * excess / p), x, total / x).sum()
        assert float(likelihood(point)) == pytest.approx(plain + 946 * np.log(rows.unit), abs=1e-7, rel=0)


def wide(median: float) -> LogNormalPrior:
    return LogNormalPrior(median=median, sd_log=2.0)


def test_fit_of_a_summary_is_the_published_one(of_means):
    """With wide priors the mode is all but the printed maximum; first orders, which nobody saw, are like repeat orders.

    The prior moves log p, whose standard error is 0.19, by 0.19² · log(6.25 / 5) / 2² = 0.002.
    """
    model = GammaGamma(p=wide(5.0), mean=wide(1.0), q_minus_1=wide(3.0))
    rows = model.sufficient(of_means)
    free, _ = mode_only(compile_model(model.build(rows)), "gamma_gamma", 2, 1)
    found = model.natural(free, rows, 1)
    assert [found[k][0] for k in ("p", "q", "gamma")] == pytest.approx([6.25, 3.74, 15.44], rel=0.004)
    np.testing.assert_array_equal(found["first_order_factor"], 1.0)
    assert np.isnan(spend_check(of_means, found).mean_first_order)
    assert not any("nan" in text for text in GammaGamma().warnings(of_means, found))


def test_means_that_cannot_be_fitted_are_said(of_means):
    alike = of_means.customers.assign(repeat_amount=7.0 * of_means.customers["repeat_positive"])
    with pytest.raises(DiagnosticsError, match="all customers have the same mean repeat order"):
        GammaGamma().sufficient(replace(of_means, customers=alike))
    none = of_means.customers.assign(repeat_positive=0)
    with pytest.raises(DiagnosticsError, match="positive amount: there are none"):
        GammaGamma().sufficient(replace(of_means, customers=none))
