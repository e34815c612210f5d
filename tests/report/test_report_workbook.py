"""`figures.xlsx`, opened again by another library: numbers with their digits, texts that stay texts, the same bytes."""

import io
import re
import time
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import python_calamine as calamine

from clvsim.report import display, workbook
from clvsim.report import format as fmt
from clvsim.report.workbook import Number, as_workbook, code_of, plain_text, sheets, write_workbook
from clvsim.types import RunResult
from tests.fuzz.nasty import TEXTS
from tests.report import factory

NAMES = ["Figures", "Scenarios", "Assumptions", "Months", "Customers by decile"]
HEADINGS = 2  # row of the headings


def customers(number: int = 95) -> pd.DataFrame:
    value = np.sort(np.random.default_rng(1).gamma(1.0, 30.0, number))[::-1]
    return pd.DataFrame(
        {
            "customer_id": [f"=c{i}" for i in range(number)],
            "orders_so_far": 2,
            "expected_orders": 1.5,
            "p_alive": 0.5,
            "rlv_mean": value,
            "decile": np.arange(number) * 10 // max(number, 1) + 1,
        }
    )


def made(result: RunResult, table: pd.DataFrame | None = None) -> bytes:
    return as_workbook(sheets(result, customers() if table is None else table), result)


def opened(content: bytes) -> dict[str, list[list[Any]]]:
    book = calamine.load_workbook(io.BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def xml(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.parametrize("make", [factory.demo, factory.foreign, factory.subscriptions, factory.hostile])
def test_every_run_has_all_sheets_each_with_a_title_and_a_table(make):
    found = opened(made(make()))
    assert list(found) == NAMES
    for name, rows in found.items():
        assert rows[0][0], name
        assert all(rows[HEADINGS]), name
        assert all(len(str(cell)) <= 4_000 for row in rows for cell in row)


def test_figures_are_those_of_the_page_as_numbers_with_the_digits_of_their_error():
    result = factory.demo()
    rows = opened(made(result))["Figures"]
    (plan,) = (row for row in rows if row[0] == "Plan value")
    figure = display.figures(result)["baseline", "plan_value"]
    place = fmt.last_place((figure.best.mean, figure.may.p05, figure.may.p95), figure.best.mean_mcse)
    assert plan[2:5] == [round(v, -place) for v in (figure.best.mean, figure.may.p05, figure.may.p95)]
    assert display.metric_cell(result, figure).value == fmt.money(plan[2], place, "USD")
    assert plan[1] == "what may happen"
    notes = " ".join(str(row[0]) for row in rows[HEADINGS + 1 :])
    assert "90\xa0% interval of what may happen: it allows for how customers behave" in notes


def test_scenarios_have_their_differences_and_how_sure_they_are():
    result = factory.demo()
    rows = opened(made(result))["Scenarios"]
    by_name = {row[1]: row for row in rows[HEADINGS + 1 :] if row[1]}
    decided = display.decisive(result)["upsell_soft"]
    assert by_name["upsell_soft"][2] == pytest.approx(decided.best.delta_mean, rel=0.02)
    assert by_name["upsell_soft"][7] == round(decided.best.p_better, 2)
    assert by_name["baseline"][2:8] == [""] * 6
    assert by_name["upsell_soft"][10] == "judgement with a source"
    foreign = opened(made(factory.foreign()))["Scenarios"]
    assert any(row[1] == "conversion" and row[11] == "needs acquisition.channels" for row in foreign)


def test_what_is_stated_has_no_chance():
    result = factory.demo()
    scenarios = tuple(replace(s, evidence="stated", uncertain=False) for s in result.scenarios)
    rows = opened(made(replace(result, scenarios=scenarios)))["Scenarios"]
    assert [row[7] for row in rows[HEADINGS + 2 : HEADINGS + 6]] == [display.WHAT_IF] * 4


def test_months_and_tenths():
    found = opened(made(replace(factory.demo(), books=factory.books())))
    months = [row for row in found["Months"][HEADINGS + 1 :] if isinstance(row[0], float)]
    assert [row[0] for row in months] == [float(n) for n in range(1, 25)]
    assert all(row[2] <= row[1] <= row[3] for row in months)
    tenths = [row for row in found["Customers by decile"][HEADINGS + 1 :] if isinstance(row[0], float)]
    assert [row[0] for row in tenths] == [float(n) for n in range(1, 11)]
    assert sum(row[1] for row in tenths) == 95
    assert sum(row[7] for row in tenths) == pytest.approx(1, abs=0.005)
    assert tenths[0][5] == pytest.approx(customers()["rlv_mean"][:10].sum(), rel=0.005)


def test_a_run_without_customers_or_books_says_so():
    found = opened(made(replace(factory.demo(), books=None, customers=0), customers(0)))
    assert found["Months"][-1][0] == "This run has no months ahead."
    assert found["Customers by decile"][-1][0] == "This run has no customers of today."


def test_no_text_of_anybody_is_a_formula_or_a_link():
    """Whatever is typed as title, scenario, source or currency."""
    run = factory.demo()
    texts = [*TEXTS, '=HYPERLINK("http://x")', "http://example.org", "mailto:a@b.c", "internal:Sheet1!A1", "{=1+1}"]
    for number in range(0, len(texts), 4):
        some = [plain_text(text) for text in texts[number : number + 4]]
        some += [""] * (4 - len(some))
        assumption = factory.ASSUMPTIONS[0]._replace(label=some[1], text=some[2], source=some[3], path=some[0])
        scenarios = tuple(replace(s, title=some[0], assumptions=(assumption,)) for s in run.scenarios)
        result = replace(run, title=some[1], scenarios=scenarios, currency=some[2][:8])
        content = made(result)
        parts = xml(content)
        assert not any(re.search(r"<f[ >]|<hyperlink", text) for name, text in parts.items() if "worksheets" in name)
        assert not any("hyperlink" in text for name, text in parts.items() if name.endswith(".rels"))
        cells = {str(cell) for row in opened(content)["Assumptions"] for cell in row}
        assert {text.replace("\r\n", "\n").replace("\r", "\n") for text in some if text.strip()} <= {
            cell.replace("\r", "\n") for cell in cells
        }


def test_the_same_result_gives_the_same_bytes():
    first = made(factory.demo())
    time.sleep(1.1)  # the clock of archives has steps of a second
    assert made(factory.demo()) == first
    assert "2026-11-21T22:40:00Z" in xml(first)["docProps/core.xml"]


def test_headings_stay_in_sight_and_columns_are_as_wide_as_what_is_in_them():
    parts = xml(made(factory.demo()))
    for number, sheet in enumerate(sheets(factory.demo(), customers()), start=1):
        text = parts[f"xl/worksheets/sheet{number}.xml"]
        assert re.search(r'<pane [^>]*ySplit="3"[^>]*state="frozen"', text)
        widths = {}
        for low, high, width in re.findall(r'<col min="(\d+)" max="(\d+)" width="([\d.]+)"', text):
            widths |= {column: float(width) for column in range(int(low), int(high) + 1)}
        for column in range(len(sheet.headings)):
            cells = [row[column] for row in sheet.rows]
            shown = [len(f"{c.rounded:,.{max(0, -c.place)}f}") for c in cells if isinstance(c, Number)]
            words = [len(word) for c in (sheet.headings[column], *cells) if isinstance(c, str) for word in c.split()]
            assert widths[column + 1] >= max([*shown, *(w for w in words if w <= 40)], default=0), (sheet.name, column)


@pytest.mark.parametrize(
    ("number", "currency", "code"),
    [
        (Number(1234.5, 0, "money"), "USD", r"\$#,##0"),
        (Number(1234.5, -2, "money"), "EUR", r"\€#,##0.00"),
        (Number(1234.5, 2, "money"), "CHF", "#,##0\\\xa0\\C\\H\\F"),
        (Number(5.0, 0, "money"), '"a"', '#,##0\\\xa0\\"\\a\\"'),
        (Number(5.0, 0, "money"), "", "#,##0"),
        (Number(0.123, -3, "share"), "", "0.0%"),
        (Number(0.5, -1, "share"), "", "0%"),
        (Number(0.05, -2, "change"), "", "+0%;-0%;0%"),
        (Number(12.0, 0, "money", signed=True), "USD", r"+\$#,##0;-\$#,##0;\$#,##0"),
        (Number(2.24, -2, "ratio"), "", "#,##0.00"),
    ],
)
def test_codes_of_numbers(number, currency, code):
    assert code_of(number, currency) == code


def test_no_chance_reads_as_certainty():
    assert code_of(Number(1.0, -2, "chance"), "") == '[<=0.005]"< 1%";[>=0.995]"> 99%";0%'


def test_eight_scenarios_take_less_than_a_second(tmp_path):
    levers = {f"l{n}": (f"Lever {n}", 100.0 * n, 900.0) for n in range(7)}
    result = replace(factory.demo(levers), books=factory.books())
    table = customers(20_000)
    made(result, table)
    start = time.process_time()
    path = write_workbook(result, table, tmp_path)
    assert time.process_time() - start < 1
    assert path.name == workbook.WORKBOOK
    assert [path.name for path in tmp_path.iterdir()] == [workbook.WORKBOOK]
