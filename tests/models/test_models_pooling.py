"""Levels of customers: the graph against the wrapper, the wrapper against the model underneath, and what is refused."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plainly import PLAIN
from pydantic import ValidationError
from scipy.special import expit, logit
from scipy.stats import norm

from clvsim.data import summarize
from clvsim.errors import ConfigError
from clvsim.kernels import rng
from clvsim.models import RETENTION
from clvsim.models.around.pooling import Pooled, configured, from_channel, in_words, spread
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import Block, birth_laws, existing_blocks, newcomer_laws, people_of
from clvsim.simulation.tracking import repeat_orders
from clvsim.types import COVARIATE, CustomerSummary, Posterior
from tests.stories import STORIES
from tests.stories.story import priors_of

CALM = EnvironmentConfig(sd_prior=0.0)
WEEK = 7.0
ASKED: dict[str, Any] = {
    "pool": "segment",
    "covariates": {"purchase": ["age", "vip"], "attrition": ["age"], "quantiles": 4},
}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}


@pytest.fixture(params=list(RETENTION))
def name(request):
    return request.param


@pytest.fixture(scope="session")
def shop(cdnow) -> CustomerSummary:
    return told_apart(cdnow)


@pytest.fixture(scope="session")
def shops(shop, cdnow_log) -> dict[str, CustomerSummary]:
    """The same as each model wants it: BG/BB with orders merged by period."""
    by_period = told_apart(summarize(cdnow_log, STORIES["bg_bb"].config["opportunity_days"]))
    return {name: by_period if name == "bg_bb" else shop for name in RETENTION}


def told_apart(summary: CustomerSummary) -> CustomerSummary:
    """With made-up segments, an age in whole years and a yes or no that is sometimes missing."""
    draw = np.random.default_rng(3)
    n = len(summary.customers)
    frame = summary.customers.assign(
        segment=draw.choice(["gold/1", "tin", ""], n, p=[0.2, 0.5, 0.3]),
        channel=draw.choice(["ads", "shop"], n),
        **{
            COVARIATE + "age": draw.integers(18, 80, n).astype(float),
            COVARIATE + "vip": draw.choice(["yes", "no", ""], n, p=[0.3, 0.6, 0.1]),
        },
    )
    return replace(summary, customers=frame)


def section(name, **asked):
    asked: dict[str, Any] = asked or ASKED
    if "purchase" not in RETENTION[name].SCALES:
        asked = {**asked, "covariates": {**asked.get("covariates", {}), "purchase": []}}
    return RETENTION[name].model_validate({"kind": name, **STORIES[name].config, **asked})


def pooled(name, summary, **asked) -> Any:
    made = configured(section(name, **asked), summary)
    assert isinstance(made, Pooled)
    return made


def params_of(model, draws=1, spread=0.4, seed=5):
    """Published parameters of the model underneath and made-up effects."""
    draw = np.random.default_rng(seed)
    found = {k: v * np.exp(draw.normal(0, 0.02, draws)) for k, v in STORIES[model.kind].params.items()}
    for process, names in model.names().items():
        found |= {n: np.full(draws, draw.normal(0, spread)) for n in names}
        if model.design.group:
            found[f"sd_{model.scales[process].name}"] = np.full(draws, spread)
    return found


def fitted_of(model, params) -> FittedModels:
    draws = len(next(iter(params.values())))
    posterior = Posterior(params, {k: np.full(draws, v) for k, v in SPEND.items()}, "week")
    return FittedModels(model, GammaGamma(), posterior)


@pytest.fixture(scope="module")
def graphs(shops):
    """Per model: itself, its rows, and its log-likelihood as a function of values of the free variables."""
    made = {}

    def of(name):
        if name not in made:
            model = pooled(name, shops[name])
            rows = model.sufficient(shops[name])
            built = model.build(rows)
            (potential,) = built.potentials
            free = [built.rvs_to_values[v] for v in built.free_RVs]
            outputs = built.replace_rvs_by_values([potential, *built.free_RVs])
            evaluate = built.compile_fn(outputs, inputs=free, mode=PLAIN)
            made[name] = model, rows, built, evaluate
        return made[name]

    return of


def at_point(built, evaluate, value):
    """The log-likelihood and draws of the free variables where `value(variable)` is the sampler's."""
    found, *values = evaluate({v.name: value(v) for v in (built.rvs_to_values[v] for v in built.free_RVs)})
    return float(found), {v.name: np.asarray(x)[None] for v, x in zip(built.free_RVs, values, strict=True)}


