"""BG/NBD against published numbers, other forms of its formulas, and itself in other units.

FHL: Fader, Hardie & Lee 2005, Marketing Science 24(2), Table 2: r .2426 (.0126) alpha 4.4136 (.378) a .7929 (.186)
b 2.4259 (.705), log-likelihood -9582.4292; a/(a+b) = .246.
"""

import numpy as np
import pytest
from plainly import PLAIN
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import beta as beta_function
from scipy.special import gamma as gamma_function
from scipy.special import hyp2f1, roots_genlaguerre, roots_sh_jacobi

from clvsim.errors import DiagnosticsError
from clvsim.models.laws import Customers, customers_of
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.purchases import purchase_rows


def params(r, alpha, a, b):
    return {"r": np.array([r]), "alpha": np.array([alpha]), "a": np.array([a]), "b": np.array([b])}


PRINTED = params(0.243, 4.414, 0.793, 2.426)
TIMES = np.array([1, 3, 12, 26, 39, 52, 78], float)


@pytest.fixture(scope="module")
def mle(histories):
    rows, count = np.unique(np.column_stack(histories), axis=0, return_counts=True)

    def loss(log_params):
        return -(count * bg_nbd.log_likelihood(params(*np.exp(log_params)), *rows.T)[0]).sum()

    found = minimize(
        loss, np.log([0.5, 5, 1, 3]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-9, "maxiter": 5000}
    )
    return params(*np.exp(found.x)), -found.fun


def test_maximum_likelihood_is_the_published_one(mle):
    found, value = mle
    assert value == pytest.approx(-9582.4292, abs=1e-3)
    printed = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}
    for name, expected in printed.items():
        assert found[name][0] == pytest.approx(expected, abs=1.5e-4), name


def test_log_likelihood_is_stable_at_many_orders():
    """Published checks of numerical stability."""
    found = bg_nbd.log_likelihood(params(0.25, 4, 0.8, 2.5), np.array([0, 200]), np.array([0, 38]), np.array([40, 40]))
    assert found[0, 0] == pytest.approx(-0.59947, abs=1e-5)
    assert found[0, 1] == pytest.approx(100.7957, abs=1e-4)
    huge = bg_nbd.log_likelihood(params(0.25, 4, 0.8, 2.5), np.array([5000.0]), np.array([39.9]), np.array([400.0]))
    assert np.isfinite(huge).all()


def test_log_likelihood_is_the_papers_product():
    """FHL equation (6) in plain products, for a few small x."""
    r, alpha, a, b, T = 0.6, 3.0, 0.9, 2.0, 30.0
    for x, t_x in ((0, 0.0), (1, 4.0), (5, 29.0)):
        alive = (
            beta_function(a, b + x)
            / beta_function(a, b)
            * gamma_function(r + x)
            * alpha**r
            / gamma_function(r)
            / (alpha + T) ** (r + x)
        )
        left = 0.0
        if x:
            left = beta_function(a + 1, b + x - 1) / beta_function(a, b) * gamma_function(r + x) * alpha**r
            left /= gamma_function(r) * (alpha + t_x) ** (r + x)
        found = bg_nbd.log_likelihood(params(r, alpha, a, b), np.array([x]), np.array([t_x]), np.array([T]))
        assert found[0, 0] == pytest.approx(np.log(alive + left), abs=1e-12)


def test_expected_orders_of_newcomers(mle):
    """E[X(t)] computed from the published estimates, and at the maximum itself."""
    printed = [0.05327, 0.15087, 0.50137, 0.90264, 1.19672, 1.44605, 1.86052]
    np.testing.assert_allclose(bg_nbd.expected_orders_new(PRINTED, TIMES)[0], printed, rtol=0, atol=1e-5)
    at_maximum = [0.05318, 0.15063, 0.50062, 0.90132, 1.19501, 1.44401, 1.85796]
    np.testing.assert_allclose(bg_nbd.expected_orders_new(mle[0], TIMES)[0], at_maximum, rtol=0, atol=2e-5)
    assert bg_nbd.order_pmf(PRINTED, 0, 39.0)[0, 0] == pytest.approx(0.57379, abs=1e-5)
    assert bg_nbd.order_pmf(mle[0], 0, 39.0)[0, 0] == pytest.approx(0.57431, abs=2e-5)


