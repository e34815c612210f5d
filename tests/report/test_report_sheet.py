"""The first sheet: hills, sentences, how it went so far, and what the page may weigh."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factory import LEVERS, demo, foreign, full, history, hostile, subscriptions, undrawn
from test_report_figures import cut_texts, lines

from clvsim.report import figures, hills, history_figures, over_time, todo, write_report
from clvsim.report import sheet as sheets
from clvsim.report.display import assumption_cell
from clvsim.report.drawing import style
from clvsim.report.headline import about_customers
from clvsim.types import Assumption, RunResult

NBSP = "\u00a0"
MOST_PAGE, MOST_FIGURES = 1_000_000, 350_000  # bytes


@pytest.fixture
def result() -> RunResult:
    return full()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(full(), tmp_path_factory.mktemp("page")).read_text("utf-8")


@pytest.fixture
def our_style() -> Iterator[None]:
    with style():
        yield


# --- what it weighs ---------------------------------------------------------------------------------------------------


def test_the_page_and_its_figures_are_light_and_each_figure_is_there_once(page: str) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(page.encode()) <= MOST_PAGE
    assert sum(len(one.encode()) for one in drawn) <= MOST_FIGURES
    spoken = [re.findall(r'aria-label="([^"]*)"', one)[0] for one in drawn]
    assert len(spoken) == len(set(spoken))
    hills_drawn = sum('class="hill"' in one for one in drawn)
    assert hills_drawn == 1 + len(LEVERS)
    assert len(drawn) - hills_drawn == len(figures.drawings(full())) - 1  # the differences are hills


def test_nothing_is_run_and_nothing_may_be_loaded(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1] == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert "<script" not in page


def test_colours_are_the_pages_own(page: str) -> None:
    """So that a dark screen can lighten them."""
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.S))
    assert set(re.findall(r"#[0-9a-fA-F]{6}\b", drawn)) <= {"#ffffff"}
    assert set(re.findall(r"var\(--(\w+)\)", drawn)) == {"ink", "muted", "faint", "gain", "loss"}


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("number", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, "paper") for text in ("ink", "muted", "gain", "loss", "red")),
        *((text, "wash") for text in ("ink", "muted")),
        *(("red", "red-wash"), ("amber", "amber-wash"), ("ink", "amber-wash")),
    ],
)
def test_text_can_be_read(page: str, text: str, ground: str, number: int) -> None:
    """Contrast as WCAG 2.1 defines it."""
    colours = [dict(re.findall(r"--([\w-]+):(#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", page, re.S)]
    bright, dim = sorted((luminance(colours[number][name]) for name in (text, ground)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


# --- the answer -------------------------------------------------------------------------------------------------------


def test_the_answer_is_about_all_customers(result: RunResult) -> None:
    sentence, span = about_customers(result)
    assert sentence == "Today’s 2,357 customers will bring about $61,900 over the next 36 months."
    assert span.startswith("What may really happen: $")
    sentence, _ = about_customers(subscriptions())
    assert sentence.startswith(
        "Today’s 2,357 customers (80 with an active contract) will bring about 61,900 of revenue"
    )
    sentence, span = about_customers(replace(demo(), no_data="Nothing is known."))
    assert sentence.startswith("If the business is as stated, today’s 2,357 customers will bring")
    calm = demo().comparison.assign(layers="parameter+process")
    assert about_customers(replace(demo(), comparison=calm))[1].endswith("(9 in 10 futures; luck is in it).")
    expected = demo().comparison.query("basis == 'expected'")
    assert about_customers(replace(demo(), comparison=expected))[1].startswith("On average between")


def test_of_a_business_without_customers_those_who_come_are_the_answer() -> None:
    sentence, _ = about_customers(replace(demo(), customers=0, no_data="x"))
    assert sentence == (
        "If the business is as stated, the 1,200 customers who are to come within 12 months will bring about $104,000 "
        "after what they cost, over 36 months of each one’s life."
    )


def test_the_hill_of_the_answer_has_its_numbers_below(result: RunResult) -> None:
    hill = sheets.headline_hill(result)
    assert hill is not None
    places = [float(place.removesuffix("%")) for place, _ in hill.labels]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert hill.labels[1][1] == "$61,900"
    assert f"mean {hill.labels[1][1]}" in str(hill.shape)
    assert sheets.headline_hill(replace(result, sheet=None)) is None
    kept = result.sheet
    assert kept is not None
    flat = replace(kept, hill=np.full(100, 3.0))
    assert sheets.headline_hill(replace(result, sheet=flat)) is None


def test_hills_stand_on_one_axis_around_zero(result: RunResult) -> None:
    low, high = figures.difference_range(result)
    view = sheets.sheet(result, frozenset())
    assert [lever.line.title for lever in view.levers] == sorted(
        (title for title, _, _ in LEVERS.values()), key=lambda t: -{v[0]: v[1] for v in LEVERS.values()}[t]
    )
    zero = f"{(0 - low) / (high - low) * hills.WIDTH:.1f}"
    for lever in view.levers:
        assert f'd="M{zero} 0L{zero} {hills.HEIGHT:g}"' in lever.hill
        assert html.escape(lever.line.title) in lever.hill
    ticks = {label: place for place, label in view.axis}
    assert float(ticks["$0"].removesuffix("%")) == pytest.approx(100 * (0 - low) / (high - low), abs=0.06)


def test_a_hill_is_the_density_of_its_draws() -> None:
    draws = np.random.default_rng(2).normal(2.0, 1.0, 4_000)
    shape = str(hills.hill(draws, -4.0, 8.0, "x"))
    paths = [np.array([p.split() for p in re.split("[ML]", d)[1:]], float)
             for d in re.findall(r'd="(M[^Z]*)Z"', shape)]  # fmt: skip
    assert len(paths) == 2  # below and above zero
    x, y = np.concatenate([path[1:-1] for path in paths]).T
    top = x[np.argmin(y)] / hills.WIDTH * 12 - 4
    assert top == pytest.approx(2.0, abs=0.25)
    assert paths[0][:, 0].max() == pytest.approx(paths[1][:, 0].min()) == pytest.approx(hills.WIDTH / 3, abs=0.1)
    assert 'class="hill"' in hills.hill(np.full(9, 1.0), 0.0, 2.0, "all the same")
    assert "<path" in hills.hill(np.full(9, 1.0), 0.0, 2.0, "all the same")
    assert "&lt;b&gt;" in hills.hill(draws, -4.0, 8.0, "<b>")


def test_only_so_many_levers_stand_on_the_sheet() -> None:
    many = {f"lever_{k}": (f"Lever {k}", 100.0 * k, 50.0) for k in range(9)}
    view = sheets.sheet(demo(many), frozenset())
    assert len(view.levers) == sheets.MOST_LEVERS
    assert view.more_levers == 3


def test_examples_keep_their_badge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "make_drawing", undrawn)
    shown = write_report(foreign(), tmp_path).read_text("utf-8").split('<div class="folded">')[0]
    assert shown.count('<span class="tag">example effect</span>') == 2
    assert "Chance that it is more" in shown
    assert "pays" not in re.sub(r"<style>.*?</style>", "", shown, flags=re.S).replace("which lever pays", "")


# --- what could go wrong ----------------------------------------------------------------------------------------------


def test_what_could_go_wrong_in_sentences(result: RunResult) -> None:
    view = sheets.sheet(result, frozenset())
    worst = "In the worst tenth of futures today’s customers bring $51,200 on average."
    assert todo.worst(result) == worst
    assert worst in view.answers.wrong
    assert [(share.name, share.words) for share in view.shares] == [
        ("how customers behave", f"61{NBSP}%"),
        ("good and bad months", f"24{NBSP}%"),
        ("who happens to buy", f"15{NBSP}%"),
    ]
    assert view.check.startswith("Checked on 273 days held back: 1,882 repeat orders came where 1,790 were expected")
    assert view.not_in_here.startswith("seasons, trends, price rises")
    assert "what comes after 36 months" in view.not_in_here
    assert sheets.check(foreign()).startswith("Nothing was held back")
    assert todo.worst(demo()) == ""
    assert sheets.shares(demo()) == ()


# --- how it went so far -----------------------------------------------------------------------------------------------


def test_sales_are_the_months_of_the_log_and_the_band_is_that_ahead(result: RunResult, our_style: None) -> None:
    figure = history_figures.sales_figure(result)
    (axes,) = figure.axes
    bars = [np.array([bar.get_height() for bar in box]) for box in axes.containers]
    repeat, first = bars
    np.testing.assert_allclose(repeat, [1_000 - 10 * k for k in range(23, -1, -1)])
    np.testing.assert_allclose(first, [400 + 3 * k for k in range(23, -1, -1)])
    (ahead,) = lines(figure, "ahead")
    np.testing.assert_allclose(np.asarray(ahead.get_ydata())[:-1], [1400 - 18 * k for k in range(12)])
    assert cut_texts(figure) == []
    told = history_figures.sales_text(result)
    assert "Last 3 months: $4,180, of which $1,210 from first orders" in told
    assert "a year before: $3,930" in told
    assert "first month ahead: $1,400 [1,120, 1,540]" in told
    assert "today’s customers only" in history_figures.sales_note(replace(result, acquisition_known=False))
    assert "today’s customers only" not in history_figures.sales_note(result)


@pytest.mark.parametrize("months", [1, 2, 5, 13, 60])
def test_months_are_named_by_the_day_on_which_they_end(months: int, result: RunResult, our_style: None) -> None:
    assert result.books is not None
    short = replace(result, books=pd.concat([result.books[result.books.book != "sales_by_month"], history(months, 1)]))
    figure = history_figures.sales_figure(replace(short, books=short.books))
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert 1 <= len(labels) <= 8
    assert len(set(labels)) == len(labels)
    assert cut_texts(figure) == []
    names = dict(history_figures.month_names(result, 3, 3))
    assert names[-1] == "Sep 97"  # the month that ends today, on 30 September


def test_quarters_stand_on_what_was_observed(result: RunResult, our_style: None) -> None:
    figure = history_figures.quarters_figure(result)
    (axes,) = figure.axes
    so_far, to_come, new = ([bar.get_height() for bar in box] for box in axes.containers)
    assert so_far == [12 + 3 * (8 - k) for k in range(8)]
    assert to_come == [30 - k for k in range(8)]
    assert new == [48.0]
    (cost,) = lines(figure, "cac")
    assert np.asarray(cost.get_ydata())[0] == pytest.approx(18.5)
    assert cut_texts(figure) == []
    told = history_figures.quarters_text(result)
    assert "2022Q1: $36.0 so far, $30.0 expected" in told
    assert "a new customer: $48.0" in told
    table = over_time.quarters(result)
    assert table is not None
    assert table.rows[0][0] == f"2022{NBSP}Q1"
    assert [cell.value for cell in table.rows[0][1]] == ["250", "$15.0", "$24.0", "$36.0", "$30.0"]
    assert table.rows[-1][0] == "the model’s new customer"


def test_a_source_without_dates_says_nothing_of_the_past(result: RunResult) -> None:
    assert result.books is not None
    dateless = replace(result, books=result.books[~result.books.book.isin(["sales_by_month", "cohort_value"])])
    assert set(history_figures.drawn(dateless)) == {"season"}
    assert over_time.quarters(dateless) is None
    assert sheets.sheet(dateless, frozenset()).history == ()


def test_months_of_the_year_are_bars_and_no_rows(result: RunResult, our_style: None) -> None:
    figure = history_figures.season_figure(result)
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    assert result.sheet is not None
    np.testing.assert_allclose(heights, [m.mean - 1 for m in result.sheet.season])
    assert cut_texts(figure) == []
    assert "January 1.00 [0.90, 1.10]" in history_figures.season_text(result)
    facts = (("season[1]: order rate, January against a mean month", "×1"), ("r (bg_nbd)", "0.2"))
    from clvsim.report.page import _model_facts

    assert _model_facts(replace(result, model_facts=facts)) == [facts[1]]
    assert len(_model_facts(replace(demo(), model_facts=facts))) == 2


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "numbers", "value", "interval"),
    [
        ("hazard", (0.000167, 0.000014, 0.0004), "1 in 6,000", "[1 in 2,500, 1 in 71,000]"),
        ("hazard", (0.003, 0.0, 0.007), "1 in 330", "[1 in 140, never]"),
        ("log change", (np.log(1.05), np.log(0.9), np.log(1.2)), f"+5.0{NBSP}%", f"[−10.0{NBSP}%, +20.0{NBSP}%]"),
        ("log loss", (-np.log(0.95), -np.log(0.99), -np.log(0.9)), f"−5.0{NBSP}%", f"[−10.0{NBSP}%, −1.0{NBSP}%]"),
    ],
)
def test_hazards_are_one_in_so_many_and_goodwill_is_a_share_of_orders(
    unit: str, numbers: tuple[float, float, float], value: str, interval: str
) -> None:
    cell = assumption_cell(demo(), Assumption("p", "l", "prior", "t", "", *numbers, unit=unit))
    assert cell[:2] == (value, interval)


def test_words_of_the_shell_stand_in_the_last_part_only(page: str) -> None:
    """Notes on draws and replicates belong to who runs it."""
    noted = "Simulation noise is 3 % of the variance of differences; raw draws were used."
    assert page.count(noted) == 1
    assert page.index('id="model"') < page.index(noted) < page.index('id="glossary"')
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.S)
    for old in ("Δ", "P(better)", "P(best)", "Expected loss", "1 months"):
        assert old not in text, old


def test_personal_data_beside_the_page_are_named(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hold personal data, one row for each customer" in page
    monkeypatch.setattr(figures, "make_drawing", undrawn)
    nobody = write_report(replace(demo(), customers=0, no_data="No data."), tmp_path).read_text("utf-8")
    assert "personal data" not in nobody


def test_hostile_names_are_text_in_hills() -> None:
    view = sheets.sheet(hostile(), frozenset())
    assert all("<script" not in lever.hill for lever in view.levers)
