"""Spend that grows or falls: the slope within customers, amounts at today's level, and what a run says of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import clvsim
from clvsim.data import DataConfig, quality, read_transactions, summarize
from clvsim.data.checks import trend_lines
from clvsim.errors import ConfigError
from clvsim.models import SPEND
from clvsim.models.cache import write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.laws import SpendLaw
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal, mean_order
from clvsim.models.spend.trend import LEVEL, trend_warnings, used
from clvsim.stages.steps import trend_used
from clvsim.types import CustomerSummary

END = date(2024, 12, 31)
FIT = FitConfig(method="laplace", draws=1000, cache=False)


def a_log(growth: float, *, customers: int = 150, days: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Gamma amounts around a level of each customer's own, times (1 + growth)^(years before the end); first orders half
    as large. Customers who come later are dearer, which is no growth of anybody's amounts."""
    r = np.random.default_rng(seed)
    rows = []
    for c in range(customers):
        start = int(r.integers(0, days - 60))
        on = np.unique(np.r_[start, r.integers(start, days, r.poisson(10)), [days - 1] * (c == 0)])
        level = r.gamma(8.0, 5.0) * 2 ** (start / days)
        amount = level * r.gamma(6.0, 1 / 6.0, on.size) * (1 + growth) ** ((on - days) / 365.25)
        amount[0] *= 0.5
        rows += [(f"c{c:03d}", END - timedelta(int(days - 1 - d)), f"{a:.4f}") for d, a in zip(on, amount, strict=True)]
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"]).astype(str)


def summary_of(frame: pd.DataFrame, opportunity_days: float = 0.0, **config: Any) -> CustomerSummary:
    return summarize(read_transactions(frame, DataConfig.model_validate(config)), opportunity_days)


@pytest.fixture(scope="module")
def growing() -> Any:
    return summary_of(a_log(0.6))