def test_expected_orders_of_one_customer(mle):
    one = [np.array([v]) for v in (2, 30.43, 38.86)]
    assert bg_nbd.expected_orders(mle[0], *one, 39.0)[0, 0] == pytest.approx(1.226, abs=1e-3)
    assert bg_nbd.probability_alive(mle[0], *one)[0, 0] == pytest.approx(0.7266, abs=1e-4)
    heavy = [np.array([v]) for v in (26, 30.857, 31.0)]  # customer 1516
    assert bg_nbd.expected_orders(mle[0], *heavy, 52.0)[0, 0] == pytest.approx(25.757, abs=1e-3)
    assert bg_nbd.probability_alive(mle[0], *heavy)[0, 0] == pytest.approx(0.9689, abs=1e-4)


def test_increasing_frequency_paradox(mle):
    """With the last order long ago, more orders before it mean fewer to come."""
    x = np.array([10.0, 15, 20, 25])
    found = bg_nbd.expected_orders(mle[0], x, np.full(4, 20.0), np.full(4, 39.0), 52.0)[0]
    for value, printed, digit in zip(found, [0.3475, 0.0428, 0.00416, 0.000358], [1e-4, 1e-4, 1e-5, 1e-6], strict=True):
        assert value == pytest.approx(printed, abs=digit)


def test_holdout_sum_and_error(mle, histories, cdnow):
    """Sum of 39-week expectations and mean absolute error against the actual hold-out."""
    found = bg_nbd.expected_orders(mle[0], *histories, 39.0)[0]
    assert found.sum() == pytest.approx(1653.4, abs=0.1)
    assert np.abs(found - cdnow.customers["holdout_frequency"]).mean() == pytest.approx(0.7855, abs=1e-4)


def test_expected_orders_equal_the_papers_forms():
    """FHL (9) and (10), where a is not 1."""
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    x, t_x, T, t = 3.0, 20.0, 30.0, 39.0
    new = (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * hyp2f1(r, b, a + b - 1, t / (alpha + t)))
    assert bg_nbd.expected_orders_new(PRINTED, t)[0, 0] == pytest.approx(new, rel=1e-10)
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
    later = (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * series)
    later /= 1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x)
    found = bg_nbd.expected_orders(PRINTED, *(np.array([v]) for v in (x, t_x, T)), t)
    assert found[0, 0] == pytest.approx(later, rel=1e-10)


def test_intensity_is_the_mean_over_rate_and_dropout():
    """The derivation: d/dt of expected orders = E[lambda exp(-lambda p t)] over both distributions."""
    r, alpha, a, b, t = 1.7, 4.4, 1.3, 2.4, 12.0
    nodes, weights = roots_genlaguerre(80, r - 1)
    rate = nodes[:, None] / alpha
    p, p_weights = roots_sh_jacobi(80, a + b - 1, a)
    mean = weights @ (rate * np.exp(-rate * p * t)) @ p_weights / (gamma_function(r) * beta_function(a, b))
    h = 1e-3
    orders = bg_nbd.expected_orders_new(params(r, alpha, a, b), np.array([t - h, t + h]))[0]
    assert (orders[1] - orders[0]) / (2 * h) == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [(80.0, 300.0), (234.2, 576.6), (600.0, 400.0), (900.0, 0.8), (0.4, 900.0)])
def test_orders_where_dropout_hardly_varies(a, b):
    """Draws of a short log, whose posterior reaches to a + b in the thousands; p by Gauss-Jacobi where it is narrow."""
    r, rate, x, horizon, force = 0.5, 8.0, 2.0, 52.0, 0.002
    p, weights = roots_sh_jacobi(40, a + b + x - 1, a)

    def intensity(t):
        each = (r + x) / rate * (1 + p * t / rate) ** -(r + x + 1)
        return np.exp(-force * t) * (weights @ each) / weights.sum()

    expected = quad(intensity, 0, horizon, epsabs=0, epsrel=1e-12, limit=200)[0]
    one = params(r, 1.0, a, b)
    found = bg_nbd.orders_given_alive(one, np.array([x]), np.array([rate - 1]), horizon, force)
    assert found[0, 0] == pytest.approx(expected, rel=1e-9)


