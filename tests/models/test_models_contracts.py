"""sBG and BdW: published estimates and lifetimes, brute force over theta, and contracts from dates."""

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest
from plainly import PLAIN
from pydantic import ValidationError
from scipy.optimize import minimize
from scipy.special import betaln, expit, hyp2f1

from clvsim.data.config import SurvivorsConfig
from clvsim.data.tables.survivors import material_of_survivors
from clvsim.errors import DiagnosticsError
from clvsim.kernels import rng
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births
from clvsim.models.retention.bdw import Bdw
from clvsim.models.retention.sbg import Sbg
from clvsim.models.retention.survival import Contracts, Shapes, log_kept, log_likelihood, renewals_ahead, theta_of_lost
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.quantities import expected_orders
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import Block, existing_blocks, newcomer_laws, people_of
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary, Posterior

# Customers of 1,000 who are left after 0, 1, ..., 12 renewals: Fader & Hardie 2007, Table 1.
SURVIVORS = {
    "regular": (1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173),
    "high_end": (1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394),
}
CALIBRATION = 7  # renewals that the paper fits to
# Estimates, log-likelihood, S(12): Fader & Hardie 2007 and Fader et al. 2018.
PUBLISHED = [
    (Sbg, "regular", (0.7041, 1.1820), -1680.2652, 0.1700),
    (Sbg, "high_end", (0.6681, 3.8061), -1611.1581, 0.3780),
    (Bdw, "regular", (0.4556, 0.7793, 1.2835), -1679.6028, 0.1773),
    (Bdw, "high_end", (0.2143, 1.4266, 1.7236), -1605.3142, 0.4039),
]
SYMBOLS = {Sbg: ("alpha", "beta"), Bdw: ("gamma", "delta", "c")}
WEEK = 7.0
CALM = EnvironmentConfig(sd_prior=0.0)
SHAPES = [(0.4556, 0.7793, 1.2835), (0.2143, 1.4266, 1.7236), (0.7, 1.2, 1.0), (3.0, 10.0, 0.7), (2.3, 1.4, 1.2)]


def shapes_of(*values) -> Shapes:
    return Shapes(*(np.array([[float(v)]]) for v in values))


def contracts(renewals, lost=0, next_days=0.0) -> Contracts:
    n = np.atleast_1d(np.asarray(renewals, float))
    lost, next_days = (np.broadcast_to(float(v), n.shape) for v in (lost, next_days))
    return Contracts(n, n, lost, next_days, np.ones_like(n), np.zeros_like(n))


