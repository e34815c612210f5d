"""A folder that is not as a run left it is refused in one line, and its page stays."""

import errno
import json
import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clvsim import archive, disk, plausible
from clvsim import record as run_record
from clvsim.config import validate
from clvsim.errors import ConfigError
from clvsim.provenance import parts_of, sizes_of
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
    result = replace(result, books=factory.books(), schedule=factory.schedule(result.scenarios[1].name))
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
    assert parts_of(folder).keys() == {"books.csv", "comparison.csv", "summary.json"}
    assert json.loads((folder / "run.json").read_text())["parts"] == parts_of(folder)


@pytest.mark.parametrize("part", ["books.csv", "comparison.csv", "summary.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not what the run wrote"),
        (lambda path: path.write_text("null"), "is not what the run wrote"),
        (lambda path: path.write_bytes(path.read_bytes() + b" "), "is not what the run wrote"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.rename(path.with_name("moved")) and path.symlink_to("moved"), "is a link"),
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
    parts = parts_of(folder)
    (folder / "run.json").write_text(json.dumps({**record, "parts": parts, "sizes": sizes_of(folder, parts)}))


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
        *(
            lambda s, name=name: s.update({name: {"a": 1}})
            for name in ("layers", "warnings", "lever_warnings", "calendar_effects", "notes", "delta_draws", "quality")
        ),
        lambda s: s["scenarios"][1].update(interventions={"a": 1}),
        lambda s: s["scenarios"][1].update(left_out="text"),
        lambda s: s.update(assumptions={}),
        lambda s: s.update(margin_known=1),
        lambda s: s.update(customers="200"),
        lambda s: s.update(customers=-200),
        lambda s: s.update(customers=10**30),
        lambda s: s.update(annual_discount_rate=1e300),
        lambda s: s.update(annual_discount_rate=math.inf),
        lambda s: s.update(warnings=["w" * 10_001]),
        lambda s: s.update(warnings=["w" * 1000] * 101),
        lambda s: s.update(notes=[""] * 10_001),
        lambda s: s.update(question="?" * 20_000),
        lambda s: s["scenarios"].append(s["scenarios"][1]),
        lambda s: s["delta_draws"].update(another=[1.0]),
        lambda s: s["payback"]["baseline"].update(p_never=1.5),
        lambda s: s["payback"]["baseline"]["mean"].pop(),
        lambda s: s["payback"]["baseline"].update(p05=s["payback"]["baseline"]["p95"], p95=[0.0] * 37),
        lambda s: s["tracking"]["actual"].pop(),
        lambda s: s["tracking"].update(actual=[-1.0] * len(s["tracking"]["actual"])),
        lambda s: s["tracking"]["holdout"].update(with_environment=[9, 1]),
        lambda s: s["tracking"]["holdout"].update(position=2),
        lambda s: s["assumptions"][0].update(p05=3.0, p95=2.0),
        lambda s: s["schedule"][0].update(scenario="another"),
        lambda s: s["schedule"][0].update(days=[0.0, 70.0, 42.0, 28.0]),
        lambda s: s["schedule"][0]["height"].pop(),
        lambda s: s["schedule"][0].update(end=50.0),
        lambda s: s["schedule"][0].update(end=0.0),
        lambda s: s["schedule"][0].update(end=None),
        lambda s: s["schedule"][0].update(height=["a"] * 4),
        lambda s: s["schedule"][0].update(height=[None] * 4),
        lambda s: s["schedule"][0].update(single=None),
        lambda s: s.update(schedule={"a": 1}),
    ],
)
def test_a_summary_that_no_run_writes(folder, edit):
    forged(folder, edit)
    assert "Input should" not in refusal(folder)


def test_a_wrong_type_is_told_in_our_words(folder):
    forged(folder, lambda s: s.update(title=5))
    assert refusal(folder).endswith("summary.json: title: should be a valid string, got 5")
    forged(folder, lambda s: s.update(title="", warnings={}))
    assert refusal(folder).endswith("summary.json: warnings: should be a list")


@pytest.mark.parametrize(
    "table",
    ["", "scenario\n", "null\n", "scenario,metric,unit,basis,layers,mean\nbaseline,plan_value,money,expected,,many\n"],
)
def test_a_table_that_no_run_writes(folder, table):
    (folder / "comparison.csv").write_text(table)
    forged(folder, lambda summary: None)
    refusal(folder)


