"""Contracts whose hazard depends on when they are due: likelihood by brute force, what is expected, simulated,
recovered."""

import datetime as dt
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plainly import PLAIN
from pydantic import ValidationError
from scipy.special import betaln
from scipy.stats import beta as beta_law

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.around.by_calendar import calendar_of
from clvsim.models.around.path import SD, PathPrior
from clvsim.models.around.pooling import configured as with_levels
from clvsim.models.around.season import configured
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.hazards import HazardSlope, dated
from clvsim.models.laws import PACE, Births
from clvsim.models.retention.due import due_days
from clvsim.models.retention.due_season import DueSeason, due_season_of
from clvsim.models.retention.remarks import season_of_losses
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.report.facts import retention_facts
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, SimulationConfig
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior

WEEK = 7.0
A, B = 1.2, 20.0
FEBRUARY, JANUARY = np.log(0.5), np.log(3.0)  # of the hazard, against the other months
SALE = {"start": dt.date(2022, 6, 10), "end": dt.date(2022, 7, 3)}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
CALM = EnvironmentConfig(sd_prior=0.0, level_sd_prior=0.0)


def later(day: dt.date, months: int) -> dt.date:
    """The same day of the month, the last one where there is none."""
    first = dt.date(day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1, 1)
    end = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return min(first + dt.timedelta(days=day.day - 1), end)


def due_on(start: dt.date, renewal: str, nth: int) -> dt.date:
    return start + dt.timedelta(days=7 * nth) if renewal == "week" else later(start, MONTHS[renewal] * nth)


def multiplier(day: dt.date, sale: float = 1.0, months: dict[int, float] | None = None) -> float:
    by_month = {1: np.exp(JANUARY), 2: np.exp(FEBRUARY)} if months is None else months
    return by_month.get(day.month, 1.0) * (sale if SALE["start"] <= day <= SALE["end"] else 1.0)


@cache
def made_up(
    size: int, seed: int, renewal: str = "month", first: dt.date = dt.date(2019, 1, 1), years: int = 4, c: float = 1.0
) -> pd.DataFrame:
    """Payments up to the end of the years, all on the day: the model's own story."""
    draw, rows, end = np.random.default_rng(seed), [], later(first, 12 * years) - dt.timedelta(days=1)
    for i in range(size):
        start, theta = first + dt.timedelta(days=int(draw.integers((end - first).days))), draw.beta(A, B)
        left, j, day = draw.exponential(), 0, start
        while day <= end:
            rows.append((f"c{i}", day))
            j += 1
            day = due_on(start, renewal, j)
            left += np.log1p(-theta) * multiplier(day) * (j**c - (j - 1) ** c)
            if left < 0:
                break
    return pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=20.0)


def summary_of(frame: pd.DataFrame, **keys: Any) -> CustomerSummary:
    return summarize(read_transactions(frame, DataConfig(**keys)))


def seasonal(kind: str, summary: CustomerSummary, **config: Any) -> Any:
    model = configured(RETENTION[kind](**({"season": "month"} | config)), summary)
    assert isinstance(model, DueSeason)
    return model


def params_of(model: Any, c: float = 1.0, sale: float = 1.0, zero: bool = False) -> dict[str, np.ndarray]:
    """The story's own parameters, effects as they are."""
    names = {"sbg": ("alpha", "beta"), "bdw": ("gamma", "delta")}[model.kind]
    effects = {name: np.zeros(1) for name in model.calendar.names}
    if not zero:
        effects |= {"season[1]": np.array([JANUARY]), "season[2]": np.array([FEBRUARY])}
        effects |= {"promotion[sale]": np.array([np.log(sale)])}
    found = dict(zip(names, (np.array([A]), np.array([B])), strict=True))
    found |= {"c": np.array([c])} if model.kind == "bdw" else {}
    return found | {name: value for name, value in effects.items() if name in model.calendar.names}


# --- by hand ----------------------------------------------------------------------------------------------------------


THETA = beta_law.ppf((np.arange(40_000) + 0.5) / 40_000, A, B)


def goes_on(start: dt.date, renewal: str, upto: int, c: float, sale: float, after: int = 0) -> np.ndarray:
    """Chance of each theta to make the renewals after number `after`, up to `upto`."""
    exponent = sum(
        multiplier(due_on(start, renewal, j), sale) * (j**c - (j - 1) ** c) for j in range(after + 1, upto + 1)
    )
    return (1 - THETA) ** exponent


