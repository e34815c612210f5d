"""Lognormal spend against brute force over levels and rates, conditioning of normals, and itself in other units."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytensor.compile.mode import Mode
from scipy import optimize, stats
from scipy.special import betaln, gammaln

from clvsim import quantities
from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models import RETENTION
from clvsim.models.around.levels import Design, Group
from clvsim.models.around.pooling import Pooled
from clvsim.models.cache import write_posterior
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit, learnable
from clvsim.models.laws import Customers
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order, mean_order
from clvsim.models.spend import lognormal, rates
from clvsim.models.spend.gamma_gamma import spend_warnings
from clvsim.models.spend.lognormal import Lognormal, LogSpend
from clvsim.models.spend.paid import PaidHistory
from clvsim.types import CustomerSummary

PLAIN = Mode(linker="py", optimizer="fast_compile")  # of graphs that are evaluated a few times
LIFE = {"r": 0.6, "alpha": 8.0, "a": 0.8, "b": 2.5}  # BG/NBD, weeks
MONEY = {"mu": 3.2, "omega": 0.5, "sigma": 0.6}
WEEK = 7.0


def draws(size=1, **values):
    return {name: np.full(size, float(value)) for name, value in values.items()}


def correlated(size=1, rho=0.4, model="bg_nbd", life=LIFE):
    of_rate = rates.log_rate(RETENTION[model]().newcomer_laws(draws(**life), WEEK))
    more = {"rho": rho, "log_rate_mean": of_rate.mean[0], "log_rate_sd": of_rate.sd[0]}
    return draws(size, **MONEY, **more)


def statistics(amounts):
    """Number, and sums of logs and squared logs, of one customer's amounts."""
    logs = np.log(amounts)
    return [np.array([float(v)]) for v in (logs.size, logs.sum(), (logs**2).sum())]


def levels(params, size=4001):
    """A grid of levels and the population's probability of each."""
    grid = params["mu"][0] + params["omega"][0] * np.linspace(-9, 9, size)
    mass = stats.norm.pdf(grid, params["mu"][0], params["omega"][0])
    return grid, mass / mass.sum()


AMOUNTS = np.array([20.0, 35.0, 12.0])


def test_likelihood_is_the_integral_over_levels():
    """Each order's lognormal density, multiplied and averaged over levels."""
    params = draws(**MONEY)
    grid, mass = levels(params)
    for amounts in (AMOUNTS, AMOUNTS[:1]):
        given = stats.lognorm.pdf(amounts[:, None], MONEY["sigma"], scale=np.exp(grid)).prod(axis=0)
        found = lognormal.log_likelihood(params, *statistics(amounts))[0, 0]
        assert found == pytest.approx(np.log((mass * given).sum()), abs=1e-10)


HISTORY = Customers(*(np.array([v]) for v in (3.0, 140.0, 210.0)))


