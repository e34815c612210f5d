"""What an unknown key of the configuration may have meant."""

import pytest
import yaml

from clvsim.config import RunConfig, unknown_key, validate
from clvsim.errors import ConfigError
from clvsim.files import SHIPPED, choices, yaml_files
from clvsim.models import RETENTION
from clvsim.schema import nearest_keys, schema_keys
from tests.shipped import read

GROUPS = ("data", "retention", "spend", "fit", "simulation", "finance", "acquisition", "environment", "trace", "report")
CHOICES = [(group, choice) for group in GROUPS for choice in choices(group)]
TITLED = {"title": "Mine", "upsell": {"kind": "offer", "take": {"kind": "fixed", "value": 0.1}, "price": 9}}


def composed(**changed: object) -> dict[str, object]:
    sections = {
        "data": read("data", "csv"),
        "retention": read("retention", "bg_nbd"),
        "spend": read("spend", "gamma_gamma"),
    }
    default = {group: read(group, "default") for group in ("fit", "simulation", "finance", "environment", "report")}
    acquisition = {"channels": {"search": {"visitors_per_month": 10, "conversion": 0.1}}}
    scenarios = {"scenario": {"baseline": {"title": "As it is"}, "mine": TITLED}}
    return {**sections, **default, "acquisition": acquisition, **scenarios, "seed": 1, **changed}


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=["-".join(pair) for pair in CHOICES])
def test_a_shipped_file_has_the_keys_of_its_section(group, choice):
    values = read(group, choice)
    schema = {key for key in schema_keys(RunConfig, {group: values}) if key.startswith(f"{group}.")}
    typed = set(dotted({group: values})) - {group}
    to_be_stated = {f"{group}.{key}" for key, value in values.items() if value is None}  # may hold any effect
    assert typed == {key for key in schema if not any(key.startswith(f"{above}.") for above in to_be_stated)}


def dotted(tree, prefix=""):
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{key}.")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("retention.draws", "; did you mean simulation.draws or fit.draws?"),
        ("draws", "; did you mean fit.draws or simulation.draws?"),
        ("finance.gros_margin", "; did you mean finance.gross_margin?"),
        ("gross_margin", "; did you mean finance.gross_margin?"),
        ("finance.discount", "; did you mean finance.annual_discount_rate?"),
        ("simulaton.draws", "; did you mean simulation.draws?"),
        ("horizon", "; did you mean simulation.horizon_months?"),
        ("acquisition.channels.search.conv", "; did you mean acquisition.channels.search.conversion?"),
        ("scenario.mine.upsell.tkae", "; did you mean scenario.mine.upsell.take?"),
        ("scenario.mine.upsell.take.vlue", "; did you mean scenario.mine.upsell.take.value?"),
        ("data.frequency", "; it goes with data=summary"),
        ("data.seed", "; it goes with data=synthetic; did you mean fit.seed or seed?"),
        ("retenton", "; did you mean retention?"),
        ("spend.q", ""),
        ("fit.draws.x", ""),
        ("xyz", ""),
    ],
)
def test_what_an_unknown_key_may_have_meant(key, meant):
    assert unknown_key(key, composed()) == (key, f"no such key{meant}")


def test_a_season_goes_with_models_of_order_rates_by_the_clock_and_with_contracts():
    problem = unknown_key("retention.season", composed(retention=read("retention", "bg_bb")))
    seasonal = [name for name, model in RETENTION.items() if "season" in model.model_fields] + ["auto"]
    assert problem.what == f"no such key; it goes with retention={', '.join(seasonal)}"
    assert {"bg_nbd", "mbg_nbd", "pareto_nbd", "sbg", "bdw"} <= set(seasonal)


def test_sections_that_a_stage_lacks_are_not_named():
    assert unknown_key("draws", {"report": {"metric": "plan_value"}, "run": None}).what == "no such key"


def test_validation_has_a_line_for_each_unknown_key():
    fit = {**read("fit", "default"), "drws": 3}
    with pytest.raises(ConfigError) as caught:
        validate(composed(fit=fit, finance={"gros_margin": 0.3}))
    assert sorted(caught.value.problems) == [
        ("finance.gros_margin", "no such key; did you mean finance.gross_margin?"),
        ("fit.drws", "no such key; did you mean fit.draws?"),
    ]


