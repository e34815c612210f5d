"""What came by month, worked out by hand; scores of one forecast; what is said of a track record."""

import json
import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import scoringrules

from clvsim import archive, read_transactions
from clvsim.data.config import DataConfig, SurvivorsConfig
from clvsim.data.later import later_orders, month_ends, read_log
from clvsim.errors import ConfigError
from clvsim.plausible import Unlike
from clvsim.report import track_record as words
from clvsim.scoring import Forecast, read_track_record, score, track_record, worlds_of
from clvsim.track_record import (
    NEWCOMER_REVENUE,
    NEWCOMERS,
    ORDERS,
    REVENUE,
    FigureRecord,
    PastForecast,
    TrackRecord,
    track_record_of,
)

TODAY = date(2024, 3, 31)
IDS = np.array(["a", "b", "gone", "young"])


def day(after: int) -> str:
    return str(TODAY + timedelta(days=after))


ROWS = [  # customer, days after today, amount
    *(("a", -80, 10.0), ("a", -20, 20.0), ("a", 30, 5.0), ("a", 31, 7.0), ("a", 91, 1000.0)),
    *(("b", -70, 8.0), ("b", 61, 4.0)),
    *(("unlisted", -5, 3.0), ("unlisted", 5, 300.0)),
    *(("young", 3, 400.0), ("young", 33, 500.0)),
    *(("c", 2, 11.0), ("c", 40, 12.0)),
    *(("d", 61, 13.0), ("d", 62, 14.0)),
]


@pytest.fixture(scope="module")
def log():
    frame = pd.DataFrame([(who, day(after), amount) for who, after, amount in ROWS])
    frame.columns = ["customer_id", "date", "amount"]
    return read_transactions(frame)


def test_orders_by_month_of_those_who_were_known_and_of_those_who_came(log):
    """Months of 30.4375 days, orders at midday: days 1–30, 31–61, 62–91."""
    ends = month_ends(TODAY, 2)
    assert ends.tolist() == [30, 61]
    later = later_orders(log, IDS, TODAY, ends)
    assert later.orders.tolist() == [1, 2]
    assert later.revenue.tolist() == [5, 11]
    assert later.newcomers.tolist() == [1, 1]
    assert later.newcomer_revenue.tolist() == [11, 25]
    assert (later.known, later.missing, later.moved, later.unlisted) == (2, 1, 1, 1)
    assert later.months_before == 2
    # within 61 days before today: one repeat order, of a; the first order of the customer who was not asked for
    assert later.before == (0.5, 10.0, 0.5, 1.5)


def test_months_of_what_falls_due_by_the_calendar_end_with_todays_day():
    assert month_ends(date(2024, 1, 30), 3, 30.4375).tolist() == [30, 60, 91]  # 29 February is all that it has not
    assert month_ends(date(2023, 2, 28), 2, 91.3).tolist() == [31, 61]  # a month's last day stays one
    assert month_ends(date(2024, 1, 30), 3, 7.0).tolist() == [30, 60, 91]


def test_a_table_that_dates_nothing_cannot_be_scored_on():
    with pytest.raises(ConfigError, match="needs a log of dated orders, and data=survivors has none"):
        read_log(SurvivorsConfig(path="x.csv"))
    assert DataConfig(path="x.csv").kind == "csv"


def forecast(today=TODAY, currency="EUR", seed=1, months=3) -> Forecast:
    rng = np.random.default_rng(seed)
    worlds = {
        ORDERS: rng.poisson(2.0, (400, months)).astype(float),
        REVENUE: rng.gamma(2.0, 5.0, (400, months)),
        NEWCOMERS: rng.poisson(1.0, (400, 2)).astype(float),
        NEWCOMER_REVENUE: rng.gamma(2.0, 9.0, (400, 2)),
    }
    return Forecast("runs/x", today, months, currency, IDS, worlds)


def test_scores_of_a_forecast_by_brute_force(log):
    own = forecast()
    scored = score(own, later_orders(log, IDS, TODAY, month_ends(TODAY, 2)), 2)
    assert [month.figure for month in scored.months] == [f for f in own.worlds for _ in range(2)]
    month = scored.months[3]
    assert (month.figure, month.month, month.actual) == (REVENUE, 2, 11.0)
    worlds = own.worlds[REVENUE][:, 1]
    assert (month.p05, month.p95) == tuple(np.quantile(worlds, [0.05, 0.95]))
    assert month.position == np.mean(worlds < 11)
    assert month.crps == pytest.approx(float(scoringrules.crps_ensemble(11.0, worlds, estimator="fair")))
    assert (month.rule, month.rule_crps) == (10.0, 1.0)
    total = scored.sums[0]
    assert (total.month, total.actual, total.rule) == (0, 3.0, 1.0)
    assert total.mean == pytest.approx(own.worlds[ORDERS][:, :2].sum(axis=1).mean())


