"""What the page and the terminal say where customers hold contracts: no silence, no guess at who has left."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from factory import demo, foreign, plan, subscriptions, undrawn

from clvsim.config import validate
from clvsim.data.config import SurvivorsConfig
from clvsim.data.tables.survivors import material_of_survivors
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.report import contracts, figures
from clvsim.report.display import wording
from clvsim.report.facts import model_facts
from clvsim.report.limits import limits
from clvsim.report.page import render
from clvsim.report.sheet import sheet
from clvsim.report.text import tables
from clvsim.types import ContractFigures, Posterior, Range

RESULT = replace(demo(), active_contracts=1_234, who_is_lost="A contract counts as lost when nobody pays.")


def test_lost_contracts_are_not_inferred():
    sections = dict(limits(RESULT))
    text = sections["Lost contracts are seen, later losses are forecast"]
    assert text.startswith(RESULT.who_is_lost)
    assert f"1,234 of {RESULT.customers:,} are active" in text
    assert "80 of 2,357 are active; figures" in " ".join(dict(limits(subscriptions())).values())
    everything = " ".join(sections.values())
    assert "silence" not in everything
    assert "buying rate" not in everything
    assert "Every order is a payment" in sections["Behaviour is taken as lasting"]
    assert "Lost customers are inferred" in dict(limits(demo()))


def test_orders_are_payments():
    assert wording(RESULT, "orders").label == "Payments"
    assert wording(demo(), "orders").label == "Orders"
    assert "Orders" not in tables(RESULT)


def test_the_first_sentence_tells_who_is_left():
    text = " ".join(tables(replace(foreign(), active_contracts=1_234)).split())
    assert f"The {foreign().customers:,} customers (1,234 with an active contract) are" in text
    assert "active contract" not in tables(foreign())


def test_at_one_price_no_correlation_is_shown():
    data: dict[str, Any] = {"kind": "survivors", "path": "table.csv", "price": 10.0, "renewal": "month"}
    models = {"retention": {"kind": "sbg"}, "spend": {"kind": "fixed_price"}}
    config = validate({"data": data, **models, "scenario": {"baseline": {"title": "As today"}}})
    table = pd.DataFrame({"period": [0, 1, 2], "survivors": [9, 6, 5]})
    summary = material_of_survivors(SurvivorsConfig(**data), table).summary
    draws = {name: np.ones(5) for name in ("alpha", "beta", "price", "first_order_factor")}
    life, money = ({k: draws[k] for k in names} for names in (("alpha", "beta"), ("price", "first_order_factor")))
    fitted = FittedModels(Sbg(), FixedPrice(), Posterior(life, money, "month"))
    nothing: Any = SimpleNamespace(variance={"total": 0.0}, evpi=None)
    facts = dict(model_facts(fitted, summary, nothing, config.finance))
    assert facts["Mean per renewal, in the data"] == "10.0"
    assert not [value for value in facts.values() if "nan" in value]


def words_of(line: contracts.Line) -> str:
    return " ".join(f"{' '.join(line.cell[:2])} {line.note}".replace("\u00a0", " ").split())


def test_each_figure_is_said_with_what_it_is_read_by():
    found = {line.label: words_of(line) for line in contracts.lines(subscriptions())}
    assert found == {
        "Contracts": "120 80 active; 22 lost",
        "MRR, monthly recurring revenue": "3,120 ARPA 39.00, the mean of the 80 active",
        "Churn, next month": "3.1 % [2.5 %, 4.0 %] 60 of 80 fall due; last 12 months: 3.3 % a month, "
        "31 ended in 930 months",
        "Churn, next 12 months": "28 % [23 %, 35 %] of 71 that were active a year ago 22 ended: 31 %",
        "Net revenue retention, 12 months": "75 % of 2,532 a month a year ago, what is paid by who is left",
        "Net expansion, 12 months": "+5.5 % 49 that stayed paid 1,800 a month a year ago and pay 1,899 now",
        "Trials that pay": "66 % [52 %, 79 %] of 40: 22 paid, 11 did not, 7 are open",
    }
    assert contracts.lines(replace(subscriptions(), currency="USD"))[1].cell.value == "$3,120"
    assert contracts.notes(subscriptions())[-1] == (
        "Trials: 7 are open today, of which about 4 will pay; they are no customers yet, and in no figure of today’s "
        "customers."
    )


def test_pauses_and_months_without_a_due_day_are_said():
    quiet = plan("", "year", paused=Range(6.4, 3.2, 11.1), due=0, churn_month=Range(0.0, 0.0, 0.0))
    run = replace(subscriptions(), contracts=ContractFigures(quiet))
    found = {line.label: words_of(line) for line in contracts.lines(run)}
    assert found["Contracts"] == "120 80 active; 22 that no longer pay: about 6 [3, 11] paused, the others lost"
    assert found["Churn, next month"].startswith("none due 0 of 80 fall due")
    assert not contracts.plans(run)


def test_plans_and_renewals_stand_in_the_terminal_and_on_the_page(monkeypatch):
    monkeypatch.setattr(figures, "make_drawing", undrawn)
    run = subscriptions()
    text = tables(run)
    assert max(map(len, text.splitlines())) <= 100
    text = " ".join(text.split())
    assert "month 80 3,120 39.00 3.1 % [2.5 %, 4.0 %] 28 % [23 %, 35 %] +5.5 %" in text
    assert "year 0 0.00 n/a n/a n/a n/a" in text
    assert "Renewed, month 1st 80 % of 97 (the model: 82 %)" in text  # 4 are too few for the second
    assert "90 % interval on average: it allows for how customers behave, and averages out who happens to" in text
    page = render(run, figures.drawings(run))
    assert "<h2>The contracts today</h2>" in page
    assert '<tr><th scope="row">1st</th><td class="n">97</td>' in page
    assert "<dt>ARPA</dt>" in page
    assert "Monthly revenue" in [box.label for box in sheet(run, frozenset()).boxes]
    orders = render(foreign(), figures.drawings(foreign()))
    assert not any(word in orders for word in ("The contracts today", "ARPA", "Net expansion"))


def test_at_a_single_point_there_is_no_interval():
    point = Range(0.03, 0.03, 0.03)
    run = replace(subscriptions(), layers=("process",), contracts=ContractFigures(plan("", "month", churn_month=point)))
    assert contracts.lines(run)[2].cell == ("3.0\u00a0%", "", "")
    assert len(contracts.notes(run)) == 1
