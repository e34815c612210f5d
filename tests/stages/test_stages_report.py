"""A folder that is not as a run left it is refused in one line, and its page stays."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from clvsim import archive, disk
from clvsim.config import validate
from clvsim.errors import ConfigError
from clvsim.provenance import parts_of
from clvsim.report import figures, write_report
from clvsim.rim import finished_runs
from clvsim.runfolder import RunContext
from clvsim.stages.report import report
from tests.report import factory
from tests.test_config import composed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's, without ledgers, with a page by somebody else."""
    monkeypatch.setattr(figures, "make_drawing", factory.undrawn)
    run = tmp_path / "run"
    run.mkdir()
    result = factory.demo()
    write_report(result, run)
    archive.write_result(result, run)
    archive.write_record({"config": composed(report={"metric": "plan_value"})}, run)
    (run / "report.html").write_text("as it was")
    return run


def again(folder: Path) -> None:
    """As the shell does it."""
    _, raw = finished_runs.find_run({"run": str(folder), "report": {}}, ())

    def silent(*words: Any, **more: Any) -> Any:
        return nullcontext(silent)

    report(validate(raw), RunContext(folder, folder, "clvsim report", say=silent, note=silent, progress=silent))


def refusal(folder: Path) -> str:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError) as refused:
        again(folder)
    (problem,) = refused.value.problems
    assert problem.where == "run"
    assert str(folder) in problem.what
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return problem.what


def test_a_run_as_it_was_left_is_shown_again(folder):
    names = {path.name for path in folder.iterdir()}
    again(folder)
    assert "Plan value" in (folder / "report.html").read_text()
    assert {path.name for path in folder.iterdir()} == names


def test_the_record_has_every_part_but_what_is_rendered_again(folder):
    assert parts_of(folder).keys() == {"comparison.csv", "summary.json"}
    assert json.loads((folder / "run.json").read_text())["parts"] == parts_of(folder)


@pytest.mark.parametrize("part", ["comparison.csv", "summary.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not what the run wrote"),
        (lambda path: path.write_text("null"), "is not what the run wrote"),
        (lambda path: path.write_bytes(path.read_bytes() + b" "), "is not what the run wrote"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.rename(path.with_name("moved")) and path.symlink_to("moved"), "is missing"),
    ],
    ids=["cut off", "null", "a byte more", "gone", "a link"],
)
def test_a_part_that_is_not_what_the_run_wrote_is_named(folder, part, damage, said):
    damage(folder / part)
    assert refusal(folder).endswith(f"{part} {said}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'{"config": null, "parts": {}}',
        b'{"config": {}}',
        b'{"config": {}, "parts": {}}',
        b'{"config": {}, "parts": {"../x": "1", "summary.json": "2", "comparison.csv": "3"}}'[:40],
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_none(folder, content):
    (folder / "run.json").write_bytes(content)
    refusal(folder)


def test_a_part_outside_of_the_folder_is_none(folder):
    record = json.loads((folder / "run.json").read_text())
    record["parts"]["../run/summary.json"] = record["parts"]["summary.json"]
    (folder / "run.json").write_text(json.dumps(record))
    assert "../run/summary.json is missing" in refusal(folder)


def forged(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """A summary that somebody wrote, with a record that fits."""
    summary = json.loads((folder / "summary.json").read_text())
    edit(summary)
    (folder / "summary.json").write_text(json.dumps(summary))
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "parts": parts_of(folder)}))


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.pop("title"),
        lambda s: s.update(title=["a"]),
        lambda s: s.update(title=None),
        lambda s: s.update(draws="many"),
        lambda s: s.update(today=5),
        lambda s: s.update(today="yesterday"),
        lambda s: s.update(payback=[]),
        lambda s: s.update(payback={"baseline": 3}),
        lambda s: s.update(delta_draws={"plan": ["a", "b"]}),
        lambda s: s.update(delta_draws={"plan": [[1, 2], [3]]}),
        lambda s: s.update(scenarios=[]),
        lambda s: s.update(scenarios={"a": 1}),
        lambda s: s.update(tracking=None),
        lambda s: s["tracking"].update(mean=["a"]),
        lambda s: s["tracking"].update(week_start=["a"]),
        lambda s: s.update(quality=[{"label": 3}]),
        lambda s: s.update(unheard=1),
        lambda s: s["scenarios"][1].update(name="another"),
        lambda s: s["scenarios"][1].update(assumptions=3),
    ],
)
def test_a_summary_that_no_run_writes(folder, edit):
    forged(folder, edit)
    refusal(folder)


@pytest.mark.parametrize(
    "table",
    ["", "scenario\n", "null\n", "scenario,metric,unit,basis,layers,mean\nbaseline,plan_value,money,expected,,many\n"],
)
def test_a_table_that_no_run_writes(folder, table):
    (folder / "comparison.csv").write_text(table)
    forged(folder, lambda summary: None)
    refusal(folder)


def test_a_page_behind_a_link_is_replaced_and_not_what_it_points_to(folder):
    other = folder.parent / "other"
    other.write_text("mine")
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to(other)
    again(folder)
    assert other.read_text() == "mine"
    assert not (folder / "report.html").is_symlink()


def test_figures_elsewhere_are_refused(folder):
    (folder / "figures").rename(folder.parent / "pictures")
    (folder / "figures").symlink_to("../pictures")
    assert "figures is a link" in refusal(folder)


def test_a_full_disk_keeps_the_old_page(folder, monkeypatch):
    def full(path: Path) -> None:
        if "report" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "sync", full)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"^run: cannot write .*: No space left on device"):
        again(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
