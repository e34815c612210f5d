"""`business=NAME` from the shell: a page that says that there is no data, and one line for each mistake."""

import re
from html import unescape

import pandas as pd
import pytest

from clvsim.files import choices, leading_comment
from tests.cli.shell import assert_refused
from tests.simulation.shop import CONFIGS

BUSINESSES = choices("business")
SMALL = ("simulation.draws=500", "simulation.horizon_months=4", "simulation.max_replicates=1", "acquisition.months=2")
FROM_DATA = re.compile(
    r"\b(your|the) log\b(?! (scale|odds|purchase|hazard))|\bthis log\b|fitted|posterior|how customers behave \(",
    re.IGNORECASE,
)


def words_of(page: str) -> str:
    """The text of a page."""
    bare = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.S)
    return unescape(re.sub(r"<[^>]+>", " ", bare))


@pytest.mark.parametrize("name", BUSINESSES)
def test_every_business_is_ready(clvsim, here, name):
    done = clvsim("check", f"business={name}")
    assert done.returncode == 0, done.stderr
    assert "There is no data: every number is stated." in done.stdout
    assert f"clvsim run business={name}" in done.stdout
    comment = leading_comment(CONFIGS / "business" / f"{name}.yaml")
    assert "llustrative numbers of ours" in comment
    assert "Not modelled" in comment


@pytest.mark.parametrize("name", ["store", "agency_retainer"])
def test_the_page_says_that_there_is_no_data(clvsim, here, name):
    done = clvsim("run", f"business={name}", *SMALL, "scenarios=[conversion_lift]", "out=r")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NO DATA: Every number is stated")
    assert "If the business is as stated, for which there are no data:" in done.stdout
    words = words_of((here / "r" / "report.html").read_text(encoding="utf-8"))
    assert "No data." in words
    assert "Behaviour is stated, and lasts" in words
    assert not FROM_DATA.search(words), FROM_DATA.search(words)
    assert not FROM_DATA.search(done.stdout)
    assert "parameter" not in (here / "r" / "comparison.csv").read_text()
    again = clvsim("report", "r")
    assert again.returncode == 0, again.stderr
    assert words == words_of((here / "r" / "report.html").read_text(encoding="utf-8"))


def test_a_tested_lever_is_an_if_in_a_business_that_is_stated(clvsim, here):
    lever = ("scenarios=[conversion_lift]", "scenario.conversion_lift.illustrative=false")
    done = clvsim("run", "business=ebook_funnel", *SMALL, *lever, "out=r")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "If the business is as stated, “New landing page” comes first." in text
    assert re.search(r"New landing page \S+ \[.*?\] .* experiment", text)
    assert "sure that it" not in text


def test_the_arithmetic_of_the_ebook_funnel_stands_on_the_page(clvsim, here):
    done = clvsim("run", "business=ebook_funnel", "scenarios=[]", "simulation.draws=500", "out=r")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    newcomer = r"A new customer \$160 .* before the \$30 that winning one costs; .* singly 75 % do"
    assert re.search(newcomer, text)
    assert re.search(r"All new customers \$156k .* the 1,200 who come within 12 months, after what they cost", text)
    assert "half bring at most $120" in text
    figures = " ".join(clvsim("show", "r", "what=figures").stdout.split())
    for figure in ("Value per newcomer $160", "CAC $30.0", "CLV per newcomer $130"):
        assert figure in figures
    single = "Of new customers 25 % order once"
    assert single in words_of((here / "r" / "report.html").read_text(encoding="utf-8")).replace("\u00a0", " ")


def test_a_lead_of_the_ebook_funnel_is_worth_its_share_of_a_customer(clvsim, here):
    """Of leads 1 − 0.9 × 0.95 buy, and a customer brings $160 in the end, $20 of them at once: $23.20, and $2.90."""
    lever = ("share=0.5", "first.buy=0.1", "second.buy=0.05", "second.after_days=0", "third=null", "quality=null")
    words = [f"scenario.email_funnel.funnel.{word}" for word in lever]
    done = clvsim("run", "business=ebook_funnel", "scenarios=[email_funnel]", "simulation.draws=500", *words, "out=r")
    assert done.returncode == 0, done.stderr
    books = pd.read_csv(here / "r" / "books.csv").query("metric == 'lead_value' and scenario == 'email_funnel'")
    means = books.set_index(["basis", "at"])["mean"]
    for basis in ("realised", "expected"):
        assert means[basis, 0.0] == pytest.approx(0.145 * 20, rel=0.01)
        assert means[basis, 36.0] == pytest.approx(0.145 * 160, rel=0.01)
    page = words_of((here / "r" / "report.html").read_text(encoding="utf-8"))
    assert "A lead, “Three e-mails to visitors who did not buy”" in page
    assert "who never buys counts as 0" in page


