"""Seasons and promotions of BG/NBD, MBG/NBD and Pareto/NBD."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plainly import PLAIN
from scipy.integrate import simpson
from scipy.special import betaln, expit, gammaln, hyp2f1

from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.around import by_calendar, pooling
from clvsim.models.around.calendar import Calendar, Window
from clvsim.models.around.season import Seasonal, configured, seasonal_of
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit_one
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births, Customers
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import levels, simulate
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.environment import season_by_week
from clvsim.simulation.people import existing_blocks
from clvsim.simulation.tracking import calibration_blocks, repeat_orders
from clvsim.types import DAYS_PER_YEAR, PARTS, CustomerSummary, Posterior

WEEK = 7.0
TODAY, FIRST = date(2025, 3, 20), date(2023, 6, 1)
LENGTH = (TODAY - FIRST).days
SALE = Window(start=date(2024, 11, 25), end=date(2024, 12, 2))
MONTHS = np.array([-0.2, -0.15, 0.0, 0.25, 0.3, 0.25, -0.2, -0.25, -0.1, 0.1, 0.15, 0.35])
PUBLISHED = {
    "bg_nbd": {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259},
    "mbg_nbd": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "pareto_nbd": {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669},
}


def multiplier(day: np.ndarray, sale: float = 0.6) -> np.ndarray:
    """m by number of days from today, the mean over the log 1."""

    def raw(which: np.ndarray) -> np.ndarray:
        dates = [TODAY + timedelta(days=int(d)) for d in which]
        running = np.array([SALE.start <= d <= SALE.end for d in dates])
        return np.exp(MONTHS[[d.month - 1 for d in dates]] + sale * running)

    return raw(day) / raw(-np.arange(LENGTH)).mean()


def bought(rng: np.random.Generator, customers: int, kind: str = "bg_nbd") -> tuple[CustomerSummary, list[np.ndarray]]:
    """Customers of the model who live by m, and the days (from today) of each one's repeat orders."""
    p = PUBLISHED[kind]
    clock = np.concatenate([[0.0], np.cumsum(multiplier(np.arange(1 - LENGTH, 1)))])  # from the day after the first
    born = rng.integers(0, LENGTH - 30, customers)
    rate = rng.gamma(p["r"], 1 / (WEEK * p["alpha"]), customers)
    dies = kind == "pareto_nbd"
    leaving = np.zeros(customers) if dies else rng.beta(p["a"], p["b"], customers)
    hazard = rng.gamma(p["s"], 1 / (WEEK * p["beta"]), customers) if dies else np.full(customers, 1e-12)
    death = born + rng.exponential(1 / np.maximum(hazard, 1e-12))
    daily, days = np.zeros((PARTS, LENGTH + 1), np.int64), []
    for c in range(customers):
        at, own = clock[born[c]], set()
        gone = kind == "mbg_nbd" and rng.random() < leaving[c]
        while not gone:
            at += rng.exponential(1 / max(rate[c], 1e-12))
            if at >= clock[-1] or np.interp(at, clock, np.arange(LENGTH + 1.0)) > death[c]:
                break
            day = int(np.searchsorted(clock, at, side="right"))
            if day not in own:  # one order a day
                own.add(day)
                daily[c % PARTS, day] += 1
            gone = rng.random() < leaving[c]
        days.append(np.array(sorted(own), int) - LENGTH)
    T = (LENGTH - born).astype(float)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{c:05d}" for c in range(customers)],
            "frequency": [len(d) for d in days],
            "recency_days": [T[c] + d[-1] if len(d) else 0.0 for c, d in enumerate(days)],
            "T_days": T,
            "first_amount": 30.0,
            "repeat_amount": 30.0,
            "repeat_log_amount": 3.0,
            "repeat_positive": 1,
            "segment": "",
            "channel": "",
        }
    )
    return CustomerSummary(frame, TODAY, FIRST, TODAY, "week", "made up", daily), days


@pytest.fixture(scope="module")
def log():
    return bought(np.random.default_rng(3), 40)


@pytest.fixture(params=list(PUBLISHED))
def kind(request):
    return request.param


def seasonal(kind: str, summary: CustomerSummary, **config) -> Seasonal:
    section = RETENTION[kind](season="month", promotions={"sale": SALE}, **config)
    model = configured(section, summary)
    assert isinstance(model, Seasonal)
    return model


def params_of(kind: str, months: np.ndarray = MONTHS, sale: float = 0.6, draws: int = 1) -> dict[str, np.ndarray]:
    """Published parameters and the effects of `multiplier`, as `natural` reports them."""
    log_mean = np.log(multiplier(np.array([-1]), sale) / np.exp(MONTHS[2]))[0]  # of a day in March
    if not months.any():
        log_mean = 0.0
    effects = {f"season[{m + 1}]": e + log_mean for m, e in enumerate(months)} | {"promotion[sale]": sale}
    return {name: np.full(draws, v) for name, v in (PUBLISHED[kind] | effects).items()}


