"""A log that begins in mid-life and one that breaks are named with a date; launches, growth and seasons are not."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, quality, read_transactions, summarize
from clvsim.data.days import days_of
from clvsim.data.material import material_of_log
from clvsim.data.remarks import break_day, interrupted, mid_life
from clvsim.models import RETENTION
from clvsim.models.around.calendar import Path
from clvsim.models.around.paced import Paced
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.shocks import with_path
from clvsim.models.spend.fixed_price import FixedPrice
from tests.data.madeup import as_log, december, on, shop

NOW = date(2030, 1, 1)


def read(frame: pd.DataFrame, **keys: object):
    return read_transactions(as_log(frame), DataConfig.model_validate(keys), today_date=NOW)


def warned(frame: pd.DataFrame, **keys: object) -> dict[str, str]:
    """Value and note of each warning about the log itself, by key."""
    log = read(frame, **keys)
    lines = quality(log, summarize(log))
    return {line.key: f"{line.value} {line.note}" for line in lines if line.key in ("mid_life", "break")}


def renewed(frame: pd.DataFrame, day: int, kept: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """The same orders, but from `day` on customers have new ids, up to a share who keep theirs."""
    stay = np.random.default_rng(seed).random(frame["customer_id"].max() + 1) < kept
    new = (frame["day"] >= day) & ~stay[frame["customer_id"]]
    return frame.assign(customer_id=frame["customer_id"] + 50_000 * new)


# --- a log that begins in mid-life ------------------------------------------------------------------------------------


def test_a_mid_life_log_is_told_from_its_whole_history() -> None:
    """Known after 540 days of a log whose shop is four years older: repeat orders of the year after are too many by an
    eighth, and right for those whom the proposed key keeps."""
    since, days, ahead = 1460, 540, 365
    whole = shop(0, since + days + ahead, a_day=3.0)
    log_days, future = whole[whole["day"].between(since, since + days - 1)], whole[whole["day"] >= since + days]
    start = mid_life(days_of(read(log_days)))
    assert start is not None
    assert 56 <= start.settled <= 200
    proposed = on(since + start.settled)
    assert f"data.customers_since={proposed}" in warned(log_days)["mid_life"]
    assert "mid_life" not in warned(log_days, customers_since=proposed)

    def error(**keys: object) -> float:
        """log of orders expected over orders that came, of the customers of that log."""
        summary = summarize(read(log_days, **keys))
        fitted = fit(summary, BgNbd(), FixedPrice(), FitConfig(method="laplace", draws=600, cache=False))
        histories = fitted.retention.histories(summary)
        draws = fitted.retention_draws(slice(600))
        expected = fitted.retention.expected_orders(draws, histories, ahead, fitted.days_per_unit).sum(axis=1)
        known = summary.customers["customer_id"].str[1:].astype(int)
        return float(np.log(expected.mean() / future["customer_id"].isin(known).sum()))

    sd = 0.05  # of a forecast of 3,700 orders: parameters 4.6 %, luck 2 %
    assert error() > 2 * sd
    assert abs(error(customers_since=proposed)) < 2 * sd


@pytest.mark.parametrize("seed", range(5))
def test_shops_in_mid_life_are_noticed(seed: int) -> None:
    frame = shop(seed, 1095 + 365, a_day=1.5)
    assert "mid_life" in warned(frame[frame["day"] >= 1095])


def first_seen(monthly: list[int]) -> pd.DataFrame:
    """A log of so many first orders a month of 30 days, each followed by another after 40."""
    days = np.concatenate([np.linspace(30 * m, 30 * m + 29, n).astype(int) for m, n in enumerate(monthly)])
    first = pd.DataFrame({"customer_id": np.arange(days.size), "day": days})
    again = first.assign(day=first["day"] + 40)
    return pd.concat([first, again[again["day"] < 30 * len(monthly)]])


SLOWLY = [122, 98, 97, 78, 55, 48, 42, 37, 33, 31, 30, 29, 31, 30, 29, 31, 30, 30]


def test_customers_who_are_first_seen_over_months_are_noticed() -> None:
    """And that the shop may really win fewer is said: no log tells the two apart."""
    said = warned(first_seen(SLOWLY))["mid_life"]
    assert "as in its second half" in said
    assert "If fewer new ones come than at first, leave it" in said
    start = mid_life(days_of(read(first_seen(SLOWLY))))
    assert start is not None
    assert 84 <= start.settled <= 270
    assert start.ratio == pytest.approx(122 / 30, rel=0.1)
    halving = [round(122 * 0.5 ** (m / 6)) for m in range(18)]
    assert "mid_life" not in warned(first_seen(halving))


def test_shops_whose_customers_order_seldom_are_noticed() -> None:
    """18 months of shops that are four years older, whose customers order every 100 days: 41 of 50, and here 4 of 6."""
    logs = [shop(seed, 1460 + 540, mean_gap=100.0) for seed in range(6)]
    assert sum("mid_life" in warned(frame[frame["day"] >= 1460]) for frame in logs) >= 4


ORDINARY: dict[str, dict[str, Any]] = {
    "steady": {},
    "a launch": {"arrivals": lambda day: np.where(day < 28, 6.0, 1.0)},
    "growth": {"arrivals": lambda day: np.exp(day / 365)},
    "ebb": {"arrivals": lambda day: np.exp(-day / 365)},
    "decembers": {"arrivals": december(2.0), "pace": december(2.0)},
    "slowly declining": {"pace": lambda day: 0.5 ** (day / 365)},
    "often and briefly": {"mean_gap": 8.0, "leave": (1.0, 2.0)},
    "a closed cohort": {"arrivals": lambda day: 1.0 * (day < 84)},
    "a cohort of four months": {"arrivals": lambda day: 1.0 * (day < 120)},
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_shops_are_passed_over(kind: str) -> None:
    """Of eight logs none."""
    found = [warned(shop(seed, 540 + 95 * (seed % 3), a_day=2.0, **ORDINARY[kind])) for seed in range(8)]
    assert found == [{}] * 8


def test_a_log_that_begins_in_december_is_passed_over() -> None:
    def opened(day: np.ndarray) -> np.ndarray:
        return (day >= 334) * december(2.0)(day)

    for seed in range(6):
        assert "mid_life" not in warned(shop(seed, 334 + 400, a_day=3.0, arrivals=opened, pace=december(2.0)))


# --- a break ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.0, 0.05])
@pytest.mark.parametrize("day", [300, 450])
def test_renewed_ids_are_found_with_their_day(day: int, kept: float) -> None:
    for seed in range(3):
        frame = renewed(shop(seed, 730, a_day=1.0), day, kept)
        found = break_day(days_of(read(frame)))
        assert found is not None
        assert abs(found + frame["day"].min() + 1 - day) <= 1
        first_after = read(frame).first_date + pd.Timedelta(days=found + 1)
        assert f"data.customers_since={first_after:%Y-%m-%d}" in warned(frame)["break"]


def test_a_pause_of_all_is_no_break() -> None:
    frame = shop(1, 730, a_day=1.0)
    assert warned(frame[~frame["day"].between(300, 340)]) == {}


def test_monthly_payments_are_no_break() -> None:
    """All due on one day of the month: windows after it are empty."""
    rng = np.random.default_rng(5)
    joined, months = rng.integers(0, 500, 300), rng.geometric(0.05, 300)
    due = [(i, d) for i, (d0, m) in enumerate(zip(joined, months, strict=True)) for d in _firsts(int(d0), int(m), 730)]
    frame = pd.DataFrame(due, columns=["customer_id", "day"])
    assert warned(frame) == {}


def _firsts(day: int, months: int, end: int) -> list[int]:
    return [d for d in (day, *(day - day % 30 + 30 * k for k in range(1, months))) if d < end]


# --- the key ----------------------------------------------------------------------------------------------------------


def test_customers_since_leaves_out_and_says_so() -> None:
    rows = [("a", "2024-01-01"), ("a", "2024-03-01"), ("b", "2024-02-01"), ("b", "2024-02-20"), ("c", "2024-02-02")]
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=5.0)
    log = read_transactions(frame, DataConfig(customers_since=date(2024, 2, 1)))
    summary = summarize(log)
    assert summary.customers["customer_id"].tolist() == ["b", "c"]
    assert (log.first_date, log.today) == (date(2024, 2, 1), date(2024, 3, 1))
    line = {line.key: line for line in quality(log, summary)}["left_out"]
    assert (line.label, line.value) == ("Customers first seen before 2024-02-01", "1 left out")
    assert "with 2 orders" in line.note
    kept = read_transactions(frame[frame["customer_id"] != "a"], DataConfig(calibration_end=None))
    assert log.data_hash == kept.data_hash


def test_customers_since_the_first_day_changes_nothing() -> None:
    frame = shop(2, 200)
    first = on(int(frame["day"].min()))
    assert read(frame, customers_since=first).data_hash == read(frame).data_hash


# --- a silence --------------------------------------------------------------------------------------------------------


def without(frame: pd.DataFrame, *days: int, length: int = 40) -> pd.DataFrame:
    """The shop without the rows of so many days from each of these on."""
    gone = np.zeros(len(frame), bool)
    for day in days:
        gone |= frame["day"].between(day, day + length - 1).to_numpy()
    return frame[~gone]


def test_a_silence_is_named_with_its_days() -> None:
    """One of a shop that is closed each summer is none, nor is one that few orders would have filled."""
    whole = shop(2, 800, a_day=2.0)
    log = read(without(whole, 300))
    line = next(line for line in quality(log, summarize(log)) if line.key == "silence")
    assert line.value == f"from {on(300)} to {on(339)}"
    for frame in (whole, without(whole, 300, 665), without(shop(2, 800, a_day=0.03), 300)):
        log = read(frame)
        assert "silence" not in {line.key for line in quality(log, summarize(log))}


def test_what_months_look_like_is_not_asked_of_an_interrupted_log() -> None:
    """Neither drift nor season are read off months that a silence, or new ids for old customers, has moved."""
    whole = shop(1, 700, a_day=1.0)
    assert not interrupted(days_of(read(whole)))
    for frame in (without(whole, 340), renewed(whole, 500)):
        summary = material_of_log(read(frame)).summary
        looks = Path(months=23, today=summary.today, autocorrelation=0.5, slope=1.0, slope_z=8.0, harmonic=9.5)
        assert summary.interrupted
        by_clock: Any = with_path(BgNbd(), summary, looks)
        beside: Any = Paced(RETENTION["bg_cnbd"](), looks)
        for model in (by_clock, beside):
            assert model.warnings(summary, {}) == ()
            assert len(model.warnings(replace(summary, interrupted=False), {})) == 2


def test_days_between_due_days_are_no_silence() -> None:
    """Contracts that all pay on the first of a month: a month without a row is as ever, one without payments is not."""
    months = pd.date_range("2022-01-01", periods=24, freq="MS")
    frame = pd.DataFrame(
        [(f"c{n}", day, 9) for n in range(60) for day in months], columns=["customer_id", "date", "amount"]
    )
    gone = frame[~frame["date"].between("2022-11-15", "2023-01-15")]
    for rows, silent in ((frame, []), (gone, [("2022-11-02", "2023-01-31")])):
        log = read_transactions(rows, DataConfig(), today_date=NOW)
        lines = [line for line in quality(log, summarize(log)) if line.key == "silence"]
        assert [line.value for line in lines] == [f"from {first} to {last}" for first, last in silent]