def test_the_graph_is_the_likelihood_of_each_customer_at_the_own_level(name, shops, graphs):
    """Two ways to the same number: indices in one graph, and the model's formula level by level."""
    model, rows, built, evaluate = graphs(name)
    draw = np.random.default_rng(2)
    for _ in range(3):
        found, draws = at_point(built, evaluate, lambda v: draw.normal(0, 0.5, v.type.shape))
        params = model.natural(draws, rows, unit_of(rows))
        plain = model.log_likelihood(params, model.histories(shops[name]), unit_of(rows))
        assert found == pytest.approx(plain.sum(), abs=2e-7, rel=0)


def test_the_graph_without_effects_is_that_of_the_plain_model(name, shops, graphs):
    model, rows, built, evaluate = graphs(name)

    def value(variable):
        effect = "contrast" in variable.name or "effect" in variable.name
        return np.zeros(variable.type.shape) if effect else np.full(variable.type.shape, 0.3)

    found, draws = at_point(built, evaluate, value)
    plain = model.section
    alone = plain.sufficient(shops[name])
    own = plain.natural(draws, alone, unit_of(rows))
    expected = plain.log_likelihood(own, plain.histories(shops[name]), unit_of(rows)).sum()
    assert found == pytest.approx(expected, rel=1e-9)
    shared = plain.build(alone)
    (potential,) = shared.potentials
    values = {shared.rvs_to_values[v].name: np.array(0.3) for v in shared.free_RVs}
    (density,) = shared.replace_rvs_by_values([potential])
    inputs = [shared.rvs_to_values[v] for v in shared.free_RVs]
    assert float(shared.compile_fn(density, inputs=inputs, mode=PLAIN)(values)) == pytest.approx(found, rel=1e-9)


def unit_of(rows) -> float:
    """The model's own unit of time, in days; any will do for a model without."""
    return getattr(rows.rows, "unit_days", 1.0)


def test_an_effect_that_all_share_is_the_plain_model_moved(name, shops):
    """One log factor on buying and one on attrition for every level: a constant covariate, were it not refused."""
    model = pooled(name, shops[name])
    params = params_of(model, 2, spread=0.0)
    by_process = {"purchase": 0.4, "attrition": -0.3}
    for process, names in model.names().items():
        groups = names[: model.design.groups]
        params |= {n: np.full(2, by_process[process]) for n in groups}
    plain = model.section
    own = {k: params[k] for k in STORIES[name].params}
    buying, leaving = (np.exp(by_process[p]) for p in ("purchase", "attrition"))
    static = {**own, **STORIES[name].moved(own, buying, leaving)}
    mine, theirs = model.histories(shops[name]), plain.histories(shops[name])
    np.testing.assert_allclose(
        model.log_likelihood(params, mine, WEEK), plain.log_likelihood(static, theirs, WEEK), rtol=1e-9
    )
    np.testing.assert_allclose(
        model.expected_orders_new(params, 30.0, WEEK), plain.expected_orders_new(static, 30.0, WEEK), rtol=1e-9
    )


