"""Whatever can be typed has bounds: wide enough for anything meant, and told in milliseconds where they are passed."""

import importlib
import os
import pkgutil
import time
from collections.abc import Iterator
from datetime import date
from math import inf, nan
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from clvsim import models
from clvsim.config import RunConfig, validate
from clvsim.effects import Expert, Fixed, Prior, check, draw
from clvsim.errors import MOST, ConfigError
from clvsim.files import yaml_files
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import Uncertain
from clvsim.listing import scenario_title
from clvsim.scenario import MOST_LEVELS, MOST_LEVERS, Scenario, placed_interventions, problems
from clvsim.schema import LONGEST_NAME, LONGEST_TEXT, Frozen, OfKind
from clvsim.texts import CONTROLS
from tests.test_config import composed

ANNOTATED: Any = Annotated
NUMBERS = (float, int)
SOON = 0.5  # seconds, on a machine that does something else too


class Leaf(NamedTuple):
    """A value of the configuration: where it stands, its type, and what its annotations say of it."""

    where: str
    kind: type
    metadata: tuple[Any, ...]

    def bounds(self, *names: str) -> list[Any]:
        return [value for m in self.metadata for name in names if (value := getattr(m, name, None)) is not None]

    @property
    def adapter(self) -> TypeAdapter:
        return TypeAdapter(ANNOTATED[self.kind, *self.metadata])


def leaves(section: type[BaseModel], seen: set[type]) -> Iterator[Leaf]:
    """Every value that a section's keys can have, those of all kinds of its parts."""
    if section in seen:
        return
    seen.add(section)
    for name, field in section.model_fields.items():
        yield from below(field.annotation, tuple(field.metadata), f"{section.__name__}.{name}", seen)
    if section.model_config.get("extra") == "allow":
        extra = get_type_hints(section, include_extras=True)["__pydantic_extra__"]
        yield from below(extra, (), f"{section.__name__}.*", seen)


def below(annotation: Any, metadata: tuple[Any, ...], where: str, seen: set[type]) -> Iterator[Leaf]:
    while hasattr(annotation, "__metadata__"):
        annotation, metadata = annotation.__origin__, (*annotation.__metadata__, *metadata)
    flat = tuple(x for m in metadata for x in (m.metadata if isinstance(m, FieldInfo) else (m,)))
    if kinds := [m for m in flat if isinstance(m, OfKind)]:
        for section in kinds[0].classes.values():
            yield from leaves(section, seen)
    elif annotation in (*NUMBERS, date, str):
        yield Leaf(where, annotation, flat)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from leaves(annotation, seen)
    elif get_origin(annotation) is not Literal:
        container = get_origin(annotation) in (tuple, dict, list)
        for part in get_args(annotation):
            yield from below(part, () if container else flat, where + ("[]" if container else ""), seen)


def of_files() -> list[type[Frozen]]:
    """Every class of `clvsim.models` whose values a file of draws can hold, a new one as soon as it is written."""
    for module in pkgutil.walk_packages(models.__path__, f"{models.__name__}."):
        importlib.import_module(module.name)
    rest: list[type[Frozen]] = [Frozen]
    for section in rest:  # which grows
        rest.extend(section.__subclasses__())
    own = {section for section in rest if section.__module__.startswith(models.__name__)}
    return sorted(own, key=lambda section: (section.__module__, section.__name__))


OF_FILES = of_files()
SEEN: set[type] = set()
LEAVES = {leaf.where: leaf for section in (RunConfig, *OF_FILES) for leaf in leaves(section, SEEN)}
NO_BOUNDS = {"_Figure.value"}  # of a diagnostic, which may be nan, and of which nothing is made but a text
BOUNDED = [leaf for leaf in LEAVES.values() if leaf.kind is not str and leaf.where not in NO_BOUNDS]


def test_the_walk_reaches_every_section():
    names = {where.partition(".")[0] for where in LEAVES}
    assert {
        "SimulationConfig",
        "Channel",
        "LogNormalPrior",
        "Experiment",
        "When",
        "IfDeclined",
        "Email",
        "DataConfig",
    } <= names
    assert {kind.__name__ for kind in INTERVENTIONS.values()} & names == {
        *("OfferIntervention", "ContactIntervention", "CampaignIntervention", "PulseIntervention"),
        "MembershipIntervention",
        *("ReferralIntervention", "WinBackIntervention"),
    }


