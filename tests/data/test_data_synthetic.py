"""Made-up logs follow the papers' closed forms, the same for the same seed."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.config import validate
from clvsim.data import synthetic
from clvsim.data.config import SYNTHETIC_MODELS, SyntheticConfig
from clvsim.data.readers import Wanted, read_material
from clvsim.data.synthetic import make_log, read_synthetic
from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.laws import rows_of
from tests.stories import STORIES

WEEK = 7.0


def config(**keys: object) -> SyntheticConfig:
    return SyntheticConfig.model_validate({"kind": "synthetic", **keys})


def repeats(log: pd.DataFrame) -> np.ndarray:
    """Repeat orders of each customer."""
    return log.groupby("customer_id").size().to_numpy() - 1


def model_and_truth(name: str) -> tuple[Any, dict[str, np.ndarray]]:
    """The model and its example's parameters, one draw, times in weeks."""
    truth = SYNTHETIC_MODELS[name].example
    section = {"k": int(truth["k"])} if "k" in truth else {}
    return RETENTION[name](**section), {key: np.array([value]) for key, value in truth.items()}


def test_every_model_has_a_story_of_its_parameters() -> None:
    assert set(synthetic.STORIES) == set(SYNTHETIC_MODELS) == set(RETENTION)
    for name, (example, times, renewing) in SYNTHETIC_MODELS.items():
        assert renewing == RETENTION[name].renewing == STORIES[name].renewing
        assert set(times) == set(RETENTION[name].TIMES) & set(example)
        assert times == STORIES[name].times
        assert set(example) - {"k"} == set(STORIES[name].params)


@pytest.mark.parametrize("name", list(SYNTHETIC_MODELS))
def test_lives_are_those_that_all_tests_describe(name: str) -> None:
    """Repeat orders within a year, by the same parameters: as many, and as many customers without any."""
    model, truth = model_and_truth(name)
    story, random, size = STORIES[name], np.random.default_rng(6), 20_000
    params = {key: values[0] for key, values in truth.items()}
    settings = {key: getattr(model, key) for key in story.config}
    lives = story.live(random, *story.traits(random, params, size), np.full(size, 364.5), **settings)
    found = repeats(make_log(config(model=name, customers=size, acquisition_days=1, span_days=365, seed=6)))
    for mine, theirs in ((lives["frequency"], found), (lives["frequency"] == 0, found == 0)):
        error = np.hypot(mine.std(), theirs.std()) / np.sqrt(size)
        assert 4 * error < 0.1 * mine.mean()
        same_day = 0.01 if story.times else 0.0  # two orders of one day are one
        assert -4 * error - same_day * mine.mean() < theirs.mean() - mine.mean() < 4 * error


@pytest.mark.parametrize("name", list(SYNTHETIC_MODELS))
def test_orders_and_silence_are_as_frequent_as_the_closed_forms_say(name: str) -> None:
    """All came on one day; 20,000 customers, within 4 standard errors, which are below 6 % of the mean."""
    model, truth = model_and_truth(name)
    repeat_orders = repeats(make_log(config(model=name, customers=20_000, acquisition_days=1, span_days=365, seed=5)))
    expected = model.expected_orders_new(truth, 364.5 / WEEK, WEEK)[0, 0]
    error = repeat_orders.std() / np.sqrt(repeat_orders.size)
    assert 4 * error < 0.06 * expected
    assert abs(repeat_orders.mean() - expected) < 4 * error
    silent = model.order_pmf(truth, 0, 364.5 / WEEK, WEEK)[0, 0]
    assert abs((repeat_orders == 0).mean() - silent) < 4 * np.sqrt(silent * (1 - silent) / repeat_orders.size)


