"""The main job from the shell, for real: the demo with few draws."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.shell import FORCED_END, INTERRUPTIBLE, interrupted, tree

QUICK = ("experiment=demo", "simulation.draws=200", "simulation.horizon_months=12", "trace.customers=3")
ARTEFACTS = {
    "books.csv",
    "comparison.csv",
    "customers.csv",
    "customers.parquet",
    "draws.nc",
    "figures",
    "figures.xlsx",
    "ledger.nc",
    "newcomer_value.csv",
    "posterior.nc",
    "report.html",
    "run.json",
    "schedule.csv",
    "summary.json",
    "trace.csv",
}
COLUMNS = """scenario,metric,unit,basis,layers,mean,mean_mcse,p05,p50,p95,
delta_mean,delta_mcse,delta_p05,delta_p50,delta_p95,p_better,p_better_mcse,p_best,expected_loss,
p_equal,p_best_mcse,expected_loss_mcse"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The current directory of a finished demo, and its output."""
    here = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "clvsim.cli", "run", *QUICK, "out=outputs/run/first"]
    return here, subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=400)


def test_it_ends_well_and_says_where_the_report_is(demo):
    _, done = demo
    assert done.returncode == 0, done.stderr
    assert "outputs/run/first/report.html" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "Warning" not in done.stderr


def test_the_run_folder_is_complete_and_alone(demo):
    here, _ = demo
    assert {path.name for path in (here / "outputs/run/first").iterdir()} == ARTEFACTS
    assert [path.name for path in (here / "outputs/run").iterdir()] == ["first"]
    assert [path.name for path in here.iterdir()] == ["outputs"]


def test_the_comparison_has_the_columns_that_are_promised(demo):
    here, _ = demo
    with (here / "outputs/run/first/comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS.replace("\n", "").split(",")
    assert rows[0]["scenario"] == "baseline"
    assert {row["scenario"] for row in rows} == {"baseline", "conversion_lift", "upsell_soft", "follow_up", "plan"}


def test_three_customers_are_followed_under_every_scenario(demo):
    here, _ = demo
    tables = {}
    for name in ("trace", "schedule"):
        with (here / f"outputs/run/first/{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    assert len({row["customer"] for row in tables["trace"]}) == 3
    assert {row["scenario"] for row in tables["trace"]} == {
        *("baseline", "conversion_lift", "upsell_soft", "follow_up", "plan")
    }
    assert {"email", "upsell"} <= {row["lever"] for row in tables["schedule"]}
    assert "<details><summary>Median expected value" in (here / "outputs/run/first/report.html").read_text()


def test_run_json_reproduces_the_run(demo):
    here, _ = demo
    record = json.loads((here / "outputs/run/first/run.json").read_text())
    assert record["config"]["simulation"]["draws"] == 200
    assert record["config"]["scenario"]["upsell_soft"]["title"]


def test_the_report_of_the_newest_run_is_rebuilt_in_place(demo):
    here, _ = demo
    page = here / "outputs/run/first/report.html"
    before = page.read_text()
    page.write_text("")
    command = [sys.executable, "-m", "clvsim.cli", "report"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "clvsim: run=outputs/run/first, the newest\n")
    assert page.read_text() == before
    assert {path.name for path in page.parent.iterdir()} == ARTEFACTS


def show(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clvsim.cli", "show", *words]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120)


def test_the_first_screen_answers_within_forty_lines(demo):
    _, done = demo
    assert len(done.stdout.splitlines()) <= 43  # of which three say how to go on
    for words in ("A customer of today", "A new customer", "May pay per visitor", "New landing page", "clvsim show"):
        assert words in done.stdout
    assert "LTV:CAC" not in done.stdout
    assert "Follow-up, 4" in done.stdout


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("all", ("LTV:CAC", "extra value over 12 months", "regret if")),
        ("figures", ("LTV:CAC", "Payback (months)*")),
        ("levers", ("conversion_lift", "wrong")),
        ("assumptions", ("“Follow-up, 4 messages a month” (follow_up)", "(finance.gross_margin)")),
        ("months", ("month  all", "today’s customers")),
        ("warnings", ("! ",)),
        ("models", ("effective draws", "Models that share the draws")),
    ],
)
def test_every_figure_is_shown_and_nothing_written(demo, what, words):
    here, _ = demo
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    done = show(here, f"what={what}")
    assert (done.returncode, done.stderr) == (0, "clvsim: run=outputs/run/first, the newest\n")
    assert max(map(len, done.stdout.splitlines())) <= 100
    for part in words:
        assert part in done.stdout
    assert show(here, "outputs/run/first", f"what={what}").stdout == done.stdout
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_what_show_cannot_show_is_refused(demo):
    here, _ = demo
    for words, what in (
        (("what=everything",), "what: should be 'all', "),
        (("nowhere",), "run: no such folder: nowhere"),
        (("seed=2",), "seed: "),
    ):
        done = show(here, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert what in done.stderr


@pytest.mark.parametrize(
    ("number", "code", "seconds"),
    [(signal.SIGINT, 130, 0.0), (signal.SIGINT, 130, 3.0), (signal.SIGTERM, 143, 3.0)],
    ids=["INT at once", "INT while sampling", "TERM while sampling"],
)
def test_an_interruption_leaves_nothing(here, tmp_path, posterior_cache, monkeypatch, number, code, seconds):
    cold = tmp_path / "cold"
    cold.mkdir()
    (cold / "kernels").symlink_to(posterior_cache / "kernels")
    monkeypatch.setenv("CLVSIM_CACHE", str(cold))
    command = [*INTERRUPTIBLE, "run", *QUICK, "out=x/y"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(here.glob("x/.y.partial-*")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(number)
        last = interrupted(process, code, here / "x")
    assert tree(here) == ({"x": None} if last == FORCED_END else {})
    left = [path for path in cold.rglob("*") if path.is_file()]
    assert not [path for path in left if "pytensor" not in path.parts]  # what is compiled belongs to no run
