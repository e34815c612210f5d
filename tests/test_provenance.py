"""What a run says of its time, its machine and its files: the same twice, and nothing of who works where."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from clvsim import clock, read_transactions
from clvsim.data.config import DataConfig
from clvsim.errors import ConfigError
from clvsim.provenance import (
    PACKAGES,
    changed_parts,
    file_names,
    processor,
    provenance,
    quality_with_file_names,
    with_file_names,
)
from clvsim.rim import stages
from clvsim.types import QualityLine


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("clvsim run /home/ann/shop/orders.csv seed=2", "clvsim run orders.csv seed=2"),
        ("clvsim run orders.csv", "clvsim run orders.csv"),
        ("clvsim run ../2024/orders.csv", "clvsim run ../2024/orders.csv"),
        ("clvsim run data.path=/home/ann/orders.csv", "clvsim run data.path=orders.csv"),
        ("clvsim run 'data.path=[/a/x.csv,/a b/y.csv]'", "clvsim run 'data.path=[x.csv,y.csv]'"),
        ("clvsim run fit.posterior=/a/p.nc run=/a/r", "clvsim run fit.posterior=p.nc run=r"),
        ("clvsim run data.url=sqlite:////a/b/shop.db", "clvsim run data.url=sqlite:///shop.db"),
        ("clvsim run data.url=sqlite:///b/shop.db", "clvsim run data.url=sqlite:///b/shop.db"),
        ("clvsim run data.url=postgresql://me@host/shop", "clvsim run data.url=postgresql://me@host/shop"),
        ("clvsim run 'data.path=/a/*.csv'", "clvsim run 'data.path=*.csv'"),
        ("clvsim run s3://shop/2024/orders.csv", "clvsim run orders.csv"),
        ("clvsim run s3://shop/year=2024/orders.csv", "clvsim run orders.csv"),
        ("clvsim run data.path=s3://shop/orders.csv", "clvsim run data.path=orders.csv"),
        ("clvsim run 'data.path=[s3://shop/a/x.csv,/b/y.csv]'", "clvsim run 'data.path=[x.csv,y.csv]'"),
        ("clvsim run 'data.only={Page: [/home]}' title=/x/y", "clvsim run 'data.only={Page: [/home]}' title=/x/y"),
    ],
)
def test_a_command_has_names_of_files_instead_of_paths_from_the_root(command, shown):
    assert file_names(command) == shown


def test_so_has_a_configuration():
    config = {"data": {"path": ["/a/x.csv", "y.csv"]}, "fit": {"posterior": ["/a/p.nc"]}, "out": "/a/r", "run": None}
    shown = {"data": {"path": ["x.csv", "y.csv"]}, "fit": {"posterior": ["p.nc"]}, "out": "r", "run": None}
    assert with_file_names(config) == shown
    objects = {"data": {"path": ["s3://shop/2024/x.csv", "s3://shop/*.csv"]}}
    assert with_file_names(objects) == {"data": {"path": ["x.csv", "*.csv"]}}
    databases = {"data": {"url": "sqlite:////a/b/shop.db", "url_file": "/a/address"}}
    assert with_file_names(databases) == {"data": {"url": "sqlite:///shop.db", "url_file": "address"}}
    assert with_file_names({"data": {"kind": "synthetic"}, "fit": {"posterior": []}, "out": None}) == {
        "data": {"kind": "synthetic"},
        "fit": {"posterior": []},
        "out": None,
    }
    assert config["data"]["path"][0] == "/a/x.csv"


def test_so_has_a_quality_table():
    line = QualityLine("k", "Files", "/a/x.csv 3, /b c/y.csv 1", "first /a/x.csv; e.g. /a/d/z.csv row 3: '/a'")
    config = {"data": {"path": ["/a/x.csv", "/b c/*.csv", "rel/x.csv"]}}
    (shown,) = quality_with_file_names([line], config)
    assert (shown.value, shown.note) == ("x.csv 3, y.csv 1", "first x.csv; e.g. d/z.csv row 3: '/a'")
    assert quality_with_file_names([line], {"data": {"path": "x.csv"}}) == (line,)
    assert quality_with_file_names([line], {"data": {"kind": "synthetic"}}) == (line,)


def test_the_machine_is_recorded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    record = json.loads(json.dumps(provenance()))
    assert record["platform"]["threads"]["OPENBLAS_NUM_THREADS"] == "3"
    assert record["platform"]["processor"] == processor()
    assert record["platform"]["cpus"] >= 1
    assert {"numpy", "pymc", "duckdb", "scipy"} <= set(record["versions"]) <= set(PACKAGES)


def test_a_processor_that_the_system_does_not_name_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert isinstance(processor(), str)


def test_time_can_be_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(clock.VARIABLE, "1704067199")
    assert str(clock.now()) == "2023-12-31 23:59:59+00:00"
    assert clock.today() == date(2023, 12, 31)
    monkeypatch.setenv(clock.VARIABLE, "")
    assert clock.today() == date.today()


@pytest.mark.parametrize("stated", ["soon", "-1", "1.5", "1" * 30, "²"])
def test_a_time_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, stated):
    monkeypatch.setenv(clock.VARIABLE, stated)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH: must be a whole number of seconds since 1970, got '"):
        clock.now()


@pytest.mark.parametrize("stage", ["run", "report", "check", "fit", "validate"])
@pytest.mark.parametrize("stated", ["abc", "1e9", str(10**20)])
def test_a_time_that_is_none_is_told_by_every_stage_before_it_reads_anything(monkeypatch, stage, stated):
    monkeypatch.setenv(clock.VARIABLE, stated)
    with pytest.raises(ConfigError) as refused:
        stages.stage(stage, ["run=nowhere" if stage == "report" else "nowhere.csv"])
    assert [problem.where for problem in refused.value.problems] == [clock.VARIABLE]


def test_the_time_of_a_page_does_not_make_orders_lie_in_the_future(monkeypatch: pytest.MonkeyPatch):
    orders = pd.DataFrame({"customer_id": [*"abab"], "date": ["2024-01-01", "2024-02-11"] * 2, "amount": [1.0] * 4})
    monkeypatch.setenv(clock.VARIABLE, "1700000000")  # November 2023
    assert str(read_transactions(orders).today) == "2024-02-11"
    assert str(read_transactions(orders, DataConfig(today=date(2024, 2, 12))).today) == "2024-02-12"


@pytest.mark.parametrize("name", ["a" * 300, "a" * 50_000, "a\0b", "../a", ""])
def test_a_part_by_a_name_that_no_part_has(name, tmp_path):
    (wrong,) = changed_parts(tmp_path, {name: "x"}, {name: 1})
    assert len(wrong) < 120


def test_a_part_that_grew_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "ledger.nc").write_bytes(b"x" * 9)
    monkeypatch.setattr("clvsim.provenance.sha256", None)
    assert changed_parts(tmp_path, {"ledger.nc": "x"}, {"ledger.nc": 8}) == ("ledger.nc is not what the run wrote",)