@pytest.mark.parametrize("name", list(SYNTHETIC_MODELS))
def test_the_models_read_their_own_logs(name: str) -> None:
    """Staggered, with a segment of half the loyalty or rate: the model reads the histories that were drawn.

    And what it expects of each history by the true parameters is what came later: in all 8 models the laws, and how a
    log is cut at today, hold together.
    """
    model, truth = model_and_truth(name)
    half = {"a": 2 * truth["a"][0]} if "a" in truth else {next(iter(truth)): 0.5 * truth[next(iter(truth))][0]}
    source = config(model=name, customers=4_000, segments={"x": {}, "y": half}, seed=7, calibration_end="2023-12-31")
    held_back = read_material(source, Wanted(model.opportunity_days)).check
    assert held_back is not None
    summary = held_back.summary
    frame = summary.customers
    ages = frame["T_days"].to_numpy() + 0.5
    for segment, own in (("x", {}), ("y", {key: np.array([value]) for key, value in half.items()})):
        rows = (frame["segment"] == segment).to_numpy()
        distinct, of = np.unique(ages[rows], return_inverse=True)
        expected = model.expected_orders_new(truth | own, distinct / WEEK, WEEK)[0, of]
        repeat_orders = frame["frequency"].to_numpy()[rows]
        same_day = 0.02 if model.TIMES else 0.0  # two orders of one day are one
        error = (repeat_orders - expected).std() / np.sqrt(repeat_orders.size)
        assert -4 * error - same_day * expected.mean() < repeat_orders.mean() - expected.mean() < 4 * error
        known = rows_of(model.histories(summary), rows)
        expected = model.expected_orders(truth | own, known, model.holdout_days(summary), WEEK)[0]
        later = frame["holdout_frequency"].to_numpy()[rows]
        error = (later - expected).std() / np.sqrt(later.size)
        assert -4 * error - same_day * expected.mean() < later.mean() - expected.mean() < 4 * error
        assert error < 0.1 * later.mean()
    if STORIES[name].renewing:
        contracts = model.histories(summary)
        np.testing.assert_array_equal(contracts.renewals, frame["frequency"])
        assert not model.warnings(summary, truth)
        assert 0 < contracts.lost.sum() < contracts.lost.size


