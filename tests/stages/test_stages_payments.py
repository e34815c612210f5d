"""What a run needs of amounts: a refusal names what can be typed instead."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.config import RunConfig, validate
from clvsim.data import DataConfig, quality, read_transactions, summarize
from clvsim.data.material import Material, material_of_log
from clvsim.errors import DiagnosticsError
from clvsim.stages.cautions import cautions
from clvsim.stages.refusals import require_payments
from tests.data.madeup import as_log, shop

PERIODS = {"month": 1, "quarter": 3, "year": 12}


def contracts(renewal: str, late: int = 1) -> pd.DataFrame:
    """Fifty contracts of 29 that end at random, paid up to so many days late."""
    rng, rows = np.random.default_rng(4), []
    for customer in range(50):
        start = pd.Timestamp("2019-01-31") + pd.Timedelta(days=int(rng.integers(0, 300)))
        for n in range(1 + min(int(rng.geometric(0.15)), 48 // PERIODS[renewal])):
            day = start + pd.DateOffset(months=n * PERIODS[renewal]) + pd.Timedelta(days=int(rng.integers(0, late + 1)))
            rows.append((f"c{customer}", str(day.date()), 29.0))
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def material(frame: pd.DataFrame, **data: Any) -> Material:
    return material_of_log(read_transactions(frame, DataConfig(**data), today_date=date(2030, 1, 1)))


def configured(retention: str = "auto", **changed: Any) -> RunConfig:
    raw = {"data": {"kind": "bundled"}, "retention": {"kind": retention}, "spend": {"kind": "gamma_gamma"}}
    return validate({**raw, "scenario": {"baseline": {"title": "As today"}}, **changed})


def refused(read: Material, retention: str = "auto") -> tuple[str, str]:
    with pytest.raises(DiagnosticsError) as error:
        require_payments(configured(retention), read, read.summary)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize("renewal", PERIODS)
def test_one_price_that_falls_due_by_the_calendar_is_taken_for_contracts_first(renewal: str) -> None:
    read = material(contracts(renewal))
    keys = f"retention=sbg retention.renewal={renewal} spend=fixed_price"
    where, what = refused(read)
    assert where == "spend"
    assert what.startswith("Gamma-Gamma needs amounts that vary")
    assert f"of the gaps are a {renewal}" in what
    assert what.index(keys) < what.index("spend=fixed_price goes on with it")
    (line,) = [line for line in cautions(configured().retention, read, 30.0) if line.key == "regularity"]
    assert line.note.endswith(f"set {keys}")
    require_payments(configured(spend={"kind": "fixed_price"}), read, read.summary)


def test_one_price_at_random_moments_is_not() -> None:
    read = material(as_log(shop(3, 400)))
    assert read.signs
    assert read.signs.due is None
    assert "retention=sbg" not in refused(read)[1]


def test_a_log_without_amounts_is_told_what_can_be_run() -> None:
    frame = as_log(shop(3, 400)).drop(columns="amount")
    read = material(frame, amount="")
    where, what = refused(read)
    assert where == "data.amount"
    assert "clvsim validate" in what
    assert "spend=fixed_price" in what
    require_payments(configured(spend={"kind": "fixed_price"}), counted := material(frame.assign(amount=1)), counted[0])


def test_lines_about_amounts_say_each_thing_once() -> None:
    """Equal ones as one, none at all as none, and some that are 0 by what becomes of them."""

    def lines(amounts: Any, **data: Any) -> dict[str, tuple[str, str]]:
        frame = as_log(shop(3, 400)).assign(amount=amounts)
        log = read_transactions(frame, DataConfig(**data))
        return {line.key: (line.value, line.note) for line in quality(log, summarize(log))}

    assert lines(29.0)["range"][0] == "both 29.00"
    size = len(shop(3, 400))
    assert lines(np.where(np.arange(size) % 2, 1234.5, 0.0125))["range"][0] == "0.0125 to 1,234.50"
    assert lines(np.where(np.arange(size) % 2, 29.0, 30.5))["range"][0] == "29.00 to 30.50"
    assert "free" not in lines(0.0)
    value, note = lines(np.where(np.arange(size) % 4, 29.0, 0.0))["free"]
    assert value == f"{-(-size // 4):,} of {size:,}"
    assert "have an amount of 0. They count as orders and bring nothing" in note