def free_draws(model, **more):
    """One draw of every free variable of a model; `more` by the kind of its effects."""
    story, priors = STORIES[model.kind], priors_of(model.section)
    free = [story.ridges[name].variable if name in story.ridges else name for name in priors]
    draws = {k: np.array([0.4]) for k in free}
    covariates = {p: len(model.design.feature_names(model.design.covariates_of(p))) for p in model.scales}
    for process, count in covariates.items():
        draws |= {f"{process}_sd": np.array([0.7]), f"{process}_effect": np.ones((1, count))}
        draws[f"{process}_contrast"] = np.array([[0.3, -1.1]])
    return draws | more


def test_offsets_add_up_to_nothing_and_have_their_prior(name, shops):
    """Whatever a group knows, an offset is sd times the same isotropic contrasts where these are standard normal."""
    model = pooled(name, shops[name])
    rows = model.sufficient(shops[name])
    basis, behind = model.contrasts(rows)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)
    assert list(behind) == sorted(behind, reverse=True)
    assert behind[-1] > 50
    draws = free_draws(model)
    for process in model.scales:
        draws[f"{process}_contrast"] *= 0.7 / spread(behind, process, draws[f"{process}_sd"][:, None])
    found = model.natural(draws, rows, 7.0)
    for process in model.scales:
        offsets = [found[n][0] for n in model.names()[process][:3]]
        np.testing.assert_allclose(offsets, 0.7 * (basis @ [0.3, -1.1]), rtol=1e-12)


def test_contrasts_are_normal_in_any_unit(graphs):
    """Density of the sampled variable: that of Normal(0, sd) offsets, times the unit."""
    model, rows, built, _ = graphs("bg_nbd")
    values = [built.rvs_to_values[built[f"{p}_{v}"]] for p in model.scales for v in ("sd", "contrast")]
    densities = built.logp(vars=[built[f"{p}_contrast"] for p in model.scales], sum=False)
    evaluate = built.compile_fn(densities, inputs=values, mode=PLAIN)
    for log_sd in (-7.0, -1.0, 1.0):
        z = np.array([0.8, -1.3])
        found = evaluate({v.name: np.array(log_sd) if "sd" in v.name else z for v in values})
        for process, density in zip(model.scales, found, strict=True):
            unit = spread(model.contrasts(rows)[1], process, np.exp([log_sd]))
            np.testing.assert_allclose(density, norm.logpdf(z * unit, 0, np.exp(log_sd)) + np.log(unit), rtol=1e-9)


def test_without_effects_nothing_changes(name, shops):
    model, shop = pooled(name, shops[name]), shops[name]
    params = {k: np.zeros_like(v) if "[" in k else v for k, v in params_of(model, 3).items()}
    plain, own = model.section, {k: params[k] for k in STORIES[name].params}
    mine, theirs = model.histories(shop), plain.histories(shop)
    for method, rest in (
        ("log_likelihood", (WEEK,)),
        ("probability_alive", (WEEK,)),
        ("probability_active", (90.0, WEEK)),
        ("expected_orders", (90.0, WEEK)),
        ("expected_discounted_orders", (365.0, 0.1, WEEK)),
    ):
        found, expected = getattr(model, method)(params, mine, *rest), getattr(plain, method)(own, theirs, *rest)
        np.testing.assert_allclose(found, expected, rtol=1e-11, err_msg=method)
    for method in ("laws", "laws_given_dead"):
        found, expected = getattr(model, method)(params, mine, WEEK), getattr(plain, method)(own, theirs, WEEK)
        for field, a, b in zip(found._fields, found, expected, strict=True):
            if b is not None:
                counts = expected.weight > 0 if np.ndim(b) == 3 else ...
                np.testing.assert_allclose(np.array(a)[counts], np.array(b)[counts], rtol=1e-11, err_msg=field)
    np.testing.assert_allclose(
        model.expected_orders_new(params, np.array([3.0, 50.0]), WEEK),
        plain.expected_orders_new(own, np.array([3.0, 50.0]), WEEK),
        rtol=1e-11,
    )
    np.testing.assert_allclose(model.order_pmf(params, 4, 20.0, WEEK), plain.order_pmf(own, 4, 20.0, WEEK), rtol=1e-11)


