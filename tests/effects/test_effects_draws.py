"""Draws by inversion: one contract for every kind, quantiles against SciPy's distributions."""

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats
from scipy.special import logit

from clvsim.effects import (
    REAL,
    Counts,
    Effect,
    EffectDraws,
    Experiment,
    Expert,
    Fixed,
    Mixture,
    MoneyExperiment,
    Prior,
    SplitTests,
    assumption,
    draw,
)
from clvsim.errors import ConfigError

UNIFORMS = (np.arange(2_001) + 0.5) / 2_001
SCALES = ("relative", "odds", "probability", "amount")
LISTED = [
    {"name": "headline", "n": [1000, 900], "x": [100, 120]},
    {"name": "photo", "n": [2000, 2100], "x": [90, 84]},
    {"name": "button", "n": [100, 90], "x": [3, 7]},
]


def listed(name: str, **more: object) -> SplitTests:
    return SplitTests.model_validate({"tests": LISTED, "name": name, **more})


EXAMPLES = {
    "fixed": [(Fixed(value=0.2), SCALES)],
    "expert": [(Expert(p10=0.02, p50=0.1, p90=0.4), SCALES)],
    "prior": [
        (Prior(dist="normal", mean=0.3, sd=0.1), SCALES),
        (Prior(dist="halfnormal", sd=0.1), ("relative", "odds", "amount")),
        (Prior(dist="beta", alpha=2.0, beta=8.0), ("probability", "amount")),
        (Prior(dist="lognormal", median=3.0, sd=0.5), ("amount",)),
        (Prior(dist="uniform", low=0.1, high=0.4), SCALES),
    ],
    "experiment": [
        (Experiment(n=(1000, 900), x=(100, 120)), ("relative", "odds")),
        (Experiment(n=(100, 90), x=(3, 7), prior_sd=0.3), ("relative", "odds")),
        (Experiment(n=(100, 90), x=(0, 90), prior_sd="learn", tests_run=3), ("relative", "odds")),
    ],
    "money_experiment": [
        (MoneyExperiment(n=(1200, 1180), mean=(42.1, 45.0), sd=(61.0, 66.0)), ("relative",)),
        (MoneyExperiment(n=(60, 80), mean=(9.0, 12.0), sd=(0.0, 8.0), prior_sd="learn", tests_run=3), ("relative",)),
    ],
    "split_tests": [
        (listed("headline"), ("relative", "odds")),
        (listed("button", all=True, transport=0.5), ("relative", "odds")),
    ],
    "counts": [
        (Counts(successes=230, trials=10_000), ("probability",)),
        (Counts(successes=0, trials=7), ("probability",)),
        (Counts(successes=10**9, trials=10**9), ("probability",)),
    ],
    "mixture": [
        (Mixture(nothing=0.8, effect=Expert(p10=0.02, p50=0.1, p90=0.4)), SCALES),
        (Mixture(nothing=0.3, effect=Prior(dist="normal", mean=0.3, sd=0.3)), SCALES),
        (Mixture(nothing=0.5, effect=Experiment(n=(1000, 900), x=(100, 120))), ("relative", "odds")),
        (Mixture(nothing=0.5, effect=Counts(successes=2, trials=9)), ("probability",)),
    ],
}
CASES = [
    pytest.param(effect, scale, id=f"{kind}-{number}-{scale}")
    for kind, examples in EXAMPLES.items()
    for number, (effect, scales) in enumerate(examples)
    for scale in scales
]


