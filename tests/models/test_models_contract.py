"""What every retention model owes, whatever its formulas: one suite over the registry.

A model is described by the life of customers with known traits (tests/stories). Everything else is compared with that
story by brute force: trapezoids over the logarithm of a rate or hazard and the logit of a probability, which converge
exponentially and know nothing of conjugate distributions; and the same life drawn in plain NumPy.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from plainly import PLAIN
from scipy.special import betaln, expit, gammainc, gammaln
from scipy.stats import beta as beta_distribution
from scipy.stats import norm

from clvsim.kernels import rng
from clvsim.models import RETENTION, inference
from clvsim.models.compiled import compile_model
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births, Customers, LifeLaw, SpendHistory, rows_of
from clvsim.models.priors import BetaPrior
from clvsim.models.protocol import RetentionModel
from clvsim.models.retention.bdw import Bdw
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.cnbd import BgCnbd, MbgCnbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import Block, existing_blocks, join_laws, newcomer_laws, people_of
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary, Posterior
from tests.stories import STORIES as ALL_STORIES
from tests.stories.story import WEEK, priors_of

CALM = EnvironmentConfig(sd_prior=0.0)
CUSTOMERS = 2500
BY_COMPONENT = LifeLaw._fields[1:7]


STORIES = {name: story for name, story in ALL_STORIES.items() if not story.renewing}


def test_every_model_keeps_the_protocol():
    models: list[RetentionModel] = [
        BgNbd(),
        MbgNbd(),
        ParetoNbd(),
        BgCnbd(),
        MbgCnbd(),
        BgBb(),
        Sbg(),
        Bdw(),
    ]
    assert [model.kind for model in models] == list(RETENTION)


def test_all_but_contracts_are_here():
    """Contracts have neither rates nor days: the same and more in test_models_contracts.py."""
    assert [*STORIES, "sbg", "bdw"] == list(ALL_STORIES) == list(RETENTION)


@pytest.fixture(params=list(STORIES))
def name(request):
    return request.param


@pytest.fixture
def story(name):
    return STORIES[name]


@pytest.fixture
def model(name):
    return configured(name)


def configured(name):
    return RETENTION[name](**STORIES[name].config)


def params_of(name, size=1, unit=WEEK):
    """The story's parameters, the same in every draw, in a unit of that many days."""
    story = STORIES[name]
    return {k: np.full(size, v * (WEEK / unit if k in story.times else 1.0)) for k, v in story.params.items()}


def people(histories) -> range:
    return range(len(histories[0]))


# --- laws as grids ----------------------------------------------------------------------------------------------------


def steps(low, high, sd):
    """Of a trapezoid over a hump of that width that is analytic within 1.5 of the axis: 1e-14 at 0.5 sd and at 0.12."""
    return np.linspace(low, high, int((high - low) / min(0.12, 0.5 * sd)) + 2)


def gamma_grid(shape, rate):
    """Points and weights of E f(z), z ~ Gamma(shape, rate): trapezoid in log z."""
    u = steps(-40 / shape, np.log(60 + 10 * shape), 1 / np.sqrt(shape))
    weight = np.exp(shape * u - np.exp(u) - gammaln(shape)) * (u[1] - u[0])
    return np.exp(u) / rate, weight


def beta_grid(a, b):
    """The same for z ~ Beta(a, b), in the logit."""
    u = steps(-40 / a, 40 / b, np.sqrt(1 / a + 1 / b))
    weight = np.exp(a * np.log(expit(u)) + b * np.log(expit(-u)) - betaln(a, b)) * (u[1] - u[0])
    return expit(u), weight


def fixed_at(value):
    return np.array([value]), np.ones(1)


def components(law: LifeLaw, i: int):
    """Weight, stages done and the grids of both traits, for each component of a law's column."""

    def of(value, j):
        return float(np.broadcast_to(value, shape)[0, i, j])

    shape = (*law.p_alive.shape, 1) if law.weight is None else law.weight.shape
    fields = {f: getattr(law, f) for f in (*BY_COMPONENT, "buy_a", "buy_b") if getattr(law, f) is not None}
    if law.weight is None:
        fields = {f: v[..., None] for f, v in fields.items()}
    for j in range(shape[2]):
        weight = 1.0 if law.weight is None else float(law.weight[0, i, j])
        if weight == 0:
            continue
        at = {f: of(v, j) for f, v in fields.items()}
        if law.interval_days:
            first = beta_grid(at["buy_a"], at["buy_b"]) if at.get("buy_a", 0) > 0 else fixed_at(1.0)
        else:
            first = gamma_grid(at["rate_shape"], at["rate_rate"])
        if at["drop_a"] > 0:
            second = beta_grid(at["drop_a"], at["drop_b"])
        elif at["mu_shape"] > 0:
            second = gamma_grid(at["mu_shape"], at["mu_rate"])
        else:
            second = fixed_at(0.0)
        yield weight, 0.0 if law.stages_done is None else law.stages_done[j], first, second


