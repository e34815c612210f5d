"""What the page and the terminal say where customers hold contracts: no silence, no guess at who has left."""

from dataclasses import replace

from factory import demo, foreign

from clvsim.report.limits import limits
from clvsim.report.text import tables
from clvsim.report.view import wording

RESULT = replace(demo(), active_contracts=1_234, who_is_lost="A contract counts as lost when nobody pays.")


def test_lost_contracts_are_not_inferred():
    listed = dict(limits(RESULT))
    seen = listed["Lost contracts are seen, later losses are forecast"]
    assert seen.startswith(RESULT.who_is_lost)
    assert f"1,234 of {RESULT.customers:,} are active" in seen
    everything = " ".join(listed.values())
    assert "silence" not in everything
    assert "buying rate" not in everything
    assert "Every order is a payment" in listed["Behaviour is taken as lasting"]
    assert "Lost customers are inferred" in dict(limits(demo()))


def test_orders_are_payments():
    assert wording(RESULT, "orders").label == "Payments"
    assert wording(demo(), "orders").label == "Orders"
    assert "Orders" not in tables(RESULT)


def test_the_first_sentence_tells_who_is_left():
    text = " ".join(tables(replace(foreign(), active_contracts=1_234)).split())
    assert f"The {foreign().customers:,} customers (1,234 with an active contract) are" in text
    assert "active contract" not in tables(foreign())
