"""Which levers of several scenarios are one effect, and what kind of evidence a scenario rests on."""

from datetime import date

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from clvsim import decision
from clvsim.interventions.base import Group
from clvsim.interventions.timing import Horizon
from clvsim.kernels.rng import world_keys
from clvsim.scenario import CompiledScenario, Scenario, ambiguous_names, compile_scenario
from clvsim.types import Assumption

DRAWS = 4000
GROUPS = (Group("existing"), Group("new", "", "ads"))
KEYS = world_keys(1, np.arange(DRAWS), 0)
NOISE = 4 / np.sqrt(DRAWS)  # of a correlation


def effect(sd: float = 0.1, **changed) -> dict:
    return {"kind": "prior", "dist": "normal", "mean": 0.0, "sd": sd} | changed


def lever(size: object, target: str = "rate", **changed) -> dict:
    return {"kind": "shift", "target": target, "size": size} | changed


def scenario(as_written: dict | None = None, **levers: object) -> Scenario:
    return Scenario.model_validate({"title": "x", "as_written": as_written, **levers})


def compiled(**library: Scenario) -> dict[str, CompiledScenario]:
    horizon = Horizon(date(2024, 9, 30), 12, 3)
    return {name: compile_scenario(name, library, KEYS, GROUPS, horizon) for name in library}


def drawn(scenarios: dict[str, CompiledScenario], name: str, path: str = "lift.size") -> np.ndarray:
    return scenarios[name].inputs[f"scenario.{name}.{path}"]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_one_definition_is_one_effect() -> None:
    """A note on its source, another price beside it or another spelling of the number make it no other effect."""
    spelt = effect(sd=0.10, source="our agency", mean=0)
    both = compiled(one=scenario(lift=lever(effect())), two=scenario(lift=lever(spelt, who={"customers": "existing"})))
    np.testing.assert_array_equal(drawn(both, "one"), drawn(both, "two"))


@pytest.mark.parametrize("other", [effect(sd=0.11), effect(mean=0.01)], ids=["sd", "mean"])
def test_two_definitions_are_two_effects(other: dict) -> None:
    both = compiled(one=scenario(lift=lever(effect())), two=scenario(lift=lever(other)))
    assert abs(correlation(drawn(both, "one"), drawn(both, "two"))) < NOISE


def test_fields_names_and_kinds_tell_effects_apart() -> None:
    amount = effect(sd=0.2, dist="halfnormal", mean=None)
    offer = {"kind": "offer", "take": 0.1, "price": 9, "if_accepted": {"rate": amount}, "if_declined": {"rate": amount}}
    levers = compiled(one=scenario(lift=lever(amount), other=lever(amount), offer=offer))
    paths = ("lift.size", "other.size", "offer.if_accepted.rate", "offer.if_declined.rate")
    table = np.corrcoef([drawn(levers, "one", path) for path in paths])
    assert abs(table - np.eye(4)).max() < NOISE


def test_information_about_one_effect_is_worth_less_than_about_two() -> None:
    """Values X and X of one effect, or X and Y of two, beside doing nothing: EVPI = E[max(0, ·)], means all 0.

    One: φ(0) sd. Two: ∫ 1 − Φ(t)² dt over t > 0, sd times.
    """
    same, other = scenario(lift=lever(effect())), scenario(lift=lever(effect(sd=0.1 + 1e-9)))
    two_sd = quad(lambda t: 1 - norm.cdf(t) ** 2, 0, 12)[0]
    for second, exact in ((same, norm.pdf(0)), (other, two_sd)):
        both = compiled(one=same, two=second)
        values = np.column_stack([np.zeros(DRAWS), *(10 * drawn(both, name) for name in both)])
        values -= values.mean(axis=0)
        information = decision.evpi(values)
        assert information.value == pytest.approx(exact, abs=4 * information.mcse + 1e-9)
    assert two_sd > 1.5 * norm.pdf(0)


def test_an_override_changes_values_and_not_the_random_numbers() -> None:
    """What the scenario's file holds decides, so that a sweep stays paired; also where the file leaves a number out."""
    file = {"lift": lever(effect())}
    before = compiled(one=scenario(file, lift=lever(effect())))
    after = compiled(one=scenario(file, lift=lever(effect(sd=0.3))))
    np.testing.assert_allclose(drawn(after, "one"), 3 * drawn(before, "one"), rtol=1e-9, atol=1e-15)
    mail = {"kind": "contact", "per_month": 4}
    stated = mail | {"goodwill": effect(sd=0.1)}
    before, after = (compiled(one=scenario({"mail": mail}, mail=m)) for m in (mail, stated))
    np.testing.assert_allclose(
        drawn(after, "one", "mail.goodwill"), 2 * drawn(before, "one", "mail.goodwill"), rtol=1e-9, atol=1e-15
    )


