"""Models of given days beside months: opportunities and renewals at a pace after today, in plain numbers."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import beta as beta_law
from test_models_season import TODAY, WEEK, bought

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.models import RETENTION, SPEND
from clvsim.models.around.calendar import Path
from clvsim.models.around.paced import Paced, paced_of
from clvsim.models.around.path import LEVEL_SD, SD, STATES, PathPrior, draw_paths, mean_ahead
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.hazards import (
    Ahead,
    HazardSlope,
    dated,
    due_by_month,
    going_on,
    hazard_pace,
    kept_with_path,
)
from clvsim.models.inference import centre
from clvsim.models.laws import PACE, Births
from clvsim.models.retention.bg_bb import Opportunities
from clvsim.models.retention.due import Starts
from clvsim.models.retention.survival import Contracts, log_gamma_ratio, log_kept
from clvsim.models.shocks import Centre, expand
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import EnvironmentConfig, SimulationConfig
from clvsim.simulation.environment import sd_law
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior

PRIOR = PathPrior(sd=0.2, level_sd=0.02, autocorrelation=0.5)
LAPLACE = FitConfig(method="laplace", draws=400, cache=False, allow_poor=True)
EVERY = 20.0
PACES = (0.6, 1.7)
DONATIONS = {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834}


def paced(kind: str, **settings: Any) -> Any:
    return Paced(RETENTION[kind](**settings), Path(months=12, today=TODAY, autocorrelation=0.5))


def params_of(values: dict[str, float], paces: tuple[float, ...]) -> dict[str, np.ndarray]:
    found = {name: np.full(len(paces), value) for name, value in values.items()}
    return found | {PACE: np.array(paces), SD: np.zeros(len(paces)), LEVEL_SD: np.zeros(len(paces))}


# --- opportunities ----------------------------------------------------------------------------------------------------

HISTORIES = Opportunities(*np.array([(0, 0, 7, 3.5), (2, 4, 6, 7.0), (6, 6, 6, 1.0), (3, 5, 30, 9.0)]).T)


def plainly(pace: float, x: float, n: float, chances: int, factor: float) -> tuple[float, float]:
    """Of one alive at n: purchases at the next opportunities, the k-th worth factor^k, and P(any); over p by
    quadrature, one opportunity after the other."""
    a, b, gamma, delta = DONATIONS.values()
    lived = np.exp([betaln(gamma, delta + n + k) - betaln(gamma, delta + n) for k in range(1, chances + 1)])

    def of(p: float) -> tuple[float, float]:
        buys = 1 - (1 - p) ** pace
        orders = sum(factor**k * stays * buys for k, stays in enumerate(lived))
        first = sum(stays * buys * (1 - buys) ** k for k, stays in enumerate(lived))
        return orders, first

    law = beta_law(a + x, b + n - x)
    return tuple(quad(lambda p, i=i: law.pdf(p) * of(p)[i], 0, 1, epsabs=1e-11)[0] for i in (0, 1))


@pytest.mark.parametrize("draw", range(len(PACES)))
def test_opportunities_at_a_pace_are_those_of_a_higher_chance(draw):
    """Orders, discounted or not, and P(any within 13 opportunities), by quadrature over the chance to buy."""
    model, params = paced("bg_bb", opportunity_days=EVERY), params_of(DONATIONS, PACES)
    horizon, yearly = 13 * EVERY, 0.2
    alive = model.probability_alive(params, HISTORIES, WEEK)[draw]
    orders = model.expected_orders(params, HISTORIES, horizon, WEEK)[draw]
    worth = model.expected_discounted_orders(params, HISTORIES, horizon, yearly, WEEK)[draw]
    active = model.probability_active(params, HISTORIES, horizon, WEEK)[draw]
    for i, (x, _, n, due) in enumerate(zip(*HISTORIES, strict=True)):
        plain, any_order = plainly(PACES[draw], x, n, 13, 1.0)
        discounted = plainly(PACES[draw], x, n, 13, (1 + yearly) ** (-EVERY / 365.25))[0]
        assert orders[i] == pytest.approx(alive[i] * plain, rel=1e-7)
        assert active[i] == pytest.approx(alive[i] * any_order, rel=1e-7)
        assert worth[i] == pytest.approx(discounted * (1 + yearly) ** (-due / 365.25), rel=1e-7)


def test_a_pace_of_one_is_the_model_itself():
    model, params = paced("bg_bb", opportunity_days=EVERY), params_of(DONATIONS, (1.0,))
    own = model.own(params)
    for horizon in (5.0, 365.25, np.inf):
        for name in ("probability_active", "probability_staying"):
            if name == "probability_active" or np.isfinite(horizon):
                of = (getattr(one, name) for one in (model, model.section))
                found, plain = (f(p, HISTORIES, horizon, WEEK) for f, p in zip(of, (params, own), strict=True))
                np.testing.assert_allclose(found, plain, rtol=1e-9)
        found, plain = (
            one.expected_discounted_orders(p, HISTORIES, horizon, 0.1, WEEK)
            for one, p in ((model, params), (model.section, own))
        )
        np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_ever_is_the_limit_of_longer_horizons():
    """P(ever buying again) at a pace: the sum over 100,000 opportunities and the power law that it ends in."""
    model, params = paced("bg_bb", opportunity_days=EVERY), params_of(DONATIONS, PACES)
    far = 100_000
    ever, until = (model.probability_active(params, HISTORIES, h, WEEK) for h in (np.inf, far * EVERY))
    a, b, gamma, delta = DONATIONS.values()
    x, _, n, _ = HISTORIES
    alive = model.probability_alive(params, HISTORIES, WEEK)
    for draw, pace in enumerate(PACES):
        A, B, D = a + x, b + n - x, delta + n
        stays = log_gamma_ratio(D, np.array(gamma)) - log_gamma_ratio(D + far, np.array(gamma))
        waits = log_gamma_ratio(B, A) - log_gamma_ratio(B + pace * far, A)
        rest = np.exp(stays + waits) * A / (gamma + A)  # of an integral of k^-(gamma + A + 1)
        np.testing.assert_allclose(ever[draw], until[draw] + alive[draw] * rest, rtol=1e-9)
        assert (rest > 0).all()


def test_newcomers_buy_at_the_pace():
    """Within 3 of their own opportunities, of those who come after today."""
    model, params = paced("bg_bb", opportunity_days=EVERY), params_of(DONATIONS, PACES)
    found = model.expected_discounted_orders_new(params, np.array([3.5 * EVERY]), 0.0, WEEK, Births(np.zeros(1), 30.0))
    plain = [plainly(pace, 0.0, 0.0, 3, 1.0)[0] for pace in PACES]
    np.testing.assert_allclose(found[:, 0, 0], plain, rtol=1e-7)


def table(n: np.ndarray, x: np.ndarray, t_x: np.ndarray) -> CustomerSummary:
    """Customers with x purchases at n opportunities, the last at t_x; five days since the latest."""
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n.size)],
            "frequency": x.astype(int),
            "recency_days": t_x * EVERY,
            "T_days": n * EVERY + 5,
            "first_amount": 9.0,
            "repeat_amount": 9.0 * x,
            "repeat_log_amount": 3.0,
            "repeat_positive": x.astype(int),
            "segment": "",
            "channel": "",
        }
    )
    return CustomerSummary(frame, TODAY, date(2022, 1, 1), TODAY, "week", "made up", opportunity_days=EVERY)


def test_opportunities_are_simulated_as_they_are_expected():
    rng, draws = np.random.default_rng(5), 300
    n = rng.integers(1, 20, 400).astype(float)
    x = rng.binomial(n.astype(int), 0.4).astype(float)
    summary = table(n, x, np.where(x > 0, np.maximum(x, n - rng.integers(0, 3, n.size)), 0.0))
    model, params = paced("bg_bb", opportunity_days=EVERY), params_of(DONATIONS, (1.6,) * draws)
    expected = model.expected_orders(params, model.histories(summary), 3 * DAYS_PER_MONTH, WEEK).sum(axis=1)
    check_simulated(model, params, summary, expected)


def check_simulated(model: Any, params: dict[str, np.ndarray], summary: CustomerSummary, expected: np.ndarray) -> None:
    """Orders of three months: simulated, as `expected` (draw,), and as the simulation's own closed form has them."""
    draws = expected.size
    spend = {"price": np.full(draws, 9.0), "first_order_factor": np.ones(draws)}
    fitted = FittedModels(model, SPEND["fixed_price"](), Posterior(params, spend, "week"))
    found = simulate(
        fitted,
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, horizon_months=3, jobs=1),
        environment=EnvironmentConfig(),
    )
    orders = found.scenarios[BASELINE].ledger.total("orders")
    assert np.abs(orders.mean() - expected.mean()) < 4 * orders.std() / np.sqrt(draws)
    np.testing.assert_allclose(found.expected.existing_orders.sum(axis=1), expected, rtol=1e-9)


