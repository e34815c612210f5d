"""The layout that a newcomer relies on: what is registered has its file, what is lazy stays lazy, pins are complete."""

import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest
import yaml
from packaging.requirements import Requirement

import clvsim
from clvsim.cli import GROUPS, STAGES
from clvsim.data.config import Source
from clvsim.data.readers import SOURCES
from clvsim.files import CONFIGS, ROOT, SHIPPED, choices, leading_comment, yaml_files
from clvsim.models import RETENTION, SPEND
from clvsim.models.auto import Auto
from clvsim.models.stated import AMOUNTS, LIVES
from clvsim.stages import STAGES as CONFIGURED_STAGES
from clvsim.stages import load_stage
from tests.shipped import read

HEAVY = {"arviz", "duckdb", "hydra", "matplotlib", "nutpie", "pymc", "pytensor"}
EXTRAS = {"botocore", "dask", "distributed", "fsspec", "psycopg", "s3fs", "sqlalchemy", "sqlglot"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import clvsim") & (HEAVY | {"numpy", "pandas", "pydantic", "numba"})


def test_the_dispatcher_loads_nothing_heavy():
    later = HEAVY | EXTRAS | {"numpy", "pandas", "pydantic", "numba", "pyarrow", "scipy", "xarray", "jinja2", "rich"}
    assert not loaded_by("import clvsim.cli") & later


def test_reading_a_file_loads_no_extra():
    """Nor does a run: what an extra installs is imported where an address or a cluster is met."""
    code = "import clvsim, clvsim.data.config as c; clvsim.read_transactions(config=c.DataConfig(kind='bundled'))"
    assert not loaded_by(code) & EXTRAS


@pytest.mark.parametrize("module", ["clvsim.models", "clvsim.effects", "clvsim.interventions", "clvsim.metrics"])
def test_a_registry_loads_no_sampler_and_no_drawing(module):
    assert not loaded_by(f"import {module}") & HEAVY


@pytest.mark.parametrize(
    ("module", "later"),
    [
        ("clvsim.config, clvsim.listing", {"numba", "pandas", "scipy", "joblib"}),
        (", ".join(f"clvsim.stages.{name}" for name in CONFIGURED_STAGES), {"numba", "scipy"}),
    ],
)
def test_errors_are_reported_without_slow_imports(module, later):
    assert not loaded_by(f"import {module}") & later


@pytest.mark.parametrize("name", CONFIGURED_STAGES)
def test_every_stage_is_a_function_in_a_module_of_its_name(name):
    stage = load_stage(name)
    assert inspect.getmodule(stage) is import_module(f"clvsim.stages.{name}")
    assert stage.__doc__


@pytest.mark.parametrize("name", [name for name in clvsim.__all__ if name != "__version__"])
def test_the_python_interface_is_functions(name):
    value = getattr(clvsim, name)
    assert callable(value)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = clvsim.nope
    assert set(clvsim.__all__) <= set(dir(clvsim))


@pytest.mark.parametrize(
    ("group", "registry"), [("retention", {**RETENTION, "auto": Auto, **LIVES}), ("spend", {**SPEND, **AMOUNTS})]
)
def test_every_model_has_a_configuration_of_its_name(group, registry):
    kinds = {name: yaml.safe_load(path.read_text())["kind"] for name, path in yaml_files(CONFIGS / group).items()}
    assert kinds == {name: name for name in registry}


def test_every_kind_of_source_has_a_configuration():
    sections = [read("data", name) for name in yaml_files(CONFIGS / "data")]
    assert {section["kind"] for section in sections} == set(SOURCES)
    for section in sections:
        assert set(section) == set(SOURCES[section["kind"]].section.model_fields)


def test_every_section_of_a_source_has_a_reader_for_each_of_its_kinds():
    sections = Source.__subclasses__()
    kinds = [(kind, section) for section in sections for kind in get_args(section.model_fields["kind"].annotation)]
    assert dict(kinds) == {kind: reader.section for kind, reader in SOURCES.items()}


def test_every_stage_and_every_group_has_files():
    assert {*STAGES, "common"} == set(yaml_files(CONFIGS))
    assert all(choices(group) for group in GROUPS)
    assert {*GROUPS, "scenario"} == {path.name for path in CONFIGS.iterdir() if path.is_dir()}


def test_shipped_scenarios_have_titles_and_experiments_a_question():
    for path in yaml_files(SHIPPED["scenario"]).values():
        assert yaml.safe_load(path.read_text())["title"], path
    for path in yaml_files(SHIPPED["experiments"]).values():
        assert "?" in leading_comment(path), path


def test_no_key_is_spelled_like_a_truth_value():
    """YAML 1.1 reads on, off, yes and no as booleans, as keys too."""
    for path in [*CONFIGS.rglob("*.yaml"), *SHIPPED["experiments"].glob("*.yaml")]:
        keys = list(all_keys(yaml.safe_load(path.read_text())))
        assert all(isinstance(key, str) for key in keys), path


def all_keys(tree):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from all_keys(value)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_plain_pins_of_what_runs_here():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line) for line in lines)
    pinned_here = {name: pin for name, pin in PINS.items() if not name.startswith("setuptools")}
    assert {name: version(name) for name in pinned_here} == pinned_here


def test_every_requirement_is_pinned_within_its_range():
    pins = {canonical(name): pin for name, pin in PINS.items()}
    extras = PROJECT["optional-dependencies"]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras["dev"], *extras["sweep"]]):
        assert requirement.specifier.contains(pins[canonical(requirement.name)]), requirement


def test_numba_is_capped_while_a_private_option_of_it_is_used():
    uses = [path for path in (ROOT / "clvsim").rglob("*.py") if "_nrt=" in path.read_text()]
    numba = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "numba")
    major, minor, _ = PINS["numba"].split(".")
    assert not uses or not numba.specifier.contains(f"{major}.{int(minor) + 1}.0")


def test_the_ci_entry_is_what_a_developer_types():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert [line for line in script.read_text().splitlines() if line.startswith("make ")] == ["make check", "make test"]


TARGETS = ["demo", "env", "test", "test-slow", "check", "bench", "peer", "lock", "clean"]


@pytest.mark.parametrize("target", TARGETS)
def test_make_help_names_every_target(target):
    makefile = Path(ROOT / "Makefile").read_text()
    assert re.search(rf'@echo "make {target} +\w', makefile)
    assert re.search(rf"^{target}:", makefile, re.M)


PROSE = [
    *(
        ROOT / name
        for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def lines_of_prose(text: str) -> list[str]:
    """Lines of Markdown but for tables and code."""
    without_fences = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [line for line in without_fences.splitlines() if not line.startswith(("|", "    "))]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_as_wide_as_code(path):
    width = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    assert [line for line in lines_of_prose(path.read_text()) if len(line) > width] == []
