"""`clvsim score` and `clvsim diff`: output, files, exit codes, and what is refused."""

import json
import math
import os
import shutil

import pandas as pd
import pytest

from clvsim.data.config import SyntheticConfig
from clvsim.data.synthetic import make_log
from tests.cli.shell import assert_refused, tree

QUICK = (
    *("retention=bg_nbd", "spend=gamma_gamma", "data.calibration_end=none", "fit.method=laplace", "fit.draws=500"),
    *("simulation.draws=50", "simulation.horizon_months=6", "scenarios=[]", "simulation.jobs=1"),
    *("environment.learn=false", "environment.level_sd_prior=0", "environment.sd_prior=0.1"),
)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A log, what was known of it a year before, and another shop's."""
    folder = tmp_path_factory.mktemp("logs")
    whole = make_log(SyntheticConfig(customers=300, span_days=600, acquisition_days=300, seed=3))
    whole.drop(columns="segment").to_csv(folder / "whole.csv", index=False)
    other = whole.assign(customer_id="x" + whole["customer_id"])
    other.drop(columns="segment").to_csv(folder / "other.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def early(logs, server, tmp_path_factory):
    """Runs as of three days, one of them with a margin and newcomers, in folders of their own."""
    from tests.forks import forked

    base = tmp_path_factory.mktemp("runs")

    def run(name: str, *words: str) -> None:
        done = forked(server, ("run", "whole.csv", *QUICK, f"out={name}", *words), logs, base, os.environ)
        assert done.returncode == 0, done.stderr

    run("then", "data.today=2023-12-31", "finance.currency=EUR")
    run("now", "data.today=2023-12-31", "finance.currency=EUR", "finance.annual_discount_rate=0.3", "seed=2")
    run("again", "data.today=2023-12-31", "finance.currency=EUR", "title=Again")
    run("later", "data.today=2024-02-29")
    return logs


def copy(early, here, *names):
    for name in (*names, "whole.csv", "other.csv"):
        source = early / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, here / name)


def test_a_forecast_is_scored_on_what_came(clvsim, early, here):
    copy(early, here, "then", "later")
    done = clvsim("score", "then", "later", "whole.csv", "out=s")
    assert done.returncode == 0, done.stderr
    assert "monthly intervals of orders held (90 % would be" in done.stdout
    assert sorted(path.name for path in (here / "s").iterdir()) == ["run.json", "score.csv", "score.json"]
    table = pd.read_csv(here / "s" / "score.csv")
    record = json.loads((here / "s" / "score.json").read_text())["record"]
    for past, name in zip(record["forecasts"], ("then", "later"), strict=True):
        for row in past["figures"]:
            own = table[(table["run"] == name) & (table["figure"] == row["figure"])]
            months, total = own[own["month"] > 0], own[own["month"] == 0].iloc[0]
            assert (row["months"], row["held"]) == (len(months), int(months["inside"].sum()))
            assert row["actual"] == pytest.approx(months["actual"].sum()) == pytest.approx(total["actual"])
    log = pd.read_csv(here / "whole.csv", parse_dates=["date"])
    first = log.groupby("customer_id")["date"].transform("min")
    after = (log["date"] - pd.Timestamp("2023-12-31")).dt.days
    came = log[(first <= "2023-12-31") & (after > 0) & (after <= 30)].drop_duplicates(["customer_id", "date"])
    month = table[(table["run"] == "then") & (table["figure"] == "orders") & (table["month"] == 1)].iloc[0]
    assert month["actual"] == len(came)


def test_the_next_page_shows_a_score(clvsim, early, here):
    copy(early, here, "then", "later")
    assert clvsim("score", "then", "whole.csv", "out=s").returncode == 0
    done = clvsim("report", "later", "report.track_record=s")
    assert done.returncode == 0, done.stderr
    assert "The earlier forecast, checked on what came until" in " ".join(done.stdout.split())
    assert 'id="record"' in (here / "later" / "report.html").read_text()
    done = clvsim("run", "whole.csv", *QUICK, "report.track_record=s", "out=next")
    assert done.returncode == 0, done.stderr
    page = (here / "next" / "report.html").read_bytes()
    assert b'id="record"' in page
    shutil.rmtree(here / "s")  # the run keeps what the score said
    assert clvsim("report", "next").returncode == 0
    assert (here / "next" / "report.html").read_bytes() == page


def test_a_score_that_is_none_is_refused(clvsim, early, here):
    copy(early, here, "then")
    before = tree(here)
    done = clvsim("run", "whole.csv", *QUICK, "report.track_record=then", "out=r")
    assert_refused(done, 2, "report.track_record: then is not a run that can be shown: it has no score.json")
    done = clvsim("report", "then", "report.track_record=nowhere")
    assert_refused(done, 2, "report.track_record: no such folder: nowhere")
    assert tree(here) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("whole.csv",), ["runs: which runs?"]),
        (("empty", "whole.csv"), ["runs: empty is not a complete run folder: it holds no run.json"]),
        (("then", "then", "whole.csv"), ["runs: then is the same run as then; name each run once"]),
        (("then", "other.csv"), ["data.customer_id: none of the 300 customers of then has an order up to 2023-12-31"]),
        (("then", "whole.csv", "data.today=2023-12-31"), ["data: the log ends on 2023-12-31, and the today of then"]),
        (
            ("then", "whole.csv", "data.today=2024-01-15"),
            ["runs: then has not come due: its first month ends on 2024-01-30"],
        ),
        (("then", "whole.csv", "finance.currency=USD"), ["finance.currency: then is in EUR, and USD was typed"]),
        (("damaged", "whole.csv"), ["runs: damaged is not as it was written: ledger.nc is not what the run wrote"]),
        (("then",), ["data.path: which orders?"]),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_line(clvsim, early, here, words, expected):
    copy(early, here, "then")
    (here / "empty").mkdir()
    shutil.copytree(here / "then", here / "damaged")
    (here / "damaged" / "ledger.nc").write_bytes(b"x")
    before = tree(here)
    assert_refused(clvsim("score", *words), 2, *expected)
    assert tree(here) == before