def opportunities(law, i, horizon, p):
    """Days of the opportunities within the horizon, and what survives to each: (l,), (l, p)."""
    start = law.next_opportunity_days[min(i, law.next_opportunity_days.size - 1)]
    count = min(5000.0, (horizon - start) / law.interval_days + 1)
    days = start + law.interval_days * np.arange(int(count + 1e-9))
    served = 0.0 if law.tenure is None else law.tenure[min(i, law.tenure.size - 1)]
    c = 1.0 if law.tenure_exponent is None else law.tenure_exponent[0, 0]
    exponent = (served + 1 + np.arange(days.size)) ** c - served**c
    return days, (1 - p[None, :]) ** exponent[:, None]


def orders_of(law, i, horizon, force, born=False):
    """Expected orders within days, by the law alone: mean over both traits of what a customer with them orders."""
    total = 0.0
    for weight, done, (first, of_first), (second, of_second) in components(law, i):
        if born:
            of_second = of_second * (1 - second) ** law.birth_charges
        if law.interval_days:
            days, survives = opportunities(law, i, horizon, second)
            total += weight * (of_first @ first) * (np.exp(-force * days) @ survives @ of_second)
        elif law.regularity > 1 and np.isinf(horizon):
            stage = (first / (first + force))[:, None]
            again = (1 - second[None, :]) * stage**law.regularity
            total += weight * (of_first @ (stage ** (law.regularity - done) / (1 - again)) @ of_second)
        elif law.regularity > 1:
            reach = min(horizon, 60 / force if force else horizon)
            shape, rate = law.rate_shape[0, i].max(), law.rate_rate[0, i].min()
            stages = 3 * shape * reach / rate + 36 * (1 + reach / rate)  # more than these have no chance above 1e-15
            m = np.arange(1, 40 + int(stages / law.regularity))
            stages = (law.regularity * m - done)[None, :]
            hurry = first[:, None] + force
            order = (first[:, None] / hurry) ** stages * gammainc(stages, hurry * horizon)
            total += weight * (of_first @ order @ (1 - second[None, :]) ** (m[:, None] - 1) @ of_second)
        else:
            hazard = first[:, None] * second[None, :] if law.drop_a.flat[i] > 0 else second[None, :]
            both = hazard + force
            with np.errstate(invalid="ignore", divide="ignore"):
                life = np.where(both > 0, -np.expm1(-both * horizon) / both, horizon)
            total += weight * (of_first @ (first[:, None] * life) @ of_second)
    return float(total)


def active_of(law, i, horizon):
    """P(an order within days | alive), by the law alone."""
    total = 0.0
    for weight, done, (first, of_first), (second, of_second) in components(law, i):
        if law.interval_days:
            days, survives = opportunities(law, i, horizon, second)
            bought = first[None, :] * (1 - first[None, :]) ** np.arange(days.size)[:, None]
            chance = np.einsum("lf,ls->fs", bought, survives)
        elif law.drop_a.flat[i] > 0:
            chance = gammainc(law.regularity - done, first * horizon)[:, None] * np.ones_like(second)
        else:
            both = first[:, None] + second[None, :]
            chance = first[:, None] / both * -np.expm1(-both * horizon)
        total += weight * (of_first @ chance @ of_second)
    return float(total)


def staying_of(law, i, horizon, born=False):
    """P(still a customer after so many days | alive), by the law alone; a newcomer's from before the first order on."""
    total = 0.0
    for weight, done, (first, of_first), (second, of_second) in components(law, i):
        if born:
            of_second = of_second * (1 - second) ** law.birth_charges
        if law.interval_days:
            _, survives = opportunities(law, i, horizon, second)
            stays = np.broadcast_to(survives[-1] if len(survives) else 1.0, (first.size, second.size))
        elif law.drop_a.flat[i] > 0:
            n = np.arange(4000.0)
            events = np.exp(n * np.log(first[:, None] * horizon) - first[:, None] * horizon - gammaln(n + 1))
            orders = np.floor((n + done) / law.regularity)
            stays = events @ (1 - second[None, :]) ** orders[:, None]
        else:
            stays = np.exp(-second[None, :] * horizon) * np.ones_like(first)[:, None]
        total += weight * (of_first @ stays @ of_second)
    return float(total)


