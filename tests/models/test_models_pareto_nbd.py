"""Pareto/NBD against published numbers and the hypergeometric forms of its formulas; see also the contract suite.

FHL: Fader, Hardie & Lee 2005, Marketing Science 24(2), Table 2: r .5533 (.0476) alpha 10.578 (.843) s .6062 (.187)
beta 11.669 (6.21), log-likelihood -9594.9762. JMR: Fader, Hardie & Lee 2005, Journal of Marketing Research 42(4).
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1, hyperu

from clvsim.kernels.silence import silent_death
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.diagnostics import diagnose
from clvsim.models.laws import Customers
from clvsim.models.retention import pareto_nbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.retention.purchases import purchase_rows
from clvsim.models.sampling import sample


def params(r, alpha, s, beta):
    return {"r": np.array([r]), "alpha": np.array([alpha]), "s": np.array([s]), "beta": np.array([beta])}


TIMES = np.array([1, 3, 12, 26, 39, 52, 78], float)
CDNOW = params(0.5533, 10.578, 0.6062, 11.669)
JMR = params(0.5630, 12.559, 0.4081, 10.515)
JMR_RATE = np.expm1(0.0027 * 365.25 / 7)  # continuous, per week


@pytest.fixture(scope="module")
def mle(histories):
    rows, count = np.unique(np.column_stack(histories), axis=0, return_counts=True)

    def loss(log_params):
        return -(count * pareto_nbd.log_likelihood(params(*np.exp(log_params)), *rows.T)[0]).sum()

    found = minimize(
        loss, np.log([0.5, 10, 1, 10]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-9, "maxiter": 5000}
    )
    return params(*np.exp(found.x)), -found.fun


def test_maximum_likelihood_is_the_published_one(mle):
    found, value = mle
    assert value == pytest.approx(-9594.9762, abs=1e-3)
    for name, expected, digit in (("r", 0.5533, 1e-4), ("alpha", 10.578, 1e-3), ("s", 0.6062, 1e-4)):
        assert found[name][0] == pytest.approx(expected, abs=digit), name
    assert found["beta"][0] == pytest.approx(11.669, abs=1e-3)


def test_expected_orders_of_newcomers(mle):
    printed = [0.05101, 0.14613, 0.49776, 0.90891, 1.21340, 1.47343, 1.90987]
    np.testing.assert_allclose(pareto_nbd.expected_orders_new(mle[0], TIMES)[0], printed, rtol=0, atol=1e-5)


def test_expected_orders_of_one_customer(mle):
    heavy = [np.array([v]) for v in (26, 30.857, 31.0)]  # customer 1516
    assert pareto_nbd.expected_orders(mle[0], *heavy, 52.0)[0, 0] == pytest.approx(25.456, abs=1e-3)
    assert pareto_nbd.probability_alive(mle[0], *heavy)[0, 0] == pytest.approx(0.99787, abs=1e-5)


def test_increasing_frequency(mle):
    """With the last order long ago, more orders before it mean fewer to come."""
    x = np.array([10.0, 15, 20, 25])
    found = pareto_nbd.expected_orders(mle[0], x, np.full(4, 20.0), np.full(4, 39.0), 52.0)[0]
    for value, printed, digit in zip(found, [0.706, 0.144, 0.0225, 0.0031], [1e-3, 1e-3, 1e-4, 1e-4], strict=True):
        assert value == pytest.approx(printed, abs=digit)


def test_holdout_sum_and_error(mle, histories, cdnow):
    """Sum of 39-week expectations and mean absolute error against the actual hold-out."""
    found = pareto_nbd.expected_orders(mle[0], *histories, 39.0)[0]
    assert found.sum() == pytest.approx(1665.5, abs=0.1)
    assert np.abs(found - cdnow.customers["holdout_frequency"]).mean() == pytest.approx(0.7545, abs=1e-4)


def dert(x, t_x, T=77.86):
    """Orders to infinity, alive or not, each discounted to today: (customer,)."""
    x, t_x = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(t_x, float))
    age = np.full_like(x, T)
    alive = pareto_nbd.probability_alive(JMR, x, t_x, age)
    later = pareto_nbd.expected_discounted_orders(JMR, Customers(x, t_x * 7, age * 7), np.inf, JMR_RATE, 7.0)
    return (alive * later)[0]


def test_discounted_expected_residual_transactions():
    """JMR: at t_x = 30 the value falls again beyond three repeat orders."""
    printed = [2.1992, 2.8436, 2.8672, 2.4455, 1.8406, 1.2625, 0.8097, 0.4948, 0.2920, 0.1679]
    np.testing.assert_allclose(dert(np.arange(1, 11), np.full(10, 30.0)), printed, rtol=0, atol=1e-4)
    assert dert(7, 35)[0] == pytest.approx(1.864, abs=1e-3)
    assert dert(14, 77)[0] == pytest.approx(35.478, abs=1e-3)
    assert dert(0, 0)[0] == pytest.approx(0.3648, abs=1e-4)


def test_residual_transactions_equal_the_confluent_form():
    """JMR: with Psi(s, s; delta (beta+T)) and delta per week."""
    delta, T = 0.0027, 77.86
    r, alpha, s, beta = (JMR[n][0] for n in ("r", "alpha", "s", "beta"))
    customer = Customers(np.array([4.0]), np.array([210.0]), np.array([T * 7]))
    expected = (r + 4) / (alpha + T) * delta ** (s - 1) * (beta + T) ** s * hyperu(s, s, delta * (beta + T))
    found = pareto_nbd.expected_discounted_orders(JMR, customer, np.inf, JMR_RATE, 7.0)[0, 0]
    assert found == pytest.approx(expected, rel=1e-9)


def test_infinite_horizon_without_discount():
    """(r+x)/(alpha+T) * (beta+T)/(s-1) where s > 1; otherwise lives have no mean."""
    both = {"r": np.full(2, 2.0), "alpha": np.full(2, 5.0), "s": np.array([3.0, 0.9]), "beta": np.full(2, 20.0)}
    customer = Customers(np.array([1.0]), np.array([7.0]), np.array([70.0]))
    found = pareto_nbd.expected_discounted_orders(both, customer, np.inf, 0.0, 7.0)[:, 0]
    assert found[0] == pytest.approx(3 / 15 * 30 / 2, rel=1e-12)
    assert np.isposinf(found[1])


@pytest.mark.parametrize("s", [0.02, 0.6, 1.0, 2.5, 40.0])
@pytest.mark.parametrize("beta", [0.1, 12.0, 900.0])
@pytest.mark.parametrize(("horizon", "rate"), [(12.0, 0.1), (520.0, 0.1), (520.0, 9.0), (np.inf, 0.1), (np.inf, 1e-4)])
def test_discounted_life_equals_quadrature(s, beta, horizon, rate):
    """Adaptive quadrature of the plain integrand, in the logarithm of time."""
    force = np.log1p(rate) / 365.25 * 7

    def integrand(u):
        t = np.exp(u)
        return t * np.exp(-force * t - s * np.log1p(t / beta))

    end = np.log(min(horizon, 60 / force))
    cuts = np.linspace(-40, end, 60)
    plain = sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pairwise(cuts))
    nobody = Customers(*(np.zeros(1) for _ in range(3)))
    one = params(1.0, 1.0, s, beta)
    found = pareto_nbd.expected_discounted_orders(one, nobody, horizon * 7, rate, 7.0)[0, 0]
    assert found == pytest.approx(plain, rel=1e-9)


def test_expected_orders_do_not_notice_that_s_is_one():
    """The closed form is 0/0 at s = 1; there it is r beta / alpha * log(1 + t/beta)."""
    at = pareto_nbd.expected_orders_new(params(0.6, 10.0, 1.0, 12.0), 39.0)[0, 0]
    assert at == pytest.approx(0.6 * 12 / 10 * np.log1p(39 / 12), rel=1e-13)
    near = [pareto_nbd.expected_orders_new(params(0.6, 10.0, 1 + e, 12.0), 39.0)[0, 0] for e in (-1e-6, 1e-6)]
    assert sum(near) / 2 == pytest.approx(at, rel=1e-11)


def hypergeometric_log_likelihood(r, alpha, s, beta, x, t_x, T):
    """Fader & Hardie 2005, A note on deriving the Pareto/NBD model: two Gaussian series."""
    most, second = (alpha, s + 1) if alpha >= beta else (beta, r + x)
    total, gap = r + s + x, abs(alpha - beta)

    def term(t):
        return hyp2f1(total, second, total + 1, gap / (most + t)) / (most + t) ** total

    alive = (alpha + T) ** -(r + x) * (beta + T) ** -s
    lost = s / total * (term(t_x) - term(T))
    return gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(alive + lost)


def test_likelihood_equals_the_hypergeometric_form():
    """300 parameters and histories, rate and hazard scales apart by up to a factor of 20 either way."""
    rng = np.random.default_rng(12)
    for _ in range(300):
        r, s = np.exp(rng.uniform(np.log(0.1), np.log(4), 2))
        alpha, beta = np.exp(rng.uniform(np.log(2), np.log(40), 2))
        T = rng.uniform(5, 120)
        x = float(rng.integers(0, 12))
        t_x = T * rng.uniform(0.05, 0.95) if x else 0.0
        found = pareto_nbd.log_likelihood(params(r, alpha, s, beta), *(np.array([v]) for v in (x, t_x, T)))[0, 0]
        plain = hypergeometric_log_likelihood(r, alpha, s, beta, x, t_x, T)
        assert found == pytest.approx(plain, abs=1e-9, rel=0), (r, alpha, s, beta, x, t_x, T)


def test_published_checks_of_stability():
    """Histories for which a common implementation gave nan; the integral in log space by SciPy."""
    values = (0.5143, 2.8845, 0.2856, 14.1087)
    x, t_x, T = ([221.0, 254, 161, 204], [103.43, 97.14, 94.71, 98.57], [103.57, 97.29, 98.0, 99.43])
    found = pareto_nbd.probability_alive(params(*values), *(np.array(v) for v in (x, t_x, T)))[0]
    r, alpha, s, beta = values
    for i in range(4):

        def odds(t, i=i):
            return s / (beta + T[i]) * ((alpha + T[i]) / (alpha + t)) ** (r + x[i]) * (
                (beta + T[i]) / (beta + t)
            ) ** (s + 1)  # fmt: skip

        dead, _ = quad(odds, t_x[i], T[i], epsabs=0, epsrel=1e-12)
        assert found[i] == pytest.approx(1 / (1 + dead), rel=1e-10)


@pytest.mark.parametrize(
    "case",
    [
        (0.3, 1.0, 0.2, 2.0, 0.5),  # flat
        (3.6, 11.0, 0.6, 30.0, 12.0),  # easy
        (0.2, 0.05, 0.3, 200.0, 500.0),  # a young scale and an old one
        (0.2, 200.0, 0.3, 0.05, 500.0),
        (5000.0, 100.0, 0.6, 12.0, 900.0),  # falls at once
        (2.0, 30.0, 60.0, 4000.0, 3000.0),  # nearly equal hazards
    ],
)
def test_silent_death_equals_quadrature(case):
    """log G and the four means its gradient is made of."""
    power, a, s, b, span = case
    scale = 1 / (power / a + (s + 1) / b)
    edges = np.concatenate([[0], np.geomspace(1e-4 * scale, 1, 40) * span]) if scale < span else np.array([0, span])
    means = [lambda t: 1.0, lambda t: np.log1p(t / a), lambda t: np.log1p(t / b), lambda t: 1 / (a + t)]
    means.append(lambda t: 1 / (b + t))

    def integral(f):
        def density(t):
            return f(t) * s / b * np.exp(-power * np.log1p(t / a) - (s + 1) * np.log1p(t / b))

        return sum(quad(density, low, high, epsabs=0, epsrel=1e-11)[0] for low, high in pairwise(edges))

    plain = [integral(f) for f in means]
    found = silent_death(*case)
    assert found[0] == pytest.approx(np.log(plain[0]), abs=1e-9)
    for value, expected in zip(found[1:], plain[1:], strict=True):
        assert value == pytest.approx(expected / plain[0], rel=1e-8)


@pytest.mark.parametrize(
    ("power", "length"),
    [
        (5.0, 4 / 6.6),  # the integrand falls by exp(-4): 8 to 12 nodes
        (1.0, 1.0),  # the range of log time passes 1: 8 to 12 nodes
        (8.0, 12 / 9.6),  # exp(-12): 12 to 24 nodes
        (2.0, 2.0),  # 2: 12 to 24 nodes
        (60.0, 37 / 61.6),  # exp(-37): from here on the range is cut
    ],
)
def test_quadrature_rules_meet(power, length):
    """Where the rule changes, log G does not: its own change over the step is below 4e-12."""
    scale = 10.0
    spans = [scale * np.expm1(length * e) for e in (1 - 1e-12, 1 + 1e-12)]
    below, above = (silent_death(power, scale, 0.6, scale, span) for span in spans)
    np.testing.assert_allclose(below, above, rtol=1e-10, atol=1e-12)


def test_a_customer_who_has_just_ordered_is_alive():
    x, t = np.array([1.0, 3.0]), np.array([2.0, 39.0])
    assert (pareto_nbd.probability_alive(CDNOW, x, t, t) == 1.0).all()


def test_natural_parameters_undo_the_scaling():
    """beta from the share lost within one unit: 1 - (beta/(beta+1))^s."""
    rows = purchase_rows(Customers(np.array([1.0, 0]), np.array([10.0, 0]), np.array([40.0, 60])))
    free = {"r": 0.3, "rate": 1.5, "s": 0.6, "lost": 0.55}
    found = ParetoNbd().natural({k: np.array([v]) for k, v in free.items()}, rows, 7.0)
    assert found["alpha"][0] == pytest.approx(0.2 * 50 / 7)
    beta = found["beta"][0]
    assert 1 - (beta / (beta + 50 / 7)) ** 0.6 == pytest.approx(0.55, rel=1e-12)


@pytest.fixture(scope="module")
def fitted(cdnow):
    """One fit of CDNOW; less than the default, as the gate's figures are looked at below."""
    model, config = ParetoNbd(), FitConfig(draws=1600, chains=2, tune=500)
    rows = model.sufficient(cdnow)
    free, divergences = sample(compile_model(model.build(rows)), config)
    life = model.natural(free, rows, 7.0)
    return life, diagnose(model.kind, life, divergences, config.chains)


@pytest.mark.slow
def test_the_sampler_passes_the_gate(fitted):
    assert all(d.ok for d in fitted[1]), fitted[1]


@pytest.mark.slow
def test_posterior_agrees_with_the_published_estimates(fitted):
    """Within one published standard error: means of r and alpha; medians of s and beta, which are skewed to the right.

    What the log does say about death, the share lost within 39 weeks, is as sharp as what it says about buying.
    """
    found, _ = fitted
    assert found["r"].mean() == pytest.approx(0.5533, abs=0.0476)
    assert found["alpha"].mean() == pytest.approx(10.578, abs=0.843)
    assert np.median(found["s"]) == pytest.approx(0.6062, abs=0.187)
    assert np.median(found["beta"]) == pytest.approx(11.669, abs=6.21)
    assert found["r"].std() == pytest.approx(0.0476, rel=0.15)
    assert found["alpha"].std() == pytest.approx(0.843, rel=0.15)
    lost = 1 - (found["beta"] / (found["beta"] + 39)) ** found["s"]
    assert lost.mean() == pytest.approx(1 - (11.669 / 50.669) ** 0.6062, abs=0.03)