# --- months of merged orders ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def merged():
    """A log of MBG/NBD, and the same with one order at most in each 20 days after a customer's first."""
    by_day, days = bought(np.random.default_rng(11), 800, "mbg_nbd")
    T = by_day.customers["T_days"].to_numpy()
    ended = np.floor((T + 0.5) / EVERY)
    periods = [np.unique(np.ceil((age + d) / EVERY)) for age, d in zip(T, days, strict=True)]
    periods = [p[p <= last] for p, last in zip(periods, ended, strict=True)]
    frame = by_day.customers.assign(
        frequency=[p.size for p in periods], recency_days=[p.max(initial=0.0) * EVERY for p in periods]
    )
    return replace(
        by_day, customers=frame, repeat_orders_by_day=None, opportunity_days=EVERY, by_day=by_day
    )  # fmt: skip


def test_opportunities_get_their_months_from_beside(merged, tmp_path):
    """The pace is that which a model of regular buyers gets of the same log, whose orders are not merged."""
    section, spend = RETENTION["bg_bb"](opportunity_days=EVERY), SPEND["fixed_price"]()
    found = fit(merged, section, spend, LAPLACE, months=PRIOR)
    assert paced_of(found.retention) is found.retention
    assert sd_law(found, merged, EnvironmentConfig()).months > 0
    regular = replace(merged.by_day, customers=merged.by_day.customers.assign(log_gaps=1.0))
    beside = fit(regular, RETENTION["mbg_cnbd"](k=2), spend, LAPLACE, months=PRIOR)
    np.testing.assert_allclose(found.posterior.retention[PACE], beside.posterior.retention[PACE])
    assert found.posterior.retention[PACE].std() > 0.01
    alone = fit(merged, section, spend, LAPLACE)
    np.testing.assert_array_equal(alone.posterior.retention["alpha"], found.posterior.retention["alpha"])
    write_posterior(found, tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").retention == found.retention
    assert fit(replace(merged, by_day=None), section, spend, LAPLACE, months=PRIOR).retention == section


def test_cache_knows_the_orders_that_are_merged(merged, tmp_path):
    def fits(summary: CustomerSummary) -> bool:
        config = LAPLACE.model_copy(update={"cache": True})
        section, spend = RETENTION["bg_bb"](opportunity_days=EVERY), SPEND["fixed_price"]()
        return not fit(summary, section, spend, config, months=PRIOR, cache_dir=tmp_path).posterior.from_cache

    assert [fits(merged), fits(merged)] == [True, False]
    longer = merged.by_day.customers.assign(frequency=merged.by_day.customers["frequency"] + 1)
    assert fits(replace(merged, by_day=replace(merged.by_day, customers=longer)))


def test_summary_of_periods_has_the_days_beside():
    log = read_transactions(None, DataConfig(kind="bundled", path="cdnow_sample", calibration_end="1997-09-30"))
    by_period, by_day = summarize(log, opportunity_days=EVERY), summarize(log)
    assert by_period.dated is by_period.by_day
    pd.testing.assert_frame_equal(by_period.dated.customers, by_day.customers)
    np.testing.assert_array_equal(by_period.dated.repeat_orders_by_day, by_day.repeat_orders_by_day)
    assert by_day.dated is by_day
    assert list(by_period.customers["customer_id"]) == list(by_day.customers["customer_id"])


# --- renewals ---------------------------------------------------------------------------------------------------------

CHURN = {"sbg": {"alpha": 0.9, "beta": 6.0}, "bdw": {"gamma": 0.8, "delta": 5.0, "c": 1.3}}
LOG_MONTHS = 18


def paying(
    rng: np.random.Generator, kind: str, contracts: int, log_hazard: np.ndarray, interval: float = DAYS_PER_MONTH
):
    """A log of contracts that came evenly over the months, the hazard of ending at renewals due in month m times
    exp(log_hazard[m]), the oldest first; what is overdue today has been paid at once, or not."""
    gamma, delta, *c = CHURN[kind].values()
    exponent = c[0] if c else 1.0
    age = np.floor(rng.uniform(1, LOG_MONTHS * DAYS_PER_MONTH, contracts))
    eta = -np.log1p(-rng.beta(gamma, delta, contracts))
    renewals = np.zeros(contracts)
    for i in range(contracts):
        j = 1
        while (ago := age[i] - j * interval) >= 0:
            month = LOG_MONTHS - 1 - min(int(ago / DAYS_PER_MONTH), LOG_MONTHS - 1)
            step = eta[i] * np.exp(log_hazard[month]) * (j**exponent - (j - 1) ** exponent)
            if rng.random() < -np.expm1(-step):
                break
            renewals[i], j = j, j + 1
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(contracts)],
            "frequency": renewals.astype(int),
            "recency_days": np.minimum(np.rint(renewals * interval), age),
            "T_days": age,
            "first_amount": 9.0,
            "repeat_amount": 9.0 * renewals,
            "repeat_log_amount": 3.0,
            "repeat_positive": renewals.astype(int),
            "segment": np.where(np.arange(contracts) % 3, "one", "two"),
            "channel": "",
        }
    )
    first = TODAY - timedelta(days=round(LOG_MONTHS * DAYS_PER_MONTH))
    daily = np.zeros((1, 2), np.int64)  # that there are days is all that contracts ask
    return CustomerSummary(frame, TODAY, first, TODAY, "month", "made up", daily)