FROM_LOG = {"months": 12, "from_log": True, "channels": {}}


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        (
            {
                "acquisition": {**FROM_LOG, "channels": {"ads": {"visitors_per_month": 10, "conversion": 0.1}}},
                "environment": {**read("environment", "default"), "acquisition_sd": 0.2},
            },
            {
                "acquisition.channels.ads": "types 10 visitors a month, where acquisition.from_log=true takes",
                "environment.acquisition_sd": "is for visitors that are typed, got 0.2; with acquisition.from_log=true",
            },
        ),
        (
            {
                "acquisition": {**FROM_LOG, "cost_per_customer": 4, "spend_per_month": 90},
                "data": {"kind": "summary", "path": "customers.csv", "today": "2024-01-01", "time_unit": "week"},
            },
            {
                "acquisition.cost_per_customer": "would count the same money twice beside acquisition.spend_per_month, "
                "got 4 and 90",
                "acquisition.from_log": "needs a log of dated orders; data=summary does not say when customers came",
            },
        ),
        (
            {"acquisition": {**FROM_LOG, "cost_per_customer": -4, "spend_per_month": -1}},
            {
                "acquisition.cost_per_customer": "should be greater than or equal to 0, got -4",
                "acquisition.spend_per_month": "should be greater than or equal to 0, got -1",
            },
        ),
        (
            {"acquisition": {"channels": {}, "cost_per_customer": 4, "spend_per_month": 9}},
            {
                "acquisition.cost_per_customer": "goes with acquisition.from_log=true, got 4; a channel that is typed",
                "acquisition.spend_per_month": "goes with acquisition.from_log=true, got 9; a channel that is typed",
            },
        ),
        ({"acquisition": {**FROM_LOG, "from_log": "perhaps"}}, {"acquisition.from_log": "should be a valid boolean"}),
    ],
)
def test_newcomers_of_the_log_contradict_nothing_else(changed, problems):
    with pytest.raises(ConfigError) as caught:
        validate(composed(**changed))
    found = dict(caught.value.problems)
    assert set(found) == set(problems)
    for where, what in problems.items():
        assert found[where].startswith(what)


@pytest.mark.parametrize(
    ("key", "value", "where", "said"),
    [
        ("calibration_end", 20240101, "", "a date is needed, such as 2026-01-15, got 20240101"),
        ("calibration_end", "soon", "", "a date is needed, such as 2026-01-15, got 'soon'"),
        ("calibration_end", [1], "", "a date is needed, such as 2026-01-15"),
        ("calibration_end", "1850-01-01", "", "should be greater than or equal to 1900-01-01, got '1850-01-01'"),
        ("today", 20240101, "", "a date is needed, such as 2026-01-15, got 20240101"),
        ("customers_since", 20240101, "", "a date is needed, such as 2026-01-15, got 20240101"),
        ("path", 5, "", "should be a valid string, got 5"),
        ("path", {"a": 1}, "", "should be a valid string"),
        ("path", [1, "a.csv"], ".0", "should be a valid string, got 1"),
    ],
)
def test_bad_input_is_one_line_where_a_value_may_have_several_forms(key, value, where, said):
    with pytest.raises(ConfigError) as refused:
        validate(composed(data={**read("data", "csv"), key: value}))
    assert refused.value.problems == ((f"data.{key}{where}", said),)


def test_survivors_do_not_say_when_customers_came():
    survivors = {
        "data": {"kind": "survivors", "path": "table.csv"},
        "retention": read("retention", "sbg"),
        "spend": read("spend", "fixed_price"),
    }
    with pytest.raises(ConfigError, match=r"acquisition.from_log: needs a log of dated orders; data=survivors"):
        validate(composed(**survivors, acquisition=FROM_LOG))


def test_newcomers_of_the_log_stand_for_a_channel():
    config = validate(composed(acquisition={**FROM_LOG, "cost_per_customer": 4}))
    assert config.acquisition.brings == ("log",)
    assert list(config.acquisition.resolved.channels) == ["log"]
    assert validate(composed()).acquisition.resolved == validate(composed()).acquisition


def test_at_most_three_are_named():
    keys = [f"{section}.{name}" for section in "abcde" for name in ("own", "draws")]
    assert len(nearest_keys("section.draws", keys)) == 3


@pytest.mark.parametrize("kind", [{"a": 1}, ["fixed"], None, 3, "fixd"], ids=str)
@pytest.mark.parametrize("section", ["data", "retention", "spend", "lever", "effect", "effect of a mixture"])
def test_a_kind_that_is_none_is_one_line(section, kind):
    """Whatever stands there: other keys beside it are looked up by it."""
    effect = {"kind": kind, "x": 1}
    values = {
        **{name: {name: {"kind": kind, "x": 1}} for name in ("data", "retention", "spend")},
        "lever": {"scenario": {"a": {"title": "x", "l": {"kind": kind, "x": 1}}}},
        "effect": {"scenario": {"a": {"title": "x", "l": {"kind": "cost", "per": "once", "amount": effect}}}},
    }
    mixture = {"kind": "mixture", "nothing": 0.5, "effect": effect}
    values["effect of a mixture"] = {
        "scenario": {"a": {"title": "x", "l": {"kind": "cost", "per": "once", "amount": mixture}}}
    }
    with pytest.raises(ConfigError) as refused:
        validate(values[section])
    said = [problem.what for problem in refused.value.problems if "kind must be" in problem.what]
    assert len(said) == 1
    assert said[0].endswith(f"got {kind!r}")


@pytest.mark.parametrize("name", sorted(yaml_files(SHIPPED["scenario"])))
def test_a_recorded_configuration_is_accepted_again(name):
    """Of every shipped scenario: a record holds all defaults, and stages of finished runs validate it."""
    files = yaml_files(SHIPPED["scenario"])
    trees = {one: yaml.safe_load(path.read_text(encoding="utf-8")) for one, path in files.items()}
    raw = {
        "data": {"kind": "synthetic"},
        "retention": {"kind": "mbg_nbd"},
        "spend": {"kind": "gamma_gamma"},
        "scenario": {"baseline": {"title": "As today"}, name: trees[name]},
        "scenario_library": {one: trees[one] for one in trees[name].get("combine", [])},
    }
    config = validate(raw)
    assert validate(config.as_json()) == config
