"""The page: one file, nothing from outside, everything escaped, the right words for what is known."""

import html
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from factory import DEMO_METRICS, HOSTILE, LEVERS, decided_on, demo, foreign, hostile, tracking, undrawn

from clvsim.metrics import METRICS, PAYBACK
from clvsim.report import figures, write_report
from clvsim.report import format as fmt
from clvsim.report.config import DECIDABLE
from clvsim.report.display import layer_note, split_layers
from clvsim.report.drawing import style, svg
from clvsim.report.glossary import GLOSSARY, words
from clvsim.report.headline import headline
from clvsim.report.text import tables
from clvsim.simulation.tracking import no_tracking
from clvsim.texts import CONTROLS
from clvsim.types import QualityLine, RunResult

Text = Callable[[RunResult], str]
MAKE: dict[str, Callable[[], RunResult]] = {"demo": demo, "foreign": foreign, "hostile": hostile}
SHEET = ["What to do", "What could go wrong"]  # what follows the answer; a log adds how it went so far
FOLDED = [
    "1 warning",
    "All figures",
    "Assumptions",
    "Data quality",
    "Model and checks",
    "Median expected value",
    "Most orders so far",
    "Glossary",
    "Files beside this page",
    "Reproduce this page",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_report(make(), folder / "new" / name) for name, make in MAKE.items()}


@pytest.fixture(scope="module")
def pages(written: dict[str, Path]) -> dict[str, str]:
    return {name: path.read_text("utf-8") for name, path in written.items()}


def page_of(result: RunResult, folder: Path) -> str:
    return write_report(result, folder).read_text("utf-8")


@pytest.fixture
def text_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Text:
    """Visible text of a run's page without figures, which have tests of their own and are on the pages above."""
    monkeypatch.setattr(figures, "make_drawing", undrawn)
    return lambda result: visible_text(page_of(result, tmp_path))


@lru_cache(maxsize=len(MAKE))
def visible_text(page: str) -> str:
    """What a reader sees or hears: text outside of style and figures, with the figures' alternative texts."""
    spoken = " ".join(re.findall(r'aria-label="([^"]*)"', page))
    page = page.replace("<wbr>", "").replace("\u2060", "")
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]+>", " ", page) + " " + spoken)
    return " ".join(text.split())


def test_folder_holds_the_page_and_its_figures(written: dict[str, Path]) -> None:
    path = written["demo"]
    assert path.parts[-3:] == ("new", "demo", "report.html")
    assert sorted(p.name for p in (path.parent / "figures").iterdir()) == [
        "difference.svg",
        "payback.svg",
        "tracking.svg",
    ]
    assert sorted(p.name for p in path.parent.iterdir()) == ["figures", "report.html"]


def test_same_run_same_bytes(written: dict[str, Path], tmp_path: Path) -> None:
    assert write_report(demo(), tmp_path).read_bytes() == written["demo"].read_bytes()