@pytest.fixture(scope="module", params=list(CHURN))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def contracts(kind):
    return paying(np.random.default_rng(4), kind, 600, 0.3 * np.sin(np.arange(LOG_MONTHS)))


def month_due(age: float, j: int, renewal: str) -> int:
    """In which month of the log renewal j fell due, by dates; months end on today's day of the month."""
    if renewal == "week":
        return LOG_MONTHS - 1 - min(int((age - 7 * j) / DAYS_PER_MONTH + 1e-9), LOG_MONTHS - 1)
    today: Any = pd.Timestamp(TODAY)
    due = today - pd.Timedelta(days=age) + pd.DateOffset(months={"month": 1, "quarter": 3}[renewal] * j)
    return LOG_MONTHS - sum(due <= today - pd.DateOffset(months=k) for k in range(LOG_MONTHS))


def plain_likelihood(values: list[float], contracts: Any, age: np.ndarray, v: np.ndarray, renewal: str) -> float:
    """Contract by contract, and renewal by renewal."""
    gamma, delta, *c = values
    exponent, total = c[0] if c else 1.0, 0.0

    def log_survival(T: float, n: float) -> float:
        E = 0.0
        for j in range(1, int(n) + 1):
            month = month_due(T, j, renewal)
            E += np.exp(v[month]) * (j**exponent - (j - 1) ** exponent)
        return betaln(gamma, delta + E) - betaln(gamma, delta)

    for T, seen, lost in zip(age, contracts.seen, contracts.lost, strict=True):
        kept = log_survival(T, seen)
        total += np.log(np.exp(kept) - np.exp(log_survival(T, seen + 1))) if lost else kept
    return total