def rate_given_history(history, life=LIFE):
    """Grid of log rates (per day) and the probability of each given a BG/NBD history, from the densities of its story.

    Alive and silent, or gone right after the last order; dropout integrated out.
    """
    (x,), (t_x,), (T,) = history
    r, alpha, a, b = (life[k] for k in ("r", "alpha", "a", "b"))
    grid = np.linspace(-25, 2, 20001)
    rate = np.exp(grid)
    stay = np.exp(betaln(a, b + x) - betaln(a, b) - rate * T)
    left = np.exp(betaln(a + 1, b + x - 1) - betaln(a, b) - rate * t_x) if x else 0.0
    mass = np.exp(r * grid - 7 * alpha * rate + x * grid) * (stay + left)
    return grid, mass / mass.sum()


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.85])
def test_likelihood_given_rates_is_the_double_integral(rho):
    params = correlated(rho=rho)
    found_scores = rates.scores(RETENTION["bg_nbd"](), draws(**LIFE), HISTORY, WEEK)
    log_rate, of_rate = rate_given_history(HISTORY)
    z = (log_rate - params["log_rate_mean"]) / params["log_rate_sd"]
    mu, omega, sigma = MONEY.values()
    deviate, of_deviate = levels(draws(mu=0.0, omega=1.0), 401)
    level = mu + omega * (rho * z[::20, None] + np.sqrt(1 - rho**2) * deviate)
    given = np.exp(stats.norm.logpdf(np.log(AMOUNTS)[:, None, None], level, sigma).sum(axis=0)) @ of_deviate
    plain = np.log(20 * (of_rate[::20] * given).sum() / AMOUNTS.prod())
    found = lognormal.log_likelihood_given_rates(params, *statistics(AMOUNTS), found_scores)[0, 0]
    assert found == pytest.approx(plain, abs=1e-6)
    if rho == 0:
        assert found == pytest.approx(lognormal.log_likelihood(params, *statistics(AMOUNTS))[0, 0], abs=1e-12)


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_cnbd", "mbg_cnbd"])
def test_scores_have_the_moments_of_the_rate_given_the_history(name):
    """Also averaged over unequal draws; of everybody together, the law of newcomers: z has mean 0 and variance 1."""
    model = RETENTION[name]()
    life = {**LIFE, "s": 0.7, "beta": 11.0, "k": 2.0} if name.endswith("cnbd") or name == "pareto_nbd" else LIFE
    params = {k: v * np.exp([0.0, 0.1]) for k, v in draws(2, **life).items()}
    params["k"] = np.full(2, 2.0)
    history = [np.array(v, float) for v in ([1, 3, 9], [70, 140, 200], [210, 210, 202])]
    histories = model.histories(
        CustomerSummary(
            pd.DataFrame(dict(zip(("frequency", "recency_days", "T_days"), history, strict=True))),
            date(2024, 1, 1), date(2024, 1, 1), date(2024, 1, 1), "week", "",
        )
    )  # fmt: skip
    z, weight = rates.scores(model, params, histories, WEEK)
    of_rate = rates.log_rate(model.newcomer_laws(params, WEEK))
    np.testing.assert_allclose(weight.sum(axis=1), 1, rtol=1e-12)
    alive = model.probability_alive(params, histories, WEEK)
    power = np.array([[0.4 / sd] for sd in of_rate.sd])
    expected = np.exp(-power * of_rate.mean[:, None]) * (
        alive * rates.power_mean(model.laws(params, histories, WEEK), power)
        + (1 - alive) * rates.power_mean(model.laws_given_dead(params, histories, WEEK), power)
    )
    np.testing.assert_allclose((weight * np.exp(0.4 * z)).sum(axis=1), expected.mean(axis=0), rtol=1e-8)


def test_gauss_rule_is_exact_for_polynomials():
    points = np.linspace(-3, 4, 60)
    mass = stats.norm.pdf(points) * (1 + 0.5 * np.sin(points)) * np.array([[1.0], [2.0]])
    nodes, weight = rates.gauss_rule(points, mass, 6)
    for power in range(12):
        np.testing.assert_allclose((weight * nodes**power).sum(axis=1), mass @ points**power, rtol=1e-10, atol=1e-10)


def test_moments_of_a_mixture_of_rates():
    """Of gammas side by side, against a grid."""
    shape, rate, weight = np.array([0.7, 4.0]), np.array([20.0, 90.0]), np.array([0.3, 0.7])
    absent = np.zeros((1, 1, 2))
    law = RETENTION["bg_nbd"]().newcomer_laws(draws(**LIFE), WEEK)._replace(
        rate_shape=absent + shape, rate_rate=absent + rate, weight=absent + weight
    )  # fmt: skip
    grid = np.linspace(-120, 2, 200001)
    mass = sum(
        w * np.exp(s * (grid + np.log(r)) - r * np.exp(grid) - gammaln(s))
        for s, r, w in zip(shape, rate, weight, strict=True)
    )
    mass = mass / mass.sum()
    mean = (mass * grid).sum()
    found = rates.log_rate(law)
    assert found.mean[0] == pytest.approx(mean, abs=1e-9)
    assert found.sd[0] == pytest.approx(np.sqrt((mass * (grid - mean) ** 2).sum()), abs=1e-8)
    for power in (-0.4, 0.0, 1.3):
        assert rates.power_mean(law, power)[0, 0] == pytest.approx((mass * np.exp(power * grid)).sum(), rel=1e-8)