def test_no_discount_is_the_conditional_expectation(mle, cdnow, histories):
    customers = customers_of(cdnow)
    alive = bg_nbd.expected_discounted_orders(mle[0], customers, 39 * 7.0, 0.0, 7.0)
    expected = bg_nbd.expected_orders(mle[0], *histories, 39.0)
    np.testing.assert_allclose(alive * bg_nbd.probability_alive(mle[0], *histories), expected, rtol=1e-12)


def test_discount_is_annual_and_at_event_time(mle):
    """Against sums of expected orders of single days at mid-day discount (error of the rule: about 1e-8)."""
    one = Customers(*(np.array([v]) for v in (2.0, 213.0, 272.0)))
    found = bg_nbd.expected_discounted_orders(mle[0], one, 365.25, 0.10, 7.0)[0, 0]
    ends = np.arange(0, 366.0)
    ends[-1] = 365.25
    sums = np.array([bg_nbd.expected_discounted_orders(mle[0], one, t, 0.0, 7.0)[0, 0] for t in ends])
    middle = (ends[1:] + ends[:-1]) / 2
    assert found == pytest.approx((np.diff(sums) * 1.1 ** (-middle / 365.25)).sum(), rel=1e-6)


def test_drawn_laws_give_the_closed_form():
    """Orders within t given alive, integrated over the law handed to the simulator (in days), equal FHL (10)."""
    customers = Customers(*(np.array(v, float) for v in ([0, 3, 26], [0, 140, 216], [200, 210, 217])))
    law = bg_nbd.laws(PRINTED, customers, 7.0)
    t = 39 * 7.0
    weeks = Customers(customers.x, customers.t_x_days / 7, customers.T_days / 7)
    expected = bg_nbd.expected_orders(PRINTED, *weeks, 39.0)[0]
    for i in range(3):
        shape, rate, a, b = (getattr(law, n)[0, i] for n in ("rate_shape", "rate_rate", "drop_a", "drop_b"))

        def orders(p, shape=shape, rate=rate, b=b):  # the rate integrated out; the weight p^(a-1) is quad's
            p = max(p, 1e-14)  # the limit at 0, where quad looks
            return -np.expm1(-shape * np.log1p(p * t / rate)) / p * (1 - p) ** (b - 1)

        value, _ = quad(orders, 0, 1, weight="alg", wvar=(a - 1, 0), epsrel=1e-10, limit=200)
        assert law.p_alive[0, i] * value / beta_function(a, b) == pytest.approx(expected[i], rel=1e-7)
    assert law.p_alive[0, 0] == 1.0
    assert (law.regularity, law.birth_charges) == (1, 0)
    assert not law.mu_shape.any()
    assert not law.mu_rate.any()


def test_laws_are_ready_for_the_kernel():
    many = {name: np.repeat(values, 16) for name, values in PRINTED.items()}
    customers = Customers(*(np.full(5, v) for v in (2.0, 100.0, 200.0)))
    for law, shape in ((bg_nbd.laws(many, customers, 7.0), (16, 5)), (bg_nbd.newcomer_laws(many, 7.0), (16, 1))):
        for array in law[:7]:
            assert array.shape == shape
            assert array.dtype == np.float64
            assert array.flags.c_contiguous
    newcomer = bg_nbd.newcomer_laws(PRINTED, 7.0)
    got = [
        v[0, 0] for v in (newcomer.p_alive, newcomer.rate_shape, newcomer.rate_rate, newcomer.drop_a, newcomer.drop_b)
    ]
    assert got == pytest.approx([1.0, 0.243, 4.414 * 7, 0.793, 2.426], rel=1e-14)


def test_probability_of_an_order_in_the_limits():
    one = [np.array([v]) for v in (2.0, 20.0, 39.0)]
    alive = bg_nbd.probability_alive(PRINTED, *one)[0, 0]
    assert bg_nbd.probability_active(PRINTED, *one, 0.0)[0, 0] == 0
    assert bg_nbd.probability_active(PRINTED, *one, np.inf)[0, 0] == alive


@pytest.fixture(scope="module")
def models(cdnow):
    """The PyMC model of CDNOW in days and in weeks, with its rows."""
    days = customers_of(cdnow)
    weeks = Customers(days.x, days.t_x_days / 7, days.T_days / 7)
    return [(rows, BgNbd().build(rows)) for rows in (purchase_rows(days), purchase_rows(weeks))]