@pytest.mark.parametrize(("effect", "scale"), CASES)
class TestContract:
    """Every kind, on every scale that it suits."""

    def test_monotone_finite_and_varying_unless_fixed(self, effect, scale):
        values, clipped = draw(effect, UNIFORMS, scale, path="p")
        assert values.shape == UNIFORMS.shape
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        steps = np.diff(values)
        assert (steps >= 0).all()
        assert (steps.max() > 0) == (effect.kind != "fixed")
        assert clipped == 0 or scale == "amount"  # a normal around 0.1 reaches below 0

    def test_each_draw_depends_on_its_own_uniform_only(self, effect, scale):
        all_values = draw(effect, UNIFORMS, scale, path="p").values
        part = draw(effect, UNIFORMS[700:50:-3], scale, path="p").values
        np.testing.assert_array_equal(part, all_values[700:50:-3])

    def test_uniforms_at_the_ends_stay_finite(self, effect, scale):
        assert np.isfinite(draw(effect, np.array([0.0, 1.0]), scale, path="p").values).all()

    def test_survives_a_round_trip_through_plain_data(self, effect, scale):
        assert TypeAdapter(Effect).validate_python(effect.model_dump(mode="json")) == effect

    def test_the_line_on_the_page_is_on_the_readers_scale(self, effect, scale):
        draws = draw(effect, UNIFORMS, scale, path="p")
        line = assumption(effect, scale, draws, "scenario.a.b", "A number")
        reader = np.expm1(draws.values) if scale in ("relative", "odds") else draws.values
        assert (line.path, line.label, line.kind, line.source) == ("scenario.a.b", "A number", effect.kind, "")
        np.testing.assert_allclose(line.mean, reader.mean(), rtol=1e-12)
        # The draws are sorted, so the quantiles lie beside the 5 % and 95 % positions.
        assert reader[99] <= line.p05 <= reader[101]
        assert reader[1899] <= line.p95 <= reader[1901]
        assert line.unit == {"probability": "probability", "amount": "number"}.get(scale, "relative")


def test_a_mixture_is_nothing_as_often_as_stated_and_else_its_effect():
    inner = Prior(dist="normal", mean=0.3, sd=0.3)
    values = draw(Mixture(nothing=0.6, effect=inner), UNIFORMS, "relative", path="p").values
    nothing = values == 0.0
    np.testing.assert_allclose(nothing.mean(), 0.6, atol=1 / UNIFORMS.size)
    mean, sd = np.log(1.3), 0.3
    np.testing.assert_allclose((values < 0).mean(), 0.4 * stats.norm.cdf(0, mean, sd), atol=1 / UNIFORMS.size)
    something = np.sort(values[~nothing])
    plotting = (np.arange(something.size) + 0.5) / something.size
    np.testing.assert_allclose(something, stats.norm.ppf(plotting, mean, sd), atol=0.01 * sd / plotting.min() ** 0.5)


@pytest.mark.parametrize(
    ("inner", "below"), [(Fixed(value=-0.1), 1.0), (Fixed(value=0.1), 0.0), (Prior(dist="halfnormal", sd=0.1), 0.0)]
)
def test_a_mixture_with_an_effect_of_one_sign_lies_on_one_side_of_nothing(inner, below):
    values = draw(Mixture(nothing=0.5, effect=inner), UNIFORMS, "relative", path="p").values
    np.testing.assert_allclose([(values < 0).mean(), (values > 0).mean()], [below / 2, (1 - below) / 2], atol=1e-3)


def test_a_mixture_is_a_judgement_at_most():
    test = Experiment(n=(1000, 900), x=(100, 120), source="a test")
    assert test.evidence == "experiment"
    assert Mixture(nothing=0.5, effect=test).evidence == "judgement"
    assert Mixture(nothing=0.5, effect=Fixed(value=0.1)).evidence == "stated"
    assert Mixture(nothing=0.5, effect=Fixed(value=0.1), source="our agency").evidence == "judgement"


def test_the_definition_of_a_mixture_leaves_all_sources_out():
    one = Mixture(nothing=0.5, effect=Fixed(value=0.1, source="a"), source="b")
    assert one.definition == Mixture(nothing=0.5, effect=Fixed(value=0.1)).definition
    assert one.definition != Mixture(nothing=0.4, effect=Fixed(value=0.1)).definition


def test_a_fixed_zero_is_exactly_zero_in_every_draw():
    for scale in ("relative", "odds"):
        values = draw(Fixed(value=-0.0), UNIFORMS, scale, path="p").values
        np.testing.assert_array_equal(values.view(np.int64), 0)  # not even the sign bit