@pytest.fixture
def population(name, model):
    """Both traits of newcomers: points (n, 1) and (1, n), and joint weights."""
    (_, _, first, second), *_ = components(model.newcomer_laws(params_of(name), WEEK), 0)
    return first[0][:, None], second[0][None, :], first[1][:, None] * second[1][None, :]


@pytest.fixture
def brute(story, population):
    """(alive, lost) densities of the story's histories, (history, 2)."""
    first, second, weight = population
    columns = list(zip(*story.histories, strict=True))
    return np.array([[(weight * part).sum() for part in story.density(first, second, *h)] for h in columns])


# --- closed forms against the story -----------------------------------------------------------------------------------


def test_likelihood_is_the_story_averaged_over_traits(name, story, model, brute):
    found = model.log_likelihood(params_of(name), story.histories, WEEK)[0]
    per_unit = story.histories[0] * np.log(WEEK) if story.times else 0.0
    np.testing.assert_allclose(found, np.log(brute.sum(axis=1)) + per_unit, rtol=0, atol=1e-9)


def test_probability_alive_is_bayes_rule(name, story, model, brute):
    expected = brute[:, 0] / brute.sum(axis=1)
    found = model.probability_alive(params_of(name), story.histories, WEEK)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(model.laws(params_of(name), story.histories, WEEK).p_alive[0], expected, rtol=1e-9)


@pytest.mark.parametrize("alive", [True, False])
def test_laws_are_bayes_rule(name, story, model, population, brute, alive):
    """Means of functions of both traits, given the history and being alive, or lost: against the story's own density.

    The moment of a silent death is integrated out by few points, good to 1e-6.
    """
    law = (model.laws if alive else model.laws_given_dead)(params_of(name), story.histories, WEEK)
    first, second, weight = population
    checked = 0
    for i, history in enumerate(zip(*story.histories, strict=True)):
        part = 0 if alive else 1
        if brute[i, part] == 0:
            continue
        checked += 1
        posterior = weight * story.density(first, second, *history)[part] / brute[i, part]
        for of_first, of_second in ((30.0, 0.0), (0.0, 30.0), (3.0, 3.0)):
            plain = (posterior / (1 + of_first * first) / (1 + of_second * second)).sum()
            found = sum(
                w * (f[1] / (1 + of_first * f[0])).sum() * (s[1] / (1 + of_second * s[0])).sum()
                for w, _, f, s in components(law, i)
            )
            assert found == pytest.approx(plain, rel=1e-8 if alive else 1e-6), (history, of_first, of_second)
    assert checked > 1
    if not alive:
        assert (law.p_alive == 1).all()
        if law.weight is not None:
            np.testing.assert_allclose(law.weight.sum(axis=2), 1, rtol=1e-12)


@pytest.mark.parametrize(("horizon", "annual_rate"), [(3.0, 0.0), (3.0, 0.1), (3.0, 4.0), (np.inf, 0.1)])
def test_discounted_orders_follow_from_the_law(name, story, model, horizon, annual_rate):
    law = model.laws(params_of(name), story.histories, WEEK)
    days, force = horizon * DAYS_PER_YEAR, np.log1p(annual_rate) / DAYS_PER_YEAR
    found = model.expected_discounted_orders(params_of(name), story.histories, days, annual_rate, WEEK)[0]
    expected = [orders_of(law, i, days, force) for i in people(story.histories)]
    alive = law.p_alive[0] > 0
    np.testing.assert_allclose(found[alive], np.array(expected)[alive], rtol=1e-8)


def test_orders_and_activity_are_those_of_the_living(name, story, model):
    law = model.laws(params_of(name), story.histories, WEEK)
    alive, days = law.p_alive[0], 39 * WEEK
    orders = model.expected_orders(params_of(name), story.histories, days, WEEK)[0]
    active = model.probability_active(params_of(name), story.histories, days, WEEK)[0]
    everyone = people(story.histories)
    np.testing.assert_allclose(orders, [alive[i] * orders_of(law, i, days, 0.0) for i in everyone], rtol=1e-8)
    np.testing.assert_allclose(active, [alive[i] * active_of(law, i, days) for i in everyone], rtol=1e-8)
    assert (active <= alive).all()


