"""What is left of contracts: simulated contracts against the closed form, and which months are shown."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from shop import CALM, run  # ty: ignore[import-not-found]

from clvsim.books import keep_books
from clvsim.books.retention import shown_months
from clvsim.data.config import DataConfig
from clvsim.data.payments import payments_of
from clvsim.data.read import read_transactions
from clvsim.data.summary import summarize
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.types import Posterior


def test_simulated_contracts_end_as_the_closed_form_says() -> None:
    """400 contracts in 200 worlds of one law: the mean of worlds within 4 standard errors of it, in every month."""
    rows = []
    for k in range(400):
        start = date(2021 + k % 2, 1 + k % 12, 1 + k % 20)
        for n in range(3 + k % 7):
            month = start.month - 1 + n
            rows.append((f"c{k}", date(start.year + month // 12, month % 12 + 1, start.day), 10.0 + k % 3))
    today = max(day for _, day, _ in rows)
    log = read_transactions(pd.DataFrame(rows, columns=["customer_id", "date", "amount"]), DataConfig(today=today))
    summary, payments = summarize(log), payments_of(log)
    draws = 200
    life = {"alpha": np.full(draws, 1.2), "beta": np.full(draws, 9.0)}
    fitted = FittedModels(
        Sbg(),
        FixedPrice(),
        Posterior(life, {"price": np.full(draws, 11.0), "first_order_factor": np.ones(draws)}, "month"),
    )
    sim = run(draws=draws, fitted=fitted, summary=summary, horizon_months=15, environment=CALM)
    book = keep_books(sim, fitted, summary, payments).query("book == 'contract_retention'")
    simulated, expected = (
        book.query(f"metric == 'contracts_kept' and basis == '{basis}' and group == 'existing'").set_index("at")
        for basis in ("realised", "expected")
    )
    assert list(simulated.index) == list(expected.index) == [*range(1, 13), 15]
    active = int(sim.expected.existing_customers.sum())
    share = expected["mean"]
    error = np.sqrt(share * (1 - share) / (active * draws))
    assert (np.abs(simulated["mean"] - share) < 4 * error).all()
    assert (share.diff().dropna() < 0).all()
    assert (simulated["p95"] - simulated["p05"] > 4 * error).all()  # the luck of single contracts is in it
    money = book.query("metric == 'gross_revenue_retention' and group == 'existing'").set_index("at")["mean"]
    assert money.iloc[-1] == pytest.approx(share.iloc[-1], abs=0.1)


def test_months_are_few_for_long_horizons() -> None:
    assert shown_months(3) == [1, 2, 3]
    assert shown_months(16) == [*range(1, 13), 15, 16]
    assert shown_months(600)[-2:] == [57, 60]