def starts_of(frame: pd.DataFrame) -> list[dt.date]:
    return [day for _, day in sorted(frame.groupby("customer_id")["date"].min().items())]


CASES = {
    "monthly": ("sbg", "month", 1.0, {}),
    "rising risk": ("bdw", "month", 1.3, {}),
    "a sale too": ("bdw", "month", 0.8, {"promotions": {"sale": SALE}}),
    "weekly": ("sbg", "week", 1.0, {"promotions": {"sale": SALE}}),
    "quarters": ("bdw", "quarter", 1.3, {}),
    "yearly": ("sbg", "year", 1.0, {}),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request: Any) -> tuple[DueSeason, dict[str, np.ndarray], CustomerSummary, list[dt.date], float, float]:
    kind, renewal, c, keys = CASES[request.param]
    frame = made_up(60, 4, renewal)
    summary = summary_of(frame, today=dt.date(2022, 12, 31))
    model = seasonal(kind, summary, renewal=renewal, grace_days=0.0, **keys)
    sale = 2.5 if keys else 1.0
    return model, params_of(model, c, sale), summary, starts_of(frame), c, sale


def test_likelihood_by_brute_force(case) -> None:
    """Renewals on their own days, averaged over theta; P(alive) is 0 or 1 without a grace."""
    model, params, summary, starts, c, sale = case
    histories = model.histories(summary)
    expected = []
    for start, seen, lost in zip(starts, histories.seen, histories.lost, strict=True):
        renewed = goes_on(start, model.renewal, int(seen), c, sale)
        ended = 1 - goes_on(start, model.renewal, int(seen) + 1, c, sale, int(seen)) if lost else 1.0
        expected.append(np.log((renewed * ended).mean()))
    assert 0 < histories.lost.sum() < histories.lost.size
    np.testing.assert_allclose(model.log_likelihood(params, histories, WEEK)[0], expected, atol=2e-4)
    np.testing.assert_array_equal(model.probability_alive(params, histories, WEEK)[0], 1 - histories.lost)


def test_expected_renewals_by_brute_force(case) -> None:
    """Of those who go on, within two years, discounted and not; who makes all of them, and at least one."""
    model, params, summary, starts, c, sale = case
    histories, rate, days = model.histories(summary), 0.1, 24 * DAYS_PER_MONTH
    worth, total, stays, active = (
        model.expected_discounted_orders(params, histories, days, rate, WEEK)[0],
        model.expected_orders(params, histories, days, WEEK)[0],
        model.probability_staying(params, histories, days, WEEK)[0],
        model.probability_active(params, histories, days, WEEK)[0],
    )
    end = later(summary.today, 24) if model.renewal != "week" else summary.today + dt.timedelta(days=int(days))
    checked = 0
    for i in np.flatnonzero(histories.lost == 0)[:12]:
        n, start = int(histories.renewals[i]), starts[i]
        j, plain, discounted, given = n, 0.0, 0.0, goes_on(start, model.renewal, n, c, sale)
        kept = first = 1.0
        while (day := due_on(start, model.renewal, j + 1)) <= end:
            j += 1
            kept = float((given * goes_on(start, model.renewal, j, c, sale, n)).mean() / given.mean())
            first = kept if j == n + 1 else first
            plain += kept
            discounted += kept * (1 + rate) ** (-(day - summary.today).days / 365.25)
        assert total[i] == pytest.approx(plain, rel=1e-4)
        assert worth[i] == pytest.approx(discounted, rel=1e-3)  # days of an even calendar
        assert stays[i] == pytest.approx(kept, rel=1e-4)
        assert active[i] == pytest.approx(first if j > n else 0.0, rel=1e-4)
        checked += j > n
    assert checked > 5


