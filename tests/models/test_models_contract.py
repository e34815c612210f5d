"""What every retention model owes, whatever its formulas: one suite over the registry.

A model is told by the life of one customer with known traits (`STORIES`), at published parameters. Everything else is
compared with that story by brute force: trapezoids over the logarithm of a rate or hazard and the logit of a
probability, which converge exponentially and know nothing of conjugate distributions.
"""

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln, expit, gammaln
from scipy.stats import beta as beta_distribution
from scipy.stats import norm

from clvsim.kernels import rng
from clvsim.models import RETENTION
from clvsim.models.bdw import Bdw
from clvsim.models.bg_nbd import BgNbd
from clvsim.models.laws import Customers, RetentionModel
from clvsim.models.mbg_nbd import MbgNbd
from clvsim.models.pareto_nbd import ParetoNbd
from clvsim.models.priors import BetaPrior
from clvsim.models.sbg import Sbg
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.population import Block, existing_blocks, newcomer_laws, people_of
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import DAYS_PER_YEAR, CustomerSummary, Posterior

CALM = EnvironmentConfig(sd_prior=0.0)
WEEK = 7.0


def bg_story(rate, p, x, t_x, T):
    """(alive, lost) densities: x orders at a rate, leaving with probability p after each repeat order."""
    left = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x) if x else 0.0 * rate * p
    return (1 - p) ** x * rate**x * np.exp(-rate * T), left


def mbg_story(rate, p, x, t_x, T):
    """Leaving with probability p after each order, the first included."""
    return (1 - p) ** (x + 1) * rate**x * np.exp(-rate * T), p * (1 - p) ** x * rate**x * np.exp(-rate * t_x)


def pareto_story(rate, mu, x, t_x, T):
    """x orders at a rate, death at the hazard mu: after T, or silently between t_x and T."""
    both = rate + mu
    silent = mu / both * (np.exp(-both * t_x) - np.exp(-both * T))
    return rate**x * np.exp(-both * T), rate**x * silent


