"""What a new entry of a registry needs, file by file: a failure names the files that were forgotten.

CONTRIBUTING.md has the same lists in words; a test keeps it naming the same files.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml

from clvsim.cli import UNCONFIGURED
from clvsim.data import synthetic
from clvsim.data.config import SYNTHETIC_MODELS, Source
from clvsim.data.readers import SOURCES
from clvsim.effects import EFFECTS, Effect
from clvsim.interventions import INTERVENTIONS
from clvsim.metrics import METRICS, PAYBACK
from clvsim.models import RETENTION, SPEND
from clvsim.questions import QUESTIONS, load_question
from clvsim.report.glossary import GLOSSARY
from clvsim.stages import STAGES
from tests.calibration.worlds import WORLDS
from tests.stories import STORIES

ROOT = Path(__file__).parents[1]


class Step(NamedTuple):
    """One file of a checklist. NAME in `file` and `what` stands for the entry; `done` looks it up by that name."""

    file: str
    what: str
    done: Callable[[str], bool]


def forgotten(steps: Iterable[Step], name: str) -> list[str]:
    """A line per step that an entry still needs, the file first."""
    return [f"{step.file}: {step.what}".replace("NAME", name) for step in steps if not step.done(name)]


def assert_complete(steps: Iterable[Step], name: str) -> None:
    lines = forgotten(steps, name)
    assert not lines, f"{name!r} is not finished:\n  " + "\n  ".join(lines)


@cache
def text(path: str) -> str:
    """All files that a pattern below the root matches, one after the other."""
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(ROOT.glob(path)))


def has(path: str, pattern: str) -> Callable[[str], bool]:
    """Whether the text holds a regular expression, in which NAME stands for the entry."""
    return lambda name: re.search(pattern.replace("NAME", re.escape(name)), text(path), flags=re.M) is not None


def is_defined(package: str, registry: Mapping[str, type]) -> Callable[[str], bool]:
    """Whether the entry's class stands in the module of its name."""
    return lambda name: name in registry and registry[name].__module__ == f"clvsim.{package}.{name}"


def is_in_inventory(registry: str) -> Callable[[str], bool]:
    return has("ARCHITECTURE.md", rf"^\| `{registry}` \|.*[ ,]NAME[ ,]")


def kinds_declared(package: str) -> set[str]:
    """Kinds that classes in files below clvsim claim, registered or not."""
    found = re.findall(r"^    kind: Literal\[([^]]+)\]", text(f"clvsim/{package}"), flags=re.M)
    return {kind for kinds in found for kind in re.findall(r'"(\w+)"', kinds)}


def kinds_shipped() -> set[str]:
    """Kinds of all interventions in shipped scenarios."""
    trees = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in ROOT.glob("configs/scenario/*.yaml")]
    return {
        str(part.get("kind")) for tree in trees for part in tree.values() if isinstance(part, dict) and "kind" in part
    }


def is_declared(package: str) -> Callable[[str], bool]:
    """Whether a class in a package has the entry's kind; variants of a model share a module."""
    return lambda name: name in kinds_declared(f"{package}/*.py")


def configurations(group: str) -> dict[str, str]:
    """Kind of the section in each file of a group of configurations, by the file's name."""
    trees = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in ROOT.glob(f"configs/{group}/*")}
    return {name: tree.get(group, tree)["kind"] for name, tree in trees.items()}


def is_configured(group: str) -> Callable[[str], bool]:
    return lambda name: configurations(group).get(name) == name


def is_in_readme(name: str) -> bool:
    """Whether the README names a source: by one of its configurations, or a file of its kind."""
    files = [file for file, kind in configurations("data").items() if kind == name]
    return any(re.search(rf"\bdata={file}\b|\w\.{file}\b", text("README.md")) for file in files)