@pytest.mark.parametrize("leaf", BOUNDED, ids=lambda leaf: leaf.where)
def test_a_number_and_a_day_have_a_lower_and_an_upper_bound(leaf):
    low, high = leaf.bounds("ge", "gt"), leaf.bounds("le", "lt")
    assert low, f"{leaf.where} has no lower bound: use a type of clvsim.schema"
    assert high, f"{leaf.where} has no upper bound: use a type of clvsim.schema"
    assert min(high) > max(low)


def test_the_walk_reaches_what_files_of_draws_hold():
    assert {"Path", "Calendar", "Window", "Plan", "Numbers", "Words", "Group", "Design", "Metadata", "PathPrior"} <= {
        section.__name__ for section in OF_FILES
    }
    assert {"Path.months", "Calendar.codes[]", "Plan.share", "Design.levels[]", "_Log.customers"} <= set(LEAVES)


@pytest.mark.parametrize("section", OF_FILES, ids=lambda section: section.__name__)
def test_what_a_file_of_draws_holds_is_not_longer_than_it_can_be(section):
    for name, field in section.model_fields.items():
        if get_origin(field.annotation) in (tuple, dict, list):
            longest = [most for m in field.metadata if (most := getattr(m, "max_length", None)) is not None]
            assert longest, f"{section.__name__}.{name} has no greatest length"


BEYOND = (nan, inf, -inf, 1e308, -1e308, 10**400, True, False, "1e999", "nan", "-inf", "9" * 5000)


@pytest.mark.parametrize("leaf", [leaf for leaf in BOUNDED if leaf.kind in NUMBERS], ids=lambda leaf: leaf.where)
def test_no_number_is_beyond_all_measure(leaf):
    above_zero = leaf.kind is float and 0 in leaf.bounds("gt") and not leaf.where.startswith("When")
    for value in (*BEYOND, *((5e-324, 1e-300) if above_zero else ())):
        with pytest.raises(ValidationError):
            leaf.adapter.validate_python(value)


@pytest.mark.parametrize("leaf", [leaf for leaf in BOUNDED if leaf.kind is date], ids=lambda leaf: leaf.where)
def test_a_day_is_one_of_our_times(leaf):
    assert leaf.adapter.validate_python("2024-01-15") == date(2024, 1, 15)
    for value in (20240115, "20240115", 1705276800, "15.1.2024", "0001-01-01", "9999-12-31", True, 1e308, nan):
        with pytest.raises(ValidationError):
            leaf.adapter.validate_python(value)


@pytest.mark.parametrize("section", [RunConfig, Scenario, *INTERVENTIONS.values()])
def test_a_text_has_a_longest(section):
    assert section.model_config["str_max_length"] == LONGEST_TEXT


def test_minus_zero_is_zero():
    assert str(Fixed(value=-0.0).value) == "0.0"


EXTREMES: dict[str, tuple[dict[str, Any], str]] = {
    "draws": ({"simulation": {"draws": 10**12}}, "should be less than or equal to 1000000, got 1000000000000"),
    "horizon": ({"simulation": {"horizon_months": 10**9}}, "should be less than or equal to 600, got 1000000000"),
    "discount": ({"finance": {"annual_discount_rate": 1e9}}, "should be less than or equal to 10, got 1000000000.0"),
    "margin": ({"finance": {"gross_margin": nan}}, "should be a finite number, got nan"),
    "cost": ({"finance": {"cost_per_order": 1e308}}, "should be less than or equal to 1000000000000, got 1e+308"),
    "digits": ({"simulation": {"draws": 10**5000}}, "got a number of more than 80 digits"),
    "a float": ({"simulation": {"draws": 10.5}}, "should be a valid integer, got a number with a fractional part"),
    "a switch": ({"simulation": {"draws": True}}, "a number is needed, got True"),
    "a title": ({"title": "a\x1b[31mb"}, "holds a control character (\\x1b), which cannot be shown"),
    "a book": ({"question": "x" * 9000}, "should have at most 2000 characters"),
    "made-up orders": (
        {"data": {"kind": "synthetic", "parameters": {"r": 1e9, "alpha": 1e-9}}},
        "orders would be made up if nobody stopped, at most 2e+08",
    ),
    "a busy segment": (
        {"data": {"kind": "synthetic", "segments": {"x": {"rate": 1e9}}}},
        "orders would be made up if nobody stopped, at most 2e+08",
    ),
    "a tiny sd": (
        {"acquisition": {"channels": {"a": {"visitors_per_month": 1, "conversion": {
            "kind": "experiment", "n": [10, 10], "x": [1, 1], "prior_sd": 1e-300}}}}},
        "should be at least 1e-09, got 1e-300",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "what"), EXTREMES.values(), ids=EXTREMES)
