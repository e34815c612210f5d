"""What the page and the terminal say where customers hold contracts: no silence, no guess at who has left."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from factory import demo, foreign

from clvsim.config import validate
from clvsim.data.config import SurvivorsConfig
from clvsim.data.tables.survivors import material_of_survivors
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.report.display import wording
from clvsim.report.facts import model_facts
from clvsim.report.limits import limits
from clvsim.report.text import tables
from clvsim.types import Posterior

RESULT = replace(demo(), active_contracts=1_234, who_is_lost="A contract counts as lost when nobody pays.")


def test_lost_contracts_are_not_inferred():
    sections = dict(limits(RESULT))
    text = sections["Lost contracts are seen, later losses are forecast"]
    assert text.startswith(RESULT.who_is_lost)
    assert f"1,234 of {RESULT.customers:,} are active" in text
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