def test_newcomers_are_scored_as_long_as_the_run_has_some_come(log):
    own = forecast()
    scored = score(own, later_orders(log, IDS, TODAY, month_ends(TODAY, 3)), 3)
    counts = {figure: sum(month.figure == figure for month in scored.months) for figure in own.worlds}
    assert counts == {ORDERS: 3, REVENUE: 3, NEWCOMERS: 2, NEWCOMER_REVENUE: 2}


def row(figure=ORDERS, months=36, held=31, actual=100.0, mean=110.0, rule=3.0) -> FigureRecord:
    return FigureRecord(figure, months, held, actual, mean, 80.0, 140.0, 1.5, rule)


def record(*rows: FigureRecord, missing: int = 0) -> TrackRecord:
    return TrackRecord("2024-06-30", "EUR", (PastForecast("2024-03-31", 1200, missing, rows or (row(),)),))


def test_how_many_intervals_held_and_how_many_usually_do():
    assert words.sentence(record()) == "31 of 36 monthly intervals of orders held (90 % would be 32 or 33)."
    both = words.sentence(record(row(), row(REVENUE, held=30)))
    assert both == "31 of 36 monthly intervals of orders held (90 % would be 32 or 33), 30 of 36 of revenue."
    assert [words.usual(n) for n in (1, 10, 20, 36)] == ["0 or 1", "9", "18", "32 or 33"]
    assert words.biases(record())[0].startswith("Forecast orders were 10 % too high in all")
    assert "50 % smaller than that of a simple rule" in words.better_than_rule(record())
    assert words.better_than_rule(record(row(rule=math.nan))) == ""
    assert words.missing(record(missing=1150))[0].startswith("1,150 of the 1,200 customers of 31 March 2024")
    assert "No orders came, where 110 were expected." in words.biases(record(row(actual=0.0)))


def test_the_caveat_names_the_range_of_chance():
    """5 % and 95 % points of Binomial(36, 0.9)."""
    assert words.caveat(record()).startswith("Were the months independent, 29 to 35 of 36 would be no surprise.")


def test_a_track_record_is_read_as_it_was_written(tmp_path):
    before = record(row(), row(REVENUE, rule=math.nan))
    archive.write_json({"record": before}, tmp_path / "score.json")
    archive.write_record({"config": {}}, tmp_path)
    after = read_track_record(tmp_path)
    assert archive.json_ready(after) == archive.json_ready(before)
    assert words.text(after).splitlines()[0] == "Forecast of 31 March 2024, 36 months due"


@pytest.mark.parametrize(
    "change",
    [
        {"forecasts": ()},
        {"until": "2024-02-30"},
        {"forecasts": ({"today": "2024-03-31", "customers": 1, "missing": 0, "figures": ()},)},
    ],
)
def test_what_no_score_writes_is_refused(change):
    raw = json.loads(json.dumps(archive.json_ready(record())))
    with pytest.raises((ValueError, TypeError)):
        track_record_of({**raw, **change})


@pytest.mark.parametrize(("key", "value"), [("held", 40), ("months", 0), ("figure", "profit"), ("held", "31")])
def test_a_figure_that_no_score_has_is_refused(tmp_path, key, value):
    raw = archive.json_ready(record())
    raw["forecasts"][0]["figures"][0][key] = value
    archive.write_json({"record": raw}, tmp_path / "score.json")
    archive.write_record({"config": {}}, tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be read as a score: score\.json"):
        read_track_record(tmp_path)


def test_a_ledger_of_another_form_is_refused():
    import xarray as xr

    array = xr.Dataset({"calendar": (("world", "month"), np.zeros((2, 3)))}, attrs={"horizon_months": 3})
    with pytest.raises(Unlike, match="has no figures by world, group, line, basis, month"):
        worlds_of(array, 3, 0)


def test_several_forecasts_are_ordered_by_their_day(log):
    later = later_orders(log, IDS, TODAY, month_ends(TODAY, 2))
    scored = [score(forecast(today=TODAY + timedelta(days=shift)), later, 2) for shift in (1, 0)]
    found = track_record(scored, date(2024, 6, 30), "EUR")
    assert [one.today for one in found.forecasts] == [str(TODAY), day(1)]
    assert found.rows(ORDERS)[0].months == 2
