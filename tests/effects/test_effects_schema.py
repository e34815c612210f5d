"""What a configuration may say about an effect, and what is refused."""

import pytest
from pydantic import TypeAdapter, ValidationError

from clvsim.effects import (
    EFFECTS,
    REAL,
    Counts,
    Effect,
    Experiment,
    Expert,
    Fixed,
    Mixture,
    MoneyExperiment,
    Prior,
    SplitTests,
    check,
)

EFFECT: TypeAdapter = TypeAdapter(Effect)
MONEY = {"kind": "money_experiment", "n": [1200, 1180], "mean": [42.1, 45.0], "sd": [61, 66]}
TESTS = [{"name": "a", "n": [10, 10], "x": [1, 2]}, {"name": "b", "n": [10, 10], "x": [1, 2]}]


def test_a_bare_number_is_fixed():
    assert EFFECT.validate_python(0.05) == Fixed(value=0.05)
    assert EFFECT.validate_python(0) == Fixed(value=0.0)


def test_an_override_of_kind_leaves_no_keys_of_the_old_kind():
    merged = {"kind": "expert", "n": [100, 100], "x": [1, 2], "value": 0.1, "p10": 0.0, "p50": 0.1, "p90": 0.2}
    assert EFFECT.validate_python(merged) == Expert(p10=0.0, p50=0.1, p90=0.2)
    merged = {"kind": "experiment", "n": [100, 100], "x": [1, 2], "dist": "beta", "alpha": 1, "beta": 9}
    assert EFFECT.validate_python(merged) == Experiment(n=(100, 100), x=(1, 2))


def test_an_override_by_money_takes_the_place_of_a_prior():
    merged = {"kind": "money_experiment", "dist": "normal", "x": [1, 2], "value": 0.1} | MONEY
    assert EFFECT.validate_python(merged) == MoneyExperiment(n=(1200, 1180), mean=(42.1, 45.0), sd=(61.0, 66.0))


def test_an_override_of_dist_leaves_no_parameters_of_the_old_distribution():
    merged = {"kind": "prior", "dist": "beta", "mean": 0.0, "sd": 0.1, "alpha": 2.0, "beta": 8.0, "source": "a guess"}
    assert EFFECT.validate_python(merged) == Prior(dist="beta", alpha=2.0, beta=8.0, source="a guess")


@pytest.mark.parametrize("name", EFFECTS)
def test_registry_names_are_the_kinds(name):
    assert EFFECTS[name].kind_name == name
    assert EFFECTS[name].model_fields["kind"].default == name