def test_newcomers_follow_from_their_law(name, story, model):
    law = model.newcomer_laws(params_of(name), WEEK)
    weeks = np.array([1.0, 39.0, 156.0])
    found = model.expected_orders_new(params_of(name), weeks, WEEK)[0]
    expected = [orders_of(law, 0, w * WEEK, 0.0, born=True) for w in weeks]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    if isinstance(story.histories, Customers):  # nobody's history is a newcomer's
        nobody = Customers(*(np.zeros(1) for _ in range(3)))
        again = model.expected_orders(params_of(name), nobody, 39 * WEEK, WEEK)[0, 0]
        assert again == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("annual_rate", [0.0, 0.1, 4.0])
def test_discounted_orders_of_newcomers_follow_from_their_law(name, model, annual_rate):
    """By own age, whenever they come. The integral of the discount runs in steps of up to a month: good to 1e-6."""
    law = model.newcomer_laws(params_of(name), WEEK)
    ages, force = DAYS_PER_MONTH * np.array([0.1, 1.0, 2.0, 3.0, 13.0, 36.0]), np.log1p(annual_rate) / DAYS_PER_YEAR
    births = Births(np.array([0.0, 300.0]), 30.0)
    found = model.expected_discounted_orders_new(params_of(name, 2), ages, annual_rate, WEEK, births)
    assert found.shape == (2, 1, 6)
    expected = [orders_of(law, 0, age, force, born=True) for age in ages]
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[0], found[1])
    if annual_rate == 0:
        known = model.expected_orders_new(params_of(name), ages / WEEK, WEEK)[0]
        np.testing.assert_allclose(found[0, 0], known, rtol=1e-10)


@pytest.mark.parametrize("weeks", [0.6, 39.0, 155.0])
def test_staying_follows_from_the_law(name, story, model, weeks):
    law, days = model.laws(params_of(name), story.histories, WEEK), weeks * WEEK
    found = model.probability_staying(params_of(name), story.histories, days, WEEK)[0]
    expected = [staying_of(law, i, days) for i in people(story.histories)]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    new = model.probability_staying_new(params_of(name), np.array([days, 2 * days]), WEEK)[0]
    law = model.newcomer_laws(params_of(name), WEEK)
    np.testing.assert_allclose(new, [staying_of(law, 0, d, born=True) for d in (days, 2 * days)], rtol=1e-8)


@pytest.mark.parametrize("weeks", [0.0, 0.5, 39.0])
def test_order_counts_are_a_distribution_with_the_expected_mean(name, model, weeks):
    n = 400
    found = model.order_pmf(params_of(name), n, weeks, WEEK)[0]
    assert found.shape == (n + 1,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-12)
    mean = model.expected_orders_new(params_of(name), weeks, WEEK)[0, 0]
    assert (found * np.arange(n + 1)).sum() == pytest.approx(mean, rel=1e-9, abs=1e-15)


def lives(name, days, seed):
    """Plain lives of newcomers, one for each entry of `days`: columns of a summary."""
    story, random = STORIES[name], np.random.default_rng(seed)
    return pd.DataFrame(story.live(random, *story.traits(random, story.params, days.size), days, **story.config))


def test_order_counts_are_those_of_lives(name, model):
    """Frequencies of 0 to 3 orders among 5,000 plain lives, within 4 standard errors of binomial counts."""
    size, weeks = 5000, 39.0
    x = lives(name, np.full(size, weeks * WEEK), 31)["frequency"].to_numpy().astype(int)
    found = model.order_pmf(params_of(name), 3, weeks, WEEK)[0]
    share = np.bincount(x, minlength=4)[:4] / size
    assert (np.abs(share - found) < 4 * np.sqrt(found * (1 - found) / size)).all()


def quantities(model, params, histories):
    """All quantities of customers, each (draw, customer)."""
    return {
        "log_likelihood": model.log_likelihood(params, histories, WEEK),
        "probability_alive": model.probability_alive(params, histories, WEEK),
        "probability_active": model.probability_active(params, histories, 100.0, WEEK),
        "expected_orders": model.expected_orders(params, histories, 100.0, WEEK),
        "expected_discounted_orders": model.expected_discounted_orders(params, histories, 100.0, 0.1, WEEK),
    }