# story, published maximum likelihood on CDNOW in weeks
STORIES = {
    "bg_nbd": (bg_story, {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}),
    "mbg_nbd": (mbg_story, {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
    "pareto_nbd": (pareto_story, {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}),
}
CONTRACTUAL = ["sbg", "bdw"]  # neither rates nor days: the same and more in test_models_contracts.py
HISTORIES = [(0, 0.0, 1.0), (0, 0.0, 38.9), (1, 3.0, 30.0), (2, 30.43, 38.86), (7, 12.0, 39.0), (9, 38.9, 39.0)]


def test_every_model_keeps_the_protocol():
    models: list[RetentionModel] = [BgNbd(), MbgNbd(), ParetoNbd(), Sbg(), Bdw()]
    assert [model.kind for model in models] == list(RETENTION)


def test_every_model_has_a_story():
    assert [*STORIES, *CONTRACTUAL] == list(RETENTION)


@pytest.fixture(params=list(STORIES))
def name(request):
    return request.param


@pytest.fixture
def module(name):
    return importlib.import_module(f"clvsim.models.{name}")


def params_of(name, size=1):
    return {k: np.full(size, v) for k, v in STORIES[name][1].items()}


def gamma_grid(shape, rate):
    """Points and weights of E f(z), z ~ Gamma(shape, rate): trapezoid in log z."""
    low, high = -40 / shape, np.log(60 + 10 * shape)
    u = np.linspace(low, high, 1500)
    weight = np.exp(shape * u - np.exp(u) - gammaln(shape)) * (u[1] - u[0])
    return np.exp(u) / rate, weight


def beta_grid(a, b):
    """The same for z ~ Beta(a, b), in the logit."""
    u = np.linspace(-40 / a, 40 / b, 1500)
    weight = np.exp(a * np.log(expit(u)) + b * np.log(expit(-u)) - betaln(a, b)) * (u[1] - u[0])
    return expit(u), weight


def trait_grids(params):
    """Rate and second trait over the population: points (n, 1) and (1, n), and joint weights."""
    rate, of_rate = gamma_grid(params["r"][0], params["alpha"][0])
    if "s" in params:
        other, of_other = gamma_grid(params["s"][0], params["beta"][0])
    else:
        other, of_other = beta_grid(params["a"][0], params["b"][0])
    return rate[:, None], other[None, :], of_rate[:, None] * of_other[None, :]


@pytest.fixture
def brute(name):
    """(alive, lost) densities of HISTORIES, (history, 2)."""
    rate, other, weight = trait_grids(params_of(name))
    return np.array([[(weight * part).sum() for part in STORIES[name][0](rate, other, *h)] for h in HISTORIES])


def test_likelihood_is_the_story_averaged_over_traits(name, module, brute):
    found = module.log_likelihood(params_of(name), *np.array(HISTORIES).T)[0]
    np.testing.assert_allclose(found, np.log(brute.sum(axis=1)), rtol=0, atol=1e-9)


def test_probability_alive_is_bayes_rule(name, module, brute):
    found = module.probability_alive(params_of(name), *np.array(HISTORIES).T)[0]
    np.testing.assert_allclose(found, brute[:, 0] / brute.sum(axis=1), rtol=1e-9)


def law_grids(law, i=0):
    """Points and weights over the traits of a law's column: rate (n, 1, 1), hazard per day or dropout (1, n, 1)."""
    rate, of_rate = gamma_grid(law.rate_shape[0, i], law.rate_rate[0, i])
    if law.drop_a[0, i] > 0:
        other, of_other = beta_grid(law.drop_a[0, i], law.drop_b[0, i])
        hazard = rate[:, None] * other  # per day, as each order is followed by a departure with that probability
    else:
        other, of_other = gamma_grid(law.mu_shape[0, i], law.mu_rate[0, i])
        hazard = np.broadcast_to(other, (rate.size, other.size))
    return rate[:, None], other[None, :], hazard, of_rate[:, None] * of_other[None, :]


def orders_of(law, i, horizon, force, born=False):
    """Expected orders within days, by the law alone: mean of the integral of rate * exp(-(hazard + force) t)."""
    rate, p, hazard, weight = law_grids(law, i)
    if born:
        weight = weight * (1 - p) ** law.birth_charges
    total = hazard + force
    with np.errstate(invalid="ignore", divide="ignore"):
        life = np.where(total > 0, -np.expm1(-total * horizon) / total, horizon)
    return float((weight * rate * life).sum())


@pytest.mark.parametrize("annual_rate", [0.0, 0.1, 4.0])
def test_discounted_orders_follow_from_the_law(name, module, annual_rate):
    customers = Customers(*np.array(HISTORIES, float).T * [[1], [WEEK], [WEEK]])
    law = module.laws(params_of(name), customers, WEEK)
    horizon, force = 3 * DAYS_PER_YEAR, np.log1p(annual_rate) / DAYS_PER_YEAR
    found = RETENTION[name]().expected_discounted_orders(params_of(name), customers, horizon, annual_rate, WEEK)[0]
    expected = [orders_of(law, i, horizon, force) for i in range(len(HISTORIES))]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_expected_orders_are_those_of_the_living(name, module):
    customers = Customers(*np.array(HISTORIES, float).T * [[1], [WEEK], [WEEK]])
    law = module.laws(params_of(name), customers, WEEK)
    expected = [law.p_alive[0, i] * orders_of(law, i, 39 * WEEK, 0.0) for i in range(len(HISTORIES))]
    found = module.expected_orders(params_of(name), *np.array(HISTORIES, float).T, 39.0)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_newcomers_follow_from_their_law(name, module):
    law = module.newcomer_laws(params_of(name), WEEK)
    weeks = np.array([1.0, 39.0, 156.0])
    found = module.expected_orders_new(params_of(name), weeks)[0]
    expected = [orders_of(law, 0, w * WEEK, 0.0, born=True) for w in weeks]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    nobody = Customers(*(np.zeros(1) for _ in range(3)))
    alive = module.laws(params_of(name), nobody, WEEK).p_alive[0, 0]
    again = RETENTION[name]().expected_discounted_orders(params_of(name), nobody, 39 * WEEK, 0.0, WEEK)[0, 0]
    assert alive * again == pytest.approx(found[1], rel=1e-9)


def test_silence_follows_from_the_story(name, module, brute):
    """P(no order in (T, T+t]): the history goes on without an order, over the history as it is."""
    t = 26.0
    longer = [(x, t_x, T + t) for x, t_x, T in HISTORIES]
    rate, other, weight = trait_grids(params_of(name))
    silent = np.array([sum((weight * part).sum() for part in STORIES[name][0](rate, other, *h)) for h in longer])
    customers = Customers(*np.array(HISTORIES, float).T * [[1], [WEEK], [WEEK]])
    found = RETENTION[name]().probability_active(params_of(name), customers, t * WEEK, WEEK)[0]
    np.testing.assert_allclose(found, 1 - silent / brute.sum(axis=1), rtol=1e-8)
    for i in (0, 1):
        new = RETENTION[name]().order_pmf(params_of(name), 0, HISTORIES[i][2], WEEK)[0, 0]
        assert new == pytest.approx(brute[i].sum(), rel=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.5, 39.0])
def test_order_counts_are_a_distribution_with_the_expected_mean(name, t):
    n = 400
    found = RETENTION[name]().order_pmf(params_of(name), n, t, WEEK)[0]
    assert found.shape == (n + 1,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-12)
    mean = RETENTION[name]().expected_orders_new(params_of(name), t, WEEK)[0, 0]
    assert (found * np.arange(n + 1)).sum() == pytest.approx(mean, rel=1e-9, abs=1e-15)


def test_several_draws_and_customers_are_one_by_one(name, module):
    """Rows are draws, columns customers, whatever is tabulated inside."""
    many = {k: v * np.exp(np.linspace(-0.3, 0.4, 5)) for k, v in params_of(name).items()}
    columns = np.array(HISTORIES, float).T
    for function in (module.log_likelihood, module.probability_alive, lambda *v: module.expected_orders(*v, 10.0)):
        table = function(many, *columns)
        assert table.shape == (5, len(HISTORIES))
        for d in range(5):
            one = {k: v[d : d + 1] for k, v in many.items()}
            for i in range(len(HISTORIES)):
                assert table[d, i] == pytest.approx(function(one, *columns[:, i : i + 1])[0, 0], rel=1e-12)


def test_laws_are_ready_for_the_kernel(name, module):
    customers = Customers(*(np.full(5, v) for v in (2.0, 100.0, 200.0)))
    for law, shape in (
        (module.laws(params_of(name, 16), customers, WEEK), (16, 5)),
        (module.newcomer_laws(params_of(name, 16), WEEK), (16, 1)),
    ):
        for array in law[:7]:
            assert array.shape == shape
            assert array.dtype == np.float64
            assert array.flags.c_contiguous
            assert (array >= 0).all()
        assert (law.p_alive <= 1).all()


# --- the PyMC model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compiled(cdnow):
    """Per model: its rows of CDNOW and compiled log density and gradient."""
    made = {}

    def of(name):
        if name not in made:
            section = RETENTION[name]()
            rows = section.sufficient(cdnow)
            model = section.build(rows)
            made[name] = section, rows, model.compile_logp(), model.compile_dlogp(), model.value_vars
        return made[name]

    return of


def free_points(section, count, seed=5):
    """Values of the free variables around the middle of their priors, and the same on the sampler's scale."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        free, point = {}, {}
        for name, prior in priors_of(section):
            z = draw.normal(0, 0.7)
            if isinstance(prior, BetaPrior):
                free[name], point[f"{name}_logodds__"] = expit(z), z
            else:
                free[name], point[f"{name}_log__"] = np.exp(z), z
        yield free, point


def priors_of(section):
    return [(name, getattr(section, name)) for name in type(section).model_fields if name != "kind"]


def log_prior(section, free):
    """Log density of the unconstrained variables: priors times Jacobian."""
    total = 0.0
    for name, prior in priors_of(section):
        value = free[name]
        if isinstance(prior, BetaPrior):
            total += beta_distribution.logpdf(value, prior.a, prior.b) + np.log(value * (1 - value))
        else:
            total += norm.logpdf(np.log(value), np.log(prior.median), prior.sd_log)
    return total


def test_density_is_likelihood_times_priors(name, module, compiled):
    """At 20 points. The log-gammas of SciPy and of PyTensor differ by about 1e-11 for each of 2,357 customers."""
    section, rows, logp, _, variables = compiled(name)
    for free, point in free_points(section, 20):
        assert set(point) == {v.name for v in variables}
        natural = section.natural({k: np.array([v]) for k, v in free.items()}, rows, rows.unit_days)
        plain = (rows.count * module.log_likelihood(natural, rows.x, rows.t_x, rows.T)[0]).sum()
        assert float(logp(point)) == pytest.approx(plain + log_prior(section, free), abs=2e-7, rel=0)


def test_gradient_is_that_of_the_density(name, compiled):
    """Central differences; their error is about 1e-10 of the density, over the step."""
    section, _, logp, dlogp, variables = compiled(name)
    step = 1e-4
    for _, point in free_points(section, 5, seed=6):
        gradient = dlogp(point)
        for i, variable in enumerate(variables):
            up, down = ({**point, variable.name: point[variable.name] + h} for h in (step, -step))
            difference = (float(logp(up)) - float(logp(down))) / (2 * step)
            assert gradient[i] == pytest.approx(difference, rel=1e-5, abs=2e-3), variable.name


def in_unit(summary: CustomerSummary, days: float) -> CustomerSummary:
    frame = summary.customers.assign(
        recency_days=summary.customers["recency_days"] / days, T_days=summary.customers["T_days"] / days
    )
    return replace(summary, customers=frame)


def test_posterior_does_not_depend_on_days_or_weeks(name, cdnow, compiled):
    """Rows, and so the density at any point, are the same; only what is reported in time units moves."""
    section, days, logp, _, _ = compiled(name)
    weeks = section.sufficient(in_unit(cdnow, WEEK))
    for of_days, of_weeks in zip(days[:-1], weeks[:-1], strict=True):
        np.testing.assert_allclose(of_weeks, of_days, rtol=1e-13, atol=0)
    assert weeks.unit_days * WEEK == pytest.approx(days.unit_days, rel=1e-13)
    other = section.build(weeks).compile_logp()
    free = {k: np.full(1, v) for k, v in next(free_points(section, 1))[0].items()}
    for _, point in free_points(section, 3, seed=8):
        assert float(other(point)) == pytest.approx(float(logp(point)), abs=1e-9, rel=0)
    in_weeks, in_days = section.natural(free, days, WEEK), section.natural(free, days, 1.0)
    for parameter in in_weeks:
        factor = WEEK if parameter in ("alpha", "beta") else 1.0
        assert in_days[parameter] == pytest.approx(factor * in_weeks[parameter], rel=1e-13)


def test_forecasts_do_not_depend_on_days_or_weeks(name, module):
    weeks = params_of(name)
    days = {k: v * (WEEK if k in ("alpha", "beta") else 1.0) for k, v in weeks.items()}
    x, t_x, T = np.array(HISTORIES, float).T
    customers = Customers(x, t_x * WEEK, T * WEEK)
    model = RETENTION[name]()
    by_week, by_day = (model.laws(p, customers, u) for p, u in ((weeks, WEEK), (days, 1.0)))
    for a, b in zip(by_week[:7], by_day[:7], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    a, b = (model.expected_discounted_orders(p, customers, 1000.0, 0.1, u) for p, u in ((weeks, WEEK), (days, 1.0)))
    np.testing.assert_allclose(a, b, rtol=1e-9)
    scaled = module.log_likelihood(days, x, t_x * WEEK, T * WEEK) + x * np.log(WEEK)
    np.testing.assert_allclose(scaled, module.log_likelihood(weeks, x, t_x, T), rtol=0, atol=1e-9)


def test_order_of_rows_does_not_matter(name, cdnow, compiled):
    section, rows, *_ = compiled(name)
    shuffled = section.sufficient(replace(cdnow, customers=cdnow.customers.sample(frac=1, random_state=4)))
    for a, b in zip(rows, shuffled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_orders_and_long_silence_stay_finite(name, module):
    x, t_x, T = (np.array(v) for v in ([5000.0, 300.0, 0.0], [99.9, 10.0, 0.0], [1000.0, 5000.0, 1e5]))
    found = module.log_likelihood(params_of(name), x, t_x, T)
    assert np.isfinite(found).all()
    alive = module.probability_alive(params_of(name), x, t_x, T)
    assert ((alive >= 0) & (alive <= 1)).all()
    assert alive[0, 1] < 1e-100  # 300 orders in 10 weeks, then nothing for a century


# --- the simulator ----------------------------------------------------------------------------------------------------


def point_posterior(name, draws) -> Posterior:
    spend = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
    return Posterior(
        retention_model=name,
        spend_model="gamma_gamma",
        retention=params_of(name, draws),
        spend={k: np.full(draws, v) for k, v in spend.items()},
        time_unit="week",
        diagnostics=(),
        method="fixed",
    )


def near(worlds: np.ndarray, expected: float) -> bool:
    """The mean over worlds, within 4 Monte Carlo errors, which are below 3 % of it."""
    error = worlds.std(ddof=1) / np.sqrt(worlds.size)
    assert 4 * error < 0.03 * expected
    return abs(worlds.mean() - expected) < 4 * error


def test_simulated_newcomers_have_the_expected_orders(name, module):
    draws, copies, weeks = 250, 2000, 78
    people = people_of(key=rng.text_keys([f"copy {i}" for i in range(copies)]))
    block = Block(people, newcomer_laws(point_posterior(name, draws)), newcomers=True)
    weekly = repeat_orders([block], WEEK * weeks, CALM, draws, 7, 1, 32.0)
    until = np.cumsum(weekly, axis=1) / copies
    for week in (4, 26, weeks):
        assert near(until[:, week - 1], module.expected_orders_new(params_of(name), float(week))[0, 0]), week


@pytest.mark.parametrize(("low", "high"), [(0, 0), (1, 2), (3, 99)])
def test_simulated_customers_have_the_expected_orders(name, module, cdnow, low, high):
    draws, weeks = 400, 39
    frame = cdnow.customers
    some: pd.DataFrame = frame[frame["frequency"].between(low, high)].reset_index(drop=True)
    none = np.zeros(len(some), np.int64)
    blocks, _ = existing_blocks(replace(cdnow, customers=some), point_posterior(name, draws), none, none, 4096)
    total = repeat_orders(blocks, WEEK * weeks, CALM, draws, 9, 1, 32.0).sum(axis=1)
    columns = (some[c].to_numpy(float) / u for c, u in (("frequency", 1), ("recency_days", WEEK), ("T_days", WEEK)))
    assert near(total, module.expected_orders(params_of(name), *columns, float(weeks))[0].sum())
