"""`clvsim.load`: a run read as it was written, refused where it is not, and opened by ArviZ."""

import json
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clvsim
from clvsim.errors import ConfigError
from clvsim.files import read_csv, write_csv
from clvsim.loaded import LoadedRun
from clvsim.provenance import parts_of, sizes_of
from tests.forks import forked
from tests.fuzz.artefacts import RUN
from tests.fuzz.nasty import damaged
from tests.fuzz.tables import GOOD

PARTS = (
    *("books.csv", "comparison.csv", "customers.csv", "customers.parquet", "figures.xlsx", "ledger.nc", "draws.nc"),
    *("newcomer_value.csv", "posterior.nc", "schedule.csv", "summary.json", "trace.csv"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory, server) -> Path:
    """The folder of a small run."""
    root = tmp_path_factory.mktemp("loaded")
    here = root / "here"
    here.mkdir()
    (here / "orders.csv").write_bytes(GOOD)
    done = forked(server, (*RUN, "out=r"), here, root, dict(os.environ))
    assert done.returncode == 0, done.stderr
    return here / "r"


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "r"))


def sign(folder: Path) -> None:
    """Have the record say that the files are what the run wrote."""
    record = json.loads((folder / "run.json").read_text())
    parts = parts_of(folder)
    (folder / "run.json").write_text(json.dumps({**record, "parts": parts, "sizes": sizes_of(folder, parts)}))


def test_every_table_is_what_its_file_holds(written):
    run = clvsim.load(written)
    assert run.parts == set(PARTS)
    pd.testing.assert_frame_equal(run.customers, pd.read_parquet(written / "customers.parquet"))
    pd.testing.assert_frame_equal(run.comparison, pd.read_csv(written / "comparison.csv"))
    assert run.books is not None
    assert run.newcomer_value is not None
    assert run.trace is not None
    assert run.schedule is not None
    assert len(run.books) == len(pd.read_csv(written / "books.csv"))
    assert run.newcomer_value["by"].iloc[0] == "first_order"
    assert run.trace["customer"].nunique() == 2
    assert run.scenarios["scenario"].tolist() == ["baseline"]
    assert run.result.title
    assert run.config["simulation"]["draws"] == 40
    with pytest.raises(TypeError):
        run.config["seed"] = 2  # ty: ignore[invalid-assignment]


def test_assumptions_have_their_scenarios(written):
    table = clvsim.load(str(written)).assumptions
    assert list(table.columns)[:3] == ["scenario", "path", "label"]
    assert set(table["scenario"]) == {""}
    assert "finance.annual_discount_rate" in set(table["path"])


def test_trees_open_when_they_are_asked_for(written):
    run = clvsim.load(written)
    assert not {"ledger", "posterior", "draws"} & vars(run).keys()
    assert sorted(run.ledger.children) == ["baseline", "inputs"]
    assert run.ledger["baseline"]["calendar"].dims == ("world", "group", "line", "basis", "month")
    assert dict(run.posterior["retention"].sizes) == {"draw": 500}
    assert run.ledger is run.ledger


def test_figures_are_those_of_the_table_by_name(written):
    run = clvsim.load(written)
    assert dict(run.figures.sizes).keys() == {"scenario", "metric", "basis"}
    assert run.figures["metric"].to_numpy().tolist() == list(dict.fromkeys(run.comparison["metric"]))
    for row in run.comparison.to_dict("records"):
        one = run.figures.sel(scenario=row["scenario"], metric=row["metric"], basis=row["basis"])
        assert str(one["unit"].item()) == row["unit"]
        for name in ("mean", "p05", "p95", "delta_mean"):
            np.testing.assert_equal(one[name].item(), row[name])
    rows = run.comparison.groupby(["scenario", "metric", "basis"]).size()
    assert rows.max() == 1
    assert int(run.figures["mean"].count()) == int(run.comparison["mean"].count())


def test_draws_are_opened_where_a_run_has_them(folder):
    draws = clvsim.load(folder).draws
    assert draws is not None
    assert draws["expected"].dims == ("metric", "scenario", "draw")
    assert draws["scenario"].to_numpy().tolist() == ["baseline"]
    (folder / "draws.nc").unlink()
    sign(folder)
    assert clvsim.load(folder).draws is None


def test_arviz_summarizes_the_draws(written):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az
    run = clvsim.load(written)
    table = az.summary(run.posterior, kind="stats", round_to="none")
    own = run.posterior["retention"].to_dataset()
    assert table["mean"]["retention.alpha"] == pytest.approx(float(own["alpha"].mean()))
    with xr.open_datatree(written / "posterior.nc", engine="h5netcdf") as tree:
        alone = az.summary(tree, group="retention", sample_dims="draw", kind="stats", round_to="none")
    assert alone["mean"]["alpha"] == pytest.approx(table["mean"]["retention.alpha"])


# --- what is refused -------------------------------------------------------------------------------------------------


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        clvsim.load(folder)
    assert {problem.where for problem in refused.value.problems} == {"run"}
    return refused.value.problems[0].what


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_was_changed_is_named(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    assert refusal(folder).endswith(f"{name} is not what the run wrote")


def test_a_folder_that_is_no_run(tmp_path):
    assert refusal(tmp_path / "nowhere").startswith("no such folder")
    assert refusal(tmp_path).endswith("is not a complete run folder: it holds no run.json")


@pytest.mark.parametrize("name", ["customers.parquet", "ledger.nc", "posterior.nc"])
@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"\x89HDF\r\n\x1a\n" + bytes(300)])
def test_a_part_that_is_missing_or_nothing_is_one_sentence(folder, name, content):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    sign(folder)
    with pytest.raises(ConfigError, match=name.replace(".", r"\.") + " cannot be read") as refused:
        touch(clvsim.load(folder))
    assert len(refused.value.problems) == 1


def touch(run: LoadedRun) -> None:
    for tree in (run.ledger, run.posterior):
        for node in tree.subtree:
            node.to_dataset().load()


TABLES = ("customers.parquet", "newcomer_value.csv", "trace.csv", "schedule.csv", "run.json")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_in_a_table_of_a_run_it_is_read_or_refused(folder, written, data):
    """Also where the record says that it is what the run wrote: whoever changes a file can change that too."""
    name = data.draw(st.sampled_from(TABLES))
    (folder / name).write_bytes(data.draw(damaged((written / name).read_bytes())))
    if name != "run.json":
        sign(folder)
    with suppress(ConfigError):
        clvsim.load(folder)
    for part in (name, "run.json"):
        shutil.copy(written / part, folder / part)


def test_a_link_in_a_ledger_leads_nowhere(folder):
    with h5py.File(folder / "ledger.nc", "a") as file:
        file["baseline/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    sign(folder)
    with pytest.raises(ConfigError, match=r"/baseline/elsewhere is a link"):
        _ = clvsim.load(folder).ledger


def test_texts_of_a_table_come_back_as_they_were(tmp_path):
    table = pd.DataFrame({"channel": ["=1+1", "NA", "", "'x", "-", "plain"], "n": [1.0, np.nan, 3, 4, 5, 6]})
    write_csv(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv", ("channel",)), table, check_dtype=False)