def plainly(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Slope a year with a dummy for each customer, by least squares, its clustered error, and the orders' mean age."""
    orders = frame.assign(age=(pd.Timestamp(END) - pd.to_datetime(frame["date"])).dt.days / 365.25)
    orders["log"] = np.log(orders["amount"].astype(float))
    repeat = orders.sort_values("age", ascending=False).groupby("customer_id").apply(lambda g: g.iloc[1:])
    repeat = repeat.reset_index(level=0, names="who")
    who = pd.get_dummies(repeat["who"]).to_numpy(float)
    design = np.column_stack([-repeat["age"], who])
    found, *_ = np.linalg.lstsq(design, repeat["log"], rcond=None)
    residual = repeat["log"] - design @ found
    own_mean = who @ np.linalg.lstsq(who, design[:, 0], rcond=None)[0]
    deviation = design[:, 0] - own_mean
    scores = (deviation * residual).groupby(repeat["who"]).sum()[repeat.groupby("who").size() > 1]
    n = len(scores)
    se = np.sqrt((scores**2).sum() * n / (n - 1)) / (deviation**2).sum()
    return found[0], se, repeat["age"].mean()


def test_slope_is_that_of_least_squares_with_an_intercept_per_customer():
    """To rounding; and the truth lies within 4 standard errors, whoever came later and paid more."""
    frame = a_log(0.6)
    trend = summary_of(frame).trend
    assert trend is not None
    np.testing.assert_allclose((trend.slope, trend.se, trend.lag), plainly(frame), rtol=1e-9)
    assert abs(trend.slope - np.log(1.6)) < 4 * trend.se
    assert trend.se < 0.05
    flat = summary_of(a_log(0.0)).trend
    assert flat is not None
    assert abs(flat.slope) < 4 * flat.se


def test_standard_errors_are_honest():
    """Slopes of 60 logs without a trend, over their errors: mean 0 and variance 1 within Monte Carlo error."""
    found = [summary_of(a_log(0.0, customers=60, seed=seed)).trend for seed in range(60)]
    scores = np.array([trend.slope / trend.se for trend in found if trend])
    assert scores.size == 60
    assert abs(scores.mean()) < 4 / np.sqrt(60)
    assert 1 - 4 * np.sqrt(2 / 60) < scores.var() < 1 + 4 * np.sqrt(2 / 60)


def at_the_end(frame: pd.DataFrame, yearly: float) -> pd.DataFrame:
    """The log with each amount as large as it would be on the last day."""
    age = (pd.Timestamp(END) - pd.to_datetime(frame["date"])).dt.days / 365.25
    amount = frame["amount"].astype(float) * (1 + yearly) ** age
    return frame.assign(amount=amount.map("{:.4f}".format))


@pytest.mark.parametrize("spend", [GammaGamma(trend=True), Lognormal(trend=True)])
def test_amounts_are_those_of_today(growing, spend):
    """As if the log's amounts had been multiplied in the file: rows of the fit, histories, figures to check against."""
    risen: Any = summary_of(at_the_end(a_log(0.6), np.expm1(growing.trend.slope)))
    assert abs(risen.trend.slope) < 1e-4
    plain = type(spend)()
    for found, expected in (
        (spend.sufficient(growing), plain.sufficient(risen)),
        (spend.histories(growing), plain.histories(risen)),
    ):
        for name in found._fields:
            ours, theirs = getattr(found, name), getattr(expected, name)
            if name in ("scores", "histories", "level_sd"):
                continue  # nothing, and what says how sure the level is
            np.testing.assert_allclose(np.sort(ours, axis=None), np.sort(theirs, axis=None), rtol=1e-3, atol=1e-5)
    params = {"p": np.ones(2), "q": np.full(2, 3.0), "gamma": np.ones(2), "mean_order": np.ones(2)}
    mean = risen.customers["repeat_amount"].sum() / risen.customers["repeat_positive"].sum()
    assert spend.check(growing, params).mean_repeat_order == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("spend", ["gamma_gamma", "lognormal"])
def test_a_fit_is_at_todays_level(growing, spend):
    """First orders of newcomers within 4 posterior standard deviations of the log's, had they been made today."""
    ordered = at_the_end(a_log(0.6), 0.6).sort_values("date")
    first = ordered.drop_duplicates("customer_id")["amount"].astype(float).mean()
    found = fit(growing, BgNbd(), SPEND[spend](trend=True), FIT)
    money = found.posterior.spend
    assert money[LEVEL].mean() == pytest.approx(1.0, abs=4 * money[LEVEL].std() / np.sqrt(found.draws))
    assert money[LEVEL].std() == pytest.approx(growing.trend.se * growing.trend.lag, rel=0.15)
    law = found.spend.newcomer_laws(money)
    if isinstance(law, SpendLaw):
        mean = (law.order_shape * law.nu_rate / (law.nu_shape - 1))[:, 0]
    else:
        mean = mean_order(law, None)[:, 0]
    newcomers_first = money["first_order_factor"] * mean
    assert abs(newcomers_first.mean() - first) < 4 * newcomers_first.std()
    assert newcomers_first.std() < 0.1 * first
    frame = summary_of(at_the_end(a_log(0.6), 0.6)).customers
    actual = (frame["repeat_amount"] / frame["repeat_positive"]).mean()  # of customers who ordered again
    today, plain = (
        clvsim.reduce_draws("expected_spend", models, growing)["mean"].to_numpy()[frame["repeat_positive"] > 0].mean()
        for models in (found, fit(growing, BgNbd(), SPEND[spend](), FIT))
    )
    assert today == pytest.approx(actual, rel=4 * money[LEVEL].std() + 0.03)  # shrinkage moves the mean a little
    assert plain < 0.8 * today


def test_it_is_noticed_without_the_key_and_not_with_it(growing):
    (text,) = trend_warnings(growing, False)
    assert text.startswith("Orders of one customer grow by 6")
    assert "spend.trend=true" in text
    assert trend_warnings(growing, True) == ()
    assert trend_warnings(summary_of(a_log(-0.3)), False)[0].startswith("Orders of one customer shrink by ")
    within_chance = growing.trend._replace(se=abs(growing.trend.slope) / 1.9)
    assert trend_warnings(replace(growing, trend=within_chance), False) == ()


def test_a_short_log_says_what_is_done_instead():
    """Three months: nothing is brought anywhere, and results are those without the key."""
    short = summary_of(a_log(3.0, days=90))
    (text,) = trend_warnings(short, True)
    assert text.startswith("spend.trend: amounts stay as they are, since the log spans 89 days")
    assert trend_warnings(short, False) == ()
    for ours, theirs in zip(GammaGamma(trend=True).sufficient(short), GammaGamma().sufficient(short), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    few = summary_of(a_log(3.0, customers=8))
    assert "only 8 customers" in trend_warnings(few, True)[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.groupby("customer_id").head(1),
        lambda frame: frame.groupby("customer_id").head(2),
        lambda frame: frame.assign(amount="0"),
    ],
)
def test_nothing_to_see_is_no_trend(spoil: Callable[[pd.DataFrame], pd.DataFrame]):
    trend = summary_of(spoil(a_log(0.6)).astype(str)).trend
    assert trend is not None
    assert trend.problem == "no customer has two paid repeat orders on different days"


def test_free_orders_and_periods():
    """Free orders stay free; periods of a model of opportunities have the day on which they ended."""
    frame = a_log(0.6)
    free = frame.index % 4 == 1
    some_free = summary_of(frame.assign(amount=frame["amount"].where(~free, "0")))
    only_paid = some_free.trend
    assert only_paid is not None
    assert abs(only_paid.slope - np.log(1.6)) < 4 * only_paid.se
    by_month = summary_of(frame, 30.4375).trend
    assert by_month is not None
    assert by_month.slope == pytest.approx(np.log(1.6), abs=0.1)


def test_units_rows_and_money_change_nothing():
    """Dollars or cents, and whatever the order of the rows."""
    frame = a_log(0.6)
    trend = summary_of(frame).trend
    shuffled = summary_of(frame.sample(frac=1, random_state=1))
    assert shuffled.trend == trend
    pd.testing.assert_frame_equal(shuffled.customers, summary_of(frame).customers, check_exact=True)
    cents = summary_of(frame.assign(amount=(frame["amount"].astype(float) * 100).map("{:.2f}".format)))
    assert trend is not None
    assert cents.trend is not None
    np.testing.assert_allclose(cents.trend[:4], trend[:4], rtol=1e-9)


def test_the_hold_out_feeds_no_trend():
    frame = a_log(0.6)
    early = frame[frame["date"] <= "2024-06-30"]
    one, other = summary_of(frame, calibration_end="2024-06-30"), summary_of(early, calibration_end="2024-06-30")
    assert one.trend is not None
    assert other.trend is not None
    assert one.trend == other.trend
    np.testing.assert_array_equal(one.customers["repeat_amount_today"], other.customers["repeat_amount_today"])


def test_the_quality_table_has_the_figure(growing):
    log = read_transactions(a_log(0.6), DataConfig())
    line = next(line for line in quality(log, growing) if line.key == "trend")
    assert line.value.startswith("+")
    assert line.value.endswith(" a year")
    assert "spend.trend=true" in line.note
    short = read_transactions(a_log(0.6, days=90), DataConfig())
    line = next(line for line in quality(short, summarize(short)) if line.key == "trend")
    assert line.value == "–"


@pytest.mark.parametrize("spend", [GammaGamma, Lognormal])
def test_what_was_done_is_said_with_its_figure(growing, spend):
    """Where the key is set: on the terminal, in the quality table, beside the model's figures. Nothing proposes it."""
    assert used(growing, False) == ""
    sentence = used(growing, spend(trend=True).trend)
    yearly, level = (np.expm1(v) for v in (growing.trend.slope, growing.trend.slope * growing.trend.lag))
    assert f"grow by {yearly:.0%} a year" in sentence
    assert f"today's level, {level:+.0%} from the mean" in sentence
    (line,) = [trend_used(line) for line in trend_lines(growing)]
    assert line.note.endswith("spend.trend=true: money is at today's level")
    assert "brings" not in line.note
    short = replace(growing, trend=growing.trend._replace(problem="too short"))
    assert used(short, True) == ""


def test_bad_input(growing, tmp_path):
    """Without days the key is refused before anything is fitted; draws of a file are at one level or at the other."""
    undated = replace(growing, trend=None)
    for spend in (GammaGamma(trend=True), Lognormal(trend=True)):
        with pytest.raises(ConfigError, match=r"spend\.trend: needs a log of dated orders"):
            spend.sufficient(undated)
    with pytest.raises(ValueError, match="trend"):
        FixedPrice.model_validate({"trend": True})
    with pytest.raises(ValueError, match="trend"):
        GammaGamma.model_validate({"trend": "linear"})
    found = fit(growing, BgNbd(), GammaGamma(), FIT)
    write_posterior(found, tmp_path / "at_the_mean.nc")
    config = FIT.model_copy(update={"posterior": (str(tmp_path / "at_the_mean.nc"),)})
    with pytest.raises(ConfigError, match=r"was fitted with spend\.trend=false"):
        fit(growing, BgNbd(), GammaGamma(trend=True), config)