@pytest.mark.parametrize(
    ("given", "where", "what"),
    [
        ({"kind": "fixed", "value": 0.1, "valeu": 1}, "valeu", "Extra inputs"),
        ({"kind": "fixed"}, "value", "required"),
        ({"kind": "fixed", "value": float("nan")}, "value", "finite"),
        ({"kind": "guess", "value": 0.1}, "", "guess"),
        (True, "", "a number or an effect"),
        ({"kind": "expert", "p10": 0.2, "p50": 0.1, "p90": 0.3}, "", "p10 <= p50 <= p90, got 0.2, 0.1, 0.3"),
        ({"kind": "prior", "dist": "normal", "mean": 0.0, "sd": 0.0}, "sd", "greater than 0"),
        ({"kind": "prior", "dist": "normal", "mean": 0.0}, "", "exactly mean and sd, got mean"),
        ({"kind": "prior", "dist": "uniform", "low": 1.0, "high": 1.0}, "", "low < high, got 1 and 1"),
        ({"kind": "prior", "dist": "cauchy"}, "dist", "normal"),
        ({"kind": "mixture", "nothing": 1.0, "effect": 0.1}, "nothing", "less than or equal to 0.999"),
        ({"kind": "mixture", "nothing": 0.0, "effect": 0.1}, "nothing", "greater than or equal to 0.001"),
        ({"kind": "mixture", "nothing": 0.5}, "effect", "required"),
        ({"kind": "mixture", "nothing": 0.5, "effect": "much"}, "effect", "a number or an effect"),
        ({"kind": "mixture", "nothing": 0.5, "effect": {"kind": "mixture"}}, "effect", "fixed, prior"),
        ({"kind": "experiment", "n": [0, 10], "x": [0, 1]}, "n", "greater than or equal to 1"),
        ({"kind": "experiment", "n": [10, 10], "x": [-1, 1]}, "x", "greater than or equal to 0"),
        ({"kind": "experiment", "n": [10, 10], "x": [1, 11]}, "", "got 11 of 10 in the treated arm"),
        ({"kind": "experiment", "n": [10, 10], "x": [1, 1], "prior_sd": "large"}, "prior_sd", "learn"),
        ({"kind": "experiment", "n": [10, 10], "x": [1, 1], "prior_sd": 0.0}, "prior_sd", "greater than 0"),
        ({"kind": "experiment", "n": [10, 10], "x": [1, 1], "tests_run": 0}, "tests_run", "greater than or equal to 1"),
        (
            {"kind": "experiment", "n": [10, 10], "x": [1, 1], "transport": -1},
            "transport",
            "greater than or equal to 0",
        ),
        (MONEY | {"n": [1, 1180]}, "n", "greater than or equal to 2"),
        (MONEY | {"n": [29, 1180]}, "", "at least 30 for a normal approximation, got 29 in the control arm"),
        (MONEY | {"sd": [61, -66]}, "sd", "greater than or equal to 0"),
        (MONEY | {"mean": [0, 45.0]}, "mean", "greater than 0"),
        (MONEY | {"mean": [-3, 45.0]}, "mean", "greater than 0"),
        (MONEY | {"sd": [0, 0]}, "", "sd must be above 0 in one arm at least, got 0 and 0"),
        (MONEY | {"n": [1200, 200]}, "", "the treated arm is too small for a normal approximation: with mean 45 and"),
        (MONEY | {"n": [1200, 200]}, "", "100 (sd/mean)² = 216, got 200"),
        (MONEY | {"mean": [42.1]}, "mean", "required"),
        ({"kind": "money_experiment", "n": [1200, 1180], "x": [1, 2]}, "mean", "required"),
        ({"kind": "counts", "successes": 11, "trials": 10}, "", "got 11 of 10"),
        ({"kind": "counts", "successes": -1, "trials": 10}, "successes", "greater than or equal to 0"),
        ({"kind": "counts", "successes": 0, "trials": 0}, "trials", "greater than or equal to 1"),
        ({"kind": "counts", "successes": 0.5, "trials": 10}, "successes", "fractional"),
        ({"kind": "counts", "successes": 1, "trials": 10**10}, "trials", "less than or equal to 1000000000"),
        ({"kind": "counts", "successes": 1}, "trials", "required"),
        ({"kind": "split_tests", "tests": TESTS, "name": "c"}, "", "no test 'c'"),
        ({"kind": "split_tests", "tests": TESTS[:1], "name": "a"}, "tests", "at least 2 items"),
        ({"kind": "split_tests", "tests": TESTS + TESTS[:1], "name": "a"}, "", "'a' is there more than once"),
        ({"kind": "split_tests", "tests": 3, "name": "a"}, "tests", "a CSV file or a list of tests"),
        ({"kind": "split_tests", "tests": {}, "name": "a"}, "tests", "a CSV file or a list of tests"),
        ({"kind": "split_tests", "tests": [{"name": "a"}] * 2, "name": "a"}, "n", "required"),
        ({"kind": "split_tests", "tests": [TESTS[0] | {"x": [1, 11]}, TESTS[1]], "name": "a"}, "", "got 11 of 10"),
        ({"kind": "split_tests", "tests": TESTS * 251, "name": "a"}, "tests", "at most 500 items"),
        ({"kind": "split_tests", "tests": TESTS, "name": "a", "transport": 11}, "transport", "less than or equal to"),
    ],
)
def test_what_cannot_be_is_refused_with_key_and_rule(given, where, what):
    with pytest.raises(ValidationError) as caught:
        EFFECT.validate_python(given)
    errors = caught.value.errors()
    assert any(where in (*map(str, e["loc"]), "") and what in e["msg"] for e in errors), errors