@pytest.mark.parametrize("rho", [0.0, -0.6, 0.6])
def test_laws_are_the_conditional_normal(rho):
    """Of (level, score, logs of orders), jointly normal given the score: conditioned by plain linear algebra."""
    params = correlated(2, rho)
    mu, omega, sigma = MONEY.values()
    logs = np.log(AMOUNTS)
    law = lognormal.laws(params, LogSpend(np.array([0.0, 3.0]), np.array([0.0, logs.sum()])))
    for log_rate in (-7.0, -3.0):
        z = (log_rate - params["log_rate_mean"][0]) / params["log_rate_sd"][0]
        prior_mean, prior = mu + rho * omega * z, omega**2 * (1 - rho**2)
        of_logs = prior + sigma**2 * np.eye(3)
        gain = prior * np.ones(3) @ np.linalg.inv(of_logs)
        mean, variance = prior_mean + gain @ (logs - prior_mean), prior - gain @ np.full(3, prior)
        level = law.level_mean + law.level_slope * log_rate
        np.testing.assert_allclose(level, [[prior_mean, mean]] * 2, rtol=1e-12)
        np.testing.assert_allclose(law.level_sd**2, [[prior, variance]] * 2, rtol=1e-12)
    np.testing.assert_array_equal(law.order_sd, sigma)
    np.testing.assert_array_equal(lognormal.newcomer_laws(params).level_mean, law.level_mean[:, :1])


@pytest.mark.parametrize("rho", [-0.6, 0.6])
def test_expected_spend_is_an_integral_over_rates(rho):
    """Given alive, and as the mean of the orders within a horizon, of which frequent buyers make more."""
    model, spend = RETENTION["bg_nbd"](), Lognormal(correlated=True)
    x, T = HISTORY.x[0], HISTORY.T_days[0]
    histories = Customers(*(np.append(v, w) for v, w in zip(HISTORY, (0.0, 0.0, 210.0), strict=True)))
    spends = LogSpend(np.array([3.0, 0.0]), np.array([np.log(AMOUNTS).sum(), 0.0]))
    params = correlated(rho=rho)
    shares = PaidHistory(spends.x, 0 * spends.x)
    customers = FittedCustomers(model, spend, draws(**LIFE), params, histories, spends, shares, WEEK)
    law = lognormal.laws(params, spends)
    r, alpha, a, b = LIFE.values()
    days, rate = 365.25, np.exp(np.linspace(-60, 1, 3001))
    shares = (np.arange(2000) + 0.5) / 2000
    means, per_order = mean_order(customers)[0], expected_spend_per_order(customers, days, 0.0)[0]
    for i, orders in enumerate((x, 0.0)):
        of_rate = stats.gamma.pdf(rate, r + orders, scale=1 / (7 * alpha + T)) * rate
        of_rate /= of_rate.sum()
        amount = np.exp(
            law.level_mean[0, i] + law.level_slope[0, i] * np.log(rate) + (law.level_sd[0, i] ** 2 + 0.36) / 2
        )
        p = stats.beta.ppf(shares, a, b + orders)  # who leaves with p after each order makes (1 - e^(-rate p t)) / p
        within = (-np.expm1(-np.outer(rate, p) * days) / p).mean(axis=1)
        assert means[i] == pytest.approx((of_rate * amount).sum(), rel=1e-9)
        product = (of_rate * within * amount).sum() / (of_rate * within).sum()
        assert per_order[i] == pytest.approx(product, rel=1e-4)  # shares are midpoints
    assert ((per_order > means) == (rho > 0)).all()
    apart = expected_spend_per_order(customers._replace(spend=Lognormal()), days, 0.0)
    np.testing.assert_array_equal(apart, mean_order(customers._replace(spend=Lognormal())))


# --- on a log ---------------------------------------------------------------------------------------------------------