def test_density_is_the_likelihood_times_the_priors(case) -> None:
    """Differences between points; all effects move."""
    model, _, summary, _, _, _ = case
    rows = model.sufficient(summary)
    built = model.build(rows)
    logp, draw, ends = built.compile_logp(mode=PLAIN), np.random.default_rng(3), []
    histories, priors = model.histories(summary), model.free()
    for _ in range(3):
        free = {"churn_mean": draw.uniform(0.1, 0.4, 1), "churn_concentration": draw.uniform(1, 9, 1)}
        free |= {"log_c_off_ridge": draw.normal(0, 0.3, 1)} if model.kind == "bdw" else {}
        free |= {name: draw.normal(0, 0.3, 1) for name in priors}
        mean, total = (float(free[name][0]) for name in ("churn_mean", "churn_concentration"))
        point = {"churn_mean_logodds__": np.log(mean / (1 - mean)), "churn_concentration_log__": np.log(total)}
        point |= {name: value[0] for name, value in free.items() if not name.startswith("churn")}
        params = model.natural(free, rows, WEEK)
        log_prior = np.log(mean * (1 - mean)) - (np.log(total) - np.log(2)) ** 2 / (2 * 2.0**2)
        log_prior -= np.log(params["c"][0]) ** 2 / (2 * 0.5**2) if "c" in params else 0.0
        for name, prior in priors.items():
            square = (free[name][0] / prior.scale) ** 2
            log_prior -= 2.5 * np.log1p(square / 4) if prior.freedom else square / 2
        plain = model.log_likelihood(params, histories, WEEK).sum()
        ends.append(float(logp({k: np.array(v) for k, v in point.items()})) - plain - log_prior)
    np.testing.assert_allclose(ends, ends[0], atol=1e-7)


def test_no_effects_are_no_season(case) -> None:
    model, _, summary, _, c, _ = case
    params, plain = params_of(model, c, zero=True), model.section
    histories, alone = model.histories(summary), plain.histories(summary)
    for name, rest in {
        "log_likelihood": (WEEK,),
        "probability_alive": (WEEK,),
        "probability_active": (365.25, WEEK),
        "probability_staying": (365.25, WEEK),
        "expected_orders": (365.25, WEEK),
        "expected_discounted_orders": (20 * 365.25, 0.1, WEEK),
    }.items():
        found, without = (getattr(m, name)(params, h, *rest) for m, h in ((model, histories), (plain, alone)))
        np.testing.assert_allclose(found, without, rtol=1e-9, err_msg=name)
    endless = (model.expected_discounted_orders(params, histories, np.inf, 0.1, WEEK),)
    np.testing.assert_allclose(
        endless[0], plain.expected_discounted_orders(params, alone, np.inf, 0.1, WEEK), rtol=1e-7
    )
    for name in ("laws", "laws_given_dead"):
        found, without = (getattr(m, name)(params, h, WEEK) for m, h in ((model, histories), (plain, alone)))
        for a, b in (("drop_a", "drop_a"), ("drop_b", "drop_b")):
            got, expected = getattr(found, a), getattr(without, b)
            if name == "laws" or expected.ndim == 3:
                np.testing.assert_allclose(got, expected, rtol=1e-6)
    births, horizons = Births(DAYS_PER_MONTH * np.arange(3.0), DAYS_PER_MONTH), 365.25 * np.arange(1.0, 4)
    of_each = model.expected_discounted_orders_new(params, horizons, 0.1, WEEK, births)
    of_all = plain.expected_discounted_orders_new(params, horizons, 0.1, WEEK, births)
    np.testing.assert_allclose(of_each, np.repeat(of_all, 3, axis=1), rtol=1e-9)


# --- the simulator ----------------------------------------------------------------------------------------------------


def fitted_of(model: Any, params: dict[str, np.ndarray], draws: int) -> FittedModels:
    spend = {"price": np.full(draws, 20.0), "first_order_factor": np.ones(draws)}
    life = {name: np.full(draws, float(value[0])) for name, value in params.items()}
    return FittedModels(model, FixedPrice(), Posterior(life, spend, "week"))


def simulated(model: Any, params: dict[str, np.ndarray], summary: CustomerSummary, draws: int, visitors: float) -> Any:
    channels = {"ads": {"visitors_per_month": visitors, "conversion": 0.5}} if visitors else {}
    return simulate(
        fitted_of(model, params, draws),
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, replicates=1, horizon_months=14),
        acquisition=AcquisitionConfig.model_validate({"months": 6, "channels": channels}),
        environment=CALM,
        seed=3,
    )