@pytest.mark.parametrize(
    "words",
    [
        ("business=agency_retainer", "acquisition.channels.talks.visitors_per_month=0", "scenarios=[]"),
        ("business=ebook_funnel", "acquisition.channels.ads.conversion=0", "scenarios=[conversion_lift]"),
        ("business=ebook_funnel", "scenarios=[silent,second_order]"),
        ("business=store", "finance.gross_margin=null", "scenarios=[]"),
        ("business=relationship_seller", "retention.monthly_churn=0", "spend.customers_vary=5", "scenarios=[]"),
    ],
    ids=["no newcomers", "no conversion", "levers on customers of today", "no margin", "nobody leaves"],
)
def test_what_is_empty_is_simulated_all_the_same(clvsim, here, words):
    done = clvsim("run", *words, *SMALL)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\bnan\b", done.stdout)


def test_a_business_of_ones_own_is_an_experiment(clvsim, here):
    (here / "experiments").mkdir()
    (here / "experiments" / "mine.yaml").write_text(
        "# What is a box worth?\ndefaults: [override /business: saas_membership]\n"
        "spend: {products: {membership: {price: 35}}}\nretention: {churn: 0.1}\n"
    )
    done = clvsim("check", "experiment=mine", "retention.churn_varies=0.5")
    assert done.returncode == 0, done.stderr


def test_data_of_its_own_without_a_business(clvsim, here):
    words = ("data=stated", "retention=stated_contracts", "retention.churn=0.1", "spend=price_list")
    done = clvsim("check", *words, "++spend.products.box.price=35", "data.customers=10")
    assert done.returncode == 0, done.stderr


MISTAKES = {
    "unknown": (("business=stor",), ["business: no choice 'stor'; did you mean store?"]),
    "nobody": (
        ("business=store", "~acquisition.channels.ads"),
        ["acquisition.channels: nobody is there and nobody comes"],
    ),
    "no visitors": (
        ("business=store", "acquisition.channels.ads.visitors_per_month=0"),
        ["acquisition.channels: nobody is there and nobody comes"],
    ),
    "a negative price": (
        ("business=ebook_funnel", "spend.first=-20", "spend.products.course.price=-1"),
        ["spend.first: must be between 1e-09 and 1e+12, got -20", "spend.products.course.price: must be between"],
    ),
    "shares": (
        ("business=ebook_funnel", "spend.products.course.share=0.5"),
        ["spend.products: the products' shares must add up to 1, got 1.166667"],
    ),
    "beyond": (
        ("business=store", "retention.orders_per_year=1e9", "retention.monthly_churn=2", "retention.orders_vary=99"),
        ["retention.orders_vary: should be less than or equal to 10"],
    ),
    "no numbers": (
        ("business=store", "retention.orders_per_year=1e9", "retention.monthly_churn=2", "spend.order_value=0"),
        ["retention.orders_per_year: must be", "retention.monthly_churn: a probability", "spend.order_value: must be"],
    ),
    "missing": (
        ("data=stated", "retention=stated_orders", "spend=price_list", "data.customers=3"),
        [
            "retention.orders_per_year: a number or an effect {kind: fixed | prior",
            "retention.monthly_churn: a number or an effect {kind: fixed | prior",
        ],
    ),
    "another law": (
        ("business=store", "retention=bg_nbd"),
        [f"retention.{key}: no such key; it goes with retention=stated_orders" for key in
         ("orders_per_year", "monthly_churn", "orders_vary", "churn_varies")],
    ),
    "fits": (
        ("business=store", "fit.compare=[bg_nbd]", "acquisition.from_log=true"),
        [
            "fit.compare: goes with data to fit models to",
            "acquisition.from_log: needs a log",
            "acquisition.channels.ads: types 4000 visitors",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "said"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_a_line(clvsim, here, words, said):
    assert_refused(clvsim("check", *words), 2, *said)


def test_a_log_beside_a_business_is_refused(clvsim, here):
    (here / "orders.csv").write_text("customer_id,date,amount\na,2024-01-01,3\n")
    assert_refused(
        clvsim("run", "orders.csv", "business=store"),
        2,
        "retention: stated_orders is stated, and data=csv is there to learn from; leave out the data or business",
        "spend: stated_amounts is stated, and data=csv is there to learn from; leave out the data or business",
    )


@pytest.mark.parametrize(
    ("stage", "said"), [("fit", "data: fit needs data"), ("validate", "data: validate needs dated")]
)
def test_there_is_nothing_to_fit_or_to_validate(clvsim, here, stage, said):
    assert_refused(clvsim(stage, "business=store"), 2, said)
    assert list(here.iterdir()) == []
