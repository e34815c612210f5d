"""Warnings that depend on the run: each names its key, and is silent where the model has what it names."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from clvsim.data import DataConfig, read_transactions
from clvsim.data.material import Material, material_of_log
from clvsim.data.regularity import Regularity
from clvsim.data.remarks import Signs
from clvsim.data.yearly import Season
from clvsim.models import RETENTION
from clvsim.models.auto import Auto
from clvsim.scenario import BASELINE
from clvsim.stages.cautions import as_found, cautions, horizon_line, with_share_beyond
from tests.data.madeup import START, as_log, shop
from tests.simulation import shop as simulated_shop

RANDOM, REGULAR, ROUNDED = Regularity(1.0, 0.1, 0.14), Regularity(5.9, 55.0, 0.14), Regularity(1.0, 0.1, 0.9)
YEARLY = Season(2.9, 11, 5.2)


@pytest.fixture(scope="module")
def material() -> Material:
    """A hundred days from 1 January 2019."""
    return material_of_log(read_transactions(as_log(shop(3, 100)), DataConfig()))


def lines(material: Material, kind: str, days_ahead: float = 30.0, **section: Any) -> dict[str, tuple[str, str, str]]:
    """Value, note and level by key."""
    found = cautions(RETENTION[kind](**section), material, days_ahead)
    return {line.key: (line.value, line.note, line.level) for line in found}


def with_signs(material: Material, regularity: Regularity | None = None, season: Season | None = None) -> Material:
    return material._replace(signs=Signs(regularity, season))


def test_regular_gaps_name_the_model_for_them(material: Material) -> None:
    regular = with_signs(material, REGULAR)
    value, note, level = lines(regular, "bg_nbd")["regularity"]
    assert (value, level) == ("k = 5.9", "warning")
    assert "set retention=bg_cnbd" in note
    assert "retention=sbg" not in note
    assert "retention=sbg" in lines(with_signs(material, Regularity(124.0, 500.0, 0.1)), "mbg_nbd")["regularity"][1]
    for kind in ("bg_cnbd", "mbg_cnbd", "sbg", "bg_bb"):
        assert "regularity" not in lines(regular, kind)
    assert "regularity" not in lines(with_signs(material, RANDOM), "bg_nbd")


def test_rounded_dates_are_no_reason_for_regular_gaps(material: Material) -> None:
    rounded = with_signs(material, ROUNDED)
    value, note, level = lines(rounded, "bg_cnbd")["rounded"]
    assert (value, level) == ("90% are whole weeks", "warning")
    assert "retention.k=1" in note
    assert "rounded" not in lines(rounded, "bg_cnbd", k=1)
    assert not {"rounded", "regularity"} & set(lines(rounded, "bg_nbd"))


def test_a_season_names_its_key_and_explains_regular_gaps(material: Material) -> None:
    yearly = with_signs(material, REGULAR, YEARLY)
    value, note, level = lines(yearly, "bg_nbd")["season"]
    assert (value, level) == ("November has 5.2 times a mean month's repeat orders", "warning")
    assert note.endswith("set retention.season=month")
    assert lines(yearly, "bg_cnbd")["season"][1].endswith("set retention=bg_nbd retention.season=month")
    assert "regularity" not in lines(yearly, "bg_nbd")
    contracts = lines(with_signs(material, Regularity(400.0, 500.0, 0.1), YEARLY), "bg_nbd")
    assert contracts["regularity"][0] == "k above 100"
    assert "season" not in contracts
    assert "season" not in lines(yearly, "bg_nbd", season="month")
    assert "season" not in lines(with_signs(material, season=YEARLY._replace(z=1.0)), "bg_nbd")


def test_months_that_were_never_seen(material: Material) -> None:
    today = material.summary.today
    assert date(2019, 4, 1) <= today <= (START + np.timedelta64(99, "D")).astype(object)
    assert "unseen_months" not in lines(material, "bg_nbd", 20.0)
    value, note, level = lines(material, "bg_nbd", 40.0)["unseen_months"]
    assert (value, level) == ("May, taken to be like the others", "warning")
    assert "retention.season=month" in note
    assert lines(material, "bg_nbd", 4000.0)["unseen_months"][0].startswith("May to December,")
    assert "the season's prior" in lines(material, "bg_nbd", 40.0, season="month")["unseen_months"][1]
    assert "with retention.season=month" in lines(material, "sbg", 40.0)["unseen_months"][1]
    assert "retention=bg_nbd retention.season=month" in lines(material, "bg_cnbd", 40.0)["unseen_months"][1]


def test_a_horizon_beyond_what_was_observed(material: Material) -> None:
    observed = int(material.summary.customers["T_days"].max()) + 1
    assert "horizon" not in lines(material, "bg_nbd", float(observed))
    assert lines(material, "bg_nbd", 1.5 * observed)["horizon"][2] == "info"
    value, note, level = lines(material, "bg_nbd", 17.4 * observed)["horizon"]
    assert (value, level) == ("is 17 times what was observed", "warning")
    assert f"for more than {observed}" in note
    undated = material._replace(signs=None)
    assert set(lines(undated, "bg_nbd", 17.4 * observed)) == {"horizon"}


def test_the_share_of_value_beyond_what_was_observed_is_that_of_simulated_customers(material: Material) -> None:
    """Of today's customers and of newcomers, months of the ledger against closed forms, within 4 Monte Carlo errors."""
    summary, months = simulated_shop.shop(200), 36
    days = summary.customers["T_days"].to_numpy()
    summary = replace(summary, customers=summary.customers.assign(T_days=np.where(days == days.max(), 273.0, days)))
    fitted = simulated_shop.posterior(100)
    settings: Any = {"horizon_months": months, "draws": 100, "acquisition": simulated_shop.channels(), "margin": None}
    simulation = simulated_shop.run(fitted=fitted, summary=summary, **settings)
    known = material._replace(summary=summary, quality=tuple(cautions(fitted.retention, material, 1.0)))
    known = known._replace(quality=tuple(horizon_line(summary, months * 30.4375)))
    (line,) = with_share_beyond(known, fitted, simulation).quality
    found = [int(one) / 100 for one in re.findall(r"(\d+)% of", line.note)]
    assert "of the revenue of today's customers" in line.note
    assert "of a newcomer's" in line.note
    ledger = simulation.scenarios[BASELINE].ledger
    existing = [i for i, group in enumerate(ledger.groups) if group.origin == "existing"]
    of_today = ledger.contribution()[:, existing].sum(axis=1)
    of_newcomers = ledger.contribution(age=True).sum(axis=1)
    for share, by_month in zip(found, (of_today, of_newcomers), strict=True):
        later = by_month[:, 9:].sum(axis=1) - 0.002 * by_month[:, 9]  # 274 days are 9.002 months
        of = later.sum() / by_month.sum()
        error = (later - of * by_month.sum(axis=1)).std() / by_month.sum(axis=1).mean() / np.sqrt(len(later))
        assert share == pytest.approx(of, abs=4 * error + 0.005)
    assert with_share_beyond(known, fitted, simulated_shop.run(horizon_months=6, draws=8, summary=summary)) == known
    by_sample = simulated_shop.run(fitted=fitted, summary=summary, max_customers=100, **settings)
    assert by_sample.sample is not None
    assert by_sample.sample.rows.size < 200
    (line,) = with_share_beyond(known, fitted, by_sample).quality
    assert [int(one) / 100 for one in re.findall(r"(\d+)% of", line.note)] == pytest.approx(found, abs=0.03)


