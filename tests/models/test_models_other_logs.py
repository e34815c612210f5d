"""A posterior that was fitted to another log is noticed when it is used, and one of the same log is not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.elsewhere import of_another_log, read_parts, seen_of
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.types import CustomerSummary, Posterior, Seen
from tests.data.madeup import as_log, on, shop

DAYS = 400


def summary_of(seed: int = 1, cut: int | None = None) -> CustomerSummary:
    config = DataConfig() if cut is None else DataConfig(calibration_end=on(cut))
    return summarize(read_transactions(as_log(shop(seed, DAYS)), config))


def fitted_to(summary: CustomerSummary | None) -> FittedModels:
    draws = np.full(10, 1.0)
    posterior = Posterior(
        dict.fromkeys(("r", "alpha", "a", "b"), draws), {"price": draws, "first_order_factor": draws}, time_unit="week"
    )
    return FittedModels(BgNbd(), FixedPrice(), replace(posterior, seen=summary and seen_of(summary)))


def test_what_a_posterior_was_fitted_to_is_counted() -> None:
    """Plainly, from the orders."""
    frame = shop(1, DAYS)
    known = frame[frame["day"] <= 250]
    today = int(frame["day"].max())
    customers = known["customer_id"].nunique()
    expected = Seen(customers, len(known) - customers, on(int(frame["day"].min())), on(250))
    assert seen_of(summary_of(), on(250)) == expected
    whole = frame["customer_id"].nunique()
    assert seen_of(summary_of()) == Seen(whole, len(frame) - whole, expected.first_date, on(today))


def test_the_file_says_it(tmp_path: Path) -> None:
    fitted = fitted_to(summary_of())
    write_posterior(fitted, tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").posterior.seen == fitted.posterior.seen
    assert read_parts(tmp_path / "posterior.nc", "bg_nbd")["retention"].seen == fitted.posterior.seen
    write_posterior(fitted_to(None), tmp_path / "older.nc")
    assert read_posterior(tmp_path / "older.nc").posterior.seen is None


def test_another_log_is_named_with_both_counts() -> None:
    mine, other = summary_of(1), summary_of(2)
    (sentence,) = of_another_log(fitted_to(other), mine)
    assert sentence.startswith(f"The posterior was fitted to {len(other.customers):,} customers with ")
    assert (
        f"this log has {len(mine.customers):,} customers with {mine.customers['frequency'].sum():,} repeat" in sentence
    )
    assert "without fit.posterior" in sentence


@pytest.mark.parametrize("seen", ["itself", "its first part", "unknown"])
def test_the_same_log_is_none(seen: str) -> None:
    """Also where it has gone on since the fit."""
    fitted_on = {"itself": summary_of(1), "its first part": summary_of(1, cut=250), "unknown": None}[seen]
    assert of_another_log(fitted_to(fitted_on), summary_of(1)) == ()


def test_a_posterior_of_later_days_is_another_logs() -> None:
    """Its parameters know what the cut holds back."""
    assert len(of_another_log(fitted_to(summary_of(1)), summary_of(1, cut=250))) == 1
    later = fitted_to(summary_of(1))
    moved = replace(summary_of(1), first_date=summary_of(1).first_date + timedelta(days=1))
    assert len(of_another_log(later, moved)) == 1