def test_several_draws_and_customers_are_one_by_one(name, story, model):
    """Rows are draws, columns customers, whatever is tabulated inside."""
    many = {k: v * np.exp(np.linspace(-0.3, 0.4, 3)) for k, v in params_of(name).items()}
    together = quantities(model, many, story.histories)
    for d in range(3):
        one = {k: v[d : d + 1] for k, v in many.items()}
        for i in people(story.histories):
            for what, value in quantities(model, one, rows_of(story.histories, slice(i, i + 1))).items():
                assert value.shape == (1, 1)
                assert together[what][d, i] == pytest.approx(value[0, 0], rel=1e-12), (what, d, i)


def test_laws_are_ready_for_the_kernel(name, story, model):
    draws, customers = 16, len(story.histories[0])
    for law, columns in (
        (model.laws(params_of(name, draws), story.histories, WEEK), customers),
        (model.laws_given_dead(params_of(name, draws), story.histories, WEEK), customers),
        (model.newcomer_laws(params_of(name, draws), WEEK), 1),
    ):
        assert law.p_alive.shape == (draws, columns)
        assert (law.p_alive <= 1).all()
        shape = (draws, columns) if law.weight is None else law.weight.shape
        for array in (law.p_alive, *(getattr(law, f) for f in BY_COMPONENT)):
            assert array.dtype == np.float64
            assert (array >= 0).all()
            assert array is law.p_alive or array.shape == shape


def test_laws_have_orders_when_the_model_says(name, story, model):
    params = params_of(name)
    for law in (model.laws(params, story.histories, WEEK), model.newcomer_laws(params, WEEK)):
        assert law.interval_days == model.interval_days
        assert model.renewing == (law.interval_days > 0 and (law.buy_a is None or not law.buy_a.any()))


def test_many_orders_and_long_silence_stay_finite(name, story, model):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = quantities(model, params_of(name), story.extreme)
        endless = model.expected_discounted_orders(params_of(name), story.extreme, np.inf, 0.1, WEEK)
        dead = model.laws_given_dead(params_of(name), story.extreme, WEEK)
    for what, value in {**found, "endless": endless}.items():
        assert np.isfinite(value).all(), what
        assert what == "log_likelihood" or (value >= 0).all(), what
    for array in (getattr(dead, f) for f in BY_COMPONENT):
        assert np.isfinite(array).all()
    assert (found["probability_active"] <= found["probability_alive"]).all()
    assert (found["probability_alive"] <= 1).all()
    assert (found["probability_active"] <= found["expected_orders"] * (1 + 1e-12)).all()


# --- the PyMC model ---------------------------------------------------------------------------------------------------


def summary_of(name, model, size, seed) -> CustomerSummary:
    """The story lived by that many customers, observed for 100 to 600 days."""
    days = np.random.default_rng(seed).uniform(100, 600, size)
    columns = {"customer_id": [f"c{i:05d}" for i in range(size)], "segment": "", "channel": "", "holdout_frequency": 0}
    money = dict.fromkeys(("first_amount", "repeat_amount", "repeat_log_amount"), 0.0) | {"repeat_positive": 0}
    frame = lives(name, days, seed).assign(**columns, **money)
    today = date(2025, 6, 1)
    return CustomerSummary(
        frame, today, date(2023, 1, 1), today, "week", "story", opportunity_days=model.opportunity_days
    )


@pytest.fixture(scope="module")
def compiled():
    """Per model: section, summary and rows of synthetic customers, compiled log density and gradient, variables."""
    made = {}

    def of(name):
        if name not in made:
            section = configured(name)
            summary = summary_of(name, section, CUSTOMERS, 12)
            rows = section.sufficient(summary)
            model = section.build(rows)
            logp, dlogp = model.compile_logp(mode=PLAIN), model.compile_dlogp(mode=PLAIN)
            made[name] = section, summary, rows, logp, dlogp, model.value_vars
        return made[name]

    return of


