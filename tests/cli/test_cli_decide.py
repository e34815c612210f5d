"""`clvsim decide`: questions asked of a finished run, from the shell."""

import pytest

from clvsim.questions import QUESTIONS
from tests.cli.shell import ORDERS, assert_refused, tree

STUDY = (
    *("data=cdnow", "retention=bg_nbd", "simulation.draws=500", "simulation.horizon_months=12", "seed=3"),
    *("finance.gross_margin=0.4", "acquisition.channels.ads.visitors_per_month=2000", "finance.currency=$"),
    *("acquisition.channels.ads.conversion=0.02", "acquisition.channels.ads.cost_per_visitor=0.2"),
    *("acquisition.channels.ads.most_visitors_per_month=9000", "scenarios=[conversion_lift,upsell_soft]", "out=run"),
)


def test_every_question_of_a_run_has_a_sentence_a_table_and_a_picture(clvsim, here):
    """Of one run, in one test: the run takes longest."""
    assert clvsim("run", *STUDY).returncode == 0
    before = tree(here / "run")
    listed = clvsim("decide", "run")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [f"ask={name}" for name in QUESTIONS]
    asked = [name for name in QUESTIONS if name != "targets"]
    done = clvsim("decide", "run", f"ask=[{','.join(asked)}]")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 100
    for name in asked:
        assert f"{QUESTIONS[name].asks}\n\n" in done.stdout
        table, picture = (here / "run" / "answers" / f"{name}.{end}" for end in ("csv", "svg"))
        assert table.read_text().count("\n") > 1
        assert name == "test" or picture.read_text().startswith("<?xml")  # no lever of these is worth a test
    again = clvsim("decide", "run", f"ask=[{','.join(asked)}]")
    assert again.stdout == done.stdout
    after = tree(here / "run")
    assert {name: after[name] for name in before} == before  # the run itself is as it was, and can be shown again
    assert clvsim("report", "run").returncode == 0
    whom = clvsim("decide", "run", "ask=targets", "lever=upsell_soft", "top=[0.1,0.4]")
    assert (whom.returncode, whom.stderr) == (0, "")
    rows = (here / "run" / "answers" / "targets.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["share", "0.0", "0.1", "0.4", "1.0"]
    assert "the best 40 %" in whom.stdout
    assert "costs once or by the month, $500, is in no row" in " ".join(whom.stdout.split())
    assert_refused(
        clvsim("decide", "run", "ask=targets"), 2, "lever: targets is about one lever: one of conversion_lift"
    )
    arrivals = clvsim("decide", "run", "ask=targets", "lever=conversion_lift")
    assert_refused(arrivals, 2, "lever: conversion_lift.landing_page is about those who come")
    one = clvsim("decide", "run", "ask=breakeven", "lever=upsell_soft")
    assert "“One gentle upsell”" in one.stdout
    assert "landing page" not in one.stdout
    assert_refused(
        clvsim("decide", "run", "ask=[max_bid,riches]", "chance_of_loss=2", "simulation.draws=3"),
        2,
        "simulation.draws: no such key",
    )
    assert_refused(clvsim("decide", "run", "ask=riches"), 2, "ask: must be of max_bid, breakeven")
    assert_refused(
        clvsim("decide", "run", "ask=max_bid", "chance_of_loss=2"), 2, "chance_of_loss: should be between 0 and 1"
    )
    assert_refused(clvsim("decide", "run", "ask=breakeven", "lever=webinar"), 2, "lever: must be one of baseline")
    assert_refused(
        clvsim("decide", "run", "ask=[max_bid,budget]", "within_months=40", "spend_history=nowhere.csv"),
        2,
        "within_months: must lie within the run's 12 months, got 40",
        "spend_history: nowhere.csv cannot be read: No such file or directory",
    )
    (here / "run" / "draws.nc").unlink()
    assert_refused(clvsim("decide", "run", "ask=evpi"), 2, "draws.nc is missing")


@pytest.mark.parametrize("words", [(), ("ask=max_bid",)])
def test_without_a_run_there_is_nothing_to_ask(clvsim, words):
    assert_refused(clvsim("decide", *words), 2, "no complete run folder below outputs/run")


def test_a_run_that_lacks_the_numbers_says_which(clvsim, here):
    (here / "orders.csv").write_text(ORDERS)
    study = ("orders.csv", "fit.method=map", "retention=bg_nbd", "simulation.draws=16", "fit.draws=16", "scenarios=[]")
    assert clvsim("run", *study, "out=run", "fit.allow_poor=true").returncode == 0
    done = clvsim("decide", "run", "ask=[max_bid,breakeven,evpi,tornado,keep_or_find,budget]")
    assert_refused(
        done,
        2,
        "ask: max_bid needs newcomers, and this run has none: acquisition.channels.NAME",
        "ask: breakeven needs a lever, and this run has none",
        "ask: evpi needs 500 simulated futures",
        "ask: tornado needs 50 draws, and this run has 16",
        "ask: keep_or_find needs finance.gross_margin",
        "ask: budget needs newcomers",
    )
    assert not (here / "run" / "answers").exists()