@pytest.mark.parametrize("name", ["a sale too", "weekly", "yearly"])
def test_simulation_has_the_expected_renewals(name: str) -> None:
    """Month by month of today's contracts, some of them overdue within the grace; and of newcomers of six months, who
    meet other months of the year at the same age."""
    kind, renewal, c, keys = CASES[name]
    today, draw = dt.date(2022, 2, 3), np.random.default_rng(1)
    frame = made_up(600, 5, renewal)
    most = 3 if renewal == "week" else 7
    late = draw.integers(0, most, len(frame)) * (draw.random(len(frame)) < 0.3) * frame.duplicated("customer_id")
    frame = frame.assign(date=(pd.to_datetime(frame["date"]) + pd.to_timedelta(late, unit="D")).dt.date)
    ahead = {"promotions": {"sale": {"start": dt.date(2021, 12, 20), "end": SALE["end"]}}} if keys else {}
    summary = summary_of(frame[frame["date"] <= today], today=today)
    model = seasonal(kind, summary, renewal=renewal, **ahead)
    draws, params = 600, params_of(model, c, 2.0)
    histories = model.histories(summary)
    assert (histories.late > 0).sum() > 3 or renewal == "year"
    found = simulated(model, params, summary, draws, 300.0)
    ledger = found.scenarios[BASELINE].ledger
    rows = [i for i, line in enumerate(ledger.lines) if line.account == "orders"]
    by_group = ledger.calendar[:, :, rows, 0].sum(axis=2)  # (world, group, month)
    until = np.cumsum(by_group[:, 0, :14], axis=1)
    for months in (1, 2, 3, 9, 14):
        expected = model.expected_orders(params, histories, months * DAYS_PER_MONTH, WEEK)[0].sum()
        assert near(until[:, months - 1], expected), (months, expected)
    newcomers = (found.expected.newcomers * found.expected.newcomer_orders).sum(axis=(1, 2)).mean()
    assert near(by_group[:, 1].sum(axis=1), float(newcomers))
    of_arrivals = found.expected.newcomer_orders[0, 0]
    assert of_arrivals.max() / of_arrivals.min() > (1.01 if renewal != "year" else 1.0)


def near(worlds: np.ndarray, expected: float) -> bool:
    """The mean over worlds, within 4 Monte Carlo errors, which are below 2 % of it."""
    error = worlds.std(ddof=1) / np.sqrt(worlds.size)
    assert 4 * error < 0.02 * expected
    return bool(abs(worlds.mean() - expected) < 4 * error)


def test_no_effects_leave_every_simulated_order_where_it_was() -> None:
    summary = summary_of(made_up(200, 5), today=dt.date(2022, 12, 31))
    model = seasonal("bdw", summary)
    params = params_of(model, 1.3, zero=True)
    plain = {name: value for name, value in params.items() if "[" not in name}
    with_season, without = (
        simulated(m, p, summary, 100, 40.0).scenarios[BASELINE].ledger.calendar
        for m, p in ((model, params), (model.section, plain))
    )
    np.testing.assert_array_equal(with_season, without)


# --- learned ----------------------------------------------------------------------------------------------------------

LAPLACE = FitConfig(method="laplace", draws=1000, cache=False, chains=4)


def learned(kind: str, summary: CustomerSummary, **keys: Any) -> FittedModels:
    return fit(summary, RETENTION[kind](**keys), FixedPrice(), LAPLACE)


PATHS = PathPrior(sd=0.2, level_sd=0.02, autocorrelation=0.5)
TODAY = dt.date(2022, 11, 15)  # before a January


@pytest.fixture(scope="module")
def nearly_four_years() -> CustomerSummary:
    frame = made_up(4000, 11, years=5)
    return summary_of(frame[frame["date"] <= TODAY], today=TODAY)


def months_of(found: FittedModels) -> np.ndarray:
    """Effects of months against the mean of those from March on, (month, draw)."""
    months = np.stack([found.posterior.retention[f"season[{month}]"] for month in range(1, 13)])
    return months - months[2:].mean(axis=0)


def expected_in(found: FittedModels, summary: CustomerSummary, months: int, params: Any = None) -> np.ndarray:
    model, draws = found.retention, found.posterior.retention if params is None else params
    return model.expected_orders(draws, model.histories(summary), months * DAYS_PER_MONTH, WEEK).sum(axis=1)