def test_multiplier_is_that_of_the_day(log, kind):
    model = seasonal(kind, log[0])
    day = np.arange(-LENGTH + 1, 800)
    np.testing.assert_allclose(np.exp(model.log_multiplier(params_of(kind), day)[0]), multiplier(day), rtol=1e-12)
    assert np.exp(model.log_multiplier(params_of(kind), -np.arange(LENGTH))).mean() == pytest.approx(1.0)
    weekly = model.by_week(params_of(kind), 1, 5)[0]
    np.testing.assert_allclose(np.exp(weekly), multiplier(np.arange(1, 36)).reshape(5, 7).mean(axis=1))


def gamma_grid(shape, rate):
    """Points and weights of a Gamma: trapezoids in the logarithm, in steps that are good to 1e-13."""
    low, high = -40 / shape, np.log(60 + 10 * shape)
    u = np.linspace(low, high, int((high - low) / min(0.12, 0.5 / np.sqrt(shape))) + 2)
    return np.exp(u) / rate, np.exp(shape * u - np.exp(u) - gammaln(shape)) * (u[1] - u[0])


def grids(shape, rate, a, b):
    """Points of a rate ~ Gamma and a dropout ~ Beta with joint weights: trapezoids in its logarithm and its logit."""
    rates, of_rate = gamma_grid(shape, rate)
    v = np.linspace(-40 / a, 40 / b, 500)
    of_v = np.exp(a * np.log(expit(v)) + b * np.log(expit(-v)) - betaln(a, b)) * (v[1] - v[0])
    return rates[:, None], expit(v), of_rate[:, None] * of_v


def densities(kind, T, days, m):
    """(alive, lost) of a history, by the inhomogeneous Poisson process itself: averaged over rate and dropout."""
    p = PUBLISHED[kind]
    if kind == "pareto_nbd":
        return pareto_densities(T, days, m)
    rate, leave, weight = grids(p["r"], p["alpha"] * WEEK, p["a"], p["b"])
    x, born = len(days), -int(T)
    exposed = m[(np.arange(born + 1, 1) + LENGTH - 1)].sum()
    until = m[(np.arange(born + 1, (days[-1] if x else born) + 1) + LENGTH - 1)].sum()
    orders = rate**x * np.prod(m[days + LENGTH - 1])
    survived = (1 - leave) ** (x + (kind == "mbg_nbd"))
    lost = leave * (1 - leave) ** (x - 1 + (kind == "mbg_nbd")) if x or kind == "mbg_nbd" else 0 * leave
    return (weight * survived * orders * np.exp(-rate * exposed)).sum(), (
        weight * lost * orders * np.exp(-rate * until)
    ).sum()


def moments(last: float, m: np.ndarray):
    """Gauss-Legendre inside each day after `last`, both from today: times, weights, the clock since then."""
    nodes, weights = np.polynomial.legendre.leggauss(2)
    days = np.arange(int(last), 0)
    speed = m[days + LENGTH]  # of the day that follows
    before = np.concatenate([[0.0], np.cumsum(speed)[:-1]])
    share = 0.5 * (1 + nodes)
    tau = (days[:, None] + share).ravel()
    return tau, np.tile(0.5 * weights, days.size), (before[:, None] + speed[:, None] * share).ravel()


def pareto_densities(T, days, m):
    """Pareto/NBD by the process: alive, and lost at any moment since the last order, by the calendar."""
    p = PUBLISHED["pareto_nbd"]
    rate, of_rate = gamma_grid(p["r"], p["alpha"] * WEEK)
    hazard, of_hazard = gamma_grid(p["s"], p["beta"] * WEEK)
    x, last = len(days), days[-1] if len(days) else -int(T)
    until = m[np.arange(1 - int(T), last + 1) + LENGTH - 1].sum()
    after = m[np.arange(last + 1, 1) + LENGTH - 1].sum()
    orders = of_rate * rate**x * np.prod(m[days + LENGTH - 1]) * np.exp(-rate * until)
    alive = (orders * np.exp(-rate * after)).sum() * (of_hazard * np.exp(-hazard * T)).sum()
    tau, weight, passed = moments(last, m)
    bought = np.exp(-passed[:, None] * rate) @ orders
    died = np.exp(-(T + tau)[:, None] * hazard) @ (of_hazard * hazard)
    return alive, (weight * bought * died).sum()


FREE = {
    "bg_nbd": lambda p: {"dropout_mean": p["a"] / (p["a"] + p["b"]), "dropout_concentration": p["a"] + p["b"]},
    "pareto_nbd": lambda p: {"s": p["s"], "lost": 1 - (p["beta"] / (p["beta"] + 1)) ** p["s"]},
}
FREE["mbg_nbd"] = FREE["bg_nbd"]
TRANSFORMS = {
    "lost": ("logodds", lambda v: np.log(v / (1 - v))),
    "dropout_mean": ("logodds", lambda v: np.log(v / (1 - v))),
}


def free_point(kind: str, unit_days: float) -> tuple[dict[str, float], dict[str, float]]:
    """Free variables of the model at the published parameters: as they are, and as PyMC takes them."""
    p = {n: v * (WEEK / unit_days if n in ("alpha", "beta") else 1) for n, v in PUBLISHED[kind].items()}
    free = {"r": p["r"], "rate": p["r"] / p["alpha"], **FREE[kind](p)}
    effects = {f"season_{m + 1}": e for m, e in enumerate(MONTHS)} | {"promotion_sale": 0.6}
    point = {}
    for name, value in free.items():
        how, transform = TRANSFORMS.get(name, ("log", np.log))
        point[f"{name}_{how}__"] = transform(value)
    return free | effects, point | effects