def test_what_is_too_much_is_told_with_field_rule_and_value(changed, what):
    with pytest.raises(ConfigError) as caught:
        validate(composed(**changed))
    found = [problem for problem in caught.value.problems if what in problem.what]
    assert found, caught.value.problems
    assert found[0].where.split(".")[0] in changed
    assert max(map(len, map(str, caught.value.problems))) < 700


# --- effects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "scale", "what"),
    [
        (Fixed(value=1e5), "relative", "a relative change must be at most 100 (0.05 is +5 %), got 100000"),
        (Fixed(value=1e5), "odds", "a relative change must be at most 10,000"),
        (Expert(p10=0.0, p50=1.0, p90=1e3), "relative", "at most 100"),
        (Prior(dist="normal", mean=0.0, sd=11.0), "relative", "should be at most 10 on the log scale"),
        (Prior(dist="halfnormal", sd=1e9), "odds", "should be at most 10 on the log-odds scale"),
        (Prior(dist="lognormal", median=1.0, sd=50.0), "amount", "should be at most 10 of the log"),
    ],
)
def test_a_change_is_one_that_may_be_meant(effect, scale, what):
    assert [what in problem.what for problem in check(effect, scale, "p")] == [True]


@pytest.mark.parametrize(
    ("effect", "scale"),
    [
        (Prior(dist="normal", mean=0.0, sd=10.0), "relative"),
        (Prior(dist="halfnormal", sd=10.0), "odds"),
        (Prior(dist="lognormal", median=1e12, sd=10.0), "amount"),
        (Prior(dist="beta", alpha=1e9, beta=1e-9), "probability"),
        (Prior(dist="normal", mean=-1e12, sd=1e12), "amount"),
    ],
)
def test_draws_stay_within_what_could_be_typed(effect, scale):
    values = draw(effect, (np.arange(999) + 0.5) / 999, scale, path="p").values
    assert np.isfinite(values).all()
    most = {"relative": np.log(101), "odds": np.log(10_001), "probability": 1.0, "amount": 1e12}[scale]
    assert values.max() <= most
    assert values.min() >= (-100 if scale in ("relative", "odds") else 0)


def test_an_effects_number_of_an_intervention_has_a_finite_range():
    for section in INTERVENTIONS.values():
        for name, number in section.UNCERTAIN.items():
            assert isinstance(number, Uncertain)
            values = draw(Fixed(value=0.5), np.array([0.5]), number.scale, path=name, domain=number.domain).values
            assert np.isfinite(values).all()
    assert check(Fixed(value=2.0), "amount", "p", (-1.0, 1.0))[0].what == "must be between -1 and 1, got 2"


# --- scenarios that combine one another -------------------------------------------------------------------------------


def lever(size: float = 0.1) -> dict[str, Any]:
    return {"kind": "shift", "target": "rate", "size": size}


def diamond(levels: int, **levers: Any) -> dict[str, Scenario]:
    """Each level combines the one below twice: 2^levels ways to the last."""
    library = {"s0": Scenario.model_validate({"title": "Last", **levers})}
    for n in range(1, levels):
        below = (f"s{n - 1}",)
        library |= {f"{side}{n}": Scenario(title=side, combine=below) for side in "lr"}
        library[f"s{n}"] = Scenario(title="Top", combine=(f"l{n}", f"r{n}"))
    return library