def test_what_changed_and_what_it_did(clvsim, early, here):
    """Nothing but the discount and the seed: the steps add up, and the rest is nothing."""
    copy(early, here, "then", "now")
    done = clvsim("diff", "then", "now", "out=d")
    assert done.returncode == 0, done.stderr
    assert "mostly because of margin, costs and discount" in " ".join(done.stdout.split())
    found = json.loads((here / "d" / "diff.json").read_text())
    keys = {change["key"]: (change["then"], change["now"]) for change in found["changes"]["inputs"]}
    assert keys == {"finance.annual_discount_rate": ("0.1", "0.3"), "seed": ("1", "2")}
    bridge = found["bridge"]
    assert [step["label"] for step in bridge["steps"]] == [
        "margin, costs and discount",
        "horizon, seed, draws and sample",
        "chance and what hangs together",
    ]
    total = math.fsum(step["mean"] for step in bridge["steps"])
    assert total == pytest.approx(bridge["now"] - bridge["then"], abs=1e-9 * abs(bridge["now"]))
    assert abs(bridge["steps"][-1]["mean"]) < 1e-9 * bridge["now"]
    assert bridge["steps"][0]["mean"] < 0 < bridge["steps"][0]["mcse"]
    table = pd.read_csv(here / "d" / "diff.csv")
    assert table[table["section"] == "bridge"]["change"].sum() == pytest.approx(bridge["now"] - bridge["then"])


def test_data_that_are_gone_are_one_step_with_what_follows(clvsim, early, here):
    copy(early, here, "then", "later")
    record = json.loads((here / "later" / "run.json").read_text())
    record["local"]["folder"] = "/nowhere"
    (here / "later" / "run.json").write_text(json.dumps(record))
    done = clvsim("diff", "a=then", "b=later", "out=d")
    assert done.returncode == 0, done.stderr
    bridge = json.loads((here / "d" / "diff.json").read_text())["bridge"]
    assert [step["label"] for step in bridge["steps"]] == ["the data and what follows from it"]
    assert "are not where they were" in bridge["notes"][0]
    total = math.fsum(step["mean"] for step in bridge["steps"])
    assert total == pytest.approx(bridge["now"] - bridge["then"])


def test_data_and_what_was_learned_are_steps_of_their_own(clvsim, early, here):
    copy(early, here, "then", "later")
    done = clvsim("diff", "then", "later", "out=d")
    assert done.returncode == 0, done.stderr
    bridge = json.loads((here / "d" / "diff.json").read_text())["bridge"]
    assert [step["label"] for step in bridge["steps"]] == [
        "the data (customers and their orders)",
        "what was learned from it",
        "chance and what hangs together",
    ]
    assert abs(bridge["steps"][-1]["mean"]) < 1e-9 * bridge["now"]


def test_without_a_bridge_nothing_is_simulated(clvsim, early, here):
    copy(early, here, "then", "later")
    done = clvsim("diff", "then", "later", "bridge=false", "out=d")
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "d" / "diff.json").read_text())["bridge"] is None
    assert "No change was re-run by itself (bridge=false)." in done.stdout


def test_runs_that_are_alike_are_worth_exactly_as_much(clvsim, early, here):
    copy(early, here, "then", "again")
    done = clvsim("diff", "then", "again", "bridge=false", "out=d")
    assert done.returncode == 0, done.stderr
    assert "exactly as much as before" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["a: which run?", "b: which run?"]),
        (("then",), ["b: which run?"]),
        (("then", "then"), ["b: then is the same run as then; name two"]),
        (("then", "empty"), ["b: empty is not a complete run folder"]),
        (("then", "old"), ["b: old/run.json cannot be read: it is no record of a run by this version of clvsim"]),
        (("then", "now", "later"), ["b: a and b are one folder each, got 3"]),
        (("then", "dollars"), ["finance.currency: then is in EUR, dollars in USD"]),
        (("then", "now", "bridge=perhaps"), ["bridge: "]),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(clvsim, early, here, words, expected):
    copy(early, here, "then", "now", "later")
    (here / "empty").mkdir()
    (here / "old").mkdir()
    (here / "old" / "run.json").write_text('{"config": {}}')
    in_dollars(here / "then", here / "dollars")
    before = tree(here)
    assert_refused(clvsim("diff", *words), 2, *expected)
    assert tree(here) == before


def in_dollars(source, target):
    """A copy of a run as if it had been in another currency."""
    from clvsim.provenance import parts_of, sizes_of

    shutil.copytree(source, target)
    summary = json.loads((target / "summary.json").read_text())
    (target / "summary.json").write_text(json.dumps({**summary, "currency": "USD"}))
    record = json.loads((target / "run.json").read_text())
    parts = parts_of(target)
    (target / "run.json").write_text(json.dumps({**record, "parts": parts, "sizes": sizes_of(target, parts)}))
