"""The terminal's text: two tables of at most 100 columns that say what their intervals contain."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from factory import DEMO_METRICS, LEVERS, decided_on, demo, foreign, hostile

from clvsim.report.config import ReportConfig
from clvsim.report.text import WIDTH, tables
from clvsim.types import RunResult


@pytest.mark.parametrize("make", [demo, foreign, hostile])
def test_no_line_is_wider_than_100_columns(make: Callable[[], RunResult]) -> None:
    lines = tables(make()).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert min(len(line) for line in lines if line) > 0
    assert all(line == line.rstrip() for line in lines)


def test_five_scenarios_stand_in_one_block() -> None:
    headings = [line for line in tables(demo()).splitlines() if line.split() == ["baseline", *LEVERS]]
    assert len(headings) == 1


def test_nine_scenarios_wrap_into_blocks_that_repeat_the_labels() -> None:
    result = demo({f"lever_number_{k}": (f"Lever {k}", 100.0 * k, 500.0) for k in range(8)})
    text = tables(result)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("LTV:CAC") == 2
    assert text.count("lever_number_7") == 1  # in the decision; the heading is broken at an underscore


def test_values_are_the_comparison_in_short() -> None:
    lines = tables(demo()).splitlines()
    row = next(k for k, line in enumerate(lines) if line.startswith("Today’s customers"))
    assert lines[row].split()[2] == "$61.9k"  # 61,870 ± 124
    low, high = 61_870 * (1 - 1.645 * 0.07), 61_870 * (1 + 1.645 * 0.07)
    assert lines[row + 1].lstrip().startswith(f"[{low / 1e3:.1f}k, {high / 1e3:.1f}k]")


def test_decision_table() -> None:
    lines = [line for line in tables(demo()).splitlines() if line.startswith("plan ")]
    assert len(lines) == 1
    row = demo().comparison.query("scenario == 'plan' and metric == 'plan_value' and basis == 'expected'").iloc[0]
    assert "+$13,100" in lines[0]
    assert f"{100 * row.p_better:.0f} %" in lines[0]
    assert f"{100 * row.p_best:.0f} %" in lines[0]
    assert f"${round(row.expected_loss, -2):,.0f}" in lines[0]


def test_layers_are_named() -> None:
    text = " ".join(tables(demo()).split())
    assert "90 % interval of expected values; parameter + effect and assumption uncertainty; averaged out: who" in text
    assert "* 90 % interval of realised worlds; parameter + process + environment + effect" in text


def test_foreign_logs_get_revenue_examples_and_reasons() -> None:
    text = tables(foreign())
    assert "upsell_soft (example effect)" in text
    assert "conversion: does not apply: needs acquisition.channels" in text
    assert "Plan revenue" in text
    text = text.lower().replace("expected values", "")
    for word in ("value", "worth", "contribution", "profit", "equity", "cac", "payback", "newcomer", "visitor"):
        assert word not in text


def test_a_draft_is_marked_as_one() -> None:
    assert tables(replace(demo(), draft=True)).startswith("DRAFT: parameter uncertainty is left out")


def test_poor_fit_comes_first() -> None:
    assert tables(replace(demo(), poor_fit=True)).startswith("POOR FIT")
    assert "POOR FIT" not in tables(demo())


def test_the_decision_follows_the_metric_that_was_ranked() -> None:
    text = tables(decided_on("rlv_total"))
    change = LEVERS["plan"][1] / 104_230.0 * DEMO_METRICS["rlv_total"][0]
    assert "Δ value of today’s customers" in text
    assert f"+${round(change, -2):,.0f}" in text
    text = " ".join(tables(decided_on("ltv_cac")).split())
    assert "changes “lifetime value to acquisition cost” by about +0.28 over 36 months (90 % interval 0.01 to" in text


def test_report_metric_must_be_known() -> None:
    with pytest.raises(ValueError, match="no metric 'plan_valeu'"):
        ReportConfig(metric="plan_valeu")
    assert ReportConfig().metric == "plan_value"


def test_missing_numbers_read_not_available() -> None:
    result: RunResult = demo()
    frame = result.comparison.copy()
    frame.loc[frame["metric"] == "payback_months", ["mean", "p05", "p50", "p95"]] = float("nan")
    line = next(line for line in tables(replace(result, comparison=frame)).splitlines() if line.startswith("Payback"))
    assert line.split()[2:] == ["n/a"] * 5


def test_text_loads_neither_matplotlib_nor_jinja() -> None:
    code = "import sys, clvsim.report.text; sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
