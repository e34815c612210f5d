"""No data: a summary of as many customers as are stated, maybe none."""

from datetime import date

import pytest
from pydantic import ValidationError

from clvsim import clock
from clvsim.data.config import StatedConfig
from clvsim.data.readers import read_material
from clvsim.simulation.ledger import money_scale, typical_amounts


@pytest.mark.parametrize("customers", [0, 1, 12])
def test_customers_have_no_history(customers):
    material = read_material(StatedConfig(customers=customers, today=date(2026, 1, 1)))
    summary = material.summary
    frame = summary.customers
    assert len(frame) == customers
    assert frame["customer_id"].is_unique
    assert frame["customer_id"].is_monotonic_increasing
    assert not frame[["frequency", "recency_days", "T_days", "repeat_amount"]].to_numpy().any()
    assert frame["first_amount"].isna().all()
    assert (summary.today, summary.means_only, material.weekly, material.check) == (date(2026, 1, 1), True, None, None)
    assert "no data" in material.untracked
    assert [line.value for line in material.quality] == ["none", f"{customers}", "2026-01-01"]
    assert money_scale(typical_amounts(frame)) == 1.0


def test_today_is_the_day_of_the_run():
    assert read_material(StatedConfig()).summary.today == clock.today()


def test_the_hash_follows_what_is_stated():
    one, same, other = (
        read_material(StatedConfig(customers=n, today=date(2026, 1, 1))).summary.data_hash for n in (3, 3, 4)
    )
    assert one == same != other


@pytest.mark.parametrize("customers", [-1, 2_000_000, 1.5, True, "many"])
def test_a_number_of_customers_that_is_none(customers):
    with pytest.raises(ValidationError):
        StatedConfig(customers=customers)