def test_likelihood_is_the_inhomogeneous_process(log, kind):
    """The PyMC density less priors is the sum over customers, order by order on its own day."""
    summary, days = log
    model = seasonal(kind, summary)
    rows = model.sufficient(summary)
    built = model.build(rows)
    free, point = free_point(kind, rows.unit_days)
    found = float(built.compile_logp(vars=built.potentials, mode=PLAIN)(point))
    m = multiplier(np.arange(1 - LENGTH, 1))
    plain = sum(
        np.log(sum(densities(kind, T, own, m))) for T, own in zip(summary.customers["T_days"], days, strict=True)
    )
    orders = sum(len(own) for own in days)
    assert found == pytest.approx(plain + orders * np.log(rows.unit_days), abs=1e-6)
    total = model.log_likelihood(params_of(kind), model.histories(summary), WEEK).sum()
    assert total == pytest.approx(plain + orders * np.log(WEEK), abs=1e-6)
    natural = model.natural({name: np.array([v]) for name, v in free.items()}, rows, WEEK)
    for name, value in params_of(kind).items():
        assert natural[name] == pytest.approx(value), name


def test_alive_is_bayes_rule(log, kind):
    summary, days = log
    model = seasonal(kind, summary)
    m = multiplier(np.arange(1 - LENGTH, 1))
    found = model.laws(params_of(kind), model.histories(summary), WEEK)
    some = [int(np.argmax(summary.customers["frequency"])), 0, 7]
    for c in some:
        alive, lost = densities(kind, summary.customers["T_days"][c], days[c], m)
        assert found.p_alive[0, c] == pytest.approx(alive / (alive + lost), rel=1e-8)


def test_equal_months_are_no_season(log, kind):
    """Likelihood, laws and forecasts are those of the model itself."""
    summary, _ = log
    model, section = seasonal(kind, summary), RETENTION[kind]()
    even = params_of(kind, np.zeros(12), 0.0, draws=3)
    plain = {name: even[name] for name in PUBLISHED[kind]}
    histories = section.histories(summary)
    for name in ("log_likelihood", "probability_alive"):
        found, expected = (getattr(of, name)(p, histories, WEEK) for of, p in ((model, even), (section, plain)))
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=name)
    for name in ("probability_active", "expected_orders"):
        found, expected = (getattr(of, name)(p, histories, 200.0, WEEK) for of, p in ((model, even), (section, plain)))
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=name)
    for name in ("laws", "laws_given_dead"):
        found, expected = (getattr(of, name)(p, histories, WEEK) for of, p in ((model, even), (section, plain)))
        for one, other in zip(found[:7], expected[:7], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)
    np.testing.assert_allclose(
        *(of.probability_active(p, histories, np.inf, WEEK) for of, p in ((model, even), (section, plain))), rtol=1e-10
    )
    for horizon, rate in ((10.0, 0.1), (1100.0, 0.1), (5000.0, 0.1), (np.inf, 0.1), (np.inf, 0.0)):
        found, expected = (
            of.expected_discounted_orders(p, histories, horizon, rate, WEEK)
            for of, p in ((model, even), (section, plain))
        )
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("annual_rate", [0.0, 0.15])
def test_discounted_orders_follow_from_the_law(log, kind, annual_rate):
    """Day by day: E[rate m exp(-rate p S)] of the living, integrated inside each day."""
    summary, _ = log
    model = seasonal(kind, summary)
    histories = model.histories(summary)
    horizon, force = 24, np.log1p(annual_rate) / DAYS_PER_YEAR
    found = model.expected_discounted_orders(params_of(kind), histories, float(horizon), annual_rate, WEEK)[0]
    law = model.laws(params_of(kind), histories, WEEK)
    m = multiplier(np.arange(1, horizon + 1))
    for c in (0, int(np.argmax(histories.x))):
        total = 0.0
        if kind == "pareto_nbd":
            rate, of_rate = gamma_grid(law.rate_shape[0, c], law.rate_rate[0, c])
            hazard, weight = gamma_grid(law.mu_shape[0, c], law.mu_rate[0, c])
            hazard, weight, pace = hazard, weight * (of_rate * rate).sum(), np.ones(horizon)
        else:
            shapes = (law.rate_shape, law.rate_rate, law.drop_a, law.drop_b)
            rate, leave, weight = grids(*(v[0, c] for v in shapes))
            hazard, weight, pace = rate * leave, weight * rate, m  # lost with orders, and they come by the clock
        for d in range(horizon):
            fall = hazard * pace[d] + force
            inside = -np.expm1(-fall) / np.where(fall > 0, fall, 1)
            passed = pace[:d].sum()
            total += float((weight * m[d] * np.exp(-hazard * passed - force * d) * inside).sum())
        assert found[c] == pytest.approx(total, rel=1e-7)