def test_effects_have_the_sign_their_names_say(name, shops):
    model = pooled(name, shops[name])
    params = params_of(model, spread=0.0)
    level = model.design.levels[0]
    assert model.design.group is not None
    group = model.design.group.names[int(model.design.parts(np.array([level]))[0][0])]
    before = model.expected_orders_new(params, 30.0, WEEK)
    for process, scale in model.scales.items():
        doubled = {**params, f"{scale.name}[segment {group}]": np.array([np.log(2)])}
        after = model.expected_orders_new(doubled, 30.0, WEEK)
        assert (after > before).all() == (process == "purchase")


def test_names_of_groups_order_of_rows_and_the_unit_do_not_matter(name, shops):
    model, shop = pooled(name, shops[name]), shops[name]
    names = {"gold/1": "zinc", "tin": "brass", "": ""}
    renamed = replace(shop, customers=shop.customers.assign(segment=shop.customers["segment"].map(names)))
    other = pooled(name, renamed)
    params = params_of(model, 2)
    moved = {k.replace("gold/1", "zinc").replace("segment tin", "segment brass"): v for k, v in params.items()}
    expected = model.log_likelihood(params, model.histories(shop), WEEK)
    np.testing.assert_allclose(other.log_likelihood(moved, other.histories(renamed), WEEK), expected, rtol=1e-12)
    shuffled = replace(shop, customers=shop.customers.sample(frac=1, random_state=1))
    again = pooled(name, shuffled)
    assert again.design == model.design
    for a, b in zip(again.sufficient(shuffled).rows, model.sufficient(shop).rows, strict=True):
        np.testing.assert_array_equal(a, b)
    rows = model.sufficient(shop)
    weeks, days = (model.natural(free_draws(model), rows, unit) for unit in (WEEK, 1.0))
    for parameter in weeks:
        factor = WEEK if parameter in STORIES[name].times else 1.0
        np.testing.assert_allclose(days[parameter], factor * weeks[parameter], rtol=1e-12)