@pytest.mark.parametrize(
    ("effect", "scale", "keys"),
    [
        (Fixed(value=1.3), "probability", ["p"]),
        (Fixed(value=-0.1), "probability", ["p"]),
        (Fixed(value=-1.0), "relative", ["p"]),
        (Fixed(value=-1.5), "odds", ["p"]),
        (Fixed(value=-0.01), "amount", ["p"]),
        (Expert(p10=-0.1, p50=0.5, p90=1.0), "probability", ["p.p10", "p.p90"]),
        (Expert(p10=-2.0, p50=-1.0, p90=0.0), "relative", ["p.p10", "p.p50"]),
        (Prior(dist="normal", mean=0.0, sd=1.0), "probability", ["p.mean"]),
        (Prior(dist="normal", mean=-1.0, sd=1.0), "odds", ["p.mean"]),
        (Prior(dist="uniform", low=-0.1, high=1.2), "probability", ["p.low", "p.high"]),
        (Prior(dist="beta", alpha=1.0, beta=1.0), "relative", ["p.dist"]),
        (Prior(dist="halfnormal", sd=1.0), "probability", ["p.dist"]),
        (Experiment(n=(10, 10), x=(1, 2)), "probability", ["p.kind"]),
        (Experiment(n=(10, 10), x=(1, 2)), "amount", ["p.kind"]),
        (EFFECT.validate_python(MONEY), "odds", ["p.kind"]),
        (EFFECT.validate_python(MONEY), "probability", ["p.kind"]),
        (EFFECT.validate_python(MONEY), "amount", ["p.kind"]),
        (SplitTests.model_validate({"tests": TESTS, "name": "a"}), "probability", ["p.kind"]),
        (Counts(successes=1, trials=2), "relative", ["p.kind"]),
        (Counts(successes=1, trials=2), "odds", ["p.kind"]),
        (Counts(successes=1, trials=2), "amount", ["p.kind"]),
        (Mixture(nothing=0.5, effect=Fixed(value=-2.0)), "relative", ["p.effect"]),
        (Mixture(nothing=0.5, effect=Prior(dist="beta", alpha=1.0, beta=1.0)), "odds", ["p.effect.dist"]),
    ],
)
def test_check_names_every_value_that_does_not_fit(effect, scale, keys):
    assert [p.where for p in check(effect, scale, "p")] == keys


@pytest.mark.parametrize(
    ("effect", "scale"),
    [
        (Fixed(value=0.0), "probability"),
        (Fixed(value=1.0), "probability"),
        (Fixed(value=-0.99), "relative"),
        (Expert(p10=-0.5, p50=0.0, p90=2.0), "odds"),
        (Prior(dist="uniform", low=0.0, high=1.0), "probability"),
        (Prior(dist="normal", mean=-3.0, sd=1.0), "amount"),
    ],
)
def test_check_lets_edges_pass(effect, scale):
    assert check(effect, scale, "p") == []


def test_the_domain_of_an_amount_is_the_callers():
    assert check(Fixed(value=-4.0), "amount", "p", REAL) == []
    assert check(Fixed(value=-4.0), "amount", "p")[0].what == "must be at least 0, got -4"
    at_least_one = check(Mixture(nothing=0.5, effect=Fixed(value=2.0)), "amount", "p", (1.0, 12.0))
    assert [(p.where, p.what) for p in at_least_one] == [
        ("p.kind", "a mixture does not suit this number, which is between 1 and 12: nothing would be 0")
    ]
    assert check(Fixed(value=13.0), "amount", "p", (1.0, 12.0))[0].what == "must be between 1 and 12, got 13"