@pytest.mark.parametrize("steep", [{}, {"r": 8.0, "alpha": 3.0, "a": 0.5, "b": 1.0}], ids=["CDNOW", "steep"])
@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])
def test_discounted_orders_by_parts(log, kind, steep):
    """Worth exp(-force t) at the end and force times the integral of that before it, of orders without discount: the
    model's own by the clock, added up by Simpson's rule day by day."""
    summary, _ = log
    model = seasonal(kind, summary)
    params = {**params_of(kind), **{name: np.array([value]) for name, value in steep.items()}}
    x, t_x, T = model.histories(summary)
    some = [*np.argsort(T)[[0, 1, -1]], np.argmax(x)]
    histories = Customers(x[some], t_x[some], T[some])
    horizon, force = 100, np.log1p(0.5) / DAYS_PER_YEAR
    found = model.expected_discounted_orders(params, histories, float(horizon), 0.5, WEEK)[0]
    ahead, times = model.ahead(params, float(horizon)), np.arange(0, horizon + 0.5, 0.5)
    by_clock = histories._replace(T_days=model.ran(model.since(params), histories.T_days)[0])
    orders = np.array([
        model.section.expected_discounted_orders(model.own(params), by_clock, float(ran), 0.0, WEEK)[0]
        for ran in np.interp(times, ahead.edges, ahead.reached[0])
    ])  # fmt: skip
    worth = np.exp(-force * times)[:, None]
    expected = worth[-1] * orders[-1] + force * simpson(worth * orders, x=times, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_active_is_one_less_silence_and_loss(log):
    """Pareto/NBD: P(no order in 40 days | alive) as those who die before one and those who live, day by day."""
    summary, _ = log
    model = seasonal("pareto_nbd", summary)
    histories, horizon = model.histories(summary), 40
    found = model.probability_active(params_of("pareto_nbd"), histories, float(horizon), WEEK)[0]
    law = model.laws(params_of("pareto_nbd"), histories, WEEK)
    m = np.concatenate([multiplier(np.arange(1, horizon + 1)), np.zeros(LENGTH - horizon)])
    tau, weight, ran = moments(-LENGTH, m)
    within = tau + LENGTH < horizon
    for c in (0, 7, int(np.argmax(histories.x))):
        rate, of_rate = gamma_grid(law.rate_shape[0, c], law.rate_rate[0, c])
        hazard, of_hazard = gamma_grid(law.mu_shape[0, c], law.mu_rate[0, c])
        silent = np.exp(-ran[within, None] * rate) @ of_rate
        dying = np.exp(-(tau[within] + LENGTH)[:, None] * hazard) @ (of_hazard * hazard)
        living = (np.exp(-m.sum() * rate) @ of_rate) * (np.exp(-horizon * hazard) @ of_hazard)
        quiet = (weight[within] * silent * dying).sum() + living
        assert found[c] == pytest.approx(law.p_alive[0, c] * (1 - quiet), rel=1e-8)


def test_traits_of_the_dead_are_those_of_the_process(log):
    """Pareto/NBD: mean rate and hazard of those who are lost, by brute force over moments of death."""
    summary, days = log
    model, m = seasonal("pareto_nbd", summary), multiplier(np.arange(1 - LENGTH, 1))
    law = model.laws_given_dead(params_of("pareto_nbd"), model.histories(summary), WEEK)
    assert law.weight is not None
    np.testing.assert_allclose(law.weight.sum(axis=2), 1.0)
    p, T = PUBLISHED["pareto_nbd"], summary.customers["T_days"].to_numpy()
    for c in (0, 7, int(np.argmax(summary.customers["frequency"]))):
        last = days[c][-1] if len(days[c]) else -int(T[c])
        until = m[np.arange(1 - int(T[c]), last + 1) + LENGTH - 1].sum()
        tau, weight, passed = moments(last, m)
        rates, hazards = p["alpha"] * WEEK + until + passed, p["beta"] * WEEK + T[c] + tau
        power = p["r"] + len(days[c])
        density = weight * (rates / rates[0]) ** -power * (hazards / hazards[0]) ** -(p["s"] + 1)
        for shape, by, mean in ((power, law.rate_rate, rates), (p["s"] + 1, law.mu_rate, hazards)):
            found = (law.weight[0, c] * shape / by[0, c]).sum()
            assert found == pytest.approx((density * shape / mean).sum() / density.sum(), rel=1e-3)


def test_gradient_is_the_slope(log):
    """Of the Pareto/NBD density, whose integral over death moves with every month: against central differences."""
    model = seasonal("pareto_nbd", log[0])
    rows = model.sufficient(log[0])
    built = model.build(rows)
    logp, slope = (compiled(mode=PLAIN) for compiled in (built.compile_logp, built.compile_dlogp))
    _, point = free_point("pareto_nbd", rows.unit_days)
    names = [v.name for v in built.continuous_value_vars]
    found = slope(point)
    for name, value in zip(names, found, strict=True):
        up, down = ({**point, name: point[name] + h} for h in (1e-5, -1e-5))
        assert value == pytest.approx((logp(up) - logp(down)) / 2e-5, rel=1e-6, abs=1e-6), name


def test_neither_unit_nor_order_of_rows_matters(log, kind):
    summary, _ = log
    model, daily = seasonal(kind, summary), {**params_of(kind)}
    times = model.TIMES
    daily = {n: v * WEEK if n in times else v for n, v in daily.items()}
    histories = model.histories(summary)
    for name, rest in (("probability_alive", ()), ("expected_orders", (90.0,)), ("probability_active", (90.0,))):
        function = getattr(model, name)
        weekly = function(params_of(kind), histories, *rest, WEEK)
        np.testing.assert_allclose(function(daily, histories, *rest, 1.0), weekly, rtol=1e-12, err_msg=name)
        back = Customers(*(v[::-1] for v in histories))
        np.testing.assert_array_equal(function(params_of(kind), back, *rest, WEEK)[:, ::-1], weekly)
    turned = replace(summary, customers=summary.customers[::-1].reset_index(drop=True))
    for one, other in zip(model.sufficient(summary), model.sufficient(turned), strict=True):
        np.testing.assert_array_equal(one, other)


# --- simulator --------------------------------------------------------------------------------------------------------

CALM = EnvironmentConfig(sd_prior=0.0)


def fitted_of(kind: str, model: Any, draws: int) -> FittedModels:
    spend = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
    money = {name: np.full(draws, v) for name, v in spend.items()}
    return FittedModels(model, GammaGamma(), Posterior(params_of(kind, draws=draws), money, "week"))


def near(worlds: np.ndarray, expected: float) -> bool:
    return abs(worlds.mean() - expected) < 4 * worlds.std(ddof=1) / np.sqrt(worlds.size)


def expected_until(model: Seasonal, summary: CustomerSummary) -> float:
    """Repeat orders up to today that the model expects of customers at their first order, at midday, by their clock.

    Under Pareto/NBD r/alpha times what the clock runs in their life, half a day at a time.
    """
    params = params_of(model.kind)
    total = 0.0
    for age in summary.customers["T_days"]:
        m = multiplier(np.arange(1 - int(age), 1))
        if model.kind == "pareto_nbd":
            p = PUBLISHED["pareto_nbd"]
            alive = (1 + (np.arange(age) + 1.0) / (p["beta"] * WEEK)) ** -p["s"]  # at the middle of each day lived
            total += p["r"] / (p["alpha"] * WEEK) * (m @ alive + 0.5 * m[0])
        else:
            ran = np.array([m.sum() + 0.5 * m[0]]) / WEEK
            total += model.expected_orders_new(params, ran, WEEK)[0, 0]
    return float(total)


def test_simulated_orders_follow_the_season(log, kind):
    """Months ahead of existing customers against closed forms, and months of the log from first orders on."""
    summary, _ = log
    model, draws = seasonal(kind, summary), 1500
    fitted = fitted_of(kind, model, draws)
    none = np.zeros(len(summary.customers), np.int64)
    blocks, _ = existing_blocks(summary, fitted, none, none, 4096)
    multipliers = season_by_week(fitted, draws, 1, 53)
    weekly = repeat_orders(blocks, 52 * WEEK, CALM, draws, 2, 1, 32.0, None, multipliers)
    until = np.cumsum(weekly, axis=1)
    one, histories = params_of(kind), model.histories(summary)
    expected = [model.expected_orders(one, histories, WEEK * w, WEEK).sum() for w in (37, 41, 52)]
    for week, mean in zip((37, 41, 52), expected, strict=True):
        assert near(until[:, week - 1], mean), week
    assert near(until[:, 40] - until[:, 36], expected[1] - expected[0])  # from the end of November to Christmas
    before = LENGTH // 7
    length = 7 * (before + 1)
    multipliers = season_by_week(fitted, draws, 1 - length, before + 2)
    blocks = calibration_blocks(fitted, summary, before, 4096)
    past = repeat_orders(blocks, float(length), CALM, draws, 2, 1, 32.0, None, multipliers)
    newcomers = expected_until(model, summary)
    assert near(past[:, 1:].sum(axis=1), newcomers)


def plain_orders(kind, passed):
    """E[X(t)] of newcomers by the papers: FHL (9), with BDF's chance to leave at once, and SMC; t in weeks."""
    p = PUBLISHED[kind]
    if kind == "pareto_nbd":
        r, alpha, s, beta = (p[n] for n in ("r", "alpha", "s", "beta"))
        return r * beta / (alpha * (s - 1)) * (1 - (beta / (beta + passed)) ** (s - 1))
    r, alpha, a, b = (p[n] for n in ("r", "alpha", "a", "b"))
    stays, b = (1.0, b) if kind == "bg_nbd" else (b / (a + b), b + 1)
    z = passed / (alpha + passed)
    left = (alpha / (alpha + passed)) ** r * hyp2f1(r, b, a + b - 1, z)
    return stays * (a + b - 1) / (a - 1) * (1 - left)


@pytest.mark.parametrize("annual_rate", [0.0, 0.1])
def test_newcomers_by_month_of_arrival(log, kind, annual_rate):
    """Day by day, people born at midday: orders by the clock (or in a life by the calendar), each day's at its middle.

    Where m changes, months of arrival averaged by few points are off by some 1e-4 of the first month's orders.
    """
    month, ages = 365.25 / 12, np.array([1, 2, 6, 24])
    births = Births(month * np.array([0.0, 1.0, 7.0]), month)
    model = seasonal(kind, log[0])
    found = model.expected_discounted_orders_new(params_of(kind), month * ages, annual_rate, WEEK, births)[0]
    m = multiplier(np.arange(1, 1200))
    steps = np.arange(0.0, month * 24 + 0.01, month / 120)
    force = np.log1p(annual_rate) / DAYS_PER_YEAR
    clock, days = np.concatenate([[0.0], np.cumsum(m)]), np.arange(m.size + 1.0)
    for i, first in enumerate(births.first_days):
        worth = np.zeros(steps.size - 1)
        for born in first + month * (np.arange(40) + 0.5) / 40:
            run = np.interp(born + steps, days, clock) - np.interp(born, days, clock)
            if kind == "pareto_nbd":
                worth += np.diff(run) / np.diff(steps) * np.diff(plain_orders(kind, steps / WEEK)) / 40
            else:
                worth += np.diff(plain_orders(kind, run / WEEK)) / 40
        total = np.cumsum(worth * np.exp(-force * (steps[1:] + steps[:-1]) / 2))[ages * 120 - 1]
        np.testing.assert_allclose(found[i], total, rtol=2e-4)
    assert abs(found[1, 0] / found[0, 0] - 1) > 0.03  # it matters when they come


def test_without_effects_newcomers_are_the_models_own(log, kind):
    """Pareto/NBD's day by day, which leaves some 1e-5."""
    model, ages = seasonal(kind, log[0]), 365.25 / 12 * np.arange(1.0, 37)
    births = Births(np.array([0.0, 100.0]), 30.0)
    even = params_of(kind, months=np.zeros(12), sale=0.0)
    found = model.expected_discounted_orders_new(even, ages, 0.1, WEEK, births)[0]
    own = {name: np.full(1, v) for name, v in PUBLISHED[kind].items()}
    plain = model.section.expected_discounted_orders_new(own, ages, 0.1, WEEK, births)[0, 0]
    np.testing.assert_allclose(found, np.stack([plain, plain]), rtol=1e-4)


def test_who_stays_by_the_clock(kind):
    """On a clock without effects the model's own; with a season more customers of BG/NBD are lost in good months."""
    summary, _ = bought(np.random.default_rng(5), 60, kind)
    model = seasonal(kind, summary)
    histories, own = model.histories(summary), {name: np.full(1, v) for name, v in PUBLISHED[kind].items()}
    even = params_of(kind, months=np.zeros(12), sale=0.0)
    plain = model.section.probability_staying(own, histories, 90.0, WEEK)
    np.testing.assert_allclose(model.probability_staying(even, histories, 90.0, WEEK), plain, rtol=1e-9)
    in_season = model.probability_staying(params_of(kind), histories, 90.0, WEEK)
    assert (in_season == plain).all() if kind == "pareto_nbd" else (in_season < plain + 1e-12).mean() > 0.9


def test_ledgers_agree_with_the_closed_form(kind):
    """Discounted contribution of existing customers in a quarter in which they buy a fifth more than on average."""
    summary, _ = bought(np.random.default_rng(5), 600, kind)
    assert multiplier(np.arange(1, 93)).mean() == pytest.approx(1.205, abs=0.001)
    draws, finance = 600, FinanceConfig(gross_margin=0.5, annual_discount_rate=0.2)
    found = simulate(
        fitted_of(kind, seasonal(kind, summary), draws),
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, horizon_months=3, jobs=1),
        finance=finance,
        environment=CALM,
        seed=4,
    )
    book = found.scenarios[BASELINE].ledger
    total = book.halves.sum(axis=(1, 2))
    assert near(total, levels.rlv_total(found).mean())
    assert 4 * total.std(ddof=1) / np.sqrt(draws) < 0.03 * total.mean()
    orders = book.total("orders")
    assert near(orders, found.customers["expected_orders"].sum())