def has_its_class(path: str, registry: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether files name the class of the entry."""
    return lambda name: name in registry and re.search(rf"\b{registry[name].__name__}\b", text(path)) is not None


RETENTION_MODEL = (
    Step(
        "clvsim/models/retention/NAME.py",
        'a frozen class with kind: Literal["NAME"], copied from mbg_nbd.py',
        is_declared("models/retention"),
    ),
    Step("clvsim/models/__init__.py", "a line in RETENTION", lambda name: name in RETENTION),
    Step("configs/retention/NAME.yaml", "kind: NAME, and its other keys", is_configured("retention")),
    Step("docs/models/NAME.md", "its page", lambda name: (ROOT / f"docs/models/{name}.md").is_file()),
    Step(
        "README.md", "a link to docs/models/NAME.md among the models", has("README.md", r"\]\(docs/models/NAME\.md\)")
    ),
    Step("ARCHITECTURE.md", "NAME in the inventory of RETENTION", is_in_inventory("RETENTION")),
    Step("clvsim/data/config.py", "an example's parameters in SYNTHETIC_MODELS", lambda name: name in SYNTHETIC_MODELS),
    Step("clvsim/data/synthetic.py", "an entry in STORIES: logs made up", lambda name: name in synthetic.STORIES),
    Step("configs/data/synthetic.yaml", "NAME among the choices", has("configs/data/synthetic.yaml", r"[ |]NAME\b")),
    Step("tests/stories/__init__.py", "its story in STORIES", lambda name: name in STORIES),
    Step(
        "tests/models/test_models_contract.py",
        "its class in test_every_model_keeps_the_protocol",
        has_its_class("tests/models/test_models_contract.py", RETENTION),
    ),
    Step(
        "tests/models/test_models_inference.py",
        "an entry in LONG_CHAINS",
        has("tests/models/test_models_inference.py", r'^    "NAME": '),
    ),
    Step(
        "tests/models/test_models_NAME.py",
        "published numbers; variants of a model may share a file",
        has_its_class("tests/models/test_models_*.py", RETENTION),
    ),
    Step(
        "tests/calibration/worlds.py", "an entry in WORLDS, which follows from its story", lambda name: name in WORLDS
    ),
    Step(
        "docs/calibration.md",
        "a row `NAME` in the tables, after runs of the slow tests",
        has("docs/calibration.md", r"^\| `NAME`(?:.*\n)(?:.*\n)*?^\| `NAME`"),
    ),
)

SPEND_MODEL = (
    Step(
        "clvsim/models/spend/NAME.py",
        'a frozen class with kind: Literal["NAME"], copied from gamma_gamma.py',
        is_declared("models/spend"),
    ),
    Step("clvsim/models/__init__.py", "a line in SPEND", lambda name: name in SPEND),
    Step("configs/spend/NAME.yaml", "kind: NAME, and its other keys", is_configured("spend")),
    Step("docs/models/NAME.md", "its page", lambda name: (ROOT / f"docs/models/{name}.md").is_file()),
    Step(
        "README.md", "a link to docs/models/NAME.md among the models", has("README.md", r"\]\(docs/models/NAME\.md\)")
    ),
    Step("ARCHITECTURE.md", "NAME in the inventory of SPEND", is_in_inventory("SPEND")),
    Step(
        "tests/models/test_models_NAME.py",
        "published numbers",
        lambda name: (ROOT / f"tests/models/test_models_{name}.py").is_file(),
    ),
)
SPEND_MODEL_WITH_PARAMETERS = (
    *SPEND_MODEL,
    Step(
        "tests/models/test_models_inference.py",
        "an entry in LONG_CHAINS",
        has("tests/models/test_models_inference.py", r'^    "NAME": '),
    ),
    Step("tests/calibration/worlds.py", "an entry in WORLDS", lambda name: name in WORLDS),
    Step(
        "docs/calibration.md",
        "a row `NAME` in the tables, after runs of the slow tests",
        has("docs/calibration.md", r"^\| `NAME`(?:.*\n)(?:.*\n)*?^\| `NAME`"),
    ),
)
WITHOUT_PARAMETERS = {"fixed_price", "price_list"}  # of which nothing is inferred


def section_of(kind: str) -> str:
    """The class of `clvsim.data.config` that has the keys of a kind of source; empty when there is none."""
    kinds = {section.__name__: get_args(section.model_fields["kind"].annotation) for section in Source.__subclasses__()}
    return next((name for name, declared in kinds.items() if kind in declared), "")


def files_of_source(kind: str) -> list[str]:
    """Names that `data=NAME` takes for a kind of source."""
    files = sorted(ROOT.glob("configs/data/*.yaml"))
    return [file.stem for file in files if has(f"configs/data/{file.name}", r"^ *kind: NAME$")(kind)]


def names_with_errors(path: str, name: str) -> bool:
    """Whether one of the files that match a pattern uses a name and tests errors."""
    contents = (file.read_text(encoding="utf-8") for file in ROOT.glob(path))
    return any(re.search(rf"\b{name}\b", content) and "pytest.raises(" in content for content in contents)


def sources_shipped() -> set[str]:
    """Kinds of all sources in shipped configurations."""
    return set(re.findall(r"^ *kind: (\w+)$", text("configs/data/*.yaml"), flags=re.M)) - {*RETENTION, *SPEND}


def stages_written() -> set[str]:
    """Functions from a configuration to an exit code, and primary configurations, registered or not."""
    functions = re.findall(STAGE_FUNCTION.replace("NAME", r"(\w+)"), text("clvsim/stages/*.py"), flags=re.M)
    return {*functions, *(file.stem for file in ROOT.glob("configs/*.yaml"))} - {"common", *UNCONFIGURED}


STAGE_FUNCTION = r"^def NAME\(config: (?:RunConfig|Settings), ctx: RunContext\) -> int:"
STAGE = (
    Step(
        "clvsim/stages/NAME.py",
        "def NAME(config: RunConfig, ctx: RunContext) -> int, copied from check.py or fit.py",
        lambda name: has(f"clvsim/stages/{name}.py", STAGE_FUNCTION)(name),
    ),
    Step("clvsim/stages/__init__.py", "a line in STAGES, with the folder it writes into", lambda name: name in STAGES),
    Step(
        "configs/NAME.yaml",
        "job: {name: NAME}, and a leading comment with an example of clvsim NAME",
        lambda name: all(
            has(f"configs/{name}.yaml", line)(name) for line in (r"^  job: \{name: NAME\}", r"^#   clvsim NAME\b")
        ),
    ),
    Step(
        "README.md", "what `NAME` does, in the row of stages", has("README.md", r"^\| stages \|.*`(clvsim )?NAME[` ]")
    ),
    Step(
        "tests/cli/",
        'a test that runs the command "NAME": output, files and exit codes',
        has("tests/cli/test_*.py", r'"NAME"'),
    ),
)

SOURCE = (
    Step(
        "clvsim/data/config.py",
        'a frozen class with kind: Literal["NAME"] and its keys',
        lambda name: section_of(name) != "",
    ),
    Step("clvsim/data/readers.py", "a function that reads it, and a line in SOURCES", lambda name: name in SOURCES),
    Step("configs/data/", "a file with kind: NAME and all its keys", lambda name: files_of_source(name) != []),
    Step("ARCHITECTURE.md", "NAME in the inventory of SOURCES", is_in_inventory("SOURCES")),
    Step(
        "tests/data/",
        "tests of the section's reader, and of the errors for wrong tables",
        lambda name: section_of(name) != "" and names_with_errors("tests/data/test_*.py", section_of(name)),
    ),
    Step(
        "tests/cli/",
        "a command with data=NAME, or another name of its configuration",
        lambda name: any(has("tests/cli/test_*.py", r"\bdata=NAME\b")(file) for file in files_of_source(name)),
    ),
)

INTERVENTION = (
    Step(
        "clvsim/interventions/NAME.py",
        'a frozen class with kind: Literal["NAME"], copied from offer.py',
        is_defined("interventions", INTERVENTIONS),
    ),
    Step("clvsim/interventions/__init__.py", "a line in INTERVENTIONS", lambda name: name in INTERVENTIONS),
    Step(
        "configs/scenario/",
        "an example with kind: NAME, which the zero-effect test picks up",
        lambda name: name in kinds_shipped(),
    ),
    Step("docs/interventions.md", "a row `NAME` in the table of kinds", has("docs/interventions.md", r"^\| `NAME` \|")),
    Step(
        "docs/interventions.md",
        "a section ## NAME with an example",
        has("docs/interventions.md", r"^## NAME\n(?:(?!^## )[\s\S])*?^```yaml\ntitle:(?:(?!^```)[\s\S])*?kind: NAME\b"),
    ),
    Step("ARCHITECTURE.md", "NAME in the inventory of INTERVENTIONS", is_in_inventory("INTERVENTIONS")),
    Step(
        "tests/interventions/test_interventions_timing.py",
        "an entry of kind NAME in KINDS, and when it can never act in NEVER",
        has("tests/interventions/test_interventions_timing.py", r'^    "[\w ]+": \{"kind": "NAME"'),
    ),
    Step(
        "tests/simulation/test_simulation_accounting.py",
        "what NAME does to the ledger",
        has("tests/simulation/test_simulation_accounting.py", r'"kind": "NAME"'),
    ),
)

EFFECT = (
    Step(
        "clvsim/effects/NAME.py",
        'a class with kind_name and kind: Literal["NAME"], copied from expert.py',
        is_defined("effects", EFFECTS),
    ),
    Step("clvsim/effects/__init__.py", "a line in EFFECTS", lambda name: name in EFFECTS),
    Step(
        "clvsim/effects/__init__.py",
        "its class in the union Effect",
        lambda name: EFFECTS.get(name) in get_args(get_args(Effect)[0]),
    ),
    Step("docs/effects.md", "a paragraph that starts with **NAME**", has("docs/effects.md", r"^\*\*NAME\*\*")),
    Step("ARCHITECTURE.md", "NAME in the inventory of EFFECTS", is_in_inventory("EFFECTS")),
    Step(
        "tests/effects/test_effects_draws.py",
        "an entry NAME in EXAMPLES, on every scale that it suits",
        has("tests/effects/test_effects_draws.py", r'^    "NAME": \['),
    ),
    Step(
        "tests/effects/test_effects_schema.py",
        "what NAME refuses",
        has("tests/effects/test_effects_schema.py", r'"kind": "NAME"'),
    ),
)

METRIC = (
    Step(
        "clvsim/metrics.py",
        "a function NAME, and its line in METRICS with basis and range",
        lambda name: name in METRICS and getattr(METRICS[name].query, "__name__", "") == name,
    ),
    Step(
        "clvsim/report/glossary.py",
        "an entry NAME with its words, and the unit and `newcomers` of METRICS",
        lambda name: (
            name in GLOSSARY
            and name in METRICS
            and (GLOSSARY[name].unit, GLOSSARY[name].newcomers) == (METRICS[name].unit, METRICS[name].newcomers)
        ),
    ),
    Step("ARCHITECTURE.md", "NAME in the inventory of METRICS", is_in_inventory("METRICS")),
    Step(
        "tests/simulation/test_simulation_accounting.py",
        "NAME worked out from the ledger in another way",
        has("tests/simulation/test_simulation_accounting.py", r'metrics\.NAME\b|"NAME"'),
    ),
)

QUESTION = (
    Step("clvsim/questions/__init__.py", "a line in QUESTIONS", lambda name: name in QUESTIONS),
    Step(
        "clvsim/questions/",
        "a module with a function `answer`, which QUESTIONS names",
        lambda name: name in QUESTIONS and callable(load_question(name)),
    ),
    Step("configs/decide.yaml", "NAME among the questions", has("configs/decide.yaml", r"^# Questions: .*\bNAME\b")),
    Step("docs/decide.md", "a row of the table", has("docs/decide.md", r"^\| `NAME` \|")),
    Step("tests/cli/", "it asked of a run", has("tests/cli/test_cli_decide.py", r"\bNAME\b|in QUESTIONS")),
)

# Sections of CONTRIBUTING.md by the list that they put into words.
CHECKLISTS = {
    "Adding a stage": STAGE,
    "Adding a retention model": RETENTION_MODEL,
    "Adding a spend model": SPEND_MODEL_WITH_PARAMETERS,
    "Adding a kind of source": SOURCE,
    "Adding an intervention": INTERVENTION,
    "Adding an effect": EFFECT,
    "Adding a metric": METRIC,
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_all_its_files(name: str) -> None:
    assert_complete(QUESTION, name)


@pytest.mark.parametrize("name", sorted({*STAGES, *stages_written()}))
def test_every_stage_has_all_its_files(name: str) -> None:
    assert_complete(STAGE, name)


@pytest.mark.parametrize("name", sorted({*RETENTION, *kinds_declared("models/retention/*.py"), *STORIES}))
def test_every_retention_model_has_all_its_files(name: str) -> None:
    assert_complete(RETENTION_MODEL, name)


@pytest.mark.parametrize("name", sorted({*SPEND, *kinds_declared("models/spend/*.py")}))
def test_every_spend_model_has_all_its_files(name: str) -> None:
    assert_complete(SPEND_MODEL if name in WITHOUT_PARAMETERS else SPEND_MODEL_WITH_PARAMETERS, name)


@pytest.mark.parametrize("name", sorted({*SOURCES, *sources_shipped()}))
def test_every_kind_of_source_has_all_its_files(name: str) -> None:
    assert_complete(SOURCE, name)


@pytest.mark.parametrize("name", sorted({*INTERVENTIONS, *kinds_declared("interventions/*.py"), *kinds_shipped()}))
def test_every_intervention_has_all_its_files(name: str) -> None:
    assert_complete(INTERVENTION, name)


@pytest.mark.parametrize("name", sorted({*EFFECTS, *kinds_declared("effects/*.py")}))
def test_every_effect_has_all_its_files(name: str) -> None:
    assert_complete(EFFECT, name)


@pytest.mark.parametrize("name", sorted({*METRICS, *GLOSSARY} - {*PAYBACK}))
def test_every_metric_has_all_its_files(name: str) -> None:
    assert_complete(METRIC, name)


@pytest.mark.parametrize("section", CHECKLISTS)
def test_an_entry_that_is_nowhere_lacks_every_file(section: str) -> None:
    """No step holds by accident, and each line names its file."""
    steps = CHECKLISTS[section]
    lines = forgotten(steps, "no_such_entry")
    assert lines == [f"{step.file}: {step.what}".replace("NAME", "no_such_entry") for step in steps]


@pytest.mark.parametrize("section", CHECKLISTS)
def test_contributing_names_every_file_of_a_checklist(section: str) -> None:
    found = re.search(rf"^## {section}\n((?:(?!^## )[\s\S])*)", text("CONTRIBUTING.md"), flags=re.M)
    assert found, f"CONTRIBUTING.md: no section ## {section}"
    unnamed = sorted({step.file for step in CHECKLISTS[section] if f"`{step.file}`" not in found[1]})
    assert not unnamed, f"CONTRIBUTING.md, ## {section}: does not name {', '.join(unnamed)}"
