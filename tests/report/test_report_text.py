"""The terminal's text: two tables of at most 100 columns that say what their intervals contain."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from factory import DEMO_METRICS, LEVERS, LUCK, decided_on, demo, foreign, hostile

from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.report import evidence
from clvsim.report import format as fmt
from clvsim.report.config import ReportConfig
from clvsim.report.text import WIDTH, posterior_table, tables
from clvsim.types import Posterior, QualityLine, RunResult, ScenarioDescription


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
    low, high = (61_870 * (1 + side * LUCK * 1.645 * 0.07) for side in (-1, 1))
    assert lines[row + 1].lstrip().startswith(f"[{low / 1e3:.1f}k, {high / 1e3:.1f}k]")


def test_decision_table() -> None:
    lines = [line for line in tables(demo()).splitlines() if line.startswith("plan ")]
    assert len(lines) == 1
    row = demo().comparison.query("scenario == 'plan' and metric == 'plan_value' and basis == 'expected'").iloc[0]
    assert "+$13,100" in lines[0]
    assert f"{100 * row.p_better:.0f} %" in lines[0]
    assert f"{100 * row.p_best:.0f} %" in lines[0]
    assert f"${round(row.expected_loss, -2):,.0f}" in lines[0]


def test_without_a_lever_nothing_is_said_of_levers() -> None:
    """Neither a decision nor what levers do; those that do not apply are still named."""
    text = tables(replace(demo({}), acquisition_known=False))
    assert "Plan value" in text
    for words in ("chance, best in", "regret if wrong", "levers do"):
        assert words not in text
    assert "levers do" in tables(replace(demo(), acquisition_known=False)).replace("\n", " ")


def test_layers_are_named() -> None:
    text = " ".join(tables(demo()).split())
    assert "90 % interval of what may happen: it allows for how customers behave, what levers do, who happens" in text
    assert "* Payback in months (median), Sure of payback within 12 months: 90 % interval on average" not in text
    assert "* 90 % interval on average: it allows for how customers behave and what levers do, and averages" in text
    assert "Payback (months)*" in text
    assert "Plan value " in text  # and no mark
    assert "over the 2,357 customers of today, figures per newcomer or visitor over the plan’s 1,200 newcomers" in text
    assert "Checked on 273 days held back: 1,882 repeat orders came where 1,790 were expected" in text
    assert "at the 71st of 100 simulated futures." in text


def test_both_intervals_stand_in_the_decision_what_may_happen_first() -> None:
    lines = tables(demo()).splitlines()
    above, head = lines[lines.index("extra value over 36 months") + 1 :][:2]
    assert " ".join(above.split()) == "90 % regret if"
    assert " ".join(head.split()) == "mean interval on average chance best in wrong"
    rows = demo().comparison.query("metric == 'plan_value' and scenario == 'plan'").set_index("basis")
    intervals = [
        f"[{fmt.number(rows.loc[basis, 'delta_p05'], 2)}, {fmt.number(rows.loc[basis, 'delta_p95'], 2)}]"
        for basis in ("realised", "expected")
    ]
    line = next(line for line in lines if line.startswith("plan "))
    assert line.index(intervals[0]) < line.index(intervals[1])
    only = demo().comparison.query("basis == 'expected'")
    assert (
        "on average"
        not in tables(replace(demo(), comparison=only)).split("extra value over 36 months")[-1].splitlines()[2]
    )


def test_money_that_needs_room_is_written_short() -> None:
    result = demo()
    numbers = result.comparison.columns[5:15].union(["expected_loss"])
    frame = result.comparison.copy()
    frame[numbers] *= 1000.0
    text = tables(replace(result, comparison=frame))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "+$13.1M" in text


def test_evidence_stands_below_every_lever() -> None:
    result = demo()
    kinds = ("", "experiment", "judgement", "stated", "stated")
    scenarios = [
        replace(s, evidence=kind, uncertain=kind != "stated", illustrative=k == 3)
        for k, (s, kind) in enumerate(zip(result.scenarios, kinds, strict=True))
    ]
    lines = tables(replace(result, scenarios=tuple(scenarios))).splitlines()
    start = lines.index("extra value over 36 months")
    below = {lines[k - 1].split()[0]: line.strip() for k, line in enumerate(lines) if k > start and line[:2] == "  "}
    assert below["conversion"] == "experiment"
    assert below["upsell_soft"] == "judgement with a source"
    assert below["followup"] == "stated, example effect"
    plan = next(line for line in lines[start:] if line.startswith("plan "))
    assert plan.count("what if") == 2
    assert any(line.startswith("what if: what the lever rests on is stated as certain") for line in lines)


def test_too_few_draws_show_no_chance_and_say_why() -> None:
    result = demo()
    frame = result.comparison.assign(p_better=np.nan, p_better_mcse=np.nan, p_best=np.nan)
    text = tables(replace(result, comparison=frame, metric="plan_value"))
    assert next(line for line in text.splitlines() if line.startswith("plan ")).split()[-3:-1] == ["n/a", "n/a"]
    assert "No chance of being better or best is shown: 1,000 simulated futures are too few for one. Raise" in text


def test_warnings_on_levers_are_printed() -> None:
    shown = tables(replace(demo(), warnings=("Orders drift.",), lever_warnings=("A lever has no source.",)))
    assert "\n! Orders drift.\n! A lever has no source.\n" in shown


def test_foreign_logs_get_revenue_examples_and_reasons() -> None:
    text = tables(foreign())
    assert "upsell_soft" in text
    assert "judgement with a source, example effect" in text
    assert "conversion: does not apply: needs acquisition.channels" in text
    assert "Plan revenue" in text
    text = text.lower().replace("expected values", "")
    for word in ("value", "worth", "contribution", "profit", "equity", "cac", "payback", "newcomer", "visitor"):
        assert word not in text


def test_newcomers_of_the_log_have_a_sentence_of_their_own() -> None:
    sentence = "About 100 new customers a month are expected; the log brought 98. Each costs $12."
    assert sentence in tables(replace(demo(), arrivals=sentence)).replace("\n", " ")
    assert "the log brought" not in tables(demo())


def test_a_draft_is_marked_as_one() -> None:
    assert tables(replace(demo(), draft=True)).startswith("DRAFT: parameter uncertainty is left out")


def test_poor_fit_comes_first() -> None:
    assert tables(replace(demo(), poor_fit=True)).startswith("POOR FIT")
    assert "POOR FIT" not in tables(demo())


def test_a_mean_that_hardly_exists_stands_above_the_figures() -> None:
    text = tables(replace(demo(), money_alarm="The mean hardly exists."))
    assert text.startswith("UNEVEN SPEND: The mean hardly exists.\n\n")
    assert "UNEVEN" not in tables(demo())
    life, money = {"r": np.ones(20)}, {"p": np.ones(20), "q": np.full(20, 1.04), "gamma": np.ones(20)}
    draws = Posterior(life, money, "week")
    assert posterior_table(FittedModels(BgNbd(), GammaGamma(), draws)).startswith("UNEVEN SPEND: Spend is so uneven")
    even = replace(draws, spend=money | {"q": np.full(20, 3.0)})
    assert posterior_table(FittedModels(BgNbd(), GammaGamma(), even)).startswith("parameter")


def test_the_decision_follows_the_metric_that_was_ranked() -> None:
    text = tables(decided_on("rlv_total"))
    change = LEVERS["plan"][1] / 104_230.0 * DEMO_METRICS["rlv_total"][0]
    assert "change of value of today’s customers" in text
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


def test_a_lever_that_lost_a_part_says_so():
    """One that does not apply at all says it itself."""
    whole = ScenarioDescription("a", "All", False, "", (), ("Sells more.",))
    part = replace(whole, interventions=("Sells more.", "Raises it."), left_out=("moves how often customers order",))
    gone = replace(whole, not_applicable="moves something")
    assert evidence.parts_left_out([whole, gone]) == ()
    assert evidence.parts_left_out([part]) == (
        "“All” is shown without 1 of its interventions, which does nothing here: moves how often customers order",
    )


def test_customers_left_out_are_said_beside_the_headline() -> None:
    line = QualityLine(
        "left_out",
        "Customers first seen before 2024-02-01",
        "334 left out",
        "with 1,500 orders, by data.customers_since",
    )
    result = replace(demo(), quality=(*demo().quality, line))
    said = "Customers first seen before 2024-02-01: 334, with 1,500 orders, are outside all figures"
    assert said in " ".join(tables(result).splitlines())
    assert "outside all figures" not in tables(demo())


def test_discounting_is_said_beside_the_headline() -> None:
    assert "Money is discounted at 7.5 % a year" in tables(replace(demo(), annual_discount_rate=0.075))
    assert "discounted" not in tables(replace(demo(), annual_discount_rate=0.0))