def test_simulated_newcomers_bring_what_is_expected_of_their_month(kind):
    """Revenue by quarter of arrival and orders by month of own age: within 4 errors, which are below 3 and 4 %."""
    summary, _ = bought(np.random.default_rng(5), 30, kind)
    draws, channel = 60, {"visitors_per_month": 20_000, "conversion": 0.04}
    found = simulate(
        fitted_of(kind, seasonal(kind, summary), draws),
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, horizon_months=5, jobs=1),
        finance=FinanceConfig(gross_margin=0.5, annual_discount_rate=0.0),
        acquisition=AcquisitionConfig.model_validate({"months": 6, "channels": {"ads": channel}}),
        environment=CALM,
        seed=4,
    )
    book, expected = found.scenarios[BASELINE].ledger, found.expected
    by_month = (expected.newcomers * expected.newcomer_revenue)[0, 0]
    new = [i for i, cohort in enumerate(book.cohorts) if book.groups[cohort.group].origin == "new"]
    assert len(new) == 2
    for quarter, cohort in enumerate(new):
        total = book.cohort[:, cohort, 0].sum(axis=1)
        assert near(total, by_month[3 * quarter : 3 * quarter + 3].sum()), quarter
        assert 4 * total.std(ddof=1) / np.sqrt(draws) < 0.03 * total.mean()
    orders = next(i for i, line in enumerate(book.lines) if line.account == "orders")
    by_age = (expected.newcomers.sum(axis=2)[..., None] * expected.age_orders)[0, 0]
    for age in range(5):
        total = book.age[:, 0, orders, 0, age]
        assert near(total, by_age[age]), age
        assert 4 * total.std(ddof=1) / np.sqrt(draws) < 0.04 * total.mean()
    assert np.ptp(by_month) > 0.02 * by_month.mean()