def made_up(customers=600, rho=0.6, seed=4, money=1.0):
    """A log's summary from BG/NBD and levels that go with the rate; every customer observed for a year."""
    r = np.random.default_rng(seed)
    rate = r.gamma(LIFE["r"], 1 / (7 * LIFE["alpha"]), customers)
    dropout = r.beta(LIFE["a"], LIFE["b"], customers)
    of_rate = rates.log_rate(RETENTION["bg_nbd"]().newcomer_laws(draws(**LIFE), WEEK))
    z = (np.log(rate) - of_rate.mean[0]) / of_rate.sd[0]
    level = MONEY["mu"] + MONEY["omega"] * (rho * z + np.sqrt(1 - rho**2) * r.standard_normal(customers))
    rows = []
    for i in range(customers):
        day, days = 0.0, []
        while r.random() >= dropout[i] or not days:
            day += r.exponential(1 / rate[i])
            if day >= 365:
                break
            days.append(day)
        logs = level[i] + MONEY["sigma"] * r.standard_normal(len(days)) + np.log(money)
        rows.append((len(days), max(days, default=0.0), logs.sum(), (logs**2).sum(), np.exp(logs).sum()))
    x, t_x, total, square, amount = np.array(rows).T
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(customers)],
            "frequency": x,
            "recency_days": t_x,
            "T_days": 365.0,
            "first_amount": money * np.exp(level),
            "repeat_positive": x,
            "repeat_amount": amount,
            "repeat_log_amount": total,
            "repeat_log_square": square,
            "segment": "",
            "channel": "",
        }
    )
    return CustomerSummary(frame, date(2024, 12, 30), date(2024, 1, 1), date(2024, 12, 30), "week", "made up")


@pytest.fixture(scope="module")
def dollars():
    return made_up(200)


def rows_of_both(summary, life=LIFE):
    """Rows of the uncorrelated and of the correlated model."""
    model = RETENTION["bg_nbd"]()
    with_rates = Lognormal(correlated=True)
    rows = with_rates.sufficient_jointly(summary, model)
    return Lognormal().sufficient(summary), with_rates.given_rates(rows, model, draws(**life), WEEK)


@pytest.fixture(scope="module")
def built(dollars):
    rows = rows_of_both(dollars)
    return [(m, r, m.build(r)) for m, r in zip((Lognormal(), Lognormal(correlated=True)), rows, strict=True)]


POINTS = [
    {"mu": 3.1, "omega": 0.5, "sigma": 0.6, "place": 0.6},
    {"mu": 3.6, "omega": 1.2, "sigma": 0.3, "place": 0.2},
]


def at(model, rows, values):
    """Unconstrained point of a model where the median is exp(mu) money."""
    point = {"median_log__": values["mu"] - np.log(rows.unit)}
    point |= {f"{k}_log__": np.log(values[k]) for k in ("omega", "sigma")}
    place = values["place"]
    return point | ({"rho_place_logodds__": np.log(place / (1 - place))} if model.correlated else {})


def test_the_models_density_is_the_likelihood(built, dollars):
    frame = dollars.customers[dollars.customers["repeat_positive"] > 0]
    data = [frame[c].to_numpy(float) for c in ("repeat_positive", "repeat_log_amount", "repeat_log_square")]
    histories = Customers(*(frame[c].to_numpy(float) for c in ("frequency", "recency_days", "T_days")))
    scores = rates.scores(RETENTION["bg_nbd"](), draws(**LIFE), histories, WEEK)
    for model, rows, graph in built:
        likelihood = graph.compile_logp(vars=graph.potentials, mode=PLAIN)
        assert rows.count.sum() == len(frame)
        for values in POINTS:
            rho = (2 * values["place"] - 1) / np.sqrt(1 + values["omega"] ** 2)
            params = draws(rho=rho, **{k: values[k] for k in ("mu", "omega", "sigma")})
            if model.correlated:
                plain = lognormal.log_likelihood_given_rates(params, *data, scores)
            else:
                plain = lognormal.log_likelihood(params, *data)
            found = float(likelihood(at(model, rows, values))) - data[0].sum() * np.log(rows.unit)
            assert found == pytest.approx(plain.sum(), abs=1e-7, rel=0)