@pytest.mark.parametrize("name", list(MAKE))
def test_nothing_is_loaded_from_outside(pages: dict[str, str], name: str) -> None:
    page = pages[name]
    assert not re.search(r"https?:|//[a-z]|@import|\bsrc\s*=|\bsrcset\s*=|data:", page)
    assert not re.search(r"<(script|link|iframe|img|object|embed|base|form|video|audio)\b", page)
    assert not re.search(r"<[^>]*\son\w+\s*=", page)
    assert all(target.startswith("#") for target in re.findall(r'href\s*=\s*"([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", list(MAKE))
def test_names_inside_the_page_are_unique_and_resolve(pages: dict[str, str], name: str) -> None:
    names = re.findall(r'\sid="([^"]*)"', pages[name])
    assert len(names) == len(set(names))
    used = re.findall(r'href="#([^"]*)"', pages[name]) + re.findall(r"url\(#([^)]*)\)", pages[name])
    assert used
    assert set(used) <= set(names)


def test_hostile_text_is_shown_and_never_run(pages: dict[str, str]) -> None:
    page = pages["hostile"]
    assert "<script" not in page
    assert "<b>" not in page
    assert html.escape("<script>", quote=False) in page
    assert "{{ 7*7 }}" in page  # a template in a title is text
    assert " ".join(HOSTILE.split()) in visible_text(page)


def test_hostile_figures_hold_no_text_of_the_user(written: dict[str, Path]) -> None:
    for path in (written["hostile"].parent / "figures").iterdir():
        assert "script" not in path.read_text("utf-8")


def test_a_command_with_undecodable_bytes_does_not_stop_the_page(tmp_path: Path) -> None:
    page = page_of(replace(demo(), command="clvsim run caf\udce9.csv", title="caf\udce9"), tmp_path)
    assert "clvsim run caf?.csv" in page


def test_one_sheet_comes_first_and_everything_else_is_folded(pages: dict[str, str]) -> None:
    page = pages["demo"]
    sheet, folded = page.split('<div class="folded">')
    assert [html.unescape(h) for h in re.findall(r"<h2[^>]*>(.*?)</h2>", sheet)] == SHEET
    assert re.findall(r"<summary>(.*?)</summary>", folded) == FOLDED
    assert "<details" not in sheet
    assert "<details open" not in page
    outside = re.sub(r"<details.*</details>", "", folded, flags=re.S)
    assert not re.search(r"<(p|table|h2|figure)\b", outside)
    first = visible_text(page)
    assert first.index(demo().question) < first.index("Today’s 2,357 customers will bring about $61,900")
    assert first.index("will bring about") < first.index("What to do") < first.index("The decision")


def test_headline_stands_on_the_page(pages: dict[str, str]) -> None:
    for name, make in MAKE.items():
        assert " ".join(headline(make()).split()) in visible_text(pages[name])


def test_poor_fit_is_the_first_thing_said(pages: dict[str, str]) -> None:
    body = pages["hostile"].split("<main>")[1]
    assert body.index('class="banner"') < body.index("<header>")
    assert 'class="banner"' not in pages["demo"]


def test_a_mean_that_hardly_exists_is_a_banner(tmp_path: Path) -> None:
    body = page_of(replace(demo(), money_alarm="The mean hardly exists."), tmp_path / "page").split("<main>")[1]
    assert '<div class="banner" role="alert">Uneven spend. The mean hardly exists.</div>' in body.split("<header>")[0]


@pytest.mark.parametrize("metric", DEMO_METRICS)
def test_every_metric_is_labelled_and_defined(pages: dict[str, str], metric: str) -> None:
    text = words(metric, margin_known=True, horizon_months=36, arrival_months=12)
    assert visible_text(pages["demo"]).count(text.label) >= 2  # table and glossary
    assert text.meaning in visible_text(pages["demo"])


def test_metrics_that_are_not_shown_are_not_explained(pages: dict[str, str]) -> None:
    assert "Opt-outs" not in visible_text(pages["demo"])


@pytest.mark.parametrize("metric", GLOSSARY)
@pytest.mark.parametrize("margin_known", [True, False])
def test_glossary_entries_are_complete(metric: str, margin_known: bool) -> None:
    text = words(metric, margin_known=margin_known, horizon_months=36, arrival_months=12)
    assert 0 < len(text.short) <= 20
    assert text.meaning.endswith(".")
    assert text.unit in ("money", "ratio", "share", "chance", "months", "count")
    assert "{" not in "".join(text)
    if not margin_known:
        assert not re.search(r"value|worth|profit|contribution|equity|ltv|payback|repay", text.label + text.short, re.I)
        assert not re.search(r"value|worth|profit|contribution|equity|payback", text.meaning, re.I)


def test_an_unknown_metric_is_a_warning_for_us_and_a_bare_label_for_readers() -> None:
    with pytest.warns(UserWarning, match="brand_new"):
        text = words("brand_new", margin_known=True, horizon_months=1, arrival_months=1)
    assert text.label == "brand new"


def test_registry_of_metrics_is_covered() -> None:
    assert set(GLOSSARY) == {*METRICS, *PAYBACK}
    assert set(DECIDABLE) == set(METRICS)
    for name, metric in METRICS.items():
        assert (GLOSSARY[name].unit, GLOSSARY[name].newcomers) == (metric.unit, metric.newcomers)


def test_revenue_page_promises_nothing_else(pages: dict[str, str]) -> None:
    text = visible_text(pages["foreign"]).lower()
    assert "revenue" in text
    assert not re.search(r"contribution|profit|worth|equity|lifetime|plan value|value of|value per", text)


def test_revenue_page_with_acquisition(text_of: Text) -> None:
    text = text_of(replace(demo(), margin_known=False, question="")).lower()
    assert "revenue per newcomer" in text
    text = text.replace("most worth knowing", "")
    assert not re.search(r"contribution|profit|worth|equity|lifetime value|plan value|value of|value per|payback", text)


def test_without_acquisition_nothing_is_said_about_it(pages: dict[str, str], text_of: Text) -> None:
    text = visible_text(pages["foreign"]).replace("does not apply: needs acquisition.channels", "")
    assert not re.search(r"newcomer|\bCAC\b|payback|acquisition cost|per visitor|channel", text, re.I)
    # Even when the comparison has such rows.
    text = text_of(replace(demo(), acquisition_known=False, assumptions=()))
    assert "newcomer" not in text.lower()
    assert "LTV:CAC" not in text


def test_none_of_the_demos_assumptions_on_a_foreign_page(pages: dict[str, str]) -> None:
    text = visible_text(pages["foreign"])
    assert "Gross margin" not in text
    assert "gross_margin" in text  # how to give one
    assert "The whole run" not in text


def test_examples_and_inapplicable_levers_are_marked(pages: dict[str, str]) -> None:
    text = visible_text(pages["foreign"])
    assert "does not apply: needs acquisition.channels" in text
    assert "Gentle upsell at the first order example effect" in text
    assert "example effect" not in visible_text(pages["demo"])
    assert "Scenarios marked “example effect”" in text


def test_every_interval_names_its_layers(pages: dict[str, str]) -> None:
    text = visible_text(pages["demo"])
    average = "interval on average: it allows for how customers behave and what levers do, and averages out who happens"
    assert text.count(average) >= 3
    everything = "it allows for how customers behave, what levers do, who happens to buy and shocks common to all."
    assert text.count(f"90 % interval of what may happen: {everything}".replace(" ", " ")) >= 2
    assert "band on average: it allows for how customers behave" in text
    assert (
        "may happen in a week: it allows for how customers behave, who happens to buy and shocks common to all." in text
    )


def test_the_interval_of_what_may_happen_comes_first(pages: dict[str, str]) -> None:
    """Of levels and of differences; the one on average has a table of its own, or says so."""
    text = visible_text(pages["demo"])
    rows = demo().comparison.query("metric == 'rlv_total' and scenario == 'baseline'").set_index("basis")
    first, second = (
        f"[{round(rows.loc[basis, 'p05'], -2):,.0f}, {round(rows.loc[basis, 'p95'], -2):,.0f}]"
        for basis in ("realised", "expected")
    )
    figures_table, averages = text.split("All scenarios in figures")[1].split("On average The same figures")
    assert f"Value of today’s customers RLV(36m), summed $61,900 {first}" in figures_table
    assert f"Value of today’s customers RLV(36m), summed $61,900 {second}" in averages
    low, high = (f"${end}" for end in first.strip("[]").split(", "))
    assert f"What may really happen: {low} to {high} (9 in 10 futures; luck and bad months are in it)." in text
    rows = demo().comparison.query("metric == 'plan_value' and scenario == 'plan'").set_index("basis")
    first, second = (
        f"[{fmt.number(rows.loc[basis, 'delta_p05'], 2)}, {fmt.number(rows.loc[basis, 'delta_p95'], 2)}]"
        for basis in ("realised", "expected")
    )
    assert f"+$13,100 {first} on average {second}" in text


def test_means_per_customer_say_over_how_many(pages: dict[str, str]) -> None:
    text = visible_text(pages["demo"])
    assert "means over the 2,357 customers of today, figures per newcomer or visitor over the plan’s 1,200" in text
    assert "newcomer" not in visible_text(pages["foreign"])


def test_evidence_stands_beside_every_lever(text_of: Text) -> None:
    """And the question that it answers, beside what was assumed."""
    result = demo()
    kinds = ("", "experiment", "judgement", "stated", "stated")
    scenarios = tuple(
        replace(s, evidence=kind, uncertain=k < 4)
        for k, (s, kind) in enumerate(zip(result.scenarios, kinds, strict=True))
    )
    text = text_of(replace(result, scenarios=scenarios))
    for name, words_of in zip(LEVERS, ("experiment", "judgement with a source", "stated", "stated"), strict=True):
        assert f"{name} · {words_of} " in text
    assert "A test was run; what is asked is what its result says of the true effect." in text
    assert "Part of it rests on numbers without a source; what is asked is what follows if all are right." in text
    assert "what if what if $" in text  # the plan, stated and certain, has no chance to be better or best
    assert "“what if”: what the lever rests on is stated as certain" in text
    assert "what if" not in text_of(result)


def test_too_few_draws_show_no_chance_and_say_why(text_of: Text) -> None:
    result = demo()
    frame = result.comparison.assign(p_better=np.nan, p_better_mcse=np.nan, p_best=np.nan)
    text = text_of(replace(result, comparison=frame, metric="plan_value"))
    assert "No chance of being better or best is shown: 1,000 simulated futures are too few for one. Raise" in text
    assert "nan" not in text.lower().split()
    assert "Sure that it is better" not in text
    assert "too few" not in text_of(result)


def test_warnings_on_levers_are_warnings_of_the_page(text_of: Text) -> None:
    text = text_of(replace(demo(), lever_warnings=("A lever has no source.",)))
    assert text.count("2 warnings") == 2  # the sheet's link, and what is folded
    assert "2 warnings 12 orders have the amount zero. A lever has no source." in text


def test_a_draft_names_no_parameters_among_its_layers(text_of: Text) -> None:
    draft = replace(demo(), draft=True, layers=("process", "environment", "assumption"))
    text = text_of(draft)
    assert "what may happen in a week: it allows for who happens to buy and shocks common to all." in text


def test_layers_are_read_in_any_spelling() -> None:
    expected = ("parameter", "assumption")
    assert split_layers("assumption, parameter") == split_layers(("assumption", "parameter")) == expected
    assert "averages" not in layer_note("expected", "parameter+process+environment")
    assert layer_note("realised", "process").endswith("of what may happen: it allows for who happens to buy.")


def test_different_layers_in_one_table_are_told_apart(text_of: Text) -> None:
    result = demo()
    frame = result.comparison.copy()
    frame.loc[frame["metric"] == "newcomers", "layers"] = "parameter"
    text = text_of(replace(result, comparison=frame))
    assert "Newcomers: 90 % interval on average: it allows for how customers behave, and averages out who" in text


def test_assumptions_carry_their_provenance(pages: dict[str, str]) -> None:
    text = visible_text(pages["demo"])
    assert "Change in conversion scenario.conversion.conversion.size +3.1 % [−4.2 %, +10.8 %] experiment" in text
    assert "200 of 10,000 against 230 of 10,000; shrunk with prior sd 0.05" in text
    assert "judgement with a source 10 %, 50 % and 90 % points" in text
    assert "Source: Founder’s estimate, spring survey" in text
    assert "Gross margin finance.gross_margin 30 % stated" in text
    assert "Fixed cost a month scenario.plan.fixed.amount $100 judgement with a source" in text


def test_holdout_is_said_plainly_or_its_absence_is(pages: dict[str, str]) -> None:
    text = visible_text(pages["demo"])
    assert "placed 1,882 repeat orders" in text
    assert "The actual number lies at the 71st of 100 simulated futures, shocks included" in text
    assert "nothing on this page was fitted or tuned to them" in text
    assert "Not checked" not in text
    assert "Not checked Nothing was held back (the log is too short)." in visible_text(pages["foreign"])


def test_failed_diagnostics_are_visible(pages: dict[str, str]) -> None:
    assert '<td class="bad">failed</td>' in pages["hostile"]
    assert "failed" not in visible_text(pages["demo"])


def test_reproduction_and_versions(pages: dict[str, str]) -> None:
    text = visible_text(pages["demo"])
    assert "clvsim run experiment=demo" in text
    assert "clvsim 0.1.0 · 2026-11-21 22:40 · seed 1 · 1,000 posterior draws × 1 replicate · 2,357 customers" in text


def test_limits_depend_on_the_run(pages: dict[str, str], text_of: Text) -> None:
    assert "It does not vary" not in visible_text(pages["demo"])
    assert "It does not vary shocks that hit all customers at once" in text_of(
        replace(demo(), layers=("parameter", "process"))
    )
    assert "Newcomers Visitors, conversion" in visible_text(pages["demo"])
    assert "Newcomers Visitors, conversion" not in visible_text(pages["foreign"])


def test_merged_orders_are_said_to_be(pages: dict[str, str], text_of: Text) -> None:
    """Wherever orders are counted: the check on held-back orders, the chart's caption, the limits."""
    text = text_of(replace(demo(), merged_days=30.4375))
    sentence = (
        "repeat orders, those of a period of 30.4 days as one; the model expected",
        "customers in the log, all orders of a customer in one period as one at its end.",
        "The model sees whether a customer orders in a period of 30.4 days",
    )
    for words_of in sentence:
        assert words_of in text
        assert words_of not in visible_text(pages["demo"])


@pytest.mark.parametrize("metric", ["customer_equity", "ltv_cac", "newcomers"])
def test_a_page_decided_on_another_metric(metric: str, text_of: Text) -> None:
    label = words(metric, margin_known=True, horizon_months=36, arrival_months=12).label
    result = decided_on(metric)
    text = text_of(result)
    label = label if label.isupper() else label[0].lower() + label[1:]
    assert f"Scenario Change of {label}" in text
    assert ("$" in re.findall(r"Regret if wrong (.*?) 90 % interval", text)[0]) == (metric == "customer_equity")
    with style():
        assert svg(figures.difference_figure(result))


def test_one_scenario_one_week(tmp_path: Path) -> None:
    """The smallest run there can be: no lever, a single week of tracking, no draws of differences."""
    full_tracking = tracking(holdout=False)
    short = replace(
        full_tracking, **{k: getattr(full_tracking, k)[:1] for k in ("week_start", "actual", "mean", "p05", "p95")}
    )
    result = replace(demo({}), tracking=short, quality=(), diagnostics=(), model_facts=(), warnings=(), notes=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = visible_text(page_of(result, tmp_path))
    assert "The 2,357 customers of today are worth about $61,900" in text
    assert not (tmp_path / "figures" / "difference.svg").exists()


def test_missing_numbers_read_not_available(text_of: Text) -> None:
    result = demo()
    frame = result.comparison.copy()
    frame.loc[frame["metric"] == "payback_months", ["mean", "p05", "p50", "p95", "mean_mcse"]] = np.nan
    text = text_of(replace(result, comparison=frame))
    assert "Payback in months (median) * n/a n/a n/a n/a n/a" in text
    assert "nan" not in text.lower().split()


def test_page_without_levers_titles_is_complete(pages: dict[str, str]) -> None:
    for title, _, _ in LEVERS.values():
        assert title in visible_text(pages["demo"])


def test_payback_is_a_median_and_may_never_come(text_of: Text) -> None:
    result = demo()
    frame = result.comparison.copy()
    rows = frame["metric"] == "payback_months"
    frame.loc[rows, ["mean", "mean_mcse", "p05", "p50", "p95"]] = [np.nan, np.nan, 5.0, 9.0, np.inf]
    assert "Payback in months (median) * 9 [5, > 36] 9" in text_of(replace(result, comparison=frame))


def test_the_check_is_told_at_the_top(pages: dict[str, str]) -> None:
    top = visible_text(pages["demo"]).split("The decision")[0]
    assert "1,882 repeat orders came where 1,790 were expected, at the 71st of 100 simulated futures." in top
    assert "Nothing was held back (the log is too short). So nothing here was compared" in visible_text(
        pages["foreign"]
    )


def test_a_source_without_dated_orders_has_nothing_to_track(text_of: Text) -> None:
    why = "There are no dated orders."
    result = replace(demo(), tracking=no_tracking(why))
    text = text_of(result)
    assert "tracking" not in figures.drawings(result)
    assert f"Predicted and actual repeat orders {why}" in text
    assert f"Nothing to check against {why}" in text
    assert "No hold-out" not in text


def test_newcomers_of_the_log_have_a_sentence_and_a_limit(text_of: Text) -> None:
    sentence = "About 100 new customers a month are expected; the log brought 98. Each costs $12."
    text = text_of(replace(demo(), arrivals=sentence))
    assert sentence in text
    assert "Their number is learned from the log and goes on with a growth that fades" in text
    assert "Visitors, conversion and cost per visitor are inputs" not in text
    assert "Visitors, conversion and cost per visitor are inputs" in text_of(demo())


def test_synthetic_data_are_called_so_first(text_of: Text) -> None:
    result = replace(demo(), synthetic="Simulated <here>.")
    text = text_of(result)
    assert text.index("Synthetic data. Simulated <here>.") < text.index(result.title, len(result.title) + 30)
    assert tables(result).startswith("SYNTHETIC DATA: Simulated <here>.")
    assert "ynthetic" not in text_of(demo())


def test_models_that_share_the_draws_are_named_with_their_weights(text_of: Text) -> None:
    sentence = "The models share the draws by how they predicted the log's last part: Pareto/NBD 57 %, BG/NBD 43 %."
    assert sentence in text_of(replace(demo(), models=sentence))


def test_when_the_months_of_a_figure_end_is_said_once(pages: dict[str, str]) -> None:
    """Beside newcomers, on the page as on the terminal; "over 36 months" reaches 48 months ahead."""
    said = (
        "The 36 months count from today, and for the new customers of the next 12 months from the day they come, so up "
        "to 48 months ahead."
    )
    assert visible_text(pages["demo"]).replace(fmt.NBSP, " ").count(said) == 1
    assert " ".join(tables(demo()).split()).count(said) == 1
    assert "for the new customers" not in visible_text(pages["foreign"])
    assert "for the new customers" not in tables(foreign())


def test_signs_that_steer_a_terminal_or_turn_text_are_escapes(tmp_path: Path) -> None:
    evil = "a\x1b[31m\u202eb\x00\x9b"
    warned = QualityLine("k", evil, evil, evil, "warning")
    result = replace(demo(), title=evil, question=evil, command=evil, quality=(warned,), warnings=(evil,))
    page = page_of(result, tmp_path)
    assert not CONTROLS.search(page)
    assert page.count("a\\x1b[31m\\U0000202eb\\x00\\U0000009b") >= 5


def test_followed_customers_are_folded_tables_with_their_levers(pages: dict[str, str]) -> None:
    tables = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", pages["demo"], flags=re.S)
    assert [who for who, _ in tables] == ["Median expected value", "Most orders so far"]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", rows) for _, rows in tables]
    assert cells[0][6:] == ["1997-10-04", "offer taken", "upsell", "$15.00", "$6.00", "upsell_soft"]
    assert cells[1] == ["1997-10-01", "142.4 messages", "email", "", "$1.42", "followup"]
