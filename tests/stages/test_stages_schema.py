"""`clvsim schema`: what is shipped and what is written fit their schemas, and what is wrong does not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

from clvsim import __version__, archive
from clvsim.config import validate
from clvsim.errors import ConfigError
from clvsim.files import CONFIGS, SHIPPED, yaml_files
from clvsim.models import RETENTION, SPEND
from clvsim.provenance import SCHEMA_VERSION
from clvsim.stages.schema import SCHEMAS, config_schema, summary_schema, write_schemas
from tests.report import factory
from tests.test_config import composed

STUDIES = [f"experiment={name}" for name in yaml_files(SHIPPED["experiments"])]
STUDIES += [f"business={name}" for name in yaml_files(CONFIGS / "business")]


@cache
def validator(name: str) -> Any:
    schema = SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def faults(name: str, value: Any) -> list[str]:
    plain = json.loads(json.dumps(value, default=str))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(name).iter_errors(plain)]


@pytest.mark.parametrize("study", STUDIES)
def test_every_shipped_study_as_composed_fits(clvsim, study):
    done = clvsim("run", study, "--cfg", "job", "--resolve")
    config = yaml.safe_load(done.stdout)
    assert faults("config", {key: value for key, value in config.items() if key not in ("hydra", "always")}) == []


@pytest.mark.parametrize("name", yaml_files(SHIPPED["scenario"]))
def test_every_shipped_scenario_fits_as_written_and_as_recorded(name):
    shipped = yaml.safe_load(yaml_files(SHIPPED["scenario"])[name].read_text())
    library = {one: yaml.safe_load(path.read_text()) for one, path in yaml_files(SHIPPED["scenario"]).items()}
    whole = composed(scenario={"baseline": {"title": "As it is"}, name: shipped}, scenario_library=library)
    assert faults("config", whole) == []


@pytest.mark.parametrize("kind", [kind for kind in RETENTION if kind != "bg_bb"])
def test_what_a_run_records_fits(kind):
    config = validate(composed(retention={"kind": kind}, data={"kind": "synthetic", "model": kind}))
    assert faults("config", config.as_json()) == []


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"seed": "one"}, "$.seed"),
        ({"simulation": {"draws": 0}}, "$.simulation.draws"),
        ({"finance": {"gross_margin": 30}}, "$.finance.gross_margin"),
        ({"simulation": {"drws": 10}}, "$.simulation"),
        ({"retention": {"kind": "nbd"}}, "$.retention"),
        ({"spend": {"kind": "gamma_gamma", "x": 1}}, "$.spend"),
        ({"nonsense": 1}, "$"),
    ],
)
def test_what_is_wrong_does_not_fit(changed, where):
    found = faults("config", composed(**changed))
    assert [fault.partition(":")[0] for fault in found] == [where]


@pytest.mark.parametrize("make", [factory.demo, factory.foreign, factory.subscriptions, factory.hostile])
def test_a_summary_as_it_is_written_fits(make, tmp_path: Path):
    archive.write_result(make(), tmp_path)
    summary = json.loads((tmp_path / archive.SUMMARY).read_text())
    assert faults("summary", summary) == []
    assert summary["schema_version"] == SCHEMA_VERSION
    assert set(summary) == set(summary_schema()["properties"]) == set(summary_schema()["required"])
    assert faults("summary", {**summary, "draws": "many"})
    assert faults("summary", {**summary, "schema_version": SCHEMA_VERSION + 1})
    assert faults("summary", {key: value for key, value in summary.items() if key != "scenarios"})


def test_a_summary_of_another_schema_is_refused(tmp_path: Path):
    archive.write_result(factory.demo(), tmp_path)
    summary = json.loads((tmp_path / archive.SUMMARY).read_text())
    (tmp_path / archive.SUMMARY).write_text(json.dumps({**summary, "schema_version": 2}))
    with pytest.raises(ConfigError, match="has schema_version 2, and this version of clvsim reads 1"):
        archive.read_result(tmp_path)
    summary.pop("schema_version")  # as before there were schemas
    (tmp_path / archive.SUMMARY).write_text(json.dumps(summary))
    assert archive.read_result(tmp_path).title


def test_every_kind_of_model_is_in_the_schema():
    assert {*RETENTION, *SPEND} <= set(json.dumps(config_schema()).split('"'))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_says_which_it_is(name):
    schema = SCHEMAS[name]()
    assert schema["$id"] == f"urn:clvsim:{__version__}:{name}"
    assert schema["schema_version"] == SCHEMA_VERSION
    assert json.loads(json.dumps(schema)) == schema


def test_schemas_are_printed_or_written_to_a_new_file(tmp_path: Path):
    assert set(json.loads(write_schemas([], [], []))) == set(SCHEMAS)
    out = tmp_path / "s.json"
    assert write_schemas([], ["summary"], [f"out={out}"]) == ""
    assert json.loads(out.read_text()) == summary_schema()
    before = out.read_bytes()
    for words in (
        ([], ["summary"], [f"out={out}"]),
        (["--json"], [], []),
        ([], ["sumary"], []),
        ([], ["config", "summary"], []),
        ([], [], ["x=1"]),
        ([], [], ["out="]),
        ([], [], [f"out={tmp_path}/no/s.json"]),
    ):
        with pytest.raises(ConfigError):
            write_schemas(*words)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_numbers_that_json_has_not_are_null_in_both():
    assert faults("summary", None)
    ready = archive.json_ready({"a": np.nan})
    assert ready == {"a": None}