def test_gradient_is_that_of_the_density(built):
    """As the sampler gets it: of the compiled graph."""
    target = compile_model(built[1][2]).density()
    point = target.start + np.linspace(-0.3, 0.4, target.start.size)
    step = 1e-5 * np.eye(point.size)
    plain = [(target.slope(point + s)[0] - target.slope(point - s)[0]) / 2e-5 for s in step]
    np.testing.assert_allclose(target.slope(point)[1], plain, rtol=1e-6, atol=1e-5)


def test_posterior_is_the_same_in_cents_and_in_any_order_of_rows(dollars, built):
    """Log density plus Jacobian, which is that of a change of units of mu: 1."""
    cents = made_up(200, money=100.0)
    for (model, rows, graph), in_cents in zip(built, rows_of_both(cents), strict=True):
        others = model.build(in_cents).compile_logp(mode=PLAIN), graph.compile_logp(mode=PLAIN)
        for values in POINTS:
            moved = {**values, "mu": values["mu"] + np.log(100)}
            a, b = float(others[0](at(model, in_cents, moved))), float(others[1](at(model, rows, values)))
            assert a == pytest.approx(b, abs=1e-9, rel=0)
    mixed = replace(dollars, customers=dollars.customers.sample(frac=1.0, random_state=3))
    for (_, rows, _), again in zip(built, rows_of_both(mixed), strict=True):
        for one, other in zip(flat(rows), flat(again), strict=True):
            np.testing.assert_array_equal(one, other)


def flat(rows):
    return [*rows[:-2], *rows.histories, *rows.scores]


def test_the_correlation_is_recovered():
    """Where the likelihood of 4,000 customers' orders has its maximum, with the rates' true distribution."""
    summary = made_up(4000, rho=0.6, seed=21)
    _, rows = rows_of_both(summary)
    frame = summary.customers
    squares = rows.within  # in the sum over customers only their total matters

    def loss(at):
        params = draws(mu=at[0], omega=np.exp(at[1]), sigma=np.exp(at[2]), rho=np.tanh(at[3]))
        square = rows.log_mean**2 * rows.x
        square[0] += squares
        return -lognormal.log_likelihood_given_rates(params, rows.x, rows.x * rows.log_mean, square, rows.scores).sum()

    assert rows.x.sum() == frame["repeat_positive"].sum()
    found = optimize.minimize(loss, [0.0, -0.5, -0.5, 0.0], method="BFGS").x
    # Not BFGS's own inverse Hessian: it is a by-product of the steps, and depends on the processor.
    steps = 1e-3 * np.eye(4)
    slopes = np.array([[(loss(found + a + b) - loss(found + a - b)) / 2e-3 for b in steps] for a in (*steps, *-steps)])
    errors = np.sqrt(np.diag(np.linalg.inv((slopes[:4] - slopes[4:]) / 2e-3)))
    true = [MONEY["mu"] - np.log(rows.unit), np.log(MONEY["omega"]), np.log(MONEY["sigma"]), np.arctanh(0.6)]
    assert (np.abs(found - true) < 3 * errors).all(), (found, true, errors)
    assert errors[3] < 0.2


@pytest.mark.slow
def test_fit_of_both_models():
    """Laplace and NUTS find one posterior, around the truth."""
    summary = made_up(2500, rho=0.6, seed=9)
    model, spend = RETENTION["bg_nbd"](), Lognormal(correlated=True)
    by = {
        way: fit(summary, model, spend, FitConfig(method=way, cache=False, draws=2000, chains=4)).posterior.spend
        for way in ("laplace", "nuts")
    }
    for name, true in {**MONEY, "rho": 0.6}.items():
        a, b = by["laplace"][name], by["nuts"][name]
        assert abs(a.mean() - b.mean()) < 0.2 * b.std(), name
        assert abs(b.mean() - true) < 4 * b.std(), name


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def draft(dollars):
    spend = Lognormal(correlated=True)
    return spend, fit(dollars, RETENTION["bg_nbd"](), spend, FitConfig(method="map", cache=False, draws=4))