def test_a_posterior_knows_its_levels(shop, tmp_path):
    """From the file alone: names with a slash, the same level for the same customer, unseen groups as new ones."""
    model = pooled("bg_nbd", shop)
    params = params_of(model, 4)
    write_posterior(fitted_of(model, params), tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    assert set(again.posterior.retention) == set(params)
    for key, values in params.items():
        np.testing.assert_array_equal(again.posterior.retention[key], values)
    found = again.retention
    assert isinstance(found, Pooled)
    assert found.design == model.design
    few = replace(shop, customers=shop.customers.iloc[::7])
    np.testing.assert_array_equal(found.histories(few).level, model.histories(shop).level[::7])
    strangers = replace(few, customers=few.customers.assign(segment="nickel", **{COVARIATE + "vip": "maybe"}))
    level = int(found.histories(strangers).level[0])
    group, _, vip = (int(c[0]) for c in found.design.parts(np.array([level])))
    assert (group, vip) == (3, 3)
    rest = {k: np.zeros_like(v) if "age" in k or "vip" in k else v for k, v in params.items()}
    np.testing.assert_allclose(found.effects(rest, level)[0], params["log_rate[new segment]"], rtol=1e-12)


def test_numbers_are_cut_into_classes_of_about_equal_size(shop):
    (age, vip) = pooled("bg_nbd", shop, covariates={"purchase": ["age", "vip"]}).design.covariates
    codes = age.codes(shop.customers[COVARIATE + "age"])
    count = np.bincount(codes)
    assert count.size == 16
    assert count.max() < 1.6 * count.min()
    z = np.array(age.values)[codes]
    assert z.mean() == pytest.approx(0, abs=1e-12)
    assert z.std() == pytest.approx(1, rel=1e-12)
    assert (np.diff(age.values) > 0).all()
    assert vip.values == ("no", "yes", "(none)")
    few = pooled("bg_nbd", shop, covariates={"purchase": ["age"], "quantiles": 2})
    assert len(few.design.levels) == 2


def with_columns(shop, **columns):
    return replace(shop, customers=shop.customers.assign(**columns))


@pytest.mark.parametrize(
    ("asked", "columns", "key", "what"),
    [
        ({"pool": "segment"}, {"segment": ""}, "retention.pool", "the log names no segment; type data.segment=COLUMN"),
        ({"pool": "channel"}, {"channel": "ads"}, "retention.pool", "all customers are of one channel, 'ads'"),
        (
            {"covariates": {"purchase": ["agee"]}},
            {},
            "retention.covariates",
            "'agee' is not among data.covariates (it names age, vip)",
        ),
        (
            {"covariates": {"attrition": ["vip"]}},
            {COVARIATE + "vip": "yes"},
            "retention.covariates",
            "'vip' is the same for all customers",
        ),
        (
            {"covariates": {"purchase": ["age"]}},
            {COVARIATE + "age": 7.0},
            "retention.covariates",
            "'age' is the same for all customers",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_before_the_fit(shop, asked, columns, key, what):
    with pytest.raises(ConfigError) as refused:
        configured(section("bg_nbd", **asked), with_columns(shop, **columns))
    assert [p.where for p in refused.value.problems] == [key]
    assert refused.value.problems[0].what.startswith(what)


@pytest.mark.parametrize("name", ["sbg", "bdw"])
def test_contracts_have_no_order_rate_to_move(name):
    with pytest.raises(
        ValidationError, match=r"covariates\n.*purchase: contracts are renewed or end.*covariates\.attrition"
    ):
        RETENTION[name].model_validate({"kind": name, "covariates": {"purchase": ["age"]}})


def test_collinear_covariates_are_refused(shop):
    frame = shop.customers
    born = with_columns(shop, **{COVARIATE + "born": 2000 - frame[COVARIATE + "age"]})
    with pytest.raises(ConfigError, match=r"purchase: 'born' follows from 'age' \(collinear\)"):
        configured(section("bg_nbd", covariates={"purchase": ["age", "born"]}), born)
    gold = with_columns(shop, **{COVARIATE + "vip": np.where(frame["segment"] == "gold/1", "yes", "no")})
    with pytest.raises(ConfigError, match="attrition: 'vip' follows from the segment"):
        configured(section("bg_nbd", pool="segment", covariates={"attrition": ["vip"]}), gold)
    assert configured(section("bg_nbd", covariates={"attrition": ["vip"], "purchase": ["age"]}), gold)


def test_missing_numbers_are_average_if_they_are_few(shop):
    column = shop.customers[COVARIATE + "age"].copy()
    column.iloc[:50] = np.nan
    model = pooled("bg_nbd", with_columns(shop, **{COVARIATE + "age": column}), covariates={"purchase": ["age"]})
    level = model.histories(with_columns(shop, **{COVARIATE + "age": column})).level
    params = params_of(model)
    np.testing.assert_array_equal(model.effects(params, int(level[0]))[0], 0)
    column.iloc[:500] = np.nan
    many = with_columns(shop, **{COVARIATE + "age": column})
    with pytest.raises(ConfigError, match=r"'age' is missing for 500 of 2,357 customers; at most 5% may be"):
        configured(section("bg_nbd", covariates={"purchase": ["age"]}), many)


def test_too_many_levels_are_refused(shop):
    draw = np.random.default_rng(1)
    many = with_columns(
        shop,
        segment=draw.choice([f"s{i}" for i in range(60)], len(shop.customers)),
        **{COVARIATE + "age": draw.normal(size=len(shop.customers))},
    )
    with pytest.raises(ConfigError, match="combinations of groups and covariates occur, more than 512"):
        configured(section("bg_nbd", pool="segment", covariates={"purchase": ["age"]}), many)
    text = with_columns(shop, **{COVARIATE + "vip": shop.customers["customer_id"]})
    with pytest.raises(ConfigError, match=r"'vip' has 2,357 different values that are not all numbers"):
        configured(section("bg_nbd", covariates={"purchase": ["vip"]}), text)


def test_cohorts_are_quarters_and_newcomers_come_from_a_new_one(cdnow):
    frame = cdnow.customers
    later = frame["customer_id"].str.endswith("7")
    two = replace(cdnow, customers=frame.assign(T_days=frame["T_days"] - 90.0 * later))
    model = pooled("bg_nbd", two, pool="cohort")
    assert model.design.group is not None
    assert model.design.group.names == ("1997Q1", "1997Q2")
    levels, shares = model.levels_of_newcomers()
    assert (list(levels), list(shares)) == ([2], [1.0])
    params = params_of(model)
    assert model.effects(params, 2)[0] == params["log_rate[new cohort]"]


def test_newcomers_are_of_their_channel_or_of_all(shop):
    model = pooled("bg_nbd", shop, pool="channel")
    params = params_of(model)
    weeks = np.array([30.0])
    ads, store = (from_channel(model, c).expected_orders_new(params, weeks, WEEK) for c in ("ads", "shop"))
    unknown = from_channel(model, "post").expected_orders_new(params, weeks, WEEK)
    share = (shop.customers["channel"] == "ads").mean()
    np.testing.assert_allclose(unknown, share * ads + (1 - share) * store, rtol=1e-12)
    assert from_channel(model, "ads").newcomer_laws(params, WEEK).weight is None
    weight = model.newcomer_laws(params, WEEK).weight
    assert weight.shape == (1, 1, 2)
    np.testing.assert_allclose(weight[0, 0], [share, 1 - share])


def near(worlds: np.ndarray, expected: float) -> bool:
    """The mean over worlds, within 4 Monte Carlo errors, which are below 3 % of it."""
    error = worlds.std(ddof=1) / np.sqrt(worlds.size)
    assert 4 * error < 0.03 * expected
    return abs(worlds.mean() - expected) < 4 * error


@pytest.mark.parametrize("name", ["bg_nbd", "pareto_nbd", "mbg_cnbd", "bg_bb", "bdw"])  # each kind of law
def test_simulated_customers_and_newcomers_have_the_expected_orders(name, shops):
    shop = replace(shops[name], customers=shops[name].customers.iloc[::3].reset_index(drop=True))
    model = pooled(name, shop, pool="segment")
    draws, weeks = 300, 39
    params = params_of(model, draws)
    fitted = fitted_of(model, params)
    one = {k: v[:draws] for k, v in params.items()}
    none = np.zeros(len(shop.customers), np.int64)
    blocks, _ = existing_blocks(shop, fitted, none, none, 4096)
    total = repeat_orders(blocks, WEEK * weeks, CALM, draws, 9, 1, 32.0).sum(axis=1)
    assert near(total, model.expected_orders(one, model.histories(shop), weeks * WEEK, WEEK).sum(axis=1).mean())
    copies = 800
    people = people_of(key=rng.text_keys([f"copy {i}" for i in range(copies)]))
    weekly = repeat_orders(
        [Block(people, newcomer_laws(fitted), newcomers=True, renewing=False)], WEEK * 40, CALM, draws, 7, 1, 32.0
    )
    expected = model.expected_orders_new(one, 40.0, WEEK).mean()
    assert near(weekly.sum(axis=1) / copies, expected)
    laws, column = birth_laws(fitted, shop)
    key = rng.text_keys(shop.customers["customer_id"].tolist())
    people = people_of(key=key, column=column)
    weekly = repeat_orders([Block(people, laws, newcomers=True, renewing=False)], WEEK * 40, CALM, draws, 7, 1, 32.0)
    assert near(weekly.sum(axis=1) / len(key), expected)


def test_the_page_says_how_far_levels_lie_apart(shop):
    model = pooled("bg_nbd", shop)
    own, facts = in_words(model, params_of(model, 50))
    assert list(own) == list(STORIES["bg_nbd"].params)
    said = dict(facts)
    assert said["Levels that customers are told apart by"].startswith(
        f"{len(model.design.levels)} that occur (3 segments"
    )
    assert "Order rate: typical factor between segments" in said
    assert "Order rate, vip yes rather than no" in said
    assert "Odds of leaving after an order, one standard deviation more of age" in said
    assert len(facts) == 1 + 2 * 4 + 3 + 1


# --- fits -------------------------------------------------------------------------------------------------------------


def made_up(customers, rate, leave, seed=4) -> CustomerSummary:
    """BG/NBD lives in segments `s0`, `s1`, ... whose log rates and logit dropouts are shifted as given."""
    draw = np.random.default_rng(seed)
    segment = draw.integers(0, len(rate), customers)
    orders = draw.gamma(0.8, 1 / 6.0, customers) * np.exp(np.array(rate)[segment]) / WEEK
    mean = expit(logit(0.25) + np.array(leave)[segment])
    p = draw.beta(3 * mean, 3 * (1 - mean))
    T = draw.integers(150, 500, customers).astype(float)
    x, t_x, t, active = np.zeros(customers, int), np.zeros(customers), np.zeros(customers), np.ones(customers, bool)
    while active.any():
        t = t + draw.exponential(1 / orders)
        active &= t < T
        x += active
        t_x = np.where(active, t, t_x)
        active &= draw.random(customers) >= p
    mean_order = 1 / draw.gamma(4.0, 1 / 60.0, customers)
    amount = mean_order * draw.gamma(3.0, 1 / 3.0, customers)
    frame = pd.DataFrame(
        {
            "customer_id": [f"{i:06d}" for i in range(customers)],
            "frequency": x,
            "recency_days": t_x,
            "T_days": T,
            "first_amount": amount,
            "repeat_amount": amount * x,
            "repeat_log_amount": x * (np.log(amount) - 0.2),
            "repeat_positive": x,
            "holdout_frequency": 0,
            "segment": np.char.add("s", segment.astype(str)),
            "channel": "",
        }
    )
    return CustomerSummary(frame, date(2026, 1, 1), date(2024, 1, 1), date(2026, 1, 1), "week", "made up")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["laplace", "nuts"])
def test_known_effects_are_recovered(method):
    rate, leave = np.array([0.7, -0.4, 0.1, -0.4]), np.array([-0.6, 0.5, 0.1, 0.0])
    found = fit(made_up(4000, rate, leave), section("bg_nbd", pool="segment"), GammaGamma(), FitConfig(method=method))
    for scale, truth in (("log_rate", rate), ("logit_dropout", leave)):
        for i, true in enumerate(truth - truth.mean()):
            values = found.posterior.retention[f"{scale}[segment s{i}]"]
            assert abs(values.mean() - true) < 3.5 * values.std(), (scale, i)
            assert values.std() < 0.2


@pytest.mark.slow
def test_groups_that_are_alike_are_as_one():
    """The average group's parameters agree with those of the model without groups, and groups hardly differ."""
    summary = made_up(3000, np.zeros(4), np.zeros(4), seed=8)
    grouped, plain = (
        fit(summary, model, GammaGamma(), FitConfig(method="nuts")).posterior.retention
        for model in (section("bg_nbd", pool="segment"), RETENTION["bg_nbd"]())
    )
    for parameter, values in plain.items():
        assert abs(grouped[parameter].mean() - values.mean()) < 0.5 * values.std(), parameter
    assert np.median(grouped["sd_log_rate"]) < 0.15
