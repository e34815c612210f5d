"""The section of the page on books over time: what it says, draws, and leaves out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clvsim.report import book_figures, over_time
from clvsim.report.drawing import style
from clvsim.report.figures import drawings
from clvsim.report.page import render
from clvsim.types import RunResult
from tests.report import factory


@pytest.fixture
def result() -> RunResult:
    return replace(factory.demo(), books=factory.books(contracts=True))


def test_without_books_there_is_no_section() -> None:
    bare = factory.demo()
    assert bare.books is None
    assert "Over time" not in render(bare, {})
    assert over_time.terms(bare) == []


def test_ages_of_a_newcomer(result: RunResult) -> None:
    table = over_time.ages(result)
    assert table is not None
    assert table.headings == ("A new customer", "A visitor")
    assert [label for label, _ in table.rows] == [
        *("with the first order", "after 1 month", "after 3 months", "after 6 months", "after 12 months"),
        "after 24 months",
    ]
    assert table.rows[-1][1][0] == ("$39.0", "[31.2, 42.9]", "")
    assert "Contribution so far" in table.notes[0]
    assert "allows for" in table.notes[-1]
    as_revenue = over_time.ages(replace(result, margin_known=False))
    assert as_revenue is not None
    assert as_revenue.notes[0].startswith("Revenue so far")


def test_a_lead_has_a_column_for_each_scenario_with_leads(result: RunResult) -> None:
    assert result.books is not None
    rows = result.books[result.books.metric == "newcomer_value"]
    lever = result.scenarios[1]
    hundredth = {column: rows[column] / 100 for column in ("mean", "p05", "p50", "p95")}
    leads = rows.assign(metric="lead_value", group="leads", scenario=lever.name, **hundredth)
    table = over_time.ages(replace(result, books=pd.concat([result.books, leads])))
    assert table is not None
    assert table.headings == ("A new customer", "A visitor", f"A lead, “{lever.title}”")
    assert table.rows[-1][1][2].value == "$0.39"
    assert any("never buys counts as 0" in note for note in table.notes)
    assert "Lead" in dict(over_time.terms(replace(result, books=pd.concat([result.books, leads]))))


def test_cohorts_by_year_add_up(result: RunResult) -> None:
    table = over_time.years(result)
    assert table is not None
    assert table.headings == ("months 1–12", "months 13–24")
    rows = {label.replace("\u00a0", " "): [cell.value for cell in cells] for label, cells in table.rows}
    assert rows["started in 2024 Q2"] == ["$5,410", "$4,110"]  # 12 × 500 − 9 × 66, and so on
    assert rows["new, in months 1–3"] == ["$730", "$2,310"]
    assert "started until 2023 Q4" in rows
    assert over_time.cohort_words("new arriving from month 33 on") == "new, from month 34 on"


def test_concentration_beside_the_log(result: RunResult) -> None:
    table = over_time.spread(result)
    assert table is not None
    assert table.headings == ("In the log so far", "In the next 36 months")
    rows = {
        label.replace("\u00a0", " "): [cell.value.replace("\u00a0", " ") for cell in cells]
        for label, cells in table.rows
    }
    assert rows["The top 10 % bring"] == ["42.0 %", "42.0 %"]
    assert rows["Customers who pay anything"] == ["812", "812"]
    assert table.rows[0][1][0].interval == ""  # counted


def test_few_customers_and_a_month_are_said_as_such(result: RunResult) -> None:
    books = factory.books(months=1)
    short = replace(result, books=books[books.group != "log"], horizon_months=1)
    years, spread = over_time.years(short), over_time.spread(short)
    assert years is not None
    assert spread is not None
    assert years.headings == ("month 1",)
    assert spread.headings == ("In the next month",)
    assert "log" not in spread.notes[0]
    few = books.assign(mean=books["mean"].mask(books.metric == "buyers", 9.0))
    assert over_time.spread(replace(short, books=few)) is None


def test_contracts_say_what_gross_and_net_are(result: RunResult) -> None:
    table = over_time.contracts_left(result)
    assert table is not None
    assert [label for label, _ in table.rows] == [
        "after 1 month",
        "after 3 months",
        "after 6 months",
        "after 12 months",
    ]
    told = table.notes[0].replace("\u00a0", " ")
    assert "80.0 % still do" in told
    assert "77.0 %, increases left out (gross revenue retention), and 104.0 % with increases" in told
    assert "averages out" in table.notes[-1]
    assert over_time.contracts_left(replace(result, books=factory.books())) is None


def test_words_of_the_section_stand_in_the_glossary(result: RunResult) -> None:
    assert [word for word, _ in over_time.terms(result)] == [
        *("Cohort", "Age", "Gini coefficient", "Gross and net revenue retention"),
    ]


def test_the_stack_of_cohorts_reaches_their_sum(result: RunResult) -> None:
    with style():
        (axes,) = book_figures.months_figure(result).axes
    assert result.books is not None
    cohorts = result.books.query("book == 'cohort_revenue'")
    top = max(np.asarray(area.get_paths()[0].vertices)[:, 1].max() for area in axes.collections)
    assert top == pytest.approx(cohorts.groupby("at")["mean"].sum().max())
    assert len(axes.collections) == 3
    ends = {line.get_gid(): np.asarray(line.get_ydata()) for line in axes.lines}
    total = result.books.query("book == 'revenue_by_month'")
    np.testing.assert_allclose(ends["p95"][:-1], total["p95"])


def test_the_curve_of_concentration_goes_through_its_points(result: RunResult) -> None:
    with style():
        (axes,) = book_figures.spread_figure(result).axes
    lines = {line.get_gid(): np.asarray(line.get_xydata()) for line in axes.lines}
    assert set(lines) == {"existing", "log", "even"}
    np.testing.assert_allclose(lines["log"][:, 0], [0, 1, 10, 20, 50, 100])
    np.testing.assert_allclose(lines["log"][:, 1], [0, 10, 42, 60, 85, 100])
    assert "The top 10\u00a0% bring 42.0\u00a0% in the log so far" in book_figures.spread_alternative_text(result)
    assert "month 1: $1,400 [1,120, 1,540]" in book_figures.months_alternative_text(result)


def test_who_still_orders_stands_beside_the_log() -> None:
    """Of six months the log has six customers: of so few no share is shown."""
    result = replace(factory.demo(), books=factory.books())
    table = over_time.still_ordering(result)
    assert table is not None
    assert table.headings == (
        *("Ordering, in the log", "Ordering, new customers", "Revenue, in the log", "Revenue, new customers"),
    )
    rows = {label: [cell.value.replace("\u00a0", " ") for cell in cells] for label, cells in table.rows}
    assert rows == {
        "after 3 months": ["35.0 %", "34.0 %", "46.0 %", "44.0 %"],
        "after 6 months": ["", "28.0 %", "", "38.0 %"],
        "after 9 months": ["", "22.0 %", "", "32.0 %"],
        "after 12 months": ["", "16.0 %", "", "26.0 %"],
    }
    assert "within the last 3 months" in table.notes[0]
    assert "Ordering" in dict(over_time.terms(result))
    assert "How many still order, by age" in render(result, drawings(result))
    assert over_time.still_ordering(replace(result, books=factory.books(contracts=True))) is None


def test_where_nobody_comes_new_customers_are_those_who_would() -> None:
    result = replace(factory.demo(), books=factory.books())
    planned, unplanned = (over_time.still_ordering(replace(result, acquisition_known=known)) for known in (True, False))
    assert planned is not None
    assert unplanned is not None
    assert "who would come" in unplanned.notes[-1]
    assert "who would come" not in planned.notes[-1]
