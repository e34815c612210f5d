"""Exports of shop systems and payment providers lead to the orders that they tell of, without a key typed."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from exports import EXPORTS, WITHOUT_REFUNDS, Order, orders, shopify, stripe, table

from clvsim.data import DataConfig, TransactionLog, read_transactions
from clvsim.data.presets import filled, presets
from clvsim.errors import ConfigError, DataError

NOW = date(2025, 1, 1)
MADE = orders()


def read(file: Path, text: str, **config: object) -> TransactionLog:
    file.write_text(text, encoding="utf-8")
    return read_transactions(file, DataConfig.model_validate(config), today_date=NOW)


def netted(made: list[Order], refunds: bool) -> list[tuple[date, Decimal]]:
    """Days and amounts of what customers paid, in plain Python: sales of a day are one order, and what came back is
    taken off the day's own."""
    days: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for order in made:
        if order.is_sale:
            days[order.customer, order.at.date()] += order.amount - (order.refunded if refunds else 0)
    return sorted((day, amount) for (_, day), amount in days.items() if amount > 0)


def found(log: TransactionLog) -> list[tuple[date, Decimal]]:
    rows = log.connection.execute("SELECT day, amount FROM orders").fetchall()
    return sorted((day, Decimal(amount)) for day, amount in rows)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_as_what_it_tells(tmp_path: Path, name: str) -> None:
    preset, write = EXPORTS[name]
    assert len(MADE) >= 200
    log = read(tmp_path / "export.csv", write(MADE))
    (line,) = [line for line in log.facts.readings if line.key == "preset"]
    assert line.value == f"data={preset}"
    assert found(log) == netted(MADE, refunds=preset not in WITHOUT_REFUNDS)


def test_every_preset_is_tried() -> None:
    assert {preset for preset, _ in EXPORTS.values()} == set(presets())


def test_what_is_typed_counts(tmp_path: Path) -> None:
    """A key of one's own replaces the preset's; of `only` and `without` the columns that are named."""
    text = shopify(MADE)
    gross = read(tmp_path / "gross.csv", text, refunded="")
    assert found(gross) == netted(MADE, refunds=False)
    all_of_them = read(tmp_path / "all.csv", text, without={"Financial Status": []}, refunded="")
    assert all_of_them.facts.order_rows == len(MADE)
    euros = read(tmp_path / "euros.csv", text, only={"Currency": ["EUR"]})
    assert found(euros) == netted(MADE, refunds=True)


def test_failed_charges_of_a_preset_give_way_to_what_is_typed(tmp_path: Path) -> None:
    text = stripe(MADE)
    as_known = read(tmp_path / "known.csv", text)
    assert as_known.config.failed == {"Status": ("Failed",)}
    paid = read(tmp_path / "paid.csv", text, only={"Status": ["Paid", "Failed"]})
    assert not paid.config.failed
    own = read(tmp_path / "own.csv", text, failed={"Status": ["Failed", "Requires action"]})
    assert own.config.only == as_known.config.only
    assert set(own.config.failed["Status"]) == {"Failed", "Requires action"}


def test_a_preset_can_be_left_out(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError)):
        read(tmp_path / "plain.csv", stripe(MADE), preset="none")


def test_a_preset_that_is_chosen_needs_its_columns(tmp_path: Path) -> None:
    text = table(
        "Name,Email,Total,Created at", [{"Name": "#1", "Email": "a@x.org", "Total": 3, "Created at": "2024-01-01"}]
    )
    with pytest.raises(ConfigError, match="no column 'Financial Status', 'Lineitem name'; type data=csv"):
        read(tmp_path / "export.csv", text, **presets()["shopify"].model_dump(exclude={"kind", "path"}))


def test_two_presets_that_fit_are_asked() -> None:
    both = [name.split("|")[0] for one in ("amazon", "magento") for name in presets()[one].recognise]
    with pytest.raises(ConfigError, match="those of 2 exports; type data=amazon or data=magento"):
        filled(DataConfig(), both, "export.csv")


def test_a_file_that_is_none_of_them_is_left_alone() -> None:
    config, lines = filled(DataConfig(), ["customer", "date", "amount"], "orders.csv")
    assert config == DataConfig()
    assert lines == []