def test_posterior_keeps_its_calendar(log, kind, tmp_path):
    summary, _ = log
    model = seasonal(kind, summary)
    write_posterior(fitted_of(kind, model, 3), tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").retention == model


# --- levels -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shops(log):
    """The same customers from two shops."""
    segment = np.where(np.arange(len(log[0].customers)) % 3 > 0, "big", "small")
    return replace(log[0], customers=log[0].customers.assign(segment=segment))


def levelled(kind: str, summary: CustomerSummary) -> tuple[pooling.Pooled, dict[str, float]]:
    """The seasonal model with two shops; effects that are none, by name."""
    section = RETENTION[kind](season="month", promotions={"sale": SALE}, pool="segment")
    model = pooling.configured(section, summary, configured(section, summary))
    assert isinstance(model, pooling.Pooled)
    assert seasonal_of(model) == model.section
    names = [name for of_process in model.names().values() for name in of_process]
    return model, dict.fromkeys([*names, "sd_log_rate", f"sd_{model.section.SCALES['attrition'].name}"], 0.0)


QUANTITIES = {
    "log_likelihood": (),
    "probability_alive": (),
    "probability_active": (90.0,),
    "expected_orders": (90.0,),
    "expected_discounted_orders": (900.0, 0.1),
}


def quantity(model: Any, name: str, params: Any, summary: CustomerSummary) -> np.ndarray:
    return getattr(model, name)(params, model.histories(summary), *QUANTITIES[name], WEEK)


def test_levels_that_are_alike_leave_the_season(shops, kind):
    """Quantities, expected months of the log and the density are those of the model with its season and no levels."""
    pooled, none = levelled(kind, shops)
    plain = seasonal(kind, shops)
    params = params_of(kind, draws=2)
    with_levels = params | {name: np.full(2, v) for name, v in none.items()}
    for name in QUANTITIES:
        found, expected = quantity(pooled, name, with_levels, shops), quantity(plain, name, params, shops)
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=name)
    rows, by_level = plain.sufficient(shops), pooled.sufficient(shops)
    _, point = free_point(kind, rows.unit_days)
    some = {
        f"{p}_{what}": np.zeros(n) for p in ("purchase", "attrition") for what, n in (("sd_log__", ()), ("contrast", 1))
    }
    densities = [
        float(built.compile_logp(vars=built.potentials, mode=PLAIN)(at))
        for built, at in ((plain.build(rows), point), (pooled.build(by_level), point | some))
    ]
    assert densities[1] == pytest.approx(densities[0], rel=1e-12)