def test_months_are_recovered_and_what_lies_ahead_with_them(nearly_four_years) -> None:
    """Of contracts whose hazard is three times as high in January and half in February. Without the key there are too
    many renewals beyond January."""
    summary = nearly_four_years
    found, without = (learned("sbg", summary, season=season) for season in ("month", "off"))
    truth = np.log([multiplier(dt.date(2022, month, 1)) for month in range(1, 13)])
    contrast, wanted = months_of(found), truth - truth[2:].mean()
    sd = contrast.std(axis=1)
    assert (np.abs(contrast.mean(axis=1) - wanted) < 3.5 * sd).all()
    assert (sd < 0.2).all()
    for months in (1, 3, 12):
        asked = float(expected_in(found, summary, months, params_of(found.retention))[0])
        ahead = expected_in(found, summary, months)
        assert abs(ahead.mean() - asked) < 3 * ahead.std(), months
    off = expected_in(without, summary, 3)
    true = float(expected_in(found, summary, 3, params_of(found.retention))[0])
    assert off.mean() - true > 6 * off.std()
    facts = dict(retention_facts(found))
    assert "hazard of renewals, January against a mean month" in " ".join(facts)
    log_m = np.stack([found.posterior.retention[f"season[{month}]"] for month in range(1, 13)])
    calendar: Any = calendar_of(found.retention)
    due = np.array(calendar.orders) / np.sum(calendar.orders)
    np.testing.assert_allclose(due @ np.exp(log_m), 1.0, rtol=1e-9)  # the mean renewal of the log


def test_months_of_the_log_are_learned_beside_the_season(nearly_four_years, tmp_path) -> None:
    """The path of months knows of the season: no wave is warned of, and without the season it is; a file keeps both."""
    summary = nearly_four_years
    found = fit(summary, RETENTION["sbg"](season="month"), FixedPrice(), LAPLACE, months=PATHS)
    plain = fit(summary, RETENTION["sbg"](), FixedPrice(), LAPLACE, months=PATHS)
    pace, unaware = (one.posterior.retention[PACE] for one in (found, plain))
    assert abs(pace.mean() - 1) < 2 * pace.std()
    sds = [one.posterior.retention[SD].mean() for one in (found, plain)]
    assert sds[0] < 0.5 * sds[1]
    assert unaware.std() > 0
    assert not any("look like a season" in said for said in found.posterior.warnings)
    write_posterior(found, tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(expected_in(again, summary, 6), expected_in(found, summary, 6))
    assert due_season_of(again.retention) == due_season_of(found.retention)


def test_slopes_of_months_are_those_of_the_likelihood() -> None:
    """Of the log multipliers of months beside a season, by differences of the likelihood renewal by renewal."""
    summary = summary_of(made_up(60, 4), today=dt.date(2022, 12, 31))
    model, months = seasonal("bdw", summary), 48
    params = params_of(model, 1.3)
    found = HazardSlope.of(model, dated(model, summary), months).at(params, np.zeros(months))
    histories, ages = model.histories(summary), due_days(summary, "month").age
    starts = starts_of(made_up(60, 4))

    def plain(v: np.ndarray) -> float:
        total = 0.0
        for start, seen, lost, age in zip(starts, histories.seen, histories.lost, ages, strict=True):
            steps = [
                multiplier(later(start, j)) * (j**1.3 - (j - 1) ** 1.3)
                * np.exp(v[months - 1 - int((age - j * DAYS_PER_MONTH) / DAYS_PER_MONTH + 1e-9)])
                for j in range(1, int(seen + lost) + 1)
            ]  # fmt: skip
            made = sum(steps[: int(seen)])
            log_s = betaln(A, B + made) - betaln(A, B)
            total += log_s
            if lost:
                total += np.log(-np.expm1(betaln(A, B + made + steps[-1]) - betaln(A, B) - log_s))
        return total

    slopes = [(plain(1e-4 * unit) - plain(-1e-4 * unit)) / 2e-4 for unit in np.eye(months)]
    np.testing.assert_allclose(found, slopes, atol=1e-5)


def test_a_promotion_is_recovered() -> None:
    draw, rows, end = np.random.default_rng(9), [], dt.date(2022, 12, 31)
    for i in range(2500):
        start, theta, j = dt.date(2021, 1, 1) + dt.timedelta(days=int(draw.integers(600))), draw.beta(A, 12.0), 0
        while (day := later(start, j)) <= end:
            if j and draw.random() > (1 - theta) ** (4.0 if SALE["start"] <= day <= SALE["end"] else 1.0):
                break
            rows.append((f"c{i}", day))
            j += 1
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=20.0)
    found = learned("bdw", summary_of(frame, today=end), promotions={"sale": SALE})
    effect = found.posterior.retention["promotion[sale]"]
    assert abs(effect.mean() - np.log(4.0)) < 3.5 * effect.std()
    assert effect.std() < 0.2