def test_a_lever_that_only_the_command_line_has_stays_paired_over_a_sweep() -> None:
    before, after = (compiled(one=scenario({}, lift=lever(effect(sd=sd)))) for sd in (0.1, 0.2))
    np.testing.assert_allclose(drawn(after, "one"), 2 * drawn(before, "one"), rtol=1e-9, atol=1e-15)


def test_one_name_with_two_definitions_is_said() -> None:
    library = {"one": scenario(lift=lever(effect())), "two": scenario(lift=lever(effect(sd=0.2)))}
    (text,) = ambiguous_names(library, tuple(library))
    assert text.startswith("scenario.one.lift.size and scenario.two.lift.size have one name and different definitions")
    assert "drawn as 2 effects" in text
    library["three"] = Scenario.model_validate({"title": "x", "combine": ["one"]})
    assert ambiguous_names(library, ("one", "three")) == ()
    set_up = {"kind": "cost", "per": "once"}
    certain = {name: scenario(set_up=set_up | {"amount": cost}) for name, cost in (("one", 100), ("two", 200))}
    assert ambiguous_names(certain, tuple(certain)) == ()  # nothing is drawn


# --- evidence --------------------------------------------------------------------------------------------------------

TEST = {"kind": "experiment", "n": [1000, 1000], "x": [100, 120]}


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (TEST, "experiment"),
        (effect(source="a paper"), "judgement"),
        ({"kind": "expert", "p10": 0.0, "p50": 0.1, "p90": 0.2, "source": "our agency"}, "judgement"),
        ({"kind": "fixed", "value": 0.1, "source": "the contract"}, "judgement"),
        ({"kind": "expert", "p10": 0.0, "p50": 0.1, "p90": 0.2}, "stated"),
        (effect(source="  "), "stated"),
        (effect(), "stated"),
        (0.1, "stated"),
    ],
)
def test_evidence_of_a_lever(size: object, kind: str) -> None:
    description = compiled(one=scenario(lift=lever(size)))["one"].description
    assert [a.evidence for a in description.assumptions] == [kind]
    assert description.evidence == kind
    assert description.uncertain == (size != 0.1 and not (isinstance(size, dict) and size["kind"] == "fixed"))


def test_a_scenario_is_as_strong_as_its_weakest_number() -> None:
    """Prices and costs are decisions and what only takes away promises nothing: neither weakens a scenario."""
    offer = {"kind": "offer", "take": {"kind": "expert", "p10": 0.1, "p50": 0.2, "p90": 0.3, "source": "a test shop"}}
    offer = offer | {"price": 9, "refund": 0.1, "if_declined": {"hazard": 0.01}}
    cost = {"kind": "cost", "per": "once", "amount": 100}
    library = {
        "offer": scenario(offer=offer, cost=cost),
        "both": scenario(offer=offer, lift=lever(TEST)),
        "weak": scenario(offer=offer, lift=lever(0.1)),
        "cost": scenario(cost=cost),
    }
    found = {name: c.description.evidence for name, c in compiled(**library).items()}
    assert found == {"offer": "judgement", "both": "judgement", "weak": "stated", "cost": ""}


def test_what_beside_a_stated_number_is_in_doubt_makes_it_no_chance() -> None:
    """The quality of additional customers is uncertain by default; that the conversion rises is stated as certain."""
    library = {"lift": scenario(lift=lever(0.1, "conversion")), "doubted": scenario(lift=lever(effect(), "conversion"))}
    lift, doubted = (c.description for c in compiled(**library).values())
    assert (lift.evidence, lift.uncertain) == ("stated", False)
    assert doubted.uncertain


def test_a_default_makes_an_example() -> None:
    mail = {"kind": "contact", "per_month": 4}
    library = {"default": scenario(mail=mail), "stated": scenario(mail=mail | {"goodwill": 0.1})}
    default, stated = (c.description for c in compiled(**library).values())
    assert default.illustrative
    assert default.default == "Goodwill: largest change of orders"
    assert not stated.illustrative
    goodwill: Assumption = default.assumptions[0]
    assert goodwill.text.startswith("default, which nobody measured; assumed: normal around 0")
    assert (goodwill.evidence, goodwill.drives) == ("stated", True)