def test_no_transport_is_exactly_zero_in_every_draw():
    effect = Experiment(n=(1000, 1000), x=(100, 120), transport=0)
    np.testing.assert_array_equal(draw(effect, UNIFORMS, "odds", path="p").values.view(np.int64), 0)


def test_a_fixed_probability_is_returned_bit_for_bit():
    for value in (0.0, 0.12, 0.3, 1.0):
        assert set(draw(Fixed(value=value), UNIFORMS, "probability", path="p").values) == {value}


def test_expert_quantiles_are_matched_on_every_scale():
    effect, probabilities = Expert(p10=0.01, p50=0.1, p90=0.4), np.array([0.1, 0.5, 0.9])
    typed = np.array([0.01, 0.1, 0.4])
    for scale, expected in (
        ("relative", np.log1p(typed)),
        ("odds", np.log1p(typed)),
        ("probability", typed),
        ("amount", typed),
    ):
        np.testing.assert_allclose(draw(effect, probabilities, scale, path="p").values, expected, rtol=1e-12)


def test_expert_sides_are_half_normals_on_the_applied_scale():
    values = draw(Expert(p10=0.01, p50=0.1, p90=0.4), np.array([0.025, 0.975]), "probability", path="p").values
    z = stats.norm.ppf(0.975) / stats.norm.ppf(0.9)
    low = logit(0.1) - z * (logit(0.1) - logit(0.01))
    high = logit(0.1) + z * (logit(0.4) - logit(0.1))
    np.testing.assert_allclose(logit(values), [low, high], rtol=1e-12)


@pytest.mark.parametrize(
    ("effect", "scale", "quantiles"),
    [
        (Prior(dist="normal", mean=0.05, sd=0.1), "relative", stats.norm(np.log(1.05), 0.1).ppf(UNIFORMS)),
        (Prior(dist="normal", mean=-4.0, sd=2.0), "amount", stats.norm(-4, 2).ppf(UNIFORMS)),
        (Prior(dist="halfnormal", sd=0.3), "odds", stats.halfnorm(scale=0.3).ppf(UNIFORMS)),
        (Prior(dist="beta", alpha=2.0, beta=30.0), "probability", stats.beta(2, 30).ppf(UNIFORMS)),
        (Prior(dist="lognormal", median=8.0, sd=0.4), "amount", stats.lognorm(0.4, scale=8).ppf(UNIFORMS)),
        (Prior(dist="uniform", low=-0.5, high=1.0), "relative", np.log(stats.uniform(0.5, 1.5).ppf(UNIFORMS))),
    ],
)
def test_prior_quantiles(effect, scale, quantiles):
    np.testing.assert_allclose(draw(effect, UNIFORMS, scale, path="p", domain=REAL).values, quantiles, rtol=1e-9)


def test_a_normal_probability_is_normal_on_the_logit_around_its_mean():
    values = draw(Prior(dist="normal", mean=0.12, sd=0.5), UNIFORMS, "probability", path="p").values
    np.testing.assert_allclose(logit(values), stats.norm(logit(0.12), 0.5).ppf(UNIFORMS), rtol=1e-9)


def test_draws_outside_the_domain_are_moved_to_its_edge_counted_and_said():
    effect = Prior(dist="normal", mean=1.0, sd=1.0)
    draws = draw(effect, UNIFORMS, "amount", path="p")
    free = stats.norm(1, 1).ppf(UNIFORMS)
    assert draws.clipped == (free < 0).sum() == 317  # Φ(−1)·2001 = 317.5
    np.testing.assert_allclose(draws.values, np.maximum(free, 0), rtol=1e-9, atol=1e-12)
    text = assumption(effect, "amount", draws, "p", "label").text
    assert text == "assumed: normal around 1, sd 1; 317 of 2,001 draws set to the nearest value that is at least 0"


def test_draw_refuses_what_does_not_fit_naming_the_path():
    with pytest.raises(ConfigError) as caught:
        draw(Experiment(n=(10, 10), x=(1, 2)), UNIFORMS, "probability", path="scenario.upsell.take")
    assert [p.where for p in caught.value.problems] == ["scenario.upsell.take.kind"]
    with pytest.raises(ConfigError, match=r"take\.p10.*take\.p90"):
        draw(Expert(p10=-1.0, p50=0.5, p90=1.5), UNIFORMS, "probability", path="scenario.upsell.take")