def test_under_two_years_months_are_held_together_and_it_is_told() -> None:
    frame, today = made_up(1500, 11, years=5), dt.date(2020, 5, 31)
    summary = summary_of(frame[frame["date"] <= today], today=today)
    model = seasonal("sbg", summary)
    assert {prior.scale for prior in model.free().values()} == {0.05}
    found = learned("sbg", summary, season="month")
    assert np.abs(months_of(found).mean(axis=1)).max() < 0.25
    assert any("no month comes round twice" in said and "log hazard" in said for said in found.posterior.warnings)
    assert season_of_losses(RETENTION["sbg"](), summary) is None


def test_levels_without_effects_are_the_model_with_its_season() -> None:
    frame = made_up(60, 4)
    frame = frame.assign(segment=np.where(frame["customer_id"].str[-1].astype(int) % 2, "odd", "even"))
    summary = summary_of(frame, today=dt.date(2022, 12, 31), segment="segment")
    section = RETENTION["bdw"](season="month", pool="segment")
    model = with_levels(section, summary, configured(section, summary))
    inner = model.section
    params = params_of(inner, 1.3)
    effects = {name: np.zeros(1) for names in model.names().values() for name in names}
    for name in ("expected_orders", "probability_staying"):
        found = getattr(model, name)(params | effects, model.histories(summary), 365.25, WEEK)
        np.testing.assert_array_equal(found, getattr(inner, name)(params, inner.histories(summary), 365.25, WEEK))
    rows = model.sufficient(summary)
    assert rows.rows.count.sum() == len(summary.customers)
    assert np.isfinite(float(model.build(rows).compile_logp(mode=PLAIN)(model.build(rows).initial_point())))


# --- what is named, and what is refused -------------------------------------------------------------------------------


def test_a_season_of_losses_is_named_where_it_is_clear(nearly_four_years) -> None:
    found: Any = season_of_losses(RETENTION["sbg"](), nearly_four_years)
    assert found.sure
    assert found.month == 1
    assert 2 < found.times < 3.5  # a mean month has 1.125
    assert season_of_losses(RETENTION["sbg"](renewal="plan"), nearly_four_years) is None


def test_losses_without_a_season_are_named_as_often_as_by_chance() -> None:
    """One log in 20, of 40; 7 and more have a chance below one in 200."""
    draw, sure = np.random.default_rng(12), 0
    for _ in range(40):
        theta, start = draw.beta(A, 12.0, 800), draw.integers(0, 1400, 800)
        lasts = np.floor(draw.exponential(size=800) / -np.log1p(-theta)).astype(int)
        rows = [
            (f"c{i}", later(dt.date(2019, 1, 1) + dt.timedelta(days=int(start[i])), j))
            for i in range(800)
            for j in range(min(lasts[i], 47) + 1)
        ]
        frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=20.0)
        frame = frame[frame["date"] <= dt.date(2022, 12, 31)]
        season = season_of_losses(RETENTION["sbg"](), summary_of(frame, today=dt.date(2022, 12, 31)))
        sure += season is not None and season.sure
    assert sure < 7


@pytest.mark.parametrize(("keys", "other"), [({"pauses": True}, "pauses"), ({"renewal": "plan"}, "renewal=plan")])
@pytest.mark.parametrize("asked", [{"season": "month"}, {"promotions": {"sale": SALE}}])
def test_what_does_not_go_together_is_refused(keys: dict[str, Any], other: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"season and promotions of contracts do not go with {other}"):
        RETENTION["sbg"](**keys, **asked)


def test_effects_that_nothing_tells_are_refused() -> None:
    start, today = dt.date(2019, 1, 15), dt.date(2022, 2, 20)
    rows = [(f"c{i}", later(start, 12 * j)) for i in range(30) for j in range(1 + i % 4)]
    summary = summary_of(pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=9.0), today=today)
    with pytest.raises(ConfigError, match="all renewals so far were due in the same month"):
        configured(RETENTION["sbg"](renewal="year", season="month"), summary)
    quiet = {"start": dt.date(2020, 3, 1), "end": dt.date(2020, 3, 31)}
    always = {"start": dt.date(2020, 1, 1), "end": dt.date(2022, 2, 1)}
    with pytest.raises(ConfigError) as refused:
        configured(RETENTION["sbg"](renewal="year", promotions={"quiet": quiet, "always": always}), summary)
    assert [where for where, _ in refused.value.problems] == [
        "retention.promotions.quiet",
        "retention.promotions.always",
    ]
    table = replace(summary, repeat_orders_by_day=None)
    with pytest.raises(ConfigError, match="need a log of orders"):
        configured(RETENTION["sbg"](season="month"), table)