def test_equal_months_leave_the_levels(shops, kind):
    pooled, none = levelled(kind, shops)
    plain = pooling.configured(RETENTION[kind](pool="segment"), shops)
    effects = {name: 0.1 * (i + 1) * (-1) ** i for i, name in enumerate(none)}
    params = {name: np.full(2, v) for name, v in (PUBLISHED[kind] | effects).items()}
    even = params_of(kind, np.zeros(12), 0.0, draws=2) | params
    for name in QUANTITIES:
        found, expected = quantity(pooled, name, even, shops), quantity(plain, name, params, shops)
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=name)


def test_levels_and_seasons_come_back_from_a_file(shops, tmp_path):
    pooled, none = levelled("pareto_nbd", shops)
    fitted = fitted_of("pareto_nbd", pooled, 3)
    draws = {**fitted.posterior.retention, **{name: np.full(3, v) for name, v in none.items()}}
    fitted = replace(fitted, posterior=replace(fitted.posterior, retention=draws))
    write_posterior(fitted, tmp_path / "posterior.nc")
    assert read_posterior(tmp_path / "posterior.nc").retention == pooled
    weekly = season_by_week(fitted, 3, 1, 4)
    assert weekly is not None
    np.testing.assert_array_equal(weekly, pooled.section.by_week(draws, 1, 4))


# --- fit --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bg_nbd", pytest.param("pareto_nbd", marks=pytest.mark.slow)])
def test_recovery(kind, monkeypatch):
    """Effects of months and of a sale from 4,000 customers, within four posterior standard deviations.

    With the prior of two years: that of less would keep the months of these 658 days small.
    """
    monkeypatch.setattr(by_calendar, "TWO_YEARS_DAYS", LENGTH)
    summary, _ = bought(np.random.default_rng(8), 4000, kind)
    model = seasonal(kind, summary)
    rows = model.sufficient(summary)
    anything: Any = model
    found = fit_one(
        anything,
        rows,
        lambda free: model.natural(free, rows, WEEK),
        "laplace",
        FitConfig(draws=1000),
        lambda note: None,
    )
    assert all(d.ok for d in found.diagnostics)
    truth = params_of(kind)
    z = {name: (v.mean() - truth[name][0]) / v.std() for name, v in found.params.items()}
    assert max(abs(v) for v in z.values()) < 4
    months = [name for name in z if name.startswith("season")]
    assert all(found.params[name].std() < 0.1 for name in months)  # the prior's sd is 0.2
    assert np.mean([z[name] ** 2 for name in months]) < 2.5