def free_points(section, rows, count, seed=5):
    """Values of the free variables around the middle of their priors, and the same on the sampler's scale.

    Where a prior is sampled by its distance from a ridge, both the prior's own and the variable's.
    """
    draw = np.random.default_rng(seed)
    for _ in range(count):
        free, point = {}, {}
        for name, prior in priors_of(section).items():
            z = draw.normal(0, 0.7)
            if isinstance(prior, BetaPrior):
                free[name], point[f"{name}_logodds__"] = expit(z), z
            else:
                free[name], point[f"{name}_log__"] = np.exp(z), z
        for name, (variable, ridge) in STORIES[section.kind].ridges.items():
            off = point.pop(f"{name}_logodds__") - ridge(free, rows)
            free[variable] = point[variable] = off
        yield free, point


def log_prior(section, free):
    """Log density of the unconstrained variables: priors times Jacobian."""
    total = 0.0
    for name, prior in priors_of(section).items():
        value = free[name]
        if isinstance(prior, BetaPrior):
            total += beta_distribution.logpdf(value, prior.a, prior.b) + np.log(value * (1 - value))
        else:
            total += norm.logpdf(np.log(value), np.log(prior.median), prior.sd_log)
    return total


def unit_of(rows) -> float:
    """The model's own unit of time, in days; any will do for a model without."""
    return getattr(rows, "unit_days", 1.0)


def test_density_is_likelihood_times_priors(name, compiled):
    """At 8 points. The log-gammas of SciPy and of PyTensor differ by about 1e-11 for each of 2,500 customers."""
    section, summary, rows, logp, _, variables = compiled(name)
    histories = section.histories(summary)
    for free, point in free_points(section, rows, 8):
        assert set(point) == {v.name for v in variables}
        natural = section.natural({k: np.array([v]) for k, v in free.items()}, rows, unit_of(rows))
        plain = section.log_likelihood(natural, histories, unit_of(rows))[0].sum()
        assert float(logp(point)) == pytest.approx(plain + log_prior(section, free), abs=2e-7, rel=1e-12)


def test_gradient_is_that_of_the_density(name, compiled):
    """Central differences; their error is about 1e-10 of the density, over the step."""
    section, _, rows, logp, dlogp, variables = compiled(name)
    step = 1e-4
    for _, point in free_points(section, rows, 3, seed=6):
        gradient = dlogp(point)
        for i, variable in enumerate(variables):
            up, down = ({**point, variable.name: point[variable.name] + h} for h in (step, -step))
            difference = (float(logp(up)) - float(logp(down))) / (2 * step)
            assert gradient[i] == pytest.approx(difference, rel=1e-5, abs=2e-3), variable.name


def test_posterior_does_not_depend_on_days_or_weeks(name, story, compiled):
    """Rows, and so the density at any point, are the same; only what is reported in time units moves."""
    section, summary, rows, logp, _, _ = compiled(name)
    free = {k: np.full(1, v) for k, v in next(free_points(section, rows, 1))[0].items()}
    in_weeks, in_days = section.natural(free, rows, WEEK), section.natural(free, rows, 1.0)
    for parameter in in_weeks:
        factor = WEEK if parameter in story.times else 1.0
        assert in_days[parameter] == pytest.approx(factor * in_weeks[parameter], rel=1e-13)
    if not story.times:
        return
    frame = summary.customers
    slow = frame.assign(**{c: frame[c] / WEEK for c in frame.columns if c.endswith("_days")})
    if "log_gaps" in frame:
        slow["log_gaps"] -= frame["frequency"] * np.log(WEEK)
    weeks = section.sufficient(replace(summary, customers=slow))
    assert weeks.unit_days * WEEK == pytest.approx(rows.unit_days, rel=1e-13)
    other = section.build(weeks).compile_logp(mode=PLAIN)
    for _, point in free_points(section, rows, 3, seed=8):
        assert float(other(point)) == pytest.approx(float(logp(point)), abs=1e-9, rel=1e-13)


