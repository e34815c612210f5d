"""The bench of logs: a folder of logs, each with a YAML beside it, as one table."""

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

DAY = date(2024, 1, 1)
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("holdouts", BENCHMARKS / "holdouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "holdouts", module)
    spec.loader.exec_module(module)
    return module


def shop(seed: int) -> pd.DataFrame:
    """150 customers who order at rates of their own until a last order; 500 days."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(150):
        day, gap, mean = rng.uniform(0, 250), 1 / rng.gamma(1.5, 1 / 40), rng.gamma(4, 8)
        while day < 500:
            rows.append(
                (f"c{i}", pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(day)), round(rng.gamma(3, mean / 3), 2))
            )
            day += rng.exponential(gap) if rng.random() > 0.15 else 500
    return pd.DataFrame(rows, columns=["who", "on", "paid"])


def test_everything_wrong_with_the_folder_is_said_at_once(bench, tmp_path):
    with pytest.raises(SystemExit, match=r"no NAME\.yaml beside a log"):
        bench.logs_of(tmp_path)
    (tmp_path / "a.yaml").write_text("holdout: soon\n")
    (tmp_path / "b.yaml").write_text("colums: {}\n")
    (tmp_path / "c.yaml").write_text("path: b.yaml\ncolumns: {date: on}\n")
    with pytest.raises(SystemExit) as refused:
        bench.logs_of(tmp_path)
    told = str(refused.value).splitlines()
    assert len(told) == 5
    assert told[0].endswith("a.csv")
    assert "holdout must be a date, as in 2024-06-30, got 'soon'" in told[1]
    assert "no such key: colums; there are path, columns, holdout, compare, words" in told[2]
    assert "got None" in told[3]
    assert told[4].endswith("columns.date must be text, got True; put it in quotes")


def test_counts_of_others_are_scored_like_ours(bench):
    """The law behind the numbers: places in the middle, and a perfect ranking where rates differ enough."""
    from clvsim.types import CustomerSummary

    rng = np.random.default_rng(2)
    rate = np.repeat([0.01, 50.0], 200)
    orders = rng.poisson(rate)
    frame = pd.DataFrame({"holdout_frequency": orders, "holdout_amount": 3.0 * orders})
    summary = CustomerSummary(frame, DAY, DAY, DAY, "week", "made up")
    of_orders, of_revenue = bench.peer_figures(np.tile(rate, (300, 1)), np.full((300, 400), 3.0), summary)
    assert len(of_orders) == len(bench.HEAD) - 2
    assert len(of_revenue) == len(bench.MONEY_HEAD)
    assert 1 <= int(of_orders[2]) <= 99
    assert of_orders[2] == of_revenue[1]
    assert float(of_revenue[4]) == pytest.approx(3 * float(of_orders[6]), rel=0.01)
    assert float(of_orders[7]) > 0.9


@pytest.mark.slow
def test_two_logs_make_one_table(bench, tmp_path):
    for name, seed in (("first", 1), ("second", 2)):
        shop(seed).to_csv(tmp_path / f"{name}.csv", index=False)
        columns = f"{{customer_id: who, date: 'on', amount: {'paid' if seed == 1 else repr('')}}}"
        (tmp_path / f"{name}.yaml").write_text(f"columns: {columns}\nholdout: 2023-10-31\ncompare: [bg_nbd, mbg_nbd]\n")
    text = bench.main(
        tmp_path, ["fit.method=laplace", "fit.draws=1000", "simulation.draws=100", "simulation.horizon_months=6"]
    )
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert len(lines) == 15, text
    first, second = lines[1:8], lines[8:15]
    names = ["bg_nbd", "mbg_nbd", *(f"rule: {name}" for name in ("mean rate", "recency rule", "same again"))]
    for rows in (first, second):
        assert rows[0][1] == "actual"
        assert sorted(row[1].rstrip("*") for row in rows[1:6]) == names
        log = shop(1 if rows is first else 2)
        days = log.groupby("who")["on"].transform("min") <= "2023-10-31"
        later = log[days & (log["on"] > "2023-10-31")].drop_duplicates(["who", "on"])
        assert rows[0][3] == str(len(later))
    assert first[6][1].startswith("run, ")
    assert float(first[1][11].strip("[]").split(",")[0].replace(",", "")) > 0
    assert second[6][1].startswith("run ended with 3")