def drawn_months(summary: CustomerSummary) -> np.ndarray:
    """Effects of January to December by laplace, (draw, month)."""
    model: Any = configured(RETENTION["bg_nbd"](season="month"), summary)
    rows = model.sufficient(summary)
    config = FitConfig(draws=1000)
    found = fit_one(model, rows, lambda free: model.natural(free, rows, WEEK), "laplace", config, lambda note: None)
    return np.stack([found.params[f"season[{month}]"] for month in range(1, 13)], axis=1)


def years(days: int, peak: float, customers: int = 1500, rate: float = 0.01) -> CustomerSummary:
    """A log of so many days up to `TODAY` in which all buy `peak` times as fast in Decembers."""
    rng, first = np.random.default_rng(3), TODAY - timedelta(days=days)
    months = [(first + timedelta(days=d)).month for d in range(days + 1)]
    daily = rate * np.where(np.array(months) == 12, peak, 1.0)
    orders = rng.random((customers, days + 1)) < daily
    orders[:, 0] = True
    at = [np.flatnonzero(row) for row in orders]
    x = np.array([len(day) - 1 for day in at])
    frame = pd.DataFrame({"frequency": x, "recency_days": [float(day[-1]) for day in at], "T_days": float(days)})
    frame = frame.assign(customer_id=[f"{i:04d}" for i in range(customers)], segment="", channel="")
    by_day = np.zeros((PARTS, days + 1), np.int64)
    by_day[0] = orders.sum(axis=0)
    by_day[0, 0] = 0
    return CustomerSummary(frame, TODAY, first, TODAY, "week", "", by_day)


def test_a_strong_season_is_learned_of_two_years() -> None:
    """Decembers of twenty times the orders, 444 in all: with a normal prior of sd 0.2 they are 11.0, sd 1.0."""
    log_m = drawn_months(years(1096, 20.0, customers=300, rate=0.0005))
    ratio = np.exp(log_m[:, 11] - log_m[:, :11].mean(axis=1))
    assert abs(ratio.mean() - 20.0) < 2 * ratio.std()
    assert ratio.std() < 3.0


def test_a_season_of_less_than_two_years_is_kept_small() -> None:
    log_m = drawn_months(years(500, 1.5, customers=300))
    rise = log_m[:, 11] - log_m[:, [2, 4, 6]].mean(axis=1)
    assert 0.02 < rise.mean() < 0.5 * np.log(1.5)


def test_a_month_that_was_never_seen_has_a_width_and_no_level() -> None:
    """Of a log from the end of October to March June's multiplier has mean 1 and the prior's spread."""
    log_m = drawn_months(years(140, 1.0))
    june = log_m[:, 5]
    assert june.std() == pytest.approx(0.2, rel=0.12)  # of 1,000 draws sqrt(1/2000) = 2.2 %; with the mean's own spread
    assert np.exp(june).mean() == pytest.approx(1.0, abs=0.04)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (date(2025, 4, 1), date(2025, 4, 8), "does not touch the log"),
        (date(2020, 1, 1), date(2030, 1, 1), "covers the whole log"),
    ],
)
def test_windows_must_be_learnable(log, start, end, why):
    with pytest.raises(ConfigError, match=why):
        configured(RETENTION["bg_nbd"](promotions={"tv": Window(start=start, end=end)}), log[0])


def test_windows_end_after_they_start():
    with pytest.raises(ValueError, match="must not be before start"):
        Window(start=date(2025, 4, 8), end=date(2025, 4, 1))


def test_days_of_orders_must_be_known(log):
    with pytest.raises(ConfigError, match="on which days"):
        configured(RETENTION["mbg_nbd"](season="month"), replace(log[0], repeat_orders_by_day=None))


def test_another_log_is_refused(log):
    model = seasonal("bg_nbd", log[0])
    with pytest.raises(ConfigError, match="not to this one"):
        model.histories(replace(log[0], today=date(2025, 3, 21)))


def test_promotions_alone(log):
    """All months are alike; the sale's effect is the only one, and its level keeps the mean at 1."""
    model = configured(RETENTION["bg_nbd"](promotions={"sale": SALE}), log[0])
    assert isinstance(model, Seasonal)
    assert model.calendar.names == ("season[any]", "promotion[sale]")
    rows = model.sufficient(log[0])
    free = {"r": 1.0, "rate": 1.0, "dropout_mean": 0.3, "dropout_concentration": 2.0, "promotion_sale": 0.6}
    natural = model.natural({name: np.array([v]) for name, v in free.items()}, rows, WEEK)
    m = np.exp(model.log_multiplier(natural, -np.arange(LENGTH)))[0]
    assert m.mean() == pytest.approx(1.0)
    assert set(np.round(m / m.min(), 6)) == {1.0, np.round(np.exp(0.6), 6)}


def test_nothing_asked_for_is_the_model_itself(log):
    section = RETENTION["bg_nbd"]()
    assert configured(section, log[0]) is section
    assert isinstance(Calendar.model_validate(seasonal("bg_nbd", log[0]).calendar.model_dump(mode="json")), Calendar)
    assert isinstance(section.histories(log[0]), Customers)