def test_counts_have_the_posterior_of_jeffreys_prior():
    values = draw(Counts(successes=3, trials=40), UNIFORMS, "probability", path="p").values
    np.testing.assert_allclose(values, stats.beta(3.5, 37.5).ppf(UNIFORMS), rtol=1e-9)
    assert Counts(successes=3, trials=40).evidence == "experiment"


def test_intervals_of_counts_hold_the_chances_that_made_them():
    """Over chances from Jeffreys' prior each tail of 5 % holds 5 %, whatever the number of trials."""
    rng, size = np.random.default_rng(4), 4_000
    chance = rng.beta(0.5, 0.5, size)
    counts = rng.binomial(12, chance)
    ends = [
        draw(Counts(successes=s, trials=12), np.array([0.05, 0.95]), "probability", path="p").values for s in range(13)
    ]
    low, high = np.array(ends)[counts].T
    for outside in ((chance < low).sum(), (chance > high).sum()):
        least, most = stats.binom.ppf([0.0005, 0.9995], size, 0.05)
        assert least <= outside <= most


@pytest.mark.parametrize(
    ("effect", "scale", "text"),
    [
        (Fixed(value=0.05), "relative", "fixed at +5 %, no uncertainty"),
        (Fixed(value=0.12), "probability", "fixed at 12 %, no uncertainty"),
        (Fixed(value=12_500.0), "amount", "fixed at 12,500, no uncertainty"),
        (
            Expert(p10=-0.02, p50=0.05, p90=0.1),
            "relative",
            "expert judgement: -2 % to +10 % in 8 of 10 cases, as likely above as below +5 %",
        ),
        (
            Prior(dist="normal", mean=0.0, sd=0.05),
            "odds",
            "assumed: normal around +0 %, sd 0.05 on the log-odds scale",
        ),
        (
            Experiment(n=(10_000, 10_000), x=(200, 230)),
            "relative",
            "A/B test: 200 of 10,000 against 230 of 10,000 (+15 % observed), shrunk with prior sd 0.05",
        ),
        (
            Experiment(n=(10_000, 10_000), x=(200, 230)),
            "odds",
            "A/B test: 200 of 10,000 against 230 of 10,000 (+15.4 % in the odds observed), shrunk with prior sd 0.05",
        ),
        (
            Experiment(n=(50, 50), x=(0, 3), prior_sd="learn", tests_run=4, transport=0.5),
            "relative",
            "A/B test: 0 of 50 against 3 of 50, shrunk with a prior sd learnt from it, the best of 4 tests; "
            "0.5 of the log effect carried over",
        ),
        (
            MoneyExperiment(n=(1200, 1180), mean=(42.1, 45.0), sd=(61.0, 66.0)),
            "relative",
            "A/B test of means: 42.1 (sd 61) of 1,200 against 45 (sd 66) of 1,180 (+6.89 % observed), shrunk with "
            "prior sd 0.05",
        ),
        (
            listed("headline"),
            "odds",
            "A/B test “headline”: 100 of 1,000 against 120 of 900 (+38.5 % in the odds observed), shrunk together "
            "with 2 others towards no effect",
        ),
        (
            listed("photo", all=True, transport=0.5),
            "relative",
            "A/B test “photo”: 90 of 2,000 against 84 of 2,100 (-11.1 % observed), shrunk together with 2 others "
            "towards the mean of all tests that were run; 0.5 of the log effect carried over",
        ),
        (Counts(successes=230, trials=10_000), "probability", "counted: 230 of 10,000 (2.3 %)"),
    ],
)
def test_provenance_in_plain_words(effect, scale, text):
    assert effect.describe(scale) == text


def test_the_users_note_and_unit_reach_the_page():
    effect = Fixed(value=3.0, source="supplier's price list")
    line = assumption(effect, "amount", EffectDraws(np.full(4, 3.0), 0), "p", "Price", unit="money")
    assert (line.source, line.unit, line.mean) == ("supplier's price list", "money", 3.0)