def test_posterior_density_does_not_depend_on_days_or_weeks(models):
    """log density plus Jacobian at 20 points given in natural units; alpha is 7 times as large in days."""
    rng = np.random.default_rng(5)
    logps = [model.compile_logp(mode=PLAIN) for _, model in models]
    for _ in range(20):
        r, alpha, mean, total = np.exp(rng.normal(0, 0.3, 4)) * [0.24, 4.4, 0.25, 3.2]
        values = []
        for (rows, _), logp, scale in zip(models, logps, (7.0, 1.0), strict=True):
            rate = r / (alpha * scale) * rows.unit_days
            point = {
                "r_log__": np.log(r),
                "rate_log__": np.log(rate),
                "dropout_mean_logodds__": np.log(mean / (1 - mean)),
                "dropout_concentration_log__": np.log(total),
            }
            values.append(float(logp(point)))
        assert values[0] == pytest.approx(values[1], abs=1e-9, rel=0)


def test_model_has_the_likelihood_of_all_customers(models, histories):
    """The grouped sums in the model equal the plain ones over 2,357 customers, but for the unit: sum x log(unit)."""
    rows, model = models[1]
    logp = model.compile_logp(mode=PLAIN, vars=model.potentials)
    x, t_x, T = histories
    for r, alpha, a, b in ((0.2426, 4.4136, 0.7929, 2.4259), (1.5, 20.0, 0.2, 0.3)):
        rate, total = r / alpha * rows.unit_days, a + b
        point = {
            "r_log__": np.log(r),
            "rate_log__": np.log(rate),
            "dropout_mean_logodds__": np.log(a / b),
            "dropout_concentration_log__": np.log(total),
        }
        plain = bg_nbd.log_likelihood(params(r, alpha, a, b), x, t_x, T).sum() + x.sum() * np.log(rows.unit_days)
        assert float(logp(point)) == pytest.approx(plain, abs=1e-7, rel=0)


def test_natural_parameters_undo_the_scaling():
    rows = purchase_rows(Customers(np.array([1.0, 0]), np.array([10.0, 0]), np.array([40.0, 60])))
    free = {"r": 0.3, "rate": 1.5, "dropout_mean": 0.25, "dropout_concentration": 4.0}
    found = BgNbd().natural({k: np.array([v]) for k, v in free.items()}, rows, 7.0)
    assert {k: v[0] for k, v in found.items()} == pytest.approx({"r": 0.3, "alpha": 0.2 * 50 / 7, "a": 1.0, "b": 3.0})


def test_rows_are_counted(cdnow):
    rows = purchase_rows(customers_of(cdnow))
    assert (rows.count.sum(), (rows.count * rows.x).sum()) == (2357, 2457)
    assert (rows.T * rows.count).sum() == pytest.approx(2357, rel=1e-12)
    assert len(rows.x) < 1100


def test_no_repeat_orders_is_said():
    with pytest.raises(DiagnosticsError, match="needs repeat orders"):
        purchase_rows(Customers(np.zeros(3), np.zeros(3), np.full(3, 10.0)))


def test_posterior_agrees_with_the_published_estimates(posterior):
    """Posterior means within one published standard error; mean dropout within .02 of .246."""
    found = posterior.retention
    assert found["r"].mean() == pytest.approx(0.2426, abs=0.0126)
    assert found["alpha"].mean() == pytest.approx(4.4136, abs=0.378)
    assert (found["a"] / (found["a"] + found["b"])).mean() == pytest.approx(0.246, abs=0.02)
    # The flat-ish priors leave the likelihood's spread: standard deviations near the published standard errors.
    assert found["r"].std() == pytest.approx(0.0126, rel=0.15)
    assert found["alpha"].std() == pytest.approx(0.378, rel=0.15)


def test_any_first_draws_are_a_fair_sample(posterior):
    """Half of the draws against the other half, in standard errors of independent draws (ESS is at least half)."""
    for name, values in posterior.retention.items():
        half = values.size // 2
        error = values.std() * np.sqrt(2 * 2 / half)
        assert abs(values[:half].mean() - values[half:].mean()) < 4 * error, name
        neighbours = np.corrcoef(values[1:], values[:-1])[0, 1]  # 0 after permutation
        assert abs(neighbours) < 4 / np.sqrt(values.size), name