def test_means_of_orders_and_first_orders(draft, dollars):
    """Per draw: first orders average the observed ones; the mean of repeat orders weighs frequent buyers more."""
    _, found = draft
    newcomers = RETENTION["bg_nbd"]().newcomer_laws(found.posterior.retention, WEEK)
    mean = lognormal.mean_order(lognormal.newcomer_laws(found.posterior.spend), newcomers)[:, 0]
    first = dollars.customers["first_amount"]
    error = first.std() / np.sqrt(len(first))
    np.testing.assert_allclose(found.posterior.spend["first_order_factor"] * mean, first.mean(), atol=4 * error)
    assert (found.posterior.spend["mean_order"] > mean).all()
    assert np.isfinite(quantities.expected_rlv(found, dollars, horizon_months=12, annual_discount_rate=0.1)).all()


def test_words(draft, dollars):
    spend, found = draft
    ((label, value),) = spend.facts(found.posterior.spend)
    assert "twice as often" in label
    change = 2 ** lognormal.elasticity(found.posterior.spend)[0] - 1
    assert value.startswith(f"{change:+.1%} [")
    assert Lognormal().facts(found.posterior.spend) == ()
    check = spend.check(dollars, found.posterior.spend)
    far = {**found.posterior.spend, "mean_order": np.full(4, 1.2 * check.mean_repeat_order)}
    assert "in the model" in spend.warnings(dollars, far)[0]
    assert spend.warnings(dollars, {**far, "mean_order": np.full(4, check.mean_repeat_order)}) == ()
    assert "in the model" in Lognormal().warnings(dollars, far)[0]
    below = check._replace(fitted_mean=0.8 * check.mean_repeat_order, correlation=0.19, customers=200)
    assert any("spend=lognormal spend.correlated=true" in text for text in spend_warnings(below, "spend=lognormal"))


def test_draws_out_of_a_file_are_used_as_they_were_fitted(draft, dollars, tmp_path):
    spend, found = draft
    path = tmp_path / "posterior.nc"
    write_posterior(found, path)
    config = FitConfig(posterior=[str(path)], draws=4, cache=False, allow_poor=True)
    again = fit(dollars, RETENTION["bg_nbd"](), spend, config)
    for name, values in found.posterior.spend.items():
        np.testing.assert_array_equal(again.posterior.spend[name], values, err_msg=name)
    with pytest.raises(ConfigError, match=r"type spend\.correlated=true"):
        fit(dollars, RETENTION["bg_nbd"](), Lognormal(), config)


def test_free_first_orders_say_nothing_of_paid_ones(dollars):
    """Those of newcomers who pay are then like repeat orders."""
    rows = Lognormal().sufficient(replace(dollars, customers=dollars.customers.assign(first_amount=0.0)))
    assert rows.first_count == 0
    free = {name: np.ones(3) for name in ("median", "omega", "sigma")}
    np.testing.assert_array_equal(Lognormal().natural(free, rows, 1)["first_order_factor"], 1.0)


def test_what_cannot_be_fitted_is_said(dollars):
    def with_columns(**columns):
        return replace(dollars, customers=dollars.customers.assign(**columns))

    for summary, error, words in (
        (with_columns(repeat_positive=0.0), DiagnosticsError, "there are none"),
        (with_columns(repeat_log_square=lambda f: f["repeat_log_amount"] ** 2 / f["repeat_positive"].clip(1)),
         DiagnosticsError, "amounts that vary"),
        (replace(dollars, means_only=True), ConfigError, "type spend=gamma_gamma"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            Lognormal().sufficient(summary)
    for name in ("bg_bb", "sbg"):
        with pytest.raises(ConfigError, match=f"retention={name} has none"):
            Lognormal(correlated=True).sufficient_jointly(dollars, RETENTION[name]())
    design = Design(group=Group(by="segment", names=("a", "b")), covariates=(), purchase=(), attrition=())
    pooled: Any = Pooled(RETENTION["bg_nbd"](pool="segment"), design)
    with pytest.raises(ConfigError, match="does not go with groups"):
        Lognormal(correlated=True).sufficient_jointly(dollars, pooled)
    with pytest.raises(DiagnosticsError, match="there are none"):
        learnable(with_columns(repeat_positive=0.0), RETENTION["bg_nbd"](), Lognormal(correlated=True))