@pytest.mark.parametrize("levers", [{}, {"promotion": lever()}], ids=["without levers", "with one"])
def test_a_diamond_of_scenarios_costs_what_its_scenarios_cost(levers):
    start = time.perf_counter()
    found = problems(diamond(24, **levers))
    assert time.perf_counter() - start < SOON
    assert any("goes through more than" in problem.what for problem in found)


def test_a_lever_that_comes_twice_is_told_and_not_counted_out():
    library = diamond(9, promotion=lever())
    start = time.perf_counter()
    found = problems(library)
    assert {problem.what for problem in found} == {"two interventions are called 'promotion'; rename one"}
    assert len(list(placed_interventions("s8", library))) == 1
    assert time.perf_counter() - start < SOON


def test_a_chain_of_scenarios_is_as_long_as_somebody_reads():
    chain = {f"s{n}": Scenario(title="x", combine=(f"s{n - 1}",) if n else ()) for n in range(MOST_LEVELS + 1)}
    assert problems(dict(list(chain.items())[:-1])) == []
    for library in (chain, dict(reversed(chain.items()))):
        (problem,) = problems(library)
        assert problem.where == f"scenario.s{MOST_LEVELS}.combine"
        assert problem.what == f"goes through more than {MOST_LEVELS} scenarios, one combining the next"


def test_a_scenario_has_as_many_levers_as_somebody_reads():
    levers = {f"l{n}": lever() for n in range(MOST_LEVERS + 1)}
    (problem,) = problems({"many": Scenario.model_validate({"title": "x", **levers})})
    assert problem == ("scenario.many", f"has {MOST_LEVERS + 1} interventions, at most {MOST_LEVERS}")


@pytest.mark.parametrize("name", ["a b", "a/../b", "x" * (LONGEST_NAME + 1), "\x1b[31m", "<b>", "=1+1", ""])
def test_a_scenarios_name_has_letters_digits_and_two_signs(name):
    with pytest.raises(ConfigError) as caught:
        validate(composed(scenario={"baseline": {"title": "As it is"}, name: {"title": "x"}}))
    (problem,) = caught.value.problems
    assert problem.where == f"scenario.{name}"
    assert f"a name has letters, digits, _ and -, at most {LONGEST_NAME}" in problem.what
    with pytest.raises(ConfigError) as caught:
        validate(composed(scenario={"baseline": {"title": "As it is", name: lever()}}))
    assert f"a name has letters, digits, _ and -, at most {LONGEST_NAME}" in caught.value.problems[0].what


def test_thousands_of_problems_are_told_by_the_first_and_how_many_more():
    start = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        validate(composed(finance={f"gros_margin{n}": n for n in range(5000)}))
    assert time.perf_counter() - start < 4 * SOON
    assert len(caught.value.problems) == MOST
    assert caught.value.problems[-1] == ("and", f"{5000 - MOST + 1:,} more problems like these")


def test_no_message_is_a_book_or_steers_a_terminal():
    error = ConfigError([("a" * 10**6, "x" * 10**6)] * 100)
    assert len(error.problems) == MOST + 1
    assert max(len(problem.where) + len(problem.what) for problem in error.problems) < 2000
    assert CONTROLS.search("\x1b")
    assert not CONTROLS.search("Käse 3,50 €\t")


def test_a_listing_of_scenarios_shows_titles_and_unfolds_no_aliases(tmp_path):
    bomb = "\n".join([
        "a0: &a0 [x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)),
        "title: *a8",
    ])  # fmt: skip
    for content, title in ((bomb, "(its title is no text)"), ("[" * 5000, "(not readable as YAML)"), ("title: x", "x")):
        (tmp_path / "s.yaml").write_text(content)
        start = time.perf_counter()
        assert scenario_title(tmp_path / "s.yaml") == title
        assert time.perf_counter() - start < SOON


def test_a_pipe_is_no_scenario(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "own.yaml").write_text("title: x")
    assert list(yaml_files(tmp_path)) == ["own"]