def test_forecasts_do_not_depend_on_days_or_weeks(name, story, model):
    units = ((params_of(name, unit=u), story.histories, u) for u in (WEEK, 1.0))
    by_week, by_day = (
        (
            *model.laws(*at)[:7],
            *model.laws_given_dead(*at)[:7],
            model.expected_discounted_orders(*at[:2], 1000.0, 0.1, at[2]),
            model.probability_active(*at[:2], 1000.0, at[2]),
            model.order_pmf(at[0], 9, 273 / at[2], at[2]),
            model.expected_orders_new(at[0], 273 / at[2], at[2]),
        )
        for at in units
    )
    for a, b in zip(by_week, by_day, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_order_of_rows_does_not_matter(name, compiled):
    section, summary, rows, *_ = compiled(name)
    shuffled = section.sufficient(replace(summary, customers=summary.customers.sample(frac=1, random_state=4)))
    for a, b in zip(rows, shuffled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_known_parameters_are_recovered(name, story, compiled):
    """From the customers of the story, within 4 posterior sds on the log scale; none of them is vague."""
    section, _, rows, *_ = compiled(name)
    free, _ = inference.laplace(compile_model(section.build(rows)), name, len(rows.count), 400, 1)
    found = section.natural(free, rows, WEEK)
    for parameter, truth in story.params.items():
        log = np.log(found[parameter])
        assert log.std() < 0.6, parameter
        assert abs(log.mean() - np.log(truth)) < 4 * log.std(), (parameter, found[parameter].mean())


# --- the simulator ----------------------------------------------------------------------------------------------------


def at_a_point(name, draws) -> FittedModels:
    spend = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
    posterior = Posterior(params_of(name, draws), {k: np.full(draws, v) for k, v in spend.items()}, "week")
    return FittedModels(configured(name), GammaGamma(), posterior)


def near(worlds: np.ndarray, expected: float) -> bool:
    """The mean over worlds, within 4 Monte Carlo errors, which are below 3 % of it."""
    error = worlds.std(ddof=1) / np.sqrt(worlds.size)
    assert 4 * error < 0.03 * expected
    return abs(worlds.mean() - expected) < 4 * error


def test_simulated_newcomers_have_the_expected_orders(name, model):
    draws, copies, weeks = 250, 2000, 78
    crowd = people_of(key=rng.text_keys([f"copy {i}" for i in range(copies)]))
    block = Block(crowd, newcomer_laws(at_a_point(name, draws)), newcomers=True, renewing=model.renewing)
    weekly = repeat_orders([block], WEEK * weeks, CALM, draws, 7, 1, 32.0)
    until = np.cumsum(weekly, axis=1) / copies
    for week in (4, 26, weeks):
        assert near(until[:, week - 1], model.expected_orders_new(params_of(name), float(week), WEEK)[0, 0]), week


@pytest.mark.parametrize("half", ["weak", "strong"])
def test_simulated_customers_have_the_expected_orders(name, model, compiled, half):
    """Half of all expected orders come from the many of whom less is expected, half from the few others."""
    draws, weeks = 200, 39
    summary = compiled(name)[1]
    expected = model.expected_orders(params_of(name), model.histories(summary), WEEK * weeks, WEEK)[0]
    rows = np.argsort(expected, kind="stable")
    many = np.searchsorted(np.cumsum(expected[rows]), expected.sum() / 2)
    rows = np.sort(rows[:many] if half == "weak" else rows[many:])
    some = replace(summary, customers=summary.customers.iloc[rows].reset_index(drop=True))
    none = np.zeros(rows.size, np.int64)
    blocks, _ = existing_blocks(some, at_a_point(name, draws), none, none, 4096)
    total = repeat_orders(blocks, WEEK * weeks, CALM, draws, 9, 1, 32.0).sum(axis=1)
    assert near(total, expected[rows].sum())


def test_revived_customers_have_the_orders_of_the_law_given_dead(name, story, model, brute):
    """Win-back: whoever can have been lost, alive again with the traits of somebody who was."""
    draws, copies, days = 200, 400, 39 * WEEK
    lost = np.flatnonzero(brute[:, 1] > 0)
    crowd = rows_of(story.histories, np.tile(lost, copies))
    fitted = at_a_point(name, draws)
    spend, nothing = fitted.spend, SpendHistory(*np.zeros((2, lost.size * copies)))

    def laws(part):
        life, money = fitted.retention_draws(part), fitted.spend_draws(part)
        return join_laws(model.laws_given_dead(life, crowd, WEEK), spend.laws(money, nothing), 1.0)

    size = lost.size * copies
    revived = people_of(key=rng.text_keys([f"revived {i}" for i in range(size)]), column=np.arange(size))
    total = repeat_orders(
        [Block(revived, laws, newcomers=False, renewing=model.renewing)], days, CALM, draws, 3, 1, 32.0
    ).sum(axis=1)
    law = model.laws_given_dead(params_of(name), story.histories, WEEK)
    assert near(total, copies * sum(orders_of(law, i, days, 0.0) for i in lost))
