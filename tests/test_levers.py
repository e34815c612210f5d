"""Shipped levers: sceptical numbers, what is known, what is promised; and the README's table of them."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from clvsim.effects import Fixed
from clvsim.interventions.base import Between, Group, Listing, Top
from clvsim.interventions.offer import OfferIntervention
from clvsim.interventions.timing import Horizon
from clvsim.kernels.rng import world_keys
from clvsim.scenario import Scenario, compile_scenario, problems, title_of
from tests.shipped import script

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "configs" / "scenario").glob("*.yaml"))
LEVERS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
SINGLE = [name for name, tree in LEVERS.items() if any(isinstance(part, dict) for part in tree.values())]
KEYS = world_keys(1, np.arange(400), 0)
BOUGHT_ONCE = frozenset({Listing(Between(at_most=1), None)})
BOUGHT_AGAIN = frozenset({Listing(Between(at_least=2), None)})
BEST = frozenset({Listing(None, None, Top(share=0.1))})
GROUPS = (
    *(
        Group("existing"),
        Group("existing", lists=BOUGHT_ONCE),
        Group("existing", lists=BOUGHT_AGAIN),
        Group("existing", lists=BEST),
    ),
    Group("new", "", "ads"),
)


def compiled(tree: dict[str, Any]) -> Any:
    from datetime import date

    scenario = Scenario.model_validate(tree)
    assert problems({"it": scenario}) == []
    return compile_scenario("it", {"it": scenario}, KEYS, GROUPS, Horizon(date(2025, 12, 31), 36, 12))


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    return script("levers")


def test_the_table_of_the_readme_is_that_of_the_files(writer: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert writer.readme_with_table(text) == text, "python docs/levers.py"
    assert all(f"| `{name}` |" in text for name in SINGLE)


@pytest.mark.parametrize("name", SINGLE)
def test_every_lever_says_what_is_known_and_has_what_is_promised(name: str) -> None:
    tree = LEVERS[name]
    assert tree["note"].strip().endswith(".")
    sceptical, promised = compiled(tree), compiled({**tree, "variant": "optimist"})
    assert sceptical.problems == promised.problems == ()
    assert promised.description.title == f"{title_of(Scenario.model_validate(tree))}, as promised"
    assert promised.description.illustrative
    assert tree["note"].strip() in promised.description.interventions
    driving = [a for a in sceptical.description.assumptions if a.drives]
    assert all(a.source or a.text.startswith("default") for a in driving), "a judgement names its source"
    more = {a.path: a.mean for a in promised.description.assumptions if a.drives}
    assert more != {a.path: a.mean for a in driving}


def test_what_was_typed_stays_when_the_variant_is_chosen() -> None:
    tree = LEVERS["upsell_soft"]
    own = {**tree, "upsell": {**tree["upsell"], "take": 0.01}, "as_written": tree, "variant": "optimist"}
    upsell = Scenario.model_validate(own).interventions["upsell"]
    assert isinstance(upsell, OfferIntervention)
    assert upsell.take == Fixed(value=0.01)
    assert upsell.cannibalised == Fixed(value=0.0)  # as promised
    assert upsell.if_declined.hazard == Fixed(value=0.0)
    assert upsell.if_declined.after == tree["upsell"]["if_declined"]["after"]


def test_a_record_that_is_read_again_is_the_same() -> None:
    once = Scenario.model_validate({**LEVERS["launch"], "variant": "optimist"})
    again = Scenario.model_validate(once.model_dump(mode="json") | {"as_written": LEVERS["launch"]})
    assert again.title == once.title
    assert again.interventions == once.interventions


def test_variants_share_their_draws() -> None:
    """An effect's draws are keyed by the file's definition, so that both variants live in the same worlds."""
    own = {"size": {"kind": "prior", "dist": "normal", "mean": 0.1, "sd": 0.1}}
    tree = {"title": "x", "it": {"kind": "shift", "target": "rate", **own}}
    better = {"it": {"size": {"kind": "prior", "dist": "normal", "mean": 0.3, "sd": 0.1}}}
    written = {"it": tree["it"]}
    few = compiled({**tree, "as_written": written}).inputs["scenario.it.it.size"]
    many = compiled({**tree, "optimist": better, "variant": "optimist", "as_written": written}).inputs[
        "scenario.it.it.size"
    ]
    np.testing.assert_allclose(many - few, np.log(1.3 / 1.1), rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"variant": "pessimist"}, "Input should be '' or 'optimist'"),
        ({"variant": "optimist"}, "variant optimist needs a block `optimist` with numbers by lever"),
        ({"variant": "optimist", "optimist": {}}, "variant optimist needs a block `optimist`"),
        ({"variant": "optimist", "optimist": {"that": {"size": 1}}}, "optimist names that, which is no lever"),
        ({"variant": "optimist", "optimist": {"it": {"sise": 1}}}, "Extra inputs are not permitted"),
        ({"variant": "optimist", "optimist": {"it": {"target": "mood"}}}, "Input should be 'rate'"),
        ({"variant": "optimist", "optimist": {"it": 5}}, "must be a section with the keys of its kind"),
    ],
    ids=str,
)
def test_what_is_refused(changed: dict[str, Any], line: str) -> None:
    tree = {"title": "x", "it": {"kind": "shift", "target": "rate", "size": 0.1}}
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(tree | changed)
    assert any(line in error["msg"] for error in caught.value.errors()), caught.value.errors()
