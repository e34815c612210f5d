"""What `check` proposes to type next, and what it leaves out where a model does not care."""

from datetime import date

import pytest

from clvsim.data.looks import InShort
from clvsim.errors import DiagnosticsError
from clvsim.report.advice import advice, sentence
from clvsim.stages.check import next_steps, remedies_of
from clvsim.stages.steps import without_spread
from clvsim.types import QualityLine

TREND = QualityLine(
    "trend", "Amounts", "+9% a year", "over 80 customers; spend.trend=true does it", remedy=("spend.trend=true",)
)
CONTRACTS = QualityLine("regularity", "Gaps", "k = 30", "regular", "warning", ("retention=sbg", "spend=fixed_price"))
SEASON = QualityLine("season", "Months differ", "December", "set it", "warning", ("retention.season=month",))
OVERLAP = QualityLine("overlap", "Rows that repeat", "127", "twice", "warning", ("data.order_id=No",))
OLDER = QualityLine(
    "mid_life", "First orders pile up", "3 times", "", "warning", ("data.customers_since=2024-02-01",), "it is older"
)


@pytest.fixture
def short() -> InShort:
    days = (date(2024, 1, 1), date(2024, 6, 29), date(2024, 7, 31))
    return InShort("o.csv", "", 300, 250, 80, 20, *days, (("customer_id", "who"),), ())


def test_a_model_makes_remedies_for_its_own_keys_void():
    words, remedies, *_ = next_steps("clvsim check 'my orders.csv' data.today=2024-01-01", [TREND, SEASON, CONTRACTS])
    assert words == ["clvsim", "run", "my orders.csv", "data.today=2024-01-01", "retention=sbg", "spend=fixed_price"]
    assert remedies == ["retention=sbg", "spend=fixed_price"]
    words, *_ = next_steps("clvsim check o.csv spend.trend=false", [TREND, SEASON])
    assert words[-2:] == ["spend.trend=false", "retention.season=month"]


def test_what_a_refusal_says_to_type_is_typed():
    regular = CONTRACTS._replace(remedy=("retention=bg_cnbd",))
    refused = DiagnosticsError([("spend", "amounts do not vary; spend=fixed_price goes on with it")])
    steps = next_steps("clvsim check o.csv", [regular, *remedies_of(refused)])
    assert steps.words[1:] == ["run", "o.csv", "retention=bg_cnbd", "spend=fixed_price"]
    assert remedies_of(DiagnosticsError([("data", "nobody came back")])) == []
    without_amounts = "no amount above zero; give each row one, 1 where each order counts the same (spend=fixed_price)"
    assert remedies_of(DiagnosticsError([("data.amount", without_amounts)])) == []


def test_what_changes_the_rows_comes_alone_and_a_condition_apart():
    steps = next_steps("clvsim check a.csv b.csv", [TREND, OVERLAP, OLDER, CONTRACTS])
    assert steps.words == ["clvsim", "check", "a.csv", "b.csv", "data.order_id=No"]
    assert steps.conditional == []
    steps = next_steps("clvsim check a.csv b.csv data.order_id=No", [TREND, OLDER])
    assert steps.words[1:] == ["run", "a.csv", "b.csv", "data.order_id=No", "spend.trend=true"]
    assert steps.conditional == [
        ("it is older", ["clvsim", "check", *steps.words[2:5], "data.customers_since=2024-02-01"])
    ]
    steps = next_steps("clvsim check a.csv b.csv", [TREND, OVERLAP._replace(remedy=()), OLDER])
    assert (steps.advised, steps.doubled, steps.conditional) == ([], True, [])


def test_prices_that_stay_have_no_trend_to_model():
    line = without_spread(TREND)
    assert (line.remedy, line.note) == ((), "over 80 customers")
    correlation = QualityLine("correlation", "Correlation", "-0.6", "Gamma-Gamma assumes 0", "warning")
    assert without_spread(correlation).level == "info"
    assert without_spread(SEASON) == SEASON


def test_lines_are_sentences():
    assert sentence(SEASON) == "Months differ: December. Set it"
    assert sentence(QualityLine("horizon", "The horizon", "is 3 times as long")) == "The horizon is 3 times as long"
    assert sentence(QualityLine("caution", "Not in this export", "", "refunds")) == "Not in this export. Refunds"


def test_a_product_is_one_column_and_what_was_typed_is_not_guessed(short):
    product = (("customer_id", "who"), ("date", "Datum"), ("amount", "Menge"), ("order_id", "Nr"))
    short = short._replace(columns=(*product, ("amount_2", "Einzelpreis")), guessed=product[:2])
    text = " ".join(advice(short, [], [], []).split())
    assert (
        "columns customer_id = who, date = Datum, amount = Menge × Einzelpreis, order_id = Nr "
        "(customer_id, date guessed; if wrong, type data.customer_id=COLUMN)"
    ) in text
    text = " ".join(advice(short._replace(columns=product, guessed=product), [], [], []).split())
    assert "order_id = Nr (guessed; if wrong, type data.customer_id=COLUMN)" in text


def test_the_summary_has_infos_in_few_words_and_warnings_in_full(short):
    lines = [
        QualityLine(
            "fold_case", "Addresses that differ in capitals", "5 merged → 80 customers", "e.g. A@b.c and a@b.c"
        ),
        QualityLine("currency", "Currency", "EUR", "by Currency"),
        QualityLine("converted", "Converted", "72 rows of USD at 0.9", "data.rates"),
        QualityLine("only_filter_0", "Rows left out as no sales", "3", "Status: void 3; data.only chooses"),
        QualityLine("without_filter_1", "Rows left out as no sales", "1", "Kind: test 1; data.without chooses"),
        QualityLine("failed_filter_2", "Charges that failed", "68", "Paid: no 68; no sales, data.failed chooses"),
        QualityLine("guests", "Rows without a customer", "7 of 300 rows (2.3%)", "missing: left out: in no figure"),
        QualityLine("refunds", "Refunds (negative amounts)", "2 worth 12.50", "taken off"),
        QualityLine("merged", "Orders merged into an order of the same day", "1"),
        QualityLine("exposure", "Mean time since the first order", "9 weeks"),
        TREND,
        SEASON,
    ]
    short = short._replace(columns=(("order_id", "no"),), sales=252, revenue=1500.5, currency="EUR")
    short = short._replace(refunds=1, refunded=12.5, refunded_in_full=1)
    text = " ".join(advice(short, lines, ["bg_cnbd is one"], ["A remark"]).split())
    assert (
        "left out 3 rows that are no sales (Status: void 3) · 1 row that is no sale (Kind: test 1) · "
        "68 charges that failed (Paid: no 68) · 7 of 300 rows (2.3%) without a customer · 2 refunds, 12.50 taken off"
    ) in text
    said = (
        "merged 5 addresses that differ in capitals → 80 customers · 1 order into another of the same customer and day"
    )
    assert said in text
    assert "read as currency EUR · converted 72 rows of USD at 0.9 left out" in text
    money = "money 252 orders, 1,500.50 EUR before 12.50 refunded in 1 row · 1 order refunded in full no longer counted"
    assert money in text
    assert "log 1 Jan 2024 – 29 Jun 2024, as of 31 Jul 2024 · 13.5 new customers" in text
    assert "modelled bg_cnbd is one" in text
    assert text.endswith("! Months differ: December. Set it ! A remark")
    assert "! Amounts: +9% a year. Over 80 customers; spend.trend=true does it" in text
    assert "Mean time" not in text