# --- what retention=auto takes from the log by itself -----------------------------------------------------------------

AUTO: Any = Auto()


def long_material(years: float) -> Material:
    return material_of_log(read_transactions(as_log(shop(3, round(365.25 * years), a_day=0.2)), DataConfig()))


def found(section: Any, material: Material) -> tuple[Any, tuple[str, ...]]:
    return as_found(section, material)


def test_auto_models_a_season_that_two_years_have_shown() -> None:
    retention, said = found(AUTO, with_signs(long_material(2.1), RANDOM, YEARLY))
    assert retention.season == "month"
    assert len(said) == 1
    assert "November 5.2 times" in said[0]
    assert "retention.season=off leaves it" in said[0]
    assert not {"season"} & {
        line.key for line in cautions(retention, with_signs(long_material(2.1), RANDOM, YEARLY), 30)
    }


def test_a_season_that_was_switched_off_is_named_and_not_modelled() -> None:
    off: Any = Auto(season="off")
    long = with_signs(long_material(2.1), RANDOM, YEARLY)
    assert as_found(off, long) == (off, ())
    assert "season" in {line.key for line in cautions(off, long, 30.0)}
    assert "season" not in next(iter(off.sections()[0].values())).model_fields_set


def test_auto_only_names_a_season_that_one_year_has_shown() -> None:
    short = with_signs(long_material(1.5), RANDOM, YEARLY)
    assert as_found(AUTO, short) == (AUTO, ())
    assert "season" in {line.key for line in cautions(AUTO, short, 30.0)}


def test_auto_takes_a_model_of_regular_buyers_where_gaps_are_regular(material: Material) -> None:
    regular = with_signs(material, REGULAR)
    retention, said = found(AUTO, regular)
    assert retention.members == (*AUTO.members, "bg_cnbd")
    assert "k = 5.9" in said[0]
    assert "regularity" not in {line.key for line in cautions(retention, regular, 30.0)}


@pytest.mark.parametrize(
    ("section", "signs"),
    [
        (Auto(), Signs(RANDOM, None)),
        (Auto(), Signs(None, None)),
        (Auto(members=("mbg_nbd",)), Signs(REGULAR, None)),  # asked for by name
        (Auto(season="month"), Signs(REGULAR, YEARLY)),
        (Auto(), Signs(Regularity(124.0, 500.0, 0.1), None)),  # contracts
        (RETENTION["bg_nbd"](), Signs(REGULAR, YEARLY)),
    ],
)
def test_what_was_asked_for_stays(section: Any, signs: Signs, material: Material) -> None:
    assert as_found(section, material._replace(signs=signs)) == (section, ())