def test_the_same_seed_makes_the_same_log() -> None:
    first, again, other = (make_log(config(customers=300, seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert read_synthetic(config(customers=300)).data_hash == read_synthetic(config(customers=300)).data_hash


def test_days_and_weeks_are_the_same_log() -> None:
    weeks = {"r": 0.5, "alpha": 8.0, "s": 0.6, "beta": 12.0}
    days = {k: v * (WEEK if k in ("alpha", "beta") else 1) for k, v in weeks.items()}
    shared = {"model": "pareto_nbd", "customers": 200}
    by_week = make_log(config(**shared, parameters=weeks))
    pd.testing.assert_frame_equal(by_week, make_log(config(**shared, parameters=days, time_unit="day")))


LOYAL = {"a": 1e-6, "b": 1e6, "r": 5.0, "alpha": 20.0}  # nobody leaves, so that orders follow the rate alone


def test_examples_do_not_depend_on_the_unit_of_time() -> None:
    by_week, by_day = (make_log(config(model="pareto_nbd", customers=200, time_unit=unit)) for unit in ("week", "day"))
    pd.testing.assert_frame_equal(by_week, by_day)


def test_opportunities_come_after_the_intervals_asked_for() -> None:
    log = make_log(config(customers=300, model="bg_bb", opportunity_days=10))
    since = (log["date"] - log.groupby("customer_id")["date"].transform("min")).dt.days
    nth = (since / 10).round()
    assert nth.nunique() > 5
    assert (since - nth * 10).abs().max() <= 1


@pytest.mark.parametrize(("renewal", "months"), [("month", 1), ("quarter", 3), ("year", 12)])
def test_renewals_fall_due_on_the_same_day_of_a_later_month(renewal: str, months: int) -> None:
    """pandas adds months as people do; from a first day on, none is left out before the last."""
    log = make_log(config(customers=300, model="sbg", renewal=renewal, span_days=1500))
    for _, dates in log.groupby("customer_id")["date"]:
        first = dates.iloc[0]
        assert dates.tolist() == [first + pd.DateOffset(months=months * i) for i in range(dates.size)]
    assert log["customer_id"].value_counts().max() > 3


def test_contracts_have_a_price_each() -> None:
    def spread(**keys: Any) -> int:
        log = make_log(config(customers=300, **keys))
        return int(log.groupby("customer_id")["amount"].nunique().to_numpy().max())

    assert spread(model="sbg") == 1
    assert spread(model="sbg", spend={"vary": True}) > 1
    assert spread(model="bg_nbd", spend={"vary": False}) == 1


def test_busy_months_have_as_many_more_orders() -> None:
    season = [1.0] * 10 + [2.0, 3.0]
    log = make_log(
        config(parameters=LOYAL, customers=4000, start="2022-12-31", acquisition_days=1, span_days=366, season=season)
    )
    months = log[log["date"] > "2022-12-31"]["date"].dt.month
    per_day = months.value_counts().sort_index() / pd.Series(
        [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], range(1, 13)
    )
    usual = per_day.loc[:10].mean()
    assert per_day.loc[11] / usual == pytest.approx(2.0, rel=0.05)
    assert per_day.loc[12] / usual == pytest.approx(3.0, rel=0.05)


def test_segments_buy_at_their_own_rate() -> None:
    log = make_log(config(parameters=LOYAL, customers=8000, acquisition_days=1, segments={"x": 1.0, "y": 1.5}))
    orders = log.groupby("customer_id").agg(n=("date", "size"), segment=("segment", "first"))
    means = (orders["n"] - 1).groupby(orders["segment"]).mean()
    assert means["y"] / means["x"] == pytest.approx(1.5, rel=0.06)
    assert 3700 < (orders["segment"] == "x").sum() < 4300


def test_amounts_average_the_spend_models_mean() -> None:
    spend = {"p": 5.0, "q": 6.0, "gamma": 40.0, "first_order_factor": 0.5}
    log = make_log(config(customers=20_000, spend=spend))
    first = log.groupby("customer_id")["date"].transform("min") == log["date"]
    mean = 5.0 * 40.0 / 5.0
    assert log[~first]["amount"].mean() == pytest.approx(mean, rel=0.05)
    assert log[first]["amount"].mean() == pytest.approx(mean / 2, rel=0.03)
    assert log["amount"].min() >= 0.01


def test_first_orders_fall_evenly_and_nothing_comes_after_the_end() -> None:
    log = make_log(config(customers=9000, start="2023-01-02", acquisition_days=90, span_days=300))
    first = log.groupby("customer_id")["date"].min()
    days = (first - pd.Timestamp("2023-01-02")).dt.days
    assert (days.min(), days.max()) == (0, 89)
    assert abs(days.mean() - 44.5) < 4 * 26 / np.sqrt(9000)
    assert log["date"].max() < pd.Timestamp("2023-01-02") + pd.Timedelta(days=300)


def test_the_material_says_what_it_is() -> None:
    material = read_material(config(customers=500, calibration_end="2023-12-31", segments={"x": 1, "y": 1}))
    assert material.synthetic.startswith(
        "The orders of 500 customers were drawn from bg_nbd with known parameters (r 0.5"
    )
    assert "; times in weeks; segment x: rate 1; segment y: rate 1; seed 1)." in material.synthetic
    assert material.check is not None
    assert (material.check.summary.today, len(material.summary.customers)) == (date(2023, 12, 31), 500)
    assert material.summary.today > date(2024, 6, 1)
    assert set(material.summary.customers["segment"]) == {"x", "y"}
    assert material.weekly is not None
    assert not material.guessed


def test_all_mistakes_at_once() -> None:
    data = {"kind": "synthetic", "parameters": {"s": 1.0}, "season": [1, 2], "customers": 1, "spend": {"q": 1.0}}
    with pytest.raises(ConfigError) as error:
        validate({"data": data, "retention": {"kind": "bg_nbd"}, "spend": {"kind": "gamma_gamma"}, "scenario": {}})
    messages = {p.where: p.what for p in error.value.problems}
    assert set(messages) == {"data.parameters", "data.season", "data.customers", "data.spend.q"}
    assert messages["data.parameters"] == "bg_nbd has r, alpha, a, b, but no s"
    assert messages["data.season"].startswith("needs 12 multipliers, January to December, got 2")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"model": "nbd"}, f"no log can be made up from nbd; choose from {', '.join(SYNTHETIC_MODELS)}"),
        ({"model": "sbg", "season": [1] * 12}, "a season multiplies an order rate, and sbg has none"),
        (
            {"model": "bg_bb", "segments": {"x": 2}},
            "a rate multiplies an order rate, and bg_bb has none; it has alpha, beta, gamma, delta",
        ),
        ({"segments": {"x": {"s": 2}}}, "bg_nbd has r, alpha, a, b, rate, but no s"),
        ({"model": "bg_cnbd", "parameters": {"k": 2.5}}, "k counts the stages of a gap, a whole number, got 2.5"),
        ({"acquisition_days": 400, "span_days": 400}, r"span_days \(400\) must be above acquisition_days \(400\)"),
        ({"parameters": {"r": -1.0}}, "greater than 0"),
        ({"segments": {"x": 0.0}}, "greater than 0"),
    ],
)
def test_settings_that_make_no_log(keys: dict, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        config(**keys)
