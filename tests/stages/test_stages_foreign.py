"""Somebody else's log, no margin, no channel: nothing on the page may be ours."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HOSTILE = "<script>alert('id')</script>"


def orders(customers: int = 220) -> pd.DataFrame:
    """A log from BG/NBD and Gamma-Gamma with known parameters, with markup in an id and in a segment."""
    rng = np.random.default_rng(11)
    rows = []
    for i in range(customers):
        name = HOSTILE if i == 0 else f"c{i:03d}"
        rate, leaves, mean = rng.gamma(0.8, 1 / 25), rng.beta(1.0, 4.0), rng.gamma(6, 8)
        day = float(rng.integers(0, 240))
        while day < 420:
            rows.append((name, np.datetime64("2024-01-01") + np.timedelta64(int(day), "D"), rng.gamma(4, mean / 4)))
            if len(rows) > 1 and rows[-2][0] == name and rng.random() < leaves:
                break
            day += rng.exponential(1 / rate)
    frame = pd.DataFrame(rows, columns=["Client", "Order date", "Total"]).round({"Total": 2})
    return frame.assign(Segment=np.where(frame["Client"].str[-1] < "5", "<b>shops</b>", "people"))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in a process of its own."""
    here = tmp_path_factory.mktemp("foreign")
    orders().to_csv(here / "orders.csv", index=False)
    words = ("run", "orders.csv", "out=result", "simulation.draws=100", "fit.method=laplace", "fit.draws=1000")
    levers = "scenarios=[conversion_lift,upsell_soft,follow_up,plan]"
    command, env = [sys.executable, "-m", "clvsim.cli", *words, levers], {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "data.customer_id='Client'" in done.stderr
    assert "Every effect here is made up or assumed" in done.stdout
    assert "“New landing page” does not apply: needs acquisition.channels" in " ".join(done.stdout.split())
    return here / "result"


@pytest.fixture(scope="module")
def page(result: Path) -> str:
    return (result / "report.html").read_text()


def test_the_page_says_revenue_and_nothing_of_the_demo(page: str, result: Path):
    text = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.S)
    assert "revenue" in text
    assert "no gross margin was given" in text
    for ours in ("music", "CDNOW", "search", "35 %", "Gross margin of orders", "acquired customer", "LTV:CAC"):
        assert ours not in text, ours
    assert text.count("example effect") >= 4
    config = json.loads((result / "run.json").read_text())["config"]
    assert config["finance"]["gross_margin"] is None
    assert config["acquisition"]["channels"] == {}


def test_markup_in_the_log_is_text_on_the_page(page: str):
    assert "<script>alert" not in page
    assert "<b>shops</b>" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!#)|url\((?!#|data:)|@import", page)
