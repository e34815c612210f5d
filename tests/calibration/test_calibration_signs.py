"""Logs with a season, a fall, old customers or new ids: each is warned of with its key, and by the key the value is
right.

Shops are made up day by day; what came after today is counted over the customers whom the forecast is about. Orders
that came lie inside the 90 % interval of simulated futures and near the mean where the key is set, and neither where it
is not.
"""

import re
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, read_transactions
from clvsim.data.material import Material, material_of_log
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import levels, simulate
from clvsim.simulation.config import EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.stages.cautions import cautions
from clvsim.types import DAYS_PER_MONTH
from tests.data.madeup import START, as_log, december, on, shop

DRAWS = 600
STILL = EnvironmentConfig(level_sd_prior=0.0)
NEAR = 0.1  # of the mean from what came: two standard deviations of forecasts of 1,500 orders and more


class Forecast(NamedTuple):
    """Orders ahead: those that came over the mean, whether they lie inside the 90 % interval, and what was said."""

    ratio: float
    inside: bool
    said: dict[str, str]

    @property
    def right(self) -> bool:
        return self.inside and abs(np.log(self.ratio)) < NEAR


def forecast(
    orders: pd.DataFrame,
    length: int,
    months: int,
    retention: Any = None,
    environment: EnvironmentConfig | None = None,
    since: date | None = None,
) -> Forecast:
    """Of the customers of the first `length` days of a shop, `since` a day where that is given, over so many months."""
    retention, environment = retention or BgNbd(), environment or EnvironmentConfig()
    config = DataConfig(calibration_end="none", today=on(length - 1), customers_since=since)
    material = material_of_log(read_transactions(as_log(orders[orders["day"] < length]), config))
    summary = material.summary
    method = FitConfig(method="laplace", draws=DRAWS, cache=False)
    fitted = fit(summary, retention, FixedPrice(), method, months=environment.path_prior)
    simulation = simulate(
        fitted,
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=DRAWS, horizon_months=months, jobs=1),
        finance=FinanceConfig(annual_discount_rate=0.0),
        environment=environment,
    )
    ledger: Any = simulation.scenarios[BASELINE].ledger
    worlds, expected = ledger.total("orders"), levels.orders(simulation)
    ahead = orders["day"].between(length, length + months * DAYS_PER_MONTH)
    ids = orders["customer_id"].map("c{:05d}".format)
    came = int((ahead & ids.isin(set(summary.customers["customer_id"]))).sum())
    low, high = np.quantile(worlds, [0.05, 0.95])
    model: Any = fitted.retention
    said = {"months": " ".join(model.warnings(summary, fitted.posterior.retention))} | notes(
        retention, material, months
    )
    return Forecast(came / float(np.mean(expected)), bool(low <= came <= high), said)


def notes(retention: Any, material: Material, months: int) -> dict[str, str]:
    lines = (*material.quality, *cautions(retention, material, months * DAYS_PER_MONTH))
    return {line.key: f"{line.value} {line.note}" for line in lines if line.level == "warning"}


def christmas(day: np.ndarray) -> np.ndarray:
    """85 % of a year's orders in November and December."""
    month = (START + day.astype(np.int64)).astype("datetime64[M]").astype(np.int64) % 12
    return np.where(month >= 10, 5.1, 0.18)


def test_a_shop_of_two_months_a_year_whose_log_ends_in_september():
    """To the model without the key those who have not ordered since December have left."""
    length = 4 * 365 + 1 + 273
    orders = shop(1, length + 366, a_day=2, arrivals=christmas, pace=christmas, mean_gap=500, shape=3, leave=(0.3, 6))
    plain, modelled = forecast(orders, length, 12), forecast(orders, length, 12, BgNbd(season="month"))
    assert re.match(r"(November|December) has 5\.", plain.said["season"])  # 5.1 times a mean month, both of them
    assert "set retention.season=month" in plain.said["season"]
    assert not plain.inside
    assert plain.ratio > 1.2
    assert "season" not in modelled.said
    assert modelled.right


@pytest.mark.slow
@pytest.mark.parametrize("start", [200, 300])
def test_decembers_of_twice_the_rate_on_the_day_before_one(start):
    """Two Decembers in a log that ends with November, and the month after it."""
    length = 1064

    def arrivals(day: np.ndarray) -> np.ndarray:
        return (day >= start) * december(2.0)(day)

    orders = shop(2, length + 31, a_day=4.0, arrivals=arrivals, pace=december(2.0))
    plain, modelled = forecast(orders, length, 1), forecast(orders, length, 1, BgNbd(season="month"))
    assert "December has 1." in plain.said["season"]
    assert "set retention.season=month" in plain.said["season"]
    assert plain.ratio > 1.5
    assert "season" not in modelled.said
    assert modelled.right


@pytest.mark.slow
def test_a_rate_that_has_halved():
    """Half a year before today. Without a level a fall counts as a shock, which fades: far too many are foreseen."""
    length = 913
    orders = shop(3, length + 366, a_day=2.0, pace=lambda day: np.where(day < length - 183, 1.0, 0.5))
    moving, still = forecast(orders, length, 12), forecast(orders, length, 12, environment=STILL)
    for found in (moving, still):
        assert "order rate has fallen over the log, by 2" in found.said["months"]
        assert "environment.level_sd_prior" in found.said["months"]
    assert not still.inside
    assert still.ratio < 0.8
    assert moving.inside
    assert abs(np.log(moving.ratio)) < 0.2  # where levels may move a forecast has an sd of .17


@pytest.mark.slow
def test_ids_that_were_all_renewed_on_one_day():
    """Without the key customers who were cut in two seem to have left, and the new ids are foreseen to do the same.
    With it old customers are new on that day, as in a log that begins in mid-life, and are warned of as such."""
    length, day = 1095, 600
    orders = shop(1, length + 366, a_day=2.0)
    orders = orders.assign(customer_id=orders["customer_id"] + 50_000 * (orders["day"] >= day))
    all_ids, since = forecast(orders, length, 12), forecast(orders, length, 12, since=on(day))
    assert f"after {on(day - 1)} " in all_ids.said["break"]
    assert f"data.customers_since={on(day)}" in all_ids.said["break"]
    assert not all_ids.right
    assert all_ids.ratio > 1 + NEAR
    assert "break" not in since.said
    assert "data.customers_since=" in since.said["mid_life"]
    assert since.right


@pytest.mark.slow
def test_the_last_months_of_an_older_shop():
    """Old customers, who count as new, come again more often than new ones do: too much is foreseen of all."""
    start, length = 1460, 1460 + 540
    orders = shop(1, length + 366, a_day=3.0)
    orders = orders[orders["day"] >= start]
    every = forecast(orders, length, 12)
    assert "times as many first orders a day" in every.said["mid_life"]
    then = date.fromisoformat(every.said["mid_life"].split("data.customers_since=")[1][:10])
    assert not every.right
    assert every.ratio < 1 - NEAR
    settled = forecast(orders, length, 12, since=then)
    assert "mid_life" not in settled.said
    assert settled.right
