"""ARCHITECTURE.md and the registries say the same."""

import re
from pathlib import Path

import pytest
import yaml

from clvsim.data.readers import SOURCES
from clvsim.effects import EFFECTS
from clvsim.interventions import INTERVENTIONS
from clvsim.metrics import METRICS, PAYBACK
from clvsim.models import RETENTION, SPEND
from clvsim.report.glossary import GLOSSARY
from clvsim.scenario import Scenario, problems

ROOT = Path(__file__).parents[1]
REGISTRIES = {
    "SOURCES": SOURCES,
    "RETENTION": RETENTION,
    "SPEND": SPEND,
    "INTERVENTIONS": INTERVENTIONS,
    "EFFECTS": EFFECTS,
    "METRICS": METRICS,
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_the_inventory_lists_what_is_registered(name: str):
    text = (ROOT / "ARCHITECTURE.md").read_text()
    row = re.search(rf"^\| `{name}` \| (.*) \|$", text, flags=re.M)
    assert row, name
    assert row[1].split(", ") == list(REGISTRIES[name])


def test_every_metric_has_words():
    assert set(METRICS) | set(PAYBACK) <= set(GLOSSARY)


def test_every_model_has_a_page_and_a_configuration():
    for group, registry in (("retention", RETENTION), ("spend", SPEND)):
        for name in registry:
            assert (ROOT / "docs" / "models" / f"{name}.md").is_file()
            assert yaml.safe_load((ROOT / "configs" / group / f"{name}.yaml").read_text())["kind"] == name


def test_shipped_scenarios_are_valid_together_and_marked_as_examples():
    files = sorted((ROOT / "configs" / "scenario").glob("*.yaml"))
    library = {f.stem: Scenario.model_validate(yaml.safe_load(f.read_text())) for f in files}
    assert problems(library) == []
    assert all(s.illustrative for name, s in library.items() if name != "baseline")


def test_every_scenario_in_the_documentation_is_valid():
    text = (ROOT / "README.md").read_text() + "".join(p.read_text() for p in (ROOT / "docs").rglob("*.md"))
    scenarios = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(title:.*?)```", text, flags=re.S)]
    assert scenarios
    for number, raw in enumerate(scenarios):
        assert problems({str(number): Scenario.model_validate(raw)}) == []