def changed(name: str, factor: float | str, metric: str = "") -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The table with one column multiplied or replaced, in the rows of a metric or in all."""

    def edit(table: pd.DataFrame) -> pd.DataFrame:
        rows = table["metric"].eq(metric) if metric else slice(None)
        new = table.astype({name: object})
        new.loc[rows, name] = factor if isinstance(factor, str) else table.loc[rows, name] * factor
        return new

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (changed("mean", 1e300), "a number in its column mean that is not finite, or beyond ±1e+18"),
        (changed("delta_p05", "-inf"), "a number in its column delta_p05 that is not finite, or beyond ±1e+18"),
        (changed("mean", -1.0, "newcomers"), "as mean of newcomers, which is out of its range"),
        (changed("p50", -1.0, "orders"), "as p50 of orders, which is out of its range"),
        (changed("p95", 9.0, "share_repaying"), "as p95 of share_repaying, which is out of its range"),
        (changed("mean", -1.0, "payback_months"), "as mean of payback_months, which is out of its range"),
        (changed("p_better", -1.0), "as p_better of plan_value, which is out of its range"),
        (changed("mean_mcse", -1.0, "plan_value"), "as mean_mcse of plan_value, which is out of its range"),
        (changed("p05", 3.0, "plan_value"), "a p05 above its p50, of plan_value"),
        (changed("delta_p95", -1.0, "plan_value"), "a delta_p50 above its delta_p95, of plan_value"),
        (changed("mean", "many"), "no numbers in its column mean"),
        (changed("metric", "clv"), "a metric that no run writes, 'clv'"),
        (changed("unit", "kg"), "a unit that no run writes, 'kg'"),
        (changed("basis", "hoped"), "a basis that no run writes, 'hoped'"),
        (changed("layers", "parameter+luck"), "layers that no run writes, 'parameter+luck'"),
        (lambda table: pd.concat([table, table]), "two rows of baseline, plan_value, expected"),
        (lambda table: table.assign(more=1), "a column that no run writes, 'more'"),
        (lambda table: table.drop(columns="p50"), "no column p50"),
        (lambda table: pd.concat([table] * 1000), "more than 50,000 rows"),
    ],
)
def test_figures_that_no_run_writes(folder, edit, said):
    edit(pd.read_csv(folder / "comparison.csv")).to_csv(folder / "comparison.csv", index=False)
    forged(folder, lambda summary: None)
    assert said in refusal(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (changed("mean", 1e300), "a number in its column mean that is not finite, or beyond ±1e+18"),
        (changed("mean", "nan", "revenue"), "a number in its column mean that is not finite, or beyond ±1e+18"),
        (changed("p05", "nan", "newcomer_value"), "a number in its column p05 that is not finite, or beyond ±1e+18"),
        (changed("at", -1.0, "visitor_value"), "a number below 0 in its column at"),
        (changed("mean", -1.0, "revenue"), "as mean of revenue, which is out of its range"),
        (changed("p95", 9.0, "gini"), "as p95 of gini, which is out of its range"),
        (changed("p05", 3.0, "revenue"), "a p05 above its p50, of revenue"),
        (changed("mean", "many"), "no numbers in its column mean"),
        (changed("book", "cash"), "a row that no run writes, of 'cash', 'newcomer_value', 'money', 'realised'"),
        (changed("metric", "gini", "revenue"), "a row that no run writes, of 'cohort_revenue', 'gini'"),
        (changed("unit", "share", "revenue"), "a row that no run writes"),
        (changed("basis", "hoped"), "a row that no run writes"),
        (changed("layers", "luck"), "layers that no run writes, 'luck'"),
        (changed("group", "g" * 20_000), "a group of 20,000 characters"),
        (changed("group", ""), "no text as group"),
        (changed("scenario", "another"), "scenarios that comparison.csv has not: another"),
        (lambda table: pd.concat([table, table]), "two rows of value_by_age, baseline, newcomers, 0.0, newcomer_value"),
        (lambda table: table.assign(more=1), "other columns than book, scenario, group"),
        (lambda table: table.drop(columns="p50"), "other columns than book, scenario, group"),
        (lambda table: pd.concat([table] * 1000), "more than 107,520 rows"),
    ],
)
def test_books_that_no_run_writes(folder, edit, said):
    edit(pd.read_csv(folder / "books.csv")).to_csv(folder / "books.csv", index=False)
    forged(folder, lambda summary: None)
    assert said in refusal(folder)


@pytest.mark.parametrize("table", ["", "book\n", "null\n", "\0"])
def test_books_that_are_none(folder, table):
    (folder / "books.csv").write_text(table)
    forged(folder, lambda summary: None)
    refusal(folder)


def test_books_that_the_record_does_not_know_are_not_shown(folder):
    record = json.loads((folder / "run.json").read_text())
    del record["parts"]["books.csv"]
    (folder / "run.json").write_text(json.dumps(record))
    assert refusal(folder).endswith("books.csv is not of this run")


def test_books_are_read_as_they_were_written(folder):
    books = archive.read_result(folder).books
    assert books is not None
    pd.testing.assert_frame_equal(books, factory.books())


def test_rows_that_are_none_are_refused_without_a_remark_of_pandas(folder):
    with (folder / "comparison.csv").open("a") as table:
        table.writelines(f"x,{i}\n" for i in range(300_000))
    forged(folder, lambda summary: None)
    assert "more than 50,000 rows" in refusal(folder)


def test_files_larger_than_those_of_a_run_are_not_read(folder, monkeypatch):
    for name in ("books.csv", "comparison.csv", "summary.json"):
        monkeypatch.setitem(plausible.MOST_BYTES, name, 1000)
        assert f"{name} has " in refusal(folder)
        monkeypatch.setitem(plausible.MOST_BYTES, name, 1 << 26)
    monkeypatch.setattr(run_record, "_MOST_BYTES", 1000)
    assert "run.json cannot be read: it has " in refusal(folder)


def test_payback_may_be_never(folder):
    edit = changed("p95", "inf", "payback_months")
    edit(pd.read_csv(folder / "comparison.csv")).to_csv(folder / "comparison.csv", index=False)
    forged(folder, lambda summary: None)
    again(folder)


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