@pytest.mark.parametrize("renewal", ["month", "quarter", "week"])
def test_slope_of_months_is_that_of_the_contracts(kind, contracts, renewal):
    """dl/dv by central differences of the plain likelihood, at a path that is not 0."""
    model: Any = RETENTION[kind](renewal=renewal)
    few = replace(contracts, customers=contracts.customers.iloc[:60])
    params = {name: np.array([value]) for name, value in CHURN[kind].items()}
    v, step = 0.2 * np.cos(np.arange(LOG_MONTHS)), 1e-4
    found = HazardSlope.of(model, dated(model, few), LOG_MONTHS).at(params, v)
    age = few.customers["T_days"].to_numpy(float)

    def plain(path: np.ndarray) -> float:
        values = list(CHURN[kind].values())
        return plain_likelihood(values, model.histories(few), age, path, renewal)

    slopes = [(plain(v + step * unit) - plain(v - step * unit)) / (2 * step) for unit in np.eye(LOG_MONTHS)]
    np.testing.assert_allclose(found, slopes, atol=1e-5)  # rounding of logs of differences
    assert np.abs(found).max() > 0.1


def test_lasting_a_year_with_a_path_is_that_of_each_contract(kind, contracts):
    """By quadrature over theta given renewals that went at the months' hazards, and at those to come."""
    model: Any = RETENTION[kind]()
    few = replace(contracts, customers=contracts.customers.iloc[:40])
    rows = dated(model, few)
    going = rows.lost == 0
    part = Ahead(
        rows.renewals[going],
        due_by_month(rows.age[going], rows.renewals[going], LOG_MONTHS, model.interval_days),
        rows.next_days[going],
        Starts(rows.start[going], rows.of_month[going]),
        rows.count[going],
    )
    gamma, delta, *c = CHURN[kind].values()
    exponent = c[0] if c else 1.0
    own = {name: np.array([value]) for name, value in CHURN[kind].items()}
    where = {name: np.array([value]) for name, value in zip(STATES, (0.3, -0.1, 0.02, 0.25, 0.02), strict=True)}
    v = 0.3 * np.sin(np.arange(LOG_MONTHS))
    found = np.exp(kept_with_path(model, own, where, v[None], part, 0.5)[0])
    for i in range(0, part.renewals.size, 7):
        n, due, age = part.renewals[i], part.next_days[i], rows.age[going][i]
        steps = [j**exponent - (j - 1) ** exponent for j in range(1, int(n) + 13)]
        months = [
            LOG_MONTHS - 1 - int((age - j * DAYS_PER_MONTH) / DAYS_PER_MONTH + 1e-9) for j in range(1, int(n) + 1)
        ]
        E = sum(np.exp(v[m]) * steps[j] for j, m in enumerate(months))
        ahead = [np.exp(mean_ahead(where, np.array([int(due / DAYS_PER_MONTH + k) + 1]), 0.5)[0, 0]) for k in range(12)]
        A = sum(m * steps[int(n) + k] for k, m in enumerate(ahead))
        above, below = (
            quad(lambda q, power=power: beta_law.pdf(q, gamma, delta) * (1 - q) ** power, 0, 1, limit=200)[0]
            for power in (E + A, E)
        )
        assert found[i] == pytest.approx(above / below, rel=1e-6)


