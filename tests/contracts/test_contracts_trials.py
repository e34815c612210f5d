"""Contracts that begin with a free trial, from a log whose law is known: a twentieth ends at each due day, with and
without trials, of which six in ten pay."""

import datetime as dt
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from clvsim.contracts import contract_figures
from clvsim.data import DataConfig, read_transactions
from clvsim.data.material import Material, material_of_log
from clvsim.errors import DataError
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.quantities import expected_orders
from clvsim.simulation.config import EnvironmentConfig
from clvsim.types import DAYS_PER_MONTH

CHURN, CONVERTS, SIZE, MONTHS = 0.05, 0.6, 2_000, 30
TODAY = dt.date(2024, 6, 30)


def day(month: int, of_month: int) -> dt.date:
    """Of the months before today's, whose number is `MONTHS`."""
    number = TODAY.year * 12 + TODAY.month - 1 + month - MONTHS
    return dt.date(number // 12, number % 12 + 1, of_month)


def made_up(seed: int = 5) -> pd.DataFrame:
    """One row per payment, by contract and day; half of the contracts begin with a trial, of a month."""
    draw, rows = np.random.default_rng(seed), []
    for k in range(SIZE):
        month, of_month, name = int(draw.integers(1, MONTHS + 1)), int(draw.integers(1, 29)), f"c{k:04}"
        if k % 2:
            rows.append((name, day(month, of_month), 0.0))
            month += 1
            if draw.random() > CONVERTS:
                continue
        while month <= MONTHS:
            rows.append((name, day(month, of_month), 10.0))
            month += 1
            if draw.random() < CHURN:
                break
    rows += [("last", TODAY, 10.0)]
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def material(frame: pd.DataFrame, **keys: object) -> Material:
    return material_of_log(read_transactions(frame, DataConfig.model_validate(keys)), interval_days=DAYS_PER_MONTH)


@cache
def read() -> Material:
    return material(made_up())


def fitted_to(read: Material) -> FittedModels:
    config = FitConfig(method="laplace", draws=400, cache=False)
    return fit(read.summary, Sbg(), FixedPrice(), config, months=EnvironmentConfig().path_prior)


@cache
def fitted() -> FittedModels:
    return fitted_to(read())


def tried(frame: pd.DataFrame) -> int:
    """Due days of which the likelihood learns: all payments but each contract's first, and one for each that ended."""
    paying = frame[frame["amount"] > 0].groupby("customer_id").size()
    return int((paying - 1).sum() + CHURN * paying.sum())


def test_payments_to_come_are_those_of_the_law() -> None:
    """Within 4 sd of what so many due days say of the churn; trials that never paid are not a churn of 40 %."""
    active = read().summary.customers["customer_id"][Sbg().histories(read().summary).lost == 0]
    expected = expected_orders(fitted(), read().summary, horizon_months=12).mean("draw")
    found = float(expected.sel(customer_id=active.to_numpy()).sum()) / active.size

    def by_law(churn: float) -> float:
        return float(((1 - churn) ** np.arange(1, 13)).sum())

    sd = np.sqrt(CHURN * (1 - CHURN) / tried(made_up()))
    assert by_law(CHURN + 4 * sd) < found < by_law(CHURN - 4 * sd)
    figures = contract_figures(fitted(), read().summary, read().payments, read().trials)
    assert figures is not None
    assert 1 - (1 - CHURN + 4 * sd) ** 12 < figures.total.churn_year.mean < 1 - (1 - CHURN - 4 * sd) ** 12  # 46 %
    for renewal in figures.total.renewals[:6]:
        count, of = renewal.renewed
        assert abs(count / of - (1 - CHURN)) < 4 * np.sqrt(CHURN * (1 - CHURN) / of)
    assert not [said for said in fitted().posterior.warnings if "hazard" in said]


def test_what_became_of_trials() -> None:
    """Counted from the log: they are open for a month and the grace of 7 days, and six in ten pay."""
    frame, trials = made_up(), read().trials
    assert trials is not None
    contracts = frame.groupby("customer_id")["amount"].agg(["min", "max"])
    trial = contracts.index[contracts["min"] == 0]
    first = frame.drop_duplicates("customer_id").set_index("customer_id")["date"]  # rows are in order of days
    began = {name: (TODAY - first[name]).days for name in trial}
    paid = [name for name in trial if contracts.loc[name, "max"] > 0]
    still = [name for name in trial if name not in paid and began[name] <= 31 + 7]
    assert (trials.contracts, trials.paid, trials.running) == (len(trial), len(paid), len(still))
    over = sum(age > 31 + 7 for age in began.values())
    low, high = binom.ppf([3e-5, 1 - 3e-5], over, CONVERTS) / over
    assert low < trials.share.mean < high
    assert trials.share.p05 < trials.share.mean < trials.share.p95
    young = sum(began[name] < 28 for name in still)  # who are due still; of the others hardly anybody
    assert young * trials.share.mean <= trials.to_pay < young * trials.share.mean + len(still) - young
    (line,) = [line for line in read().quality if line.key == "trials"]
    assert line.value == f"{len(trial):,}"
    assert f"{len(paid):,} paid later, {len(still)} are open today" in line.note


def test_a_contract_begins_with_its_first_payment() -> None:
    """Everything but what is said of trials is that of the log without them; and so it is of what was known before."""
    frame = made_up()
    without = material(frame[frame["amount"] > 0])
    assert read().trials
    assert without.trials is None
    for found, plain in ((read(), without), (read().check, without.check)):
        assert found
        assert plain
        assert found.weekly is not None
        assert plain.weekly is not None
        pd.testing.assert_frame_equal(found.summary.customers, plain.summary.customers)
        pd.testing.assert_frame_equal(found.weekly, plain.weekly)
    assert read().summary.data_hash == without.summary.data_hash
    alike = fitted_to(without).posterior.retention
    for name, draws in fitted().posterior.retention.items():
        np.testing.assert_array_equal(draws, alike[name])


def test_the_order_of_rows_does_not_matter() -> None:
    mixed = material(made_up().sample(frac=1, random_state=3))
    assert mixed.trials == read().trials
    pd.testing.assert_frame_equal(mixed.summary.customers, read().summary.customers)


def test_at_the_cut_a_trial_that_pays_later_is_no_customer() -> None:
    rows = [(f"c{k}", day(month, 5), 10.0) for k in range(20) for month in range(1, MONTHS + 1)]
    rows += [("open", day(20, 9), 0.0), *(("open", day(month, 9), 10.0) for month in range(21, MONTHS + 1))]
    rows += [("past", day(10, 9), 0.0), *(("past", day(month, 9), 10.0) for month in range(11, MONTHS + 1))]
    rows += [("never", day(10, 9), 0.0)]
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    check = material(frame, calibration_end=day(20, 20)).check
    assert check is not None
    known = check.summary.customers.set_index("customer_id")
    assert set(known.index) == {*(f"c{k}" for k in range(20)), "past"}
    assert known.loc["past", "T_days"] == (day(20, 20) - day(11, 9)).days
    assert known.loc["past", ["frequency", "holdout_frequency"]].tolist() == [9, 10]


def test_free_payments_later_stay_and_logs_of_zeros_are_as_they_were() -> None:
    rows = [("a", day(1, 5), 0.0), ("a", day(2, 5), 10.0), ("a", day(3, 5), 0.0), ("b", day(2, 5), 10.0)]
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    customers = material(frame).summary.customers
    assert customers[["frequency", "repeat_positive", "first_amount"]].to_numpy().tolist() == [[1, 0, 10], [0, 0, 10]]
    nothing = material(frame.assign(amount=0.0))
    assert nothing.trials is None
    assert nothing.summary.customers["frequency"].tolist() == [2, 0]
    shop = material_of_log(read_transactions(frame, DataConfig()))
    assert shop.summary.customers["frequency"].tolist() == [2, 0]
    assert shop.trials is None
    with pytest.raises(DataError, match="only one customer has a payment above 0 up to"):
        material(frame[frame["customer_id"] == "a"].pipe(lambda a: pd.concat([a, frame.assign(customer_id="c")[:1]])))
