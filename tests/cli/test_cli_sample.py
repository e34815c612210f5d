"""A log of more customers than are simulated, from the command line: what is said of it, and what files hold."""

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.shell import ORDERS, assert_refused
from tests.cli.test_cli_cluster import GUESSED, TINY
from tests.cli.test_cli_sweep import SMALL, shop

RUN = ("run", "orders.csv", *SMALL, "scenarios=[follow_up,upsell_soft]")
SENTENCE = "Levers were simulated on 97 of 150 customers; what that adds to each figure's error is in it"


@pytest.mark.slow
def test_a_run_says_that_it_rests_on_a_sample(clvsim, here: Path) -> None:
    (here / "orders.csv").write_text(shop())
    done = clvsim(*RUN, "simulation.max_customers=100", "out=r", "trace.customers=2")
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    start = told.index("Levers were simulated on")
    sentence = told[start : told.index("(simulation.max_customers)", start)].strip()
    customers = pd.read_csv(here / "r" / "customers.csv")
    simulated = customers["simulated"]
    assert sentence == SENTENCE.replace("97", str(simulated.sum()))
    assert 60 < simulated.sum() <= 100
    assert sentence in (here / "r" / "report.html").read_text().replace("&#39;", "'").replace("’", "'")
    quantiles = ["rlv_p05", "rlv_p50", "rlv_p95"]
    assert customers.columns[-1] == "simulated"
    assert customers.loc[~simulated, quantiles].isna().all(axis=None)
    assert customers.loc[simulated, quantiles].notna().all(axis=None)
    assert customers.drop(columns=[*quantiles, "next_order", "segment", "channel"]).notna().all(axis=None)
    parquet = pd.read_parquet(here / "r" / "customers.parquet")
    assert parquet["simulated"].dtype == bool
    assert parquet["rlv_p50"].isna().equals(~simulated)
    assert clvsim("show", "r").returncode == 0
    full = clvsim(*RUN, "out=all", "trace.customers=2")
    assert "Levers were simulated" not in full.stdout
    traces = [(here / folder / "trace.csv").read_bytes() for folder in ("r", "all")]
    assert traces[0] == traces[1]  # of the same customers, who live the same lives


REFUSED = {
    "none": ("0", "simulation.max_customers: must be a whole number from 1 to 10,000,000, or all, got 0"),
    "a word": ("most", "simulation.max_customers: must be a whole number from 1 to 10,000,000, or all, got 'most'"),
    "one": ("1", "simulation.max_customers: must be at least 50 to stand for all customers, or all, got 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_fit(clvsim, here: Path, case: str) -> None:
    (here / "orders.csv").write_text(ORDERS)
    most, line = REFUSED[case]
    told = [line] if most != "1" else [GUESSED, line]
    assert_refused(clvsim(*TINY, f"simulation.max_customers={most}"), 2, *told)