def test_pace_keeps_as_many_contracts_as_the_path(kind, contracts):
    model: Any = RETENTION[kind]()
    rows = dated(model, contracts)
    chosen = going_on(rows, model.interval_days)
    draws = 3
    params = {name: np.full(draws, value) for name, value in CHURN[kind].items()}
    where = {name: np.full(draws, value) for name, value in zip(STATES, (0.3, 0.1, 0.01, 0.2, 0.02), strict=True)}
    moved = {name: values * [0.9, 1.0, 1.2] for name, values in params.items()}
    v = np.outer([0.5, 0.0, -1.0], np.cos(np.arange(LOG_MONTHS)))
    pace = hazard_pace(model, params, moved | where, v, rows, 0.5)
    part = Ahead(
        chosen.renewals,
        due_by_month(chosen.age, chosen.renewals, LOG_MONTHS, model.interval_days),
        chosen.next_days,
        chosen.starts,
        chosen.count,
    )
    asked = np.exp(kept_with_path(model, moved, where, v, part, 0.5)) @ chosen.count
    reached = np.exp(log_kept(model.shapes(params | {PACE: pace}), chosen.renewals, 12)) @ chosen.count
    np.testing.assert_allclose(reached, asked, rtol=1e-9)
    nothing = {name: np.zeros(draws) for name in STATES}
    still = hazard_pace(model, params, params | nothing, 0 * v, rows, 0.5)
    np.testing.assert_allclose(still, 1.0, rtol=1e-9)


def test_nobody_left_takes_the_pace_of_a_new_contract():
    model: Any = RETENTION["sbg"]()
    summary = paying(np.random.default_rng(4), "sbg", 40, np.zeros(LOG_MONTHS))
    rows = dated(model, summary)
    gone = rows._replace(lost=np.ones_like(rows.lost))
    params = {name: np.array([value]) for name, value in CHURN["sbg"].items()}
    where = {name: np.array([value]) for name, value in zip(STATES, (0.0, 0.3, 0.0, 0.0, 0.0), strict=True)}
    pace = hazard_pace(model, params, params | where, np.zeros((1, LOG_MONTHS)), gone, 0.5)
    np.testing.assert_allclose(pace, np.exp(0.3), rtol=1e-9)


def test_renewals_at_a_pace_are_those_of_a_higher_hazard(kind):
    """Renewals within 5 periods, discounted or not, by quadrature over theta, for a contract with 3 behind it."""
    model, params = paced(kind), params_of(CHURN[kind], PACES)
    gamma, delta, *c = CHURN[kind].values()
    exponent = c[0] if c else 1.0
    one = Contracts(*np.array([[3.0], [3.0], [0.0], [10.0], [1.0], [0.0]]))
    horizon, yearly = 10 + 4.5 * DAYS_PER_MONTH, 0.2
    orders = model.expected_orders(params, one, horizon, WEEK)
    worth = model.expected_discounted_orders(params, one, horizon, yearly, WEEK)
    staying = model.probability_staying(params, one, horizon, WEEK)
    law = beta_law(gamma, delta + 3**exponent)
    for d, pace in enumerate(PACES):
        kept = [
            quad(lambda q, e=pace * ((3 + k) ** exponent - 3**exponent): law.pdf(q) * (1 - q) ** e, 0, 1)[0]
            for k in range(1, 6)
        ]
        days = 10 + DAYS_PER_MONTH * np.arange(5)
        assert orders[d, 0] == pytest.approx(sum(kept), rel=1e-7)
        assert worth[d, 0] == pytest.approx(sum(kept * (1 + yearly) ** (-days / 365.25)), rel=1e-7)
        assert staying[d, 0] == pytest.approx(kept[-1], rel=1e-7)


