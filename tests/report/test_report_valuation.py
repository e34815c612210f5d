"""What the page and the terminal say of a company's value."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from clvsim import archive
from clvsim.errors import ConfigError
from clvsim.report import figures, valuation, write_report
from clvsim.report.facts import finance_assumptions
from clvsim.report.text import WIDTH, tables
from clvsim.simulation.config import FinanceConfig, ValuationConfig
from clvsim.types import RunResult
from tests.report import factory


def page_of(result: RunResult, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(figures, "make_drawing", factory.undrawn)
    text = write_report(result, folder).read_text(encoding="utf-8")
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_both_ways_to_see_what_comes_later_are_two_lines_of_the_terminal():
    text = tables(factory.valued())
    flat = " ".join(text.split())
    assert (
        "If its capital costs 12 % a year (stated), the company is worth $251,000 (90 % interval 188,000 to 314,000) "
        "to its owners when nobody new comes after 36 months: 41 % of its value before debt lies beyond them."
    ) in flat
    assert (
        "It is worth $775,000 (90 % interval 581,000 to 969,000) when the last of these years goes on for ever, "
        "growing by 2 % a year (stated): 79 % lies beyond."
    ) in flat
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "company is worth" not in tables(factory.demo())


def test_the_page_has_the_bridge_folded_with_what_it_rests_on(tmp_path, monkeypatch):
    page = page_of(factory.valued(), tmp_path, monkeypatch)
    start = page.index("What the company may be worth")
    section = page[start : page.index("Predicted and actual")]
    for words in (
        "allows for how customers behave, what levers do, who happens to buy and shocks common to all. WACC, growth",
        "no interval contains them",
        "Today’s customers bring, 36 months $62,000 [46,500, 77,500] $62,000",
        "Net debt −$40,000 −$40,000",
        "A share",
        "Part of the value before debt that lies beyond 36 months 41 % 79 %",
        "it is not steady yet, and this value takes that change to stop at once",
        "Their last year still brings 10 % of all that they bring then: what comes later is left out.",
        "In 3 of 100 simulated futures the last year loses money",
        "Taken as 0, because nothing was stated: working capital, fixed costs.",
        "WACC 13 %, growth 2 % $243,000 $700,000",
        "How often customers order and how long they stay 40 % 40 %",
        "Months 25–36 $83,000",
    ):
        assert words in section, words
    assert "Working capital tied up" not in section  # nothing of it is there
    assert "Figures end at customer equity" not in page


def test_without_one_the_page_says_that_figures_end_at_customers(tmp_path, monkeypatch):
    page = page_of(factory.demo(), tmp_path, monkeypatch)
    assert "What the company may be worth" not in page
    assert "Figures end at customer equity" in page
    assert "finance.valuation.wacc" in page


def test_a_steady_last_year_is_not_called_anything_else():
    steady = replace(factory.valuation(), growth=0.03, losing=0.0, unstated=())
    table = valuation.bridge(replace(factory.demo(), valuation=steady))
    assert table is not None
    assert "not steady" not in " ".join(table.notes)
    assert "loses money" not in " ".join(table.notes)


def test_stated_numbers_are_assumptions_of_the_run():
    finance = FinanceConfig(gross_margin=0.4, valuation=ValuationConfig(wacc=0.12, net_debt=-40, shares=1000))
    rows = {row.path: row.mean for row in finance_assumptions(finance)}
    assert rows["finance.valuation.wacc"] == 0.12
    assert rows["finance.valuation.terminal_growth"] == 0
    assert rows["finance.valuation.net_debt"] == -40
    assert "finance.valuation.capex_share" not in rows
    assert not any("valuation" in row.path for row in finance_assumptions(FinanceConfig(gross_margin=0.4)))


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_valuation_is_read_back_as_it_was(tmp_path):
    whole = factory.valuation()
    without = replace(
        whole,
        growth=float("nan"),
        endings=tuple(replace(ending, per_share=None, uncertainty=()) for ending in whole.endings),
    )
    for before in (whole, without):
        archive.write_result(replace(factory.demo(), valuation=before), tmp_path)
        after = archive.read_result(tmp_path).valuation
        assert archive.json_ready(after) == archive.json_ready(before)
        assert type(after) is type(before)


def test_the_table_holds_the_bridge_and_both_endings(tmp_path):
    archive.write_result(factory.valued(), tmp_path)
    found = pd.read_csv(tmp_path / "valuation.csv").set_index(["figure", "terminal_value", "at"])["mean"]
    before = sum(found[line.part, "both", 0] for line in factory.valuation().bridge)
    for name in ("run_off", "steady"):
        whole = found["enterprise_value", name, 0]
        assert whole == pytest.approx(before + found["terminal_value", name, 0])
        assert found["shareholder_value", name, 0] == pytest.approx(whole + 5e3 - 40e3)
    assert found["free_cash_flow", "both", 2] == 71e3
    other = tmp_path / "other"
    other.mkdir()
    archive.write_result(factory.demo(), other)
    assert not (other / "valuation.csv").exists()


@pytest.mark.parametrize(
    "damage",
    [
        {"wacc": 0.01},
        {"wacc": None},
        {"bridge": []},
        {"endings": []},
        {"years": []},
        {"sensitivity": []},
        {"unstated": [3]},
        {"losing": 2},
        {"run_off_months": -1},
        {"horizon_months": "36"},
        {"layers": 3},
        {"more": 1},
    ],
    ids=str,
)
def test_a_valuation_that_no_run_writes_is_one_line(tmp_path, damage):
    archive.write_result(factory.valued(), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    summary["valuation"] |= damage
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read as a finished run"):
        archive.read_result(tmp_path)


def test_a_part_of_another_name_is_one_line(tmp_path):
    archive.write_result(factory.valued(), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    summary["valuation"]["endings"][1]["uncertainty"][0]["block"] = "weather"
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read as a finished run"):
        archive.read_result(tmp_path)
