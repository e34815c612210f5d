"""BG/BB against the published figures of the 1995 donors, brute force over traits, and plain simulation."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from plainly import PLAIN
from scipy.optimize import minimize
from scipy.special import betaln, comb, expit
from scipy.stats import beta as beta_distribution
from scipy.stats import norm

from clvsim.errors import DiagnosticsError
from clvsim.kernels.opportunities import endless, gone_or_not
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit_one
from clvsim.models.laws import rows_of
from clvsim.models.retention import bg_bb
from clvsim.models.retention.bg_bb import BgBb, Opportunities, OpportunityRows
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

# Fader, Hardie & Shang 2010, Marketing Science 29(6), Table 2: donations of the 1995 cohort over six years.
# Years with a donation, the last of them, and donors.
DONATIONS = np.array(
    [
        (6, 6, 1203), (5, 6, 728), (4, 6, 512), (3, 6, 357), (2, 6, 234), (1, 6, 129), (5, 5, 335), (4, 5, 284),
        (3, 5, 225), (2, 5, 173), (1, 5, 119), (4, 4, 240), (3, 4, 181), (2, 4, 155), (1, 4, 78), (3, 3, 322),
        (2, 3, 255), (1, 3, 129), (2, 2, 613), (1, 2, 277), (1, 1, 1091), (0, 0, 3464),
    ],
    float,
)  # fmt: skip
ROWS = OpportunityRows(
    np.ascontiguousarray(DONATIONS[:, 0]),
    np.ascontiguousarray(DONATIONS[:, 1]),
    np.full(22, 6.0),
    np.ascontiguousarray(DONATIONS[:, 2]),
    np.zeros(22, np.int64),
)
MLE = {
    "alpha": np.array([1.2035]),
    "beta": np.array([0.7497]),
    "gamma": np.array([0.6567]),
    "delta": np.array([2.7834]),
}
YEARLY = BgBb(opportunity_days=DAYS_PER_YEAR)


def donors(*histories) -> Opportunities:
    """(x, t_x) of six yearly opportunities; the seventh is a year away."""
    x, t_x = np.array(histories, float).T
    return Opportunities(x, t_x, np.full(x.size, 6.0), np.full(x.size, DAYS_PER_YEAR))


# --- published numbers ------------------------------------------------------------------------------------------------


def test_log_likelihood_at_the_published_estimates():
    assert float(ROWS.count.sum()) == 11104
    found = (ROWS.count * bg_bb.log_likelihood(MLE, *ROWS[:3])[0]).sum()
    assert found == pytest.approx(-33225.5813, abs=1e-3)


def test_maximum_likelihood_is_the_published_one():
    def loss(logs):
        params = dict(zip(MLE, np.exp(logs)[:, None], strict=True))
        return -(ROWS.count * bg_bb.log_likelihood(params, *ROWS[:3])[0]).sum()

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-2})
    for name, value in zip(MLE, np.exp(found.x), strict=True):
        assert value == pytest.approx(MLE[name][0], abs=1.5e-4), name


def test_published_expectations():
    assert bg_bb.expected_orders_new(MLE, 10.0)[0, 0] == pytest.approx(3.180, abs=1e-3)
    assert YEARLY.expected_orders_new(MLE, np.array([10.5]), DAYS_PER_YEAR)[0, 0] == pytest.approx(3.180, abs=1e-3)
    of = donors((6, 6), (3, 4), (0, 0))
    found = YEARLY.expected_orders(MLE, of, 5.5 * DAYS_PER_YEAR, 7.0)[0]
    np.testing.assert_allclose(found, [3.75, 1.03, 0.07], atol=0.01)


def test_published_probabilities_alive_are_at_the_next_opportunity():
    of = donors((0, 0), (2, 4), (6, 6))
    found = bg_bb.probability_alive_next(MLE, *of[:3])[0]
    np.testing.assert_allclose(found, [0.11, 0.59, 0.93], atol=0.01)
    here = YEARLY.probability_alive(MLE, of, 7.0)[0]
    assert here[2] == 1.0  # whoever bought at the latest opportunity was there
    np.testing.assert_allclose(found / here, (2.7834 + 6) / (0.6567 + 2.7834 + 6), rtol=1e-12)


def test_published_discounted_residual_transactions():
    """DERT at 10 % a year is for donors alive or not, discounted from the latest opportunity."""
    of = donors((6, 6), (3, 4))
    alive = YEARLY.probability_alive(MLE, of, 7.0)[0]
    found = alive * YEARLY.expected_discounted_orders(MLE, of, np.inf, 0.10, 7.0)[0]
    np.testing.assert_allclose(found, [5.91, 1.63], atol=0.01)


# --- brute force over traits ------------------------------------------------------------------------------------------

HISTORIES = [(0, 0, 1), (0, 0, 6), (1, 1, 6), (2, 4, 6), (6, 6, 6), (3, 5, 19)]


def grid(a, b):
    """Points and weights of E f(z), z ~ Beta(a, b): trapezoid in the logit, which converges exponentially."""
    u = np.arange(-40 / a, 40 / b, 0.12)
    weight = np.exp(a * np.log(expit(u)) + b * np.log(expit(-u)) - betaln(a, b)) * (u[1] - u[0])
    return expit(u), weight


P, OF_P = (v[:, None] for v in grid(1.2035, 0.7497))
THETA, OF_THETA = (v[None, :] for v in grid(0.6567, 2.7834))
WEIGHT = OF_P * OF_THETA


def story(p, theta, x, t_x, n):
    """Probabilities of a history with the customer still there at n, and gone before opportunity k + 1."""
    here = p**x * (1 - p) ** (n - x) * (1 - theta) ** n
    gone = [p**x * (1 - p) ** (k - x) * (1 - theta) ** k * theta for k in range(t_x, n)]
    return here, gone


@pytest.mark.parametrize("history", HISTORIES)
def test_everything_is_the_story_averaged_over_traits(history):
    x, t_x, n = history
    here, gone = story(P, THETA, *history)
    alive, lost = (WEIGHT * here).sum(), sum((WEIGHT * g).sum() for g in gone)
    arrays = [np.array([float(v)]) for v in history]
    assert bg_bb.log_likelihood(MLE, *arrays)[0, 0] == pytest.approx(np.log(alive + lost), abs=1e-10)
    assert bg_bb.probability_alive(MLE, *arrays)[0, 0] == pytest.approx(alive / (alive + lost), rel=1e-10)

    m, z = 9, 0.93
    orders = sum(WEIGHT * here * P * (1 - THETA) ** k * z ** (k - 1) for k in range(1, m + 1)).sum() / alive
    assert bg_bb.orders_given_alive(MLE, arrays[0], arrays[2], m, z)[0, 0] == pytest.approx(orders, rel=1e-10)
    endlessly = (WEIGHT * here * P * (1 - THETA) / (1 - z * (1 - THETA))).sum() / alive
    assert bg_bb.orders_given_alive(MLE, arrays[0], arrays[2], np.inf, z)[0, 0] == pytest.approx(endlessly, rel=1e-10)

    longer_here, longer_gone = story(P, THETA, x, t_x, n + m)
    silent = (WEIGHT * (longer_here + sum(longer_gone))).sum()
    of = Opportunities(*arrays, np.array([3.0]))
    horizon = 3.1 + (m - 1) * DAYS_PER_YEAR
    active = YEARLY.probability_active(MLE, of, horizon, 7.0)[0, 0]
    assert active == pytest.approx(1 - silent / (alive + lost), rel=1e-9)
    again = (WEIGHT * here * P * (1 - THETA) / (1 - (1 - P) * (1 - THETA))).sum()
    assert YEARLY.probability_active(MLE, of, np.inf, 7.0)[0, 0] == pytest.approx(again / (alive + lost), rel=1e-7)


def test_who_never_leaves_buys_again_some_day():
    """gamma near 0: P(ever) = 1, of which those with p near 0 need 10^13 opportunities and more."""
    some = (np.array([0.0, 3.0, 400.0]), np.array([0.0, 10.0, 1000.0]))
    for alpha, beta in ((0.02, 3.0), (1.2, 0.75)):
        loyal = {name: np.array([v]) for name, v in zip(MLE, (alpha, beta, 1e-12, 2.0), strict=True)}
        np.testing.assert_allclose(bg_bb.purchase_ever(loyal, *some), 1.0, rtol=1e-7)
    late = bg_bb.purchase_given_alive(MLE, *some, 1e6)
    np.testing.assert_allclose(bg_bb.purchase_given_alive(MLE, *some, np.inf), late, rtol=1e-7)


@pytest.mark.parametrize("history", [h for h in HISTORIES if h[1] < h[2]])
def test_traits_of_the_dead_are_a_mixture_over_their_departure(history):
    _, gone = story(P, THETA, *history)
    weight = np.array([(WEIGHT * g).sum() for g in gone])
    x, t_x, n = (np.array([float(v), 0.0]) for v in history)  # the second has no opportunity behind
    law: Any = YEARLY.laws_given_dead(MLE, Opportunities(x, t_x, n, np.ones(2)), 7.0)
    np.testing.assert_allclose(law.weight[0, 0, : len(gone)], weight / weight.sum(), rtol=1e-10)
    np.testing.assert_allclose(law.weight.sum(axis=2), 1, rtol=1e-12)
    assert (law.weight[0, 1] == [1.0] + [0.0] * (law.weight.shape[2] - 1)).all()
    for i, g in enumerate(gone):
        mean_p, mean_theta = ((WEIGHT * g * v).sum() / weight[i] for v in (P, THETA))
        assert law.buy_a[0, 0, i] / (law.buy_a + law.buy_b)[0, 0, i] == pytest.approx(mean_p, rel=1e-10)
        assert law.drop_a[0, 0, i] / (law.drop_a + law.drop_b)[0, 0, i] == pytest.approx(mean_theta, rel=1e-10)


@pytest.mark.parametrize("n", [0, 1, 10])
def test_order_counts_of_newcomers(n):
    def survivors(k):
        return (1 - THETA) ** k * (THETA if k < n else 1)

    expected = [
        sum((WEIGHT * survivors(k) * comb(k, j) * P**j * (1 - P) ** (k - j)).sum() for k in range(j, n + 1))
        for j in range(n + 1)
    ]
    found = bg_bb.order_pmf(MLE, n + 2, n)
    assert found.shape == (1, n + 3)
    np.testing.assert_allclose(found[0], [*expected, 0, 0], rtol=1e-9, atol=1e-15)
    assert found.sum() == pytest.approx(1, rel=1e-12)
    assert found[0] @ np.arange(n + 3) == pytest.approx(bg_bb.expected_orders_new(MLE, float(n))[0, 0], rel=1e-12)
    np.testing.assert_array_equal(YEARLY.order_pmf(MLE, n + 2, n + 1, DAYS_PER_YEAR), found)


def test_several_draws_and_customers_are_one_by_one():
    many = {k: v * np.exp(np.linspace(-0.4, 0.5, 5)) for k, v in MLE.items()}
    x, t_x, n = np.array([*HISTORIES, HISTORIES[2]], float).T
    functions = (
        bg_bb.log_likelihood,
        bg_bb.probability_alive,
        lambda p, x, t_x, n: bg_bb.expected_orders(p, x, t_x, n, 10.0),
        lambda p, x, t_x, n: bg_bb.purchase_given_alive(p, x, n, 10.0),
    )
    for function in functions:
        table = function(many, x, t_x, n)
        assert table.shape == (5, 7)
        for d in range(5):
            one = {k: v[d : d + 1] for k, v in many.items()}
            for i in range(7):
                assert table[d, i] == pytest.approx(function(one, x[i : i + 1], t_x[i : i + 1], n[i : i + 1])[0, 0])


# --- the horizon and the grid -----------------------------------------------------------------------------------------


def test_a_horizon_holds_the_opportunities_before_its_end():
    model = BgBb(opportunity_days=30.0)
    of = Opportunities(np.array([2.0]), np.array([4.0]), np.array([4.0]), np.array([12.5]))
    for horizon, m in ((12.5, 0), (12.6, 1), (42.5, 1), (42.6, 2), (12.5 + 30 * 40, 40)):
        expected = bg_bb.expected_orders(MLE, *of[:3], m)[0, 0]
        assert model.expected_orders(MLE, of, horizon, 7.0)[0, 0] == expected
        assert model.expected_discounted_orders(MLE, of, horizon, 0.0, 7.0)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_discount_is_that_of_each_opportunity_s_own_date():
    model, rate = BgBb(opportunity_days=30.0), 0.2
    of = Opportunities(np.array([2.0, 0.0]), np.array([4.0, 0.0]), np.array([4.0, 9.0]), np.array([12.5, 30.0]))
    until = [bg_bb.orders_given_alive(MLE, of.x, of.n, m, 1.0)[0] for m in range(25)]
    days = of.next_days + 30.0 * np.arange(24)[:, None]
    expected = (np.diff(until, axis=0) * (1 + rate) ** (-days / DAYS_PER_YEAR)).sum(axis=0)
    found = model.expected_discounted_orders(MLE, of, 30.0 * 24 + 1e-6, rate, 7.0)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- stable where formulas are not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("b", "c", "z"), [(1.01, 1.02, 0.5), (3.2, 4.7, 0.999), (900.0, 900.3, 0.998), (2.0, 60.0, 0.9)]
)
def test_endless_sum_is_the_sum(b, c, z):
    k = np.arange(60_000)
    terms = np.exp(np.cumsum(np.log((b + k) / (c + k) * z)))
    assert endless(b, c, z) == pytest.approx(1 + terms.sum(), rel=1e-11)
    assert endless(b, c, 0.0) == 1.0


def test_gamma_of_one_and_no_discount():
    near = [{**MLE, "gamma": np.array([g])} for g in (1 - 1e-7, 1.0, 1 + 1e-7)]
    a, b, c = (bg_bb.expected_orders_new(p, 50.0)[0, 0] for p in near)
    assert b == pytest.approx((a + c) / 2, rel=1e-9)
    assert np.isinf(bg_bb.orders_given_alive(near[1], np.zeros(1), np.zeros(1), np.inf, 1.0)[0, 0])
    steep = {**MLE, "gamma": np.array([3.0])}
    limit = bg_bb.orders_given_alive(steep, np.zeros(1), np.zeros(1), np.inf, 1.0)[0, 0]
    assert bg_bb.expected_orders_new(steep, 1e5)[0, 0] == pytest.approx(limit, rel=1e-4)


def test_long_histories_stay_finite():
    x, t_x, n = np.array([(900.0, 900.0, 5000.0), (0.0, 0.0, 1e5), (5000.0, 5000.0, 5000.0), (0.0, 0.0, 0.0)]).T
    assert np.isfinite(bg_bb.log_likelihood(MLE, x, t_x, n)).all()
    alive = bg_bb.probability_alive(MLE, x, t_x, n)[0]
    assert 0 <= alive[0] < 1e-100  # 900 purchases in a row, then none at 4,100 opportunities
    assert 0 < alive[1] < 1
    assert list(alive[2:]) == [1, 1]
    law: Any = YEARLY.laws_given_dead(MLE, Opportunities(x[:1], t_x[:1], n[:1], np.ones(1)), 7.0)
    assert np.isfinite(law.weight).all()
    assert law.weight.sum() == pytest.approx(1)


def test_a_chance_to_buy_next_to_one_is_not_lost_in_rounding():
    """As beta goes to 0, only who is gone stays silent: after x = t_x of n opportunities, B(2, 1 + x) for n > x."""
    params = {name: np.array([value]) for name, value in zip(MLE, (1.0, 1e-18, 1.0, 1.0), strict=True)}
    x, n = np.array([1.0, 5.0, 900.0]), np.array([2.0, 6.0, 901.0])
    np.testing.assert_allclose(bg_bb.log_likelihood(params, x, x, n)[0], betaln(2.0, 1 + x), rtol=1e-12)
    found = gone_or_not(1.0, 1e-18, 1.0, 1.0, *(v[1:2] for v in (x, x, n, np.ones(3))))
    assert np.isfinite(found).all()
    assert found[2] == pytest.approx(-1e18, rel=1e-9)  # odds of being gone go as 1 / beta


# --- laws, by plain simulation ----------------------------------------------------------------------------------------


@cache
def simulated(size, n, more, seed):
    """Traits, purchases (customer, opportunity) and the number of opportunities lived to see."""
    draw = np.random.default_rng(seed)
    p, theta = draw.beta(1.2035, 0.7497, size), draw.beta(0.6567, 2.7834, size)
    lived = draw.geometric(np.maximum(theta, 1e-12)) - 1
    bought = draw.random((size, n + more)) < p[:, None]
    bought &= np.arange(1, n + more + 1) <= lived[:, None]
    return p, theta, lived, bought


@pytest.mark.parametrize("history", [(0, 0), (1, 2), (2, 3), (3, 4)])
def test_laws_are_those_of_a_simulated_population(history):
    """Of 1.5 million customers those with the history; means within 4.5 standard errors (40 comparisons)."""
    n, more = 4, 3
    p, theta, lived, bought = simulated(1_500_000, n, more, 11)
    past = bought[:, :n]
    last = np.where(past.any(axis=1), n - np.argmax(past[:, ::-1], axis=1), 0)
    mine = (past.sum(axis=1) == history[0]) & (last == history[1])
    of = Opportunities(*(np.array([float(v)]) for v in (*history, n)), np.array([5.0]))
    model = BgBb(opportunity_days=10.0)
    law: Any = model.laws(MLE, of, 7.0)
    dead: Any = model.laws_given_dead(MLE, of, 7.0)
    here, gone = mine & (lived >= n), mine & (lived < n)

    def agree(values, expected):
        error = values.std(ddof=1) / np.sqrt(values.size)
        assert abs(values.mean() - expected) <= 4.5 * error + 1e-12

    agree((lived >= n)[mine].astype(float), law.p_alive[0, 0])
    agree(p[here], law.buy_a[0, 0] / (law.buy_a + law.buy_b)[0, 0])
    agree(p[here] ** 2, beta_distribution(law.buy_a[0, 0], law.buy_b[0, 0]).moment(2))
    agree(theta[here], law.drop_a[0, 0] / (law.drop_a + law.drop_b)[0, 0])
    if gone.any():
        agree(p[gone], (dead.weight * dead.buy_a / (dead.buy_a + dead.buy_b)).sum())
        agree(theta[gone], (dead.weight * dead.drop_a / (dead.drop_a + dead.drop_b)).sum())
    later = bought[mine, n:]
    agree(later.sum(axis=1).astype(float), model.expected_orders(MLE, of, 29.0, 7.0)[0, 0])
    agree(later.any(axis=1).astype(float), model.probability_active(MLE, of, 29.0, 7.0)[0, 0])
    assert (law.interval_days, law.next_opportunity_days[0], law.tenure[0]) == (10.0, 5.0, 4.0)
    assert law.rate_shape[0, 0] == 0 == law.mu_shape[0, 0]


# --- the PyMC model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built():
    model = YEARLY.build(ROWS)
    return model, model.compile_logp(mode=PLAIN), model.compile_dlogp(mode=PLAIN)


def points(count):
    draw = np.random.default_rng(5)
    names = ("purchase_mean_logodds__", "purchase_concentration_log__", "dropout_concentration_log__")
    return [dict(zip((*names, "dropout_off_ridge"), draw.normal(0, 0.8, 4), strict=True)) for _ in range(count)]


def test_density_is_likelihood_times_priors(built):
    _, logp, _ = built
    for point in points(10):
        log_odds, log_total, log_exits, off = point.values()
        mean, total, exits = expit(log_odds), np.exp(log_total), np.exp(log_exits)
        free = {"purchase_mean": mean, "purchase_concentration": total}
        free |= {"dropout_off_ridge": off, "dropout_concentration": exits}
        natural = YEARLY.natural({k: np.array([v]) for k, v in free.items()}, ROWS, 7.0)
        leaving = natural["gamma"][0] / exits
        assert leaving == pytest.approx(expit(off - np.log(exits * np.log1p(6 / exits))))
        expected = (ROWS.count * bg_bb.log_likelihood(natural, *ROWS[:3])[0]).sum()
        expected += np.log([mean * (1 - mean), leaving * (1 - leaving)]).sum()
        expected += norm.logpdf(np.log([total, exits]), np.log(2.0), 1.5).sum()
        assert float(logp(point)) == pytest.approx(expected, abs=1e-7, rel=0)


def test_gradient_is_that_of_the_density(built):
    _, logp, dlogp = built
    step = 1e-4
    for point in points(5):
        for i, name in enumerate(point):
            up, down = ({**point, name: point[name] + h} for h in (step, -step))
            difference = (float(logp(up)) - float(logp(down))) / (2 * step)
            assert dlogp(point)[i] == pytest.approx(difference, rel=1e-5, abs=2e-3), name


def test_donations_are_fitted():
    """With 11,104 donors the flat priors move the posterior by a fraction of its standard deviation."""

    def natural(free):
        return YEARLY.natural(free, ROWS, 7.0)

    config = FitConfig(method="laplace", draws=2000)
    model: Any = YEARLY
    fitted = fit_one(model, ROWS, natural, "laplace", config, lambda note: None)
    assert all(d.ok for d in fitted.diagnostics)
    for name, values in fitted.params.items():
        assert abs(values.mean() - MLE[name][0]) < 0.5 * values.std(), name


# --- from a summary ---------------------------------------------------------------------------------------------------


def summary_of(cdnow: CustomerSummary, **columns) -> CustomerSummary:
    size = len(next(iter(columns.values())))
    frame = cdnow.customers.iloc[:size].assign(**columns)
    return replace(cdnow, customers=frame, opportunity_days=30.4375)


def test_histories_count_opportunities(cdnow):
    month = 30.4375
    summary = summary_of(
        cdnow, frequency=[0, 2, 3], recency_days=[0.0, 5 * month, 16 * month], T_days=[29.0, 183.0, 486.5]
    )
    found = BgBb().histories(summary)
    np.testing.assert_array_equal(found.n, [0, 6, 16])
    np.testing.assert_array_equal(found.t_x, [0, 5, 16])
    np.testing.assert_allclose(found.next_days, [0.9375, 7 * month - 183.5, month])
    rows = BgBb().sufficient(summary)
    np.testing.assert_array_equal(rows.count, [1, 1, 1])
    assert type(rows_of(found, slice(1))) is Opportunities


def test_a_summary_of_another_grid_is_refused(cdnow):
    with pytest.raises(ValueError, match=r"merged by 0 days .* one in 30.4375 days"):
        BgBb().histories(cdnow)


def test_nothing_to_learn_from(cdnow):
    summary = summary_of(cdnow, frequency=[0, 0], recency_days=[0.0, 0.0], T_days=[30.0, 183.0])
    with pytest.raises(DiagnosticsError, match=r"no customer has an order in any period of 30\.4375 days"):
        BgBb().sufficient(summary)