def test_renewals_are_simulated_as_they_are_expected(kind, contracts):
    model, params = paced(kind), params_of(CHURN[kind], (1.6,) * 300)
    few = replace(contracts, customers=contracts.customers.iloc[:300])
    expected = model.expected_orders(params, model.histories(few), 3 * DAYS_PER_MONTH, WEEK).sum(axis=1)
    check_simulated(model, params, few, expected)


def test_months_are_found(kind):
    """Shocks of 0.4 in the months of 4,000 contracts: where each month stands against the others."""
    path = 0.4 * np.random.default_rng(1).standard_normal(LOG_MONTHS)
    summary, model = paying(np.random.default_rng(6), kind, 4000, path), RETENTION[kind]()
    rows: Any = model.sufficient(summary)
    density, mode = centre(compile_model(model.build(rows)), kind, 1)
    at = Centre(mode, lambda points: model.natural(density.constrain(points), rows, WEEK))
    found = expand(HazardSlope.of(model, dated(model, summary), LOG_MONTHS), at)
    v = draw_paths(found.evidence, PRIOR, 400, 1).v
    z = (v.mean(axis=0) - path) / v.std(axis=0)
    assert np.abs(z - z.mean()).max() < 4
    assert np.corrcoef(v.mean(axis=0), path)[0, 1] > 0.7


def test_contracts_learn_the_hazard_of_their_months(kind, tmp_path):
    """A hazard that has risen all along is above the log's today, and is warned of; with levels too."""
    rising = 0.08 * (np.arange(LOG_MONTHS) - LOG_MONTHS + 1)
    section, spend = RETENTION[kind](), SPEND["fixed_price"]()
    calm, worse = (
        fit(paying(np.random.default_rng(6), kind, 4000, path), section, spend, LAPLACE, months=PRIOR)
        for path in (np.zeros(LOG_MONTHS), rising)
    )
    summary = paying(np.random.default_rng(6), kind, 4000, rising)
    usual, pace = (found.posterior.retention[PACE] for found in (calm, worse))
    assert abs(usual.mean() - 1) < 2 * usual.std()
    assert pace.mean() > 1 + 2 * usual.std()
    assert pace.std() > usual.std()
    assert any("The hazard of contracts has risen over the log" in said for said in worse.posterior.warnings)
    assert paced_of(worse.retention) is worse.retention
    assert sd_law(worse, summary, EnvironmentConfig()).months == LOG_MONTHS
    write_posterior(worse, tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").retention == worse.retention
    alone = fit(summary, section, spend, LAPLACE)
    for name in CHURN[kind]:
        np.testing.assert_array_equal(alone.posterior.retention[name], worse.posterior.retention[name])
    undated = replace(summary, repeat_orders_by_day=None)
    assert fit(undated, section, spend, LAPLACE, months=PRIOR).retention == section
    levels = fit(summary, RETENTION[kind](pool="segment"), spend, LAPLACE, months=PRIOR)
    assert levels.posterior.retention[PACE].mean() == pytest.approx(pace.mean(), abs=pace.std())


def test_cache_knows_when_contracts_were_due(tmp_path):
    def fits(summary: CustomerSummary) -> bool:
        config = LAPLACE.model_copy(update={"cache": True})
        section, spend = RETENTION["sbg"](), SPEND["fixed_price"]()
        return not fit(summary, section, spend, config, months=PRIOR, cache_dir=tmp_path).posterior.from_cache

    summary = paying(np.random.default_rng(6), "sbg", 600, np.zeros(LOG_MONTHS))
    assert [fits(summary), fits(summary)] == [True, False]
    T = summary.customers["T_days"]
    older = T.where((summary.customers["frequency"] > 0) | (T < 60), T + 1)
    moved = replace(summary, customers=summary.customers.assign(T_days=older))
    assert (RETENTION["sbg"]().histories(moved).lost == RETENTION["sbg"]().histories(summary).lost).all()
    assert fits(moved)
