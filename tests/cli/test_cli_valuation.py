"""A valuation from the shell: what is printed, written and read again, and one line for what is missing."""

import json

import pandas as pd
import pytest

from tests.cli.shell import assert_refused

STORE = ("run", "business=store", "simulation.draws=500", "simulation.horizon_months=12", "simulation.max_replicates=1")
WHOLE = (*STORE, "acquisition.months=12", "scenarios=[]", "finance.valuation.run_off_months=12")


def test_a_company_that_is_stated_is_valued(clvsim, here):
    rent = "+scenario.baseline.rent={kind: cost, amount: 1000, per: month}"
    stated = ("finance.valuation.wacc=0.15", "finance.valuation.tax_rate=0.3", "finance.valuation.shares=100", rent)
    done = clvsim(*WHOLE, *stated, "out=r")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "If its capital costs 15 % a year (stated), the company is worth" in text
    assert "when the last of these years goes on for ever, growing by 0 % a year (stated)" in text
    found = pd.read_csv(here / "r" / "valuation.csv").set_index(["figure", "terminal_value"])["mean"]
    fixed = -1000 * sum(1.15 ** (-(m + 0.5) / 12) for m in range(12))
    assert found["fixed", "both"] == pytest.approx(fixed)
    assert found["tax", "both"] < 0
    assert found["value_per_share", "steady"] == pytest.approx(found["shareholder_value", "steady"] / 100)
    summary = json.loads((here / "r" / "summary.json").read_text(encoding="utf-8"))
    assert sum(line["share"] for line in summary["valuation"]["endings"][0]["uncertainty"]) == pytest.approx(1)
    assert "valuation.csv" in json.loads((here / "r" / "run.json").read_text(encoding="utf-8"))["parts"]
    page = (here / "r" / "report.html").read_text(encoding="utf-8")
    assert "What the company may be worth" in page
    again = clvsim("report", "r")
    assert again.returncode == 0, again.stderr
    assert (here / "r" / "report.html").read_text(encoding="utf-8") == page


def test_other_figures_do_not_move_with_a_valuation(clvsim, here):
    small = (*WHOLE, "simulation.draws=60")
    for name, more in (
        ("with", ("finance.valuation.wacc=0.15",)),
        ("without", ("finance.valuation.run_off_months=60",)),
    ):
        done = clvsim(*small, *more, f"out={name}")
        assert done.returncode == 0, done.stderr
    one, other = ((here / name / "comparison.csv").read_bytes() for name in ("with", "without"))
    assert one == other
    assert not (here / "without" / "valuation.csv").exists()


@pytest.mark.parametrize("stage", ["check", "run"])
def test_what_is_missing_is_one_line_with_its_key(clvsim, here, stage):
    done = clvsim(stage, *STORE[1:], "finance.valuation.wacc=0.15", "finance.gross_margin=null", "acquisition.months=3")
    assert_refused(done, 2, "finance.gross_margin: is needed for a valuation", "type acquisition.months=12")


def test_a_run_that_is_too_long_names_the_run_off(clvsim, here):
    months = ("simulation.horizon_months=120", "acquisition.months=120")
    long = ("simulation.draws=2248", "fit.draws=2248", *months, "scenarios=[]")
    assert clvsim("check", "business=store", *long).returncode == 0
    done = clvsim("check", "business=store", *long, "finance.valuation={wacc: 0.15, run_off_months: 240}")
    assert_refused(done, 2, "of the valuation, which follows everybody for finance.valuation.run_off_months more")