def cohort(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Renewals, lost, and how many, as the likelihood sees the calibration."""
    alive = np.array(SURVIVORS[name][: CALIBRATION + 1], float)
    n = np.append(np.arange(CALIBRATION), CALIBRATION)
    return n.astype(float), (np.arange(n.size) < CALIBRATION).astype(float), np.append(-np.diff(alive), alive[-1])


@pytest.mark.parametrize(("kind", "name", "estimate", "maximum", "survival"), PUBLISHED)
def test_published_estimates(kind, name, estimate, maximum, survival):
    n, lost, count = cohort(name)
    model = kind()

    def loss(logs):
        params = {k: np.exp(v) for k, v in zip(SYMBOLS[kind], logs, strict=True)}
        return -(count * log_likelihood(model.shapes(params), n, lost)[0]).sum()

    found = minimize(loss, np.zeros(len(estimate)), method="BFGS", options={"gtol": 1e-7, "xrtol": 1e-9})
    assert -found.fun == pytest.approx(maximum, abs=1e-3)
    np.testing.assert_allclose(np.exp(found.x), estimate, rtol=0, atol=1e-4)
    shapes = model.shapes(dict(zip(SYMBOLS[kind], np.exp(found.x), strict=True)))
    assert np.exp(log_kept(shapes, 0.0, 12.0))[0, 0] == pytest.approx(survival, abs=1e-4)


@pytest.mark.parametrize(("renewals", "dollars"), [(0, 288), (1, 394), (4, 568)])
def test_published_residual_lifetime(renewals, dollars):
    """Fader & Hardie 2010, Marketing Science 29(1): $100 a year at 10 %, before renewal 1, 2, 5."""
    params = {"alpha": np.array([0.764]), "beta": np.array([1.296])}
    found = Sbg(renewal="year").expected_discounted_orders(params, contracts(renewals), np.inf, 0.1, WEEK)[0, 0]
    assert 100 * found == pytest.approx(dollars, abs=1)


def theta_grid(gamma, delta):
    """Points and weights over Beta(gamma, delta): trapezoid in the logit, which converges exponentially."""
    u = np.linspace(-40 / gamma - 8, 40 / delta + 8, 4000)
    weight = np.exp(-gamma * np.logaddexp(0, -u) - delta * np.logaddexp(0, u) - betaln(gamma, delta)) * (u[1] - u[0])
    return expit(u), expit(-u), weight


@pytest.mark.parametrize("values", SHAPES)
def test_likelihood_is_one_customers_story_averaged_over_theta(values):
    gamma, delta, c = values
    _, q, weight = theta_grid(gamma, delta)
    for n in (0, 1, 4, 30):
        survived, ended = q ** (n**c), q ** (n**c) - q ** ((n + 1) ** c)
        found = np.exp(log_likelihood(shapes_of(*values), np.array([n, n]), np.array([0, 1])))[0]
        np.testing.assert_allclose(found, [(weight * survived).sum(), (weight * ended).sum()], rtol=1e-8)


@pytest.mark.parametrize("values", SHAPES)
@pytest.mark.parametrize("periods", [1, 7, 64, 65, 200, 3000])
@pytest.mark.parametrize("force", [0.0, 0.02, 0.3])
def test_renewals_ahead_are_the_sum(values, periods, force):
    shapes, n = shapes_of(*values), np.array([0.0, 1.0, 12.0])
    j = np.arange(1.0, periods + 1)
    kept = np.exp(log_kept(Shapes(*(v[..., None] for v in shapes)), n[:, None], j))
    plain = (kept * np.exp(-force * (j - 1))).sum(axis=-1)
    np.testing.assert_allclose(renewals_ahead(shapes, n, periods, force), plain, rtol=2e-9)


@pytest.mark.parametrize("force", [0.0018, 0.0953, 0.7])
def test_endless_lifetime_is_the_hypergeometric(force):
    """Fader & Hardie 2010, equation (6)."""
    alpha, beta, n = 0.764, 1.296, np.array([0.0, 1.0, 5.0, 50.0])
    closed = (beta + n) / (alpha + beta + n) * hyp2f1(1, beta + n + 1, alpha + beta + n + 1, np.exp(-force))
    found = renewals_ahead(shapes_of(alpha, beta, 1.0), n, np.inf, force)[0]
    np.testing.assert_allclose(found, closed, rtol=1e-9)


def test_endless_and_undiscounted_is_finite_only_where_the_mean_lifetime_is():
    n = np.array([0.0, 3.0, 1000.0])
    np.testing.assert_allclose(renewals_ahead(shapes_of(2.3, 1.4, 1.0), n, np.inf, 0.0)[0], (1.4 + n) / 1.3, rtol=1e-9)
    assert np.isinf(renewals_ahead(shapes_of(1.0, 1.4, 1.0), n, np.inf, 0.0)).all()
    longer = renewals_ahead(shapes_of(0.9, 1.4, 1.5), n[:1], 1e12, 0.0)[0, 0]
    assert renewals_ahead(shapes_of(0.9, 1.4, 1.5), n[:1], np.inf, 0.0)[0, 0] == pytest.approx(longer, rel=1e-3)


def test_survival_stays_exact_at_many_renewals():
    """Where log-gammas of 10^10 would cancel; to second order in 1/u the ratio is (1 + step/u)^-gamma."""
    shapes = shapes_of(0.5, 1.0, 2.0)
    n = np.array([1e5])
    u, step = n**2 + 1.0 + (0.5 - 1) / 2, 2 * n + 1
    assert log_kept(shapes, n, 1.0)[0, 0] == pytest.approx((-0.5 * np.log1p(step / u)).item(), rel=1e-9)


@pytest.mark.parametrize("values", [*SHAPES, (0.2, 0.3, 0.5), (0.2, 0.3, 2.0), (20.0, 60.0, 1.7)])
def test_law_of_the_lost_is_bayes_rule(values):
    """Mean and variance exact; later survival within 0.002, and exact where the paper's Beta is."""
    gamma, delta, c = values
    n = np.array([0.0, 1.0, 2.0, 5.0, 20.0, 300.0])
    weight, a, b = theta_of_lost(shapes_of(*values), n)
    assert weight.sum(axis=-1) == pytest.approx(1.0)
    for i, renewals in enumerate(n):
        theta, q, prior = theta_grid(gamma, delta + renewals**c)
        posterior = prior * -np.expm1(((renewals + 1) ** c - renewals**c) * np.log(q))
        posterior /= posterior.sum()
        mean = a[0, i] / (a[0, i] + b[0, i])
        second = mean * (a[0, i] + 1) / (a[0, i] + b[0, i] + 1)
        assert (weight[0, i] * mean).sum() == pytest.approx((posterior * theta).sum(), rel=1e-6)
        assert (weight[0, i] * second).sum() == pytest.approx((posterior * theta**2).sum(), rel=1e-6)
        for k in (3, 10, 40):
            mixed = (weight[0, i] * np.exp(betaln(a[0, i], b[0, i] + k) - betaln(a[0, i], b[0, i]))).sum()
            assert mixed == pytest.approx((posterior * q**k).sum(), abs=1e-9 if c == 1 else 2e-3)


def test_sbgs_law_of_the_lost_is_a_single_beta():
    params = {"alpha": np.array([0.7, 0.9]), "beta": np.array([1.2, 3.0])}
    law = Sbg().laws_given_dead(params, contracts([0, 4], lost=1), WEEK)
    assert law.weight is None
    np.testing.assert_allclose(law.drop_a, [[1.7, 1.7], [1.9, 1.9]])
    np.testing.assert_allclose(law.drop_b, [[1.2, 5.2], [3.0, 7.0]])
    assert (law.p_alive == 1).all()
    general = theta_of_lost(Sbg().shapes(params), np.array([0.0, 4.0]))
    np.testing.assert_allclose(general.weight[..., 0], 1.0)
    np.testing.assert_allclose(general.a[..., 0], law.drop_a, rtol=1e-8)


def by_law(law, customer, periods, force):
    """Renewals by the law alone: eta (j^c - (j-1)^c) before opportunity j = tenure + 1, ..., by brute force."""
    _, q, weight = theta_grid(law.drop_a[0, customer], law.drop_b[0, customer])
    n, c = law.tenure[customer], law.tenure_exponent[0, 0]
    kept, total = np.ones_like(q), 0.0
    for k in range(periods):
        j = n + k + 1
        kept = kept * q ** (j**c - (j - 1) ** c)
        day = law.next_opportunity_days[customer] + k * law.interval_days
        total += (weight * kept).sum() * np.exp(-force * day)
    return total


@pytest.mark.parametrize("model", [Sbg(renewal="quarter"), Bdw(renewal="quarter")])
@pytest.mark.parametrize("annual_rate", [0.0, 0.1])
def test_expected_renewals_follow_from_the_law(model, annual_rate):
    params = dict(zip(SYMBOLS[type(model)], map(np.atleast_1d, (0.4556, 0.7793, 1.2835)), strict=False))
    some = [0, 3, 3, 9], [0, 3, 2, 9], [0, 0, 1, 0], [0.0, 40.0, 0.0, 91.0], [1.0, 1.0, 0.2, 1.0], [0.0] * 4
    some = Contracts(*(np.array(v, float) for v in some))
    horizon, force = 2 * DAYS_PER_YEAR, np.log1p(annual_rate) / DAYS_PER_YEAR
    law = model.laws(params, some, WEEK)
    assert law.p_alive[0].tolist() == [1, 1, 0, 1]
    ahead = [8, 8, 8, 8]  # due dates 91.3125 days apart in [0, 730.5): a ninth would be on the last day or after it
    expected = [by_law(law, i, ahead[i], force) for i in range(4)]
    found = model.expected_discounted_orders(params, some, horizon, annual_rate, WEEK)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    if annual_rate == 0:
        orders = model.expected_orders(params, some, horizon, WEEK)[0]
        np.testing.assert_allclose(orders, found * [1, 1, 0, 1])
        active = model.probability_active(params, some, 41.0, WEEK)[0]
        once = [by_law(law, i, 1, 0.0) for i in range(4)]
        np.testing.assert_allclose(active, np.array(once) * [1, 1, 0, 0], rtol=1e-8)


@pytest.mark.parametrize("model", [Sbg(renewal="month"), Bdw(renewal="year")])
def test_laws_renew_when_the_model_says(model):
    law = model.newcomer_laws({name: np.ones(2) for name in (*model.SYMBOLS, "c")}, 7.0)
    assert model.renewing
    assert law.interval_days == model.interval_days > 0
    assert not law.buy_a.any()


@pytest.mark.parametrize("model", [Sbg(renewal="month"), Bdw(renewal="month")])
def test_newcomers_renewals(model):
    params = dict(zip(SYMBOLS[type(model)], map(np.atleast_1d, (0.4556, 0.7793, 1.2835)), strict=False))
    law = model.newcomer_laws(params, WEEK)
    month = DAYS_PER_MONTH / WEEK
    np.testing.assert_allclose(law.next_opportunity_days, DAYS_PER_MONTH, rtol=0, atol=2e-6)
    t = np.array([0.5, 1.0, 1.01, 12.5, 36.0]) * month
    found = model.expected_orders_new(params, t, WEEK)[0]
    np.testing.assert_allclose(found, [by_law(law, 0, k, 0.0) for k in (0, 1, 1, 12, 36)], rtol=1e-8)
    for at in (0.5, 1.01, 12.5):
        pmf = model.order_pmf(params, 40, at * month, WEEK)[0]
        assert pmf.sum() == pytest.approx(1)
        mean = model.expected_orders_new(params, at * month, WEEK)[0, 0]
        assert (pmf * np.arange(41)).sum() == pytest.approx(mean, rel=1e-9, abs=1e-12)


# --- contracts from dates ---------------------------------------------------------------------------------------------


def summary_of(rows, **more) -> CustomerSummary:
    """Rows are (payments after the first, day of the last, day of today), counted from the first payment."""
    table = np.array(rows, float).T
    frame = pd.DataFrame({"frequency": table[0].astype(int), "recency_days": table[1], "T_days": table[2], **more})
    day = dt.date(2026, 1, 1)
    return CustomerSummary(frame, day, day, day, "week", "")


def test_contracts_from_dates():
    """Monthly, a week of grace: the due dates are days 30.4, 60.9, 91.3, ..."""
    rows = [
        (0, 0, 20),  # not due yet
        (0, 0, 33),  # due, within the grace: active, due now
        (0, 0, 38),  # overdue: lost
        (1, 31, 50),  # renewed on time
        (1, 29, 33),  # renewed, but others may still be late: the likelihood does not count it
        (2, 65, 70),  # late, within the grace
        (2, 61, 100),  # lost instead of the third renewal
    ]
    found = Sbg(renewal="month").histories(summary_of(rows))
    assert found.renewals.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert found.seen.tolist() == [0, 0, 0, 1, 0, 2, 2]
    assert found.lost.tolist() == [0, 0, 1, 0, 0, 0, 1]
    due = [DAYS_PER_MONTH - 20, 0, 0, 2 * DAYS_PER_MONTH - 50, 2 * DAYS_PER_MONTH - 33, 3 * DAYS_PER_MONTH - 70, 0]
    np.testing.assert_allclose(found.next_days, due)
    # Of the three payments known by now, 0, -2 and 4 whole days late, and one spread evenly over the week: how many
    # come later than on the second whole day.
    np.testing.assert_allclose(found.outstanding[1], (1 + 1 - (33 - DAYS_PER_MONTH) / 7) / 4)
    assert found.outstanding[[0, 3, 4, 5]].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("latest", [0, 6])
@pytest.mark.parametrize("model", [Sbg(renewal="month"), Bdw(renewal="month")])
def test_renewals_of_contracts_within_the_grace(model, latest):
    """Due and not yet paid: hardly anybody if all pay on the day, some if they pay up to six days late.

    Contracts with theta ~ Beta(1, 4), a renewal and a half ahead, in whole days; the others are as many as expected.
    """
    draw = np.random.default_rng(5)
    size, last = 40_000, 10
    c = 1.3 if isinstance(model, Bdw) else 1.0
    theta = draw.beta(1.0, 4.0, size)
    stays = np.floor((draw.exponential(size=size) / -np.log1p(-theta)) ** (1 / c))  # renewals made in the end
    age = draw.integers(1, 180, size)
    due = np.ceil(np.arange(1, last + 1) * DAYS_PER_MONTH)
    paid_on = due + draw.integers(0, latest + 1, (size, last))
    renews = np.arange(1, last + 1) <= stays[:, None]
    paid = renews & (paid_on <= age[:, None])
    summary = summary_of(np.column_stack([paid.sum(axis=1), np.where(paid, paid_on, 0.0).max(axis=1), age]))
    horizon = 1.5 * DAYS_PER_MONTH
    coming = (renews & ~paid & (due < age[:, None] + horizon)).sum(axis=1)

    found = model.histories(summary)
    params = {name: np.array([v]) for name, v in zip(SYMBOLS[type(model)], (1.0, 4.0, c), strict=False)}
    over = coming - model.expected_orders(params, found, horizon, WEEK)[0]
    overdue = (found.lost == 0) & (found.next_days == 0)
    assert 300 < overdue.sum() < 4000
    for rows in (overdue, ~overdue):
        assert abs(over[rows].sum()) < 4 * over[rows].std() * np.sqrt(rows.sum()) + 1
    alive = model.probability_alive(params, found, WEEK)[0]
    assert (alive[overdue] < (0.01 if latest == 0 else 1)).all()
    assert (coming[overdue].sum() > 0) == (latest > 0)


def test_odd_contracts_are_counted_aloud():
    rows = [(2, 61, 70), (1, 61, 70), (5, 61, 70), (1, 44, 50), (0, 0, 100)]
    text = Bdw(renewal="month").warnings(summary_of(rows), {})
    assert len(text) == 2
    assert text[0].startswith("2 of 5 contracts are irregular")
    assert text[1].startswith("1 of 5 contracts have several payments")
    alone = Sbg(renewal="month").warnings(summary_of([(1, 30, 50), (2, 61, 70)]), {})
    assert alone == ("No contract has been lost yet: how fast they end is the prior's word, not the data's",)
    gone = Sbg(renewal="month").warnings(summary_of([(0, 0, 50), (1, 30, 90)]), {})
    assert gone == ("Every contract has been lost: existing customers are worth nothing",)


def test_nothing_due_is_nothing_to_learn():
    with pytest.raises(DiagnosticsError, match="no contract's first renewal"):
        Sbg(renewal="year").sufficient(summary_of([(0, 0, 100), (0, 0, 380)]))


def test_grace_is_shorter_than_half_a_contract():
    with pytest.raises(ValidationError, match="below half a week"):
        Sbg(renewal="week", grace_days=4)
    for renewal in ("week", "month", "quarter", "year"):
        assert Sbg(renewal=renewal).grace < Sbg(renewal=renewal).interval_days / 3


def test_late_payers_do_not_bias_the_share_renewed():
    """Four in five renew, and pay up to six days late: who is in the grace today has paid or still will."""
    draw = np.random.default_rng(3)
    size = 40_000
    age = draw.integers(1, 36 + 61, size)
    late = draw.integers(0, 7, (size, 3)) + np.arange(1, 4) * DAYS_PER_MONTH
    stays = np.cumprod(draw.uniform(size=(size, 3)) < 0.8, axis=1) > 0
    paid = stays & (late <= age[:, None])
    last = np.where(paid, late, 0.0).max(axis=1)
    rows = Sbg(renewal="month").sufficient(summary_of(np.column_stack([paid.sum(axis=1), last, age])))
    kept, ended = (rows.count * rows.seen).sum(), (rows.count * rows.lost).sum()
    share = kept / (kept + ended)
    assert abs(share - 0.8) < 4 * np.sqrt(0.8 * 0.2 / (kept + ended))


# --- the simulator ----------------------------------------------------------------------------------------------------


def fitted_of(model, draws) -> FittedModels:
    values = dict(zip(SYMBOLS[type(model)], (0.4556, 1.7793, 1.2835), strict=False))
    spend = {"price": np.full(draws, 9.0), "first_order_factor": np.ones(draws)}
    return FittedModels(
        model, FixedPrice(), Posterior({k: np.full(draws, v) for k, v in values.items()}, spend, "week")
    )


def near(worlds: np.ndarray, expected: float) -> bool:
    """The mean over worlds, within 4 Monte Carlo errors, which are below 3 % of it."""
    error = worlds.std(ddof=1) / np.sqrt(worlds.size)
    assert 4 * error < 0.03 * expected
    return abs(worlds.mean() - expected) < 4 * error


@pytest.mark.parametrize("model", [Sbg(renewal="month"), Bdw(renewal="quarter")])
def test_simulated_contracts_make_the_expected_renewals(model):
    """Existing ones at their own anniversaries and tenures, some of them lost; newcomers from the first payment on."""
    draws, days, every = 300, 500.0, model.interval_days
    draw = np.random.default_rng(2)
    paid = draw.integers(0, 12, 400)
    age = paid * every + draw.uniform(0, 1.5 * every, paid.size)
    money = {"first_amount": 9.0, "repeat_positive": paid, "repeat_amount": 9.0 * paid}
    ids = [f"c{i}" for i in range(paid.size)]
    summary = summary_of(np.column_stack([paid, paid * every, age]), customer_id=ids, **money)
    fitted = fitted_of(model, draws)
    none = np.zeros(paid.size, np.int64)
    blocks, _ = existing_blocks(summary, fitted, none, none, 4096)
    found = repeat_orders(blocks, days, CALM, draws, 9, 1, 8.0).sum(axis=1)
    contracts = model.histories(summary)
    assert 0 < contracts.lost.sum() < paid.size / 2
    assert near(found, model.expected_orders(fitted.posterior.retention, contracts, days, WEEK)[0].sum())

    people = people_of(key=rng.text_keys(ids))
    block = Block(people, newcomer_laws(fitted), newcomers=True, renewing=True)
    weekly = repeat_orders([block], WEEK * 70, CALM, draws, 7, 1, 8.0)
    until = np.cumsum(weekly, axis=1) / paid.size
    for week in (14, 70):
        assert near(until[:, week - 1], model.expected_orders_new(fitted.posterior.retention, float(week), WEEK)[0, 0])


# --- the PyMC model ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Sbg, Bdw])
def test_density_is_likelihood_times_priors_and_smooth(kind):
    """Differences between points, so that the priors' constants need no account; gradient by central differences."""
    n, lost, count = cohort("high_end")
    model = kind()
    rows = model.sufficient(repeated(n, lost, count))
    built = model.build(rows)
    logp, dlogp = built.compile_logp(mode=PLAIN), built.compile_dlogp(mode=PLAIN)
    draw = np.random.default_rng(4)
    names = {"churn_mean": "_logodds__", "churn_concentration": "_log__"}
    names |= {"log_c_off_ridge": ""} if kind is Bdw else {}
    ends = []
    for _ in range(4):
        z = dict(zip(names, draw.normal(0, 0.7, len(names)), strict=True))
        point = {k + names[k]: np.array(v) for k, v in z.items()}
        back = {"_logodds__": expit, "_log__": np.exp, "": np.asarray}
        free = {k: np.array([back[names[k]](v)]) for k, v in z.items()}
        params = model.natural(free, rows, WEEK)
        plain = (rows.count * log_likelihood(model.shapes(params), rows.seen, rows.lost)[0]).sum()
        prior = np.log(free["churn_mean"] * (1 - free["churn_mean"]))[0]  # uniform, times the Jacobian
        prior -= (z["churn_concentration"] - np.log(2)) ** 2 / (2 * 2.0**2)
        prior -= np.log(params["c"][0]) ** 2 / (2 * 0.5**2) if "c" in params else 0.0
        ends.append(float(logp(point)) - plain - prior)
        gradient = dlogp(point)
        for i, variable in enumerate(built.value_vars):
            up, down = ({**point, variable.name: point[variable.name] + h} for h in (1e-4, -1e-4))
            difference = (float(logp(up)) - float(logp(down))) / 2e-4
            assert gradient[i] == pytest.approx(difference, rel=1e-5, abs=2e-3)
    assert all(a == pytest.approx(b, abs=1e-8) for a, b in itertools.pairwise(ends))


def repeated(n, lost, count) -> CustomerSummary:
    """One row per customer, as a survivor table hands them over."""
    times = count.astype(int)
    n, lost = np.repeat(n, times), np.repeat(lost, times)
    days = n * DAYS_PER_MONTH
    return summary_of(np.column_stack([n, days, np.full(n.size, CALIBRATION * DAYS_PER_MONTH)]), lost=lost > 0)


def test_rows_of_a_survivor_table():
    n, lost, count = cohort("regular")
    rows = Sbg().sufficient(repeated(n, lost, count))
    assert rows.seen.tolist() == n.tolist()
    assert rows.lost.tolist() == lost.tolist()
    assert rows.count.tolist() == count.tolist()
    shuffled = repeated(n, lost, count)
    shuffled = Sbg().sufficient(
        CustomerSummary(shuffled.customers.sample(frac=1, random_state=1), *list(vars(shuffled).values())[1:])
    )
    assert all((a == b).all() for a, b in zip(rows, shuffled, strict=True))


@pytest.mark.parametrize("annual_rate", [0.0, 0.1])
@pytest.mark.parametrize(("kind", "values"), [(Sbg, (0.7041, 1.1820)), (Bdw, (0.2143, 1.4266, 1.7236))])
def test_newcomers_by_own_age(kind, values, annual_rate):
    """S(k) = B(a, b + k^c) / B(a, b), summed: at the age of exactly 12 months 12 renewals are over, at 13 days none."""
    params = {name: np.array([v]) for name, v in zip(SYMBOLS[kind], values, strict=True)}
    model, months = kind(renewal="month"), np.array([13 / DAYS_PER_MONTH, 1.0, 2.0, 12.0, 12.5, 36.0])
    a, b, c = (*values, 1.0)[:3]
    k = np.arange(1, 37)
    kept = np.exp(betaln(a, b + k**c) - betaln(a, b))
    worth = (1 + annual_rate) ** (-k / 12)
    births = Births(np.zeros(1), DAYS_PER_MONTH)
    found = model.expected_discounted_orders_new(params, months * DAYS_PER_MONTH, annual_rate, WEEK, births)
    np.testing.assert_allclose(found[0, 0], [(kept * worth)[k <= m].sum() for m in months], rtol=1e-9)
    stays = model.probability_staying_new(params, months * DAYS_PER_MONTH, WEEK)[0]
    np.testing.assert_allclose(stays, [np.append(1.0, kept[k <= m])[-1] for m in months], rtol=1e-10)
    after = contracts([0, 3], next_days=10.0)
    staying = model.probability_staying(params, after, 10.0 + 2 * DAYS_PER_MONTH, WEEK)[0]
    np.testing.assert_allclose(staying, [kept[1], kept[4] / kept[2]], rtol=1e-10)


@pytest.mark.parametrize("churn", [0.05, 0.15])
def test_contracts_that_are_all_alike_are_hardly_overvalued(churn: float) -> None:
    """Of as many survivors as one chance to end leaves. A prior on alpha + beta, which has few who are alike where few
    are lost, made them 4 and 13 % too much, with intervals that began above the truth."""
    survivors = [round(1000 * (1 - churn) ** n) for n in range(25)]
    table = pd.DataFrame({"period": range(25), "survivors": survivors})
    summary = material_of_survivors(SurvivorsConfig(renewal="month"), table).summary
    fitted = fit(summary, Sbg(), FixedPrice(), FitConfig(method="laplace", draws=2000, cache=False))
    paid = expected_orders(fitted, summary, horizon_months=12).sum("customer_id").to_numpy()
    ratio = paid / (survivors[-1] * sum((1 - churn) ** k for k in range(1, 13)))
    assert 0.99 < ratio.mean() < {0.05: 1.03, 0.15: 1.1}[churn]
    assert np.quantile(ratio, 0.05) < 1.01
