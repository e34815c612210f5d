"""PyMC-Marketing 1.3.0 at the same parameters: equal to 1e-6 where it is right, and a sentence where it is wrong.

Its numbers are in pymc_marketing.json (tables are (draw, customer), null is nan), which
`benchmarks/peer_pymc_marketing.py numbers` makes. Who is right is shown without either package's formulas: by an
integral over customers' traits, by enumeration, or by what the numbers mean.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln, expit, roots_jacobi

from clvsim import quantities
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.data.config import SummaryConfig
from clvsim.data.tables.frequencies import read_summary
from clvsim.models.fitted import FittedModels
from clvsim.models.retention import bg_bb, bg_nbd, contracts, mbg_nbd, pareto_nbd
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.retention.survival import Contracts
from clvsim.models.spend import gamma_gamma
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary, Posterior

PEER = json.loads((Path(__file__).parent / "pymc_marketing.json").read_text())
MODELS = {"bg_nbd": bg_nbd, "mbg_nbd": mbg_nbd, "pareto_nbd": pareto_nbd}
HORIZONS = PEER["horizons"]


def array(table: Any) -> np.ndarray:
    return np.array(table, np.float64)


def draws(parameters: dict[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: array(values) for name, values in parameters.items()}


def histories() -> list[np.ndarray]:
    """x, t_x, T in weeks."""
    return [array(PEER["histories"][name]) for name in ("frequency", "recency", "T")]


def agree(mine: np.ndarray, theirs: np.ndarray, where: np.ndarray | bool = True) -> None:
    mine, theirs, where = np.broadcast_arrays(mine, theirs, where)
    assert where.any()
    np.testing.assert_allclose(mine[where], theirs[where], rtol=1e-6, atol=1e-12)


def orders_by_integral(
    params: dict[str, np.ndarray], x: np.ndarray, T: np.ndarray, t: float, born_dying: int
) -> np.ndarray:
    """Orders within t of living (M)BG/NBD customers, (draw, customer): the mean over p of (1 - E exp(-lambda p t))/p.

    p ~ Beta(a, b + x), one more where customers may leave at birth; lambda ~ Gamma(r + x, alpha + T). Trapezoids in the
    logit of p, at which the integrand is smooth and falls off on both sides.
    """
    r, alpha, a, b = (params[name][:, None, None] for name in ("r", "alpha", "a", "b"))
    x, T = x[None, :, None], T[None, :, None]
    logit = np.arange(-45, 45, 0.01)
    log_p, log_q = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    stays = b + x + born_dying
    density = np.exp(a * log_p + stays * log_q - betaln(a, stays))
    p = expit(logit)
    left = -np.expm1(-(r + x) * np.log1p(p * t / (alpha + T))) / p
    return (density * left).sum(axis=-1) * 0.01


@pytest.mark.parametrize("name", list(MODELS))
def test_likelihoods_and_who_is_alive(name: str) -> None:
    found, params = PEER[name], draws(PEER[name]["parameters"])
    agree(MODELS[name].log_likelihood(params, *histories()), array(found["log_likelihood"]))
    agree(MODELS[name].probability_alive(params, *histories()), array(found["probability_alive"]))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("i", range(len(HORIZONS)))
def test_expected_orders_where_its_formula_holds(name: str, i: int) -> None:
    found, params = PEER[name], draws(PEER[name]["parameters"])
    theirs = array(found["expected_purchases"][i])
    x = histories()[0]
    pole = params["s" if name == "pareto_nbd" else "a"]
    holds = np.abs(pole - 1) > 1e-6
    overflow = (x > 1000) & (HORIZONS[i] > 100) & (name != "pareto_nbd")
    agree(MODELS[name].expected_orders(params, *histories(), HORIZONS[i]), theirs, holds[:, None] & ~overflow)
    new = array(found["expected_purchases_new_customer"][i])
    agree(MODELS[name].expected_orders_new(params, HORIZONS[i])[:, 0], new, holds)


@pytest.mark.parametrize(("name", "born_dying"), [("bg_nbd", 0), ("mbg_nbd", 1)])
@pytest.mark.parametrize("i", range(len(HORIZONS)))
def test_orders_at_a_of_one_and_of_heavy_buyers(name: str, born_dying: int, i: int) -> None:
    """At a = 1 the peer divides 0 by 0, near it digits cancel, and of 1,200 orders its hypergeometric sum overflows."""
    found, params, (x, t_x, T) = PEER[name], draws(PEER[name]["parameters"]), histories()
    theirs = array(found["expected_purchases"][i])
    mine = MODELS[name].expected_orders(params, x, t_x, T, HORIZONS[i])
    truth = array(found["probability_alive"]) * orders_by_integral(params, x, T, HORIZONS[i], born_dying)
    agree(mine, truth)
    at, near = (params["a"] == 1).argmax(), ((params["a"] - 1 > 0) & (params["a"] < 1.1)).argmax()
    assert not np.isfinite(theirs[at]).any()
    assert not np.isfinite(array(found["expected_purchases_new_customer"][i])[at])
    assert np.nanmax(np.abs(theirs[near] / truth[near] - 1)) > 0.01
    if HORIZONS[i] > 100:
        assert np.isnan(theirs[:, x > 1000]).all()


@pytest.mark.parametrize("i", range(len(HORIZONS)))
def test_silence_of_customers_with_one_order(i: int) -> None:
    """The peer counts customers without a repeat order as possibly lost, which under BG/NBD nobody is before one."""
    params, (x, t_x, T) = draws(PEER["bg_nbd"]["parameters"]), histories()
    theirs = array(PEER["bg_nbd"]["probability_no_purchase"][i])
    mine = 1 - bg_nbd.probability_active(params, x, t_x, T, HORIZONS[i])
    agree(mine, theirs, x > 0)
    # P(silent until T + t) / P(silent until T) over lambda ~ Gamma(r, alpha), by trapezoids in its logarithm.
    log_rate = np.arange(-150, 12, 0.01)
    r, alpha = params["r"][:, None], params["alpha"][:, None]
    density = np.exp(r * log_rate - alpha * np.exp(log_rate))
    once = np.flatnonzero(x == 0)
    silent = [
        [(density * np.exp(-np.exp(log_rate) * s)).sum(axis=-1) for s in (T[j], T[j] + HORIZONS[i])] for j in once
    ]
    truth = np.array([later / now for now, later in silent]).T
    agree(mine[:, once], truth)
    assert (theirs[:, once] > truth + 1e-5).all()


@pytest.mark.parametrize("i", range(len(HORIZONS)))
def test_pareto_nbd_at_s_of_one(i: int) -> None:
    """At s = 1 the peer divides 0 by 0, where customers' remaining lives are merely logarithmic."""
    found, params, (x, t_x, T) = PEER["pareto_nbd"], draws(PEER["pareto_nbd"]["parameters"]), histories()
    at = params["s"] == 1
    assert np.isnan(array(found["expected_purchases"][i])[at]).all()
    assert np.isnan(array(found["expected_purchases_new_customer"][i])[at]).all()
    mine = pareto_nbd.expected_orders(params, x, t_x, T, HORIZONS[i])[at]
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u = HORIZONS[i] * (1 + nodes) / 2
    r, alpha, beta = (params[name][at, None] for name in ("r", "alpha", "beta"))
    survival = ((beta + T)[..., None] / ((beta + T)[..., None] + u) * weights).sum(axis=-1) * HORIZONS[i] / 2
    agree(mine, array(found["probability_alive"])[at] * (r + x) / (alpha + T) * survival)


@pytest.mark.parametrize("i", range(len(HORIZONS)))
def test_numbers_of_orders_under_pareto_nbd(i: int) -> None:
    params, (x, t_x, T) = draws(PEER["pareto_nbd"]["parameters"]), histories()
    none, one, four = (array(table) for table in PEER["pareto_nbd"]["purchase_probability"][i])
    agree(1 - pareto_nbd.probability_active(params, x, t_x, T, HORIZONS[i]), none)
    new = int(np.flatnonzero((x == 0) & (T == 0))[0])
    pmf = pareto_nbd.order_pmf(params, 4, HORIZONS[i])
    for n, theirs in ((0, none), (1, one), (4, four)):
        agree(pmf[:, n], theirs[:, new])


def test_bg_bb_with_one_draw() -> None:
    found, params = PEER["bg_bb"], draws(PEER["bg_bb"]["parameters"])
    x, t_x, n = (array(found["histories"][name]) for name in ("frequency", "recency", "T"))
    single = {name: values[:1] for name, values in params.items()}
    theirs = {name: array(table) for name, table in found["one_draw"].items()}
    agree(bg_bb.log_likelihood(single, x, t_x, n), theirs["log_likelihood"])
    agree(bg_bb.probability_alive(single, x, t_x, n), theirs["probability_alive"])
    agree(bg_bb.probability_alive_next(single, x, t_x, n), theirs["probability_alive_at_next"])
    agree(bg_bb.expected_orders(single, x, t_x, n, 5), theirs["expected_purchases_5"])
    agree(bg_bb.expected_orders_new(params, 10)[:, 0], array(found["expected_purchases_new_customer_10"]))


def test_bg_bb_with_two_draws() -> None:
    """The peer uses the first draw's likelihood for all draws, so that all others' predictions are of nobody."""
    found, params = PEER["bg_bb"], draws(PEER["bg_bb"]["parameters"])
    x, t_x, n = (array(found["histories"][name]) for name in ("frequency", "recency", "T"))
    theirs = array(found["two_draws"]["probability_alive"])
    last = t_x == n  # bought at the latest opportunity, and so was there
    agree(theirs[0, last], np.ones(1))
    assert (theirs[1, last] < 0.01).all()

    def mean_power(i: np.ndarray, j: np.ndarray, a: float, b: float) -> np.ndarray:
        """E[p^i (1 - p)^j] of p ~ Beta(a, b), exactly."""
        nodes, weights = roots_jacobi(20, b - 1, a - 1)
        p = (1 + nodes) / 2
        return (p ** i[:, None] * (1 - p) ** j[:, None] * weights).sum(axis=1) / weights.sum()

    a, b, c, d = (params[name][1] for name in ("alpha", "beta", "gamma", "delta"))
    second = {name: values[1:] for name, values in params.items()}
    mine = bg_bb.probability_alive(second, x, t_x, n)[0]
    for k in range(x.size):
        seen = np.arange(t_x[k], n[k] + 1)  # opportunities before they left, or all: then alive
        bought = mean_power(x[k] + 0 * seen, seen - x[k], a, b)
        each = bought * mean_power((seen < n[k]) * 1.0, seen, c, d)
        assert mine[k] == pytest.approx(each[-1] / each.sum(), rel=1e-9)


def test_bg_bb_simulated() -> None:
    """The peer's lives buy seven times at six opportunities, and who never bought bought last at the sixth."""
    found, params = PEER["bg_bb"]["simulated"], draws(PEER["bg_bb"]["parameters"])
    orders, lives = array(found["orders"]), found["lives"]
    assert orders[7] / lives > 0.09
    assert found["last_order_of_those_without"] == [6.0]
    first = {name: values[:1] for name, values in params.items()}
    seven = bg_bb.order_pmf(first, 7, 7)[0] * lives  # one opportunity too many explains it
    assert ((orders - seven) ** 2 / seven).sum() < 24.3  # chi-squared, 7 degrees of freedom, p = .001
    six = bg_bb.order_pmf(first, 7, 6)[0] * lives
    assert six[7] == 0
    assert abs(orders[0] - six[0]) > 4 * np.sqrt(six[0])


def renewed() -> tuple[dict[str, Any], Sbg, dict[str, np.ndarray], contracts.Shapes, np.ndarray]:
    """The peer counts the period that runs: somebody in period T has renewed T - 1 times."""
    found, model, params = PEER["sbg"], Sbg(renewal="year"), draws(PEER["sbg"]["parameters"])
    return found, model, params, model.shapes(params), array(found["periods"]) - 1


def test_renewals_where_the_peer_is_right() -> None:
    found, _, _, shapes, n = renewed()
    agree(np.exp(contracts.log_kept(shapes, n, 1)), array(found["retention_rate"]))
    agree(np.exp(contracts.log_kept(shapes, n + 3, 1)), array(found["retention_rate_3"]))
    discounted = contracts.renewals_ahead(shapes, n, np.inf, np.log(1.1))
    agree(discounted, array(found["residual_lifetime"]))
    # The mean over theta of (1 + d) / (d + theta), an expected lifetime with the period that runs.
    agree(1 + discounted / 1.1, array(found["retention_elasticity"]))


def test_somebody_who_is_there_may_renew() -> None:
    """The peer's P(alive) of a customer in period T is the share of their cohort that ever gets so far: .19 for .94."""
    found, _, _, shapes, n = renewed()
    theirs, rate = array(found["probability_alive"]), array(found["retention_rate"])
    agree(theirs, np.exp(contracts.log_kept(shapes, 0, n + 1)))  # from the first period on, for everybody
    # The next renewal is what its own retention rate says.
    assert theirs[0, -1] == pytest.approx(0.191, abs=0.001)
    assert rate[0, -1] == pytest.approx(0.935, abs=0.001)
    agree(np.exp(contracts.log_kept(shapes, n, 1)), rate)


def test_somebody_who_left_does_not_renew() -> None:
    """The peer expects the same renewals of a contract that has ended as of one that goes on."""
    found, model, params, _, _ = renewed()
    theirs = found["residual_lifetime_of_fit_data"]
    assert theirs["gone"] == theirs["there"]
    ended, going_on = (Contracts(*array([[1], [1], [lost], [0], [1], [0]])) for lost in (1, 0))
    assert not model.expected_orders(params, ended, 36_525.0, 7.0).any()
    assert (model.expected_orders(params, going_on, 36_525.0, 7.0) > 1).all()


def test_spend() -> None:
    found, params = PEER["gamma_gamma"], draws(PEER["gamma_gamma"]["parameters"])
    params = {"gamma" if name == "v" else name: values for name, values in params.items()}
    x, mean = (array(found["histories"][name]) for name in ("frequency", "monetary_value"))
    again, exists = x > 0, params["q"] > 1
    theirs = array(found["log_likelihood_of_repeat_customers"])
    agree(gamma_gamma.log_likelihood_of_means(params, x[again], mean[again]), theirs)
    known = exists[:, None] | (again & (params["q"] != 1)[:, None])
    mine = gamma_gamma.expected_spend(
        {name: np.where(known.any(axis=1), values, 2.0) for name, values in params.items()}, x, x * mean
    )
    agree(mine, array(found["expected_customer_spend"]), known)
    agree(
        gamma_gamma.expected_spend_new({name: values[exists] for name, values in params.items()})[:, 0],
        array(found["expected_new_customer_spend"])[exists],
    )


def test_spend_without_a_mean() -> None:
    """With q below 1, which its default prior allows, the peer expects a new customer to spend -200 dollars."""
    found, params = PEER["gamma_gamma"], draws(PEER["gamma_gamma"]["parameters"])
    heavy = params["q"] < 1
    assert array(found["expected_new_customer_spend"])[heavy].tolist() == pytest.approx([-200])
    # Amounts are positive, and their mean up to a bound of p / nu grows with it: there is none.
    p, q, v = (params[name][heavy][0] for name in ("p", "q", "v"))
    log_nu = np.arange(-40, 8, 0.01)
    density = np.exp(q * log_nu - v * np.exp(log_nu))
    bounded = [(density * p * np.exp(-log_nu))[log_nu > least].sum() / density.sum() for least in (-10, -20, -30)]
    assert bounded[1] > 5 * bounded[0] > 0
    assert bounded[2] > 5 * bounded[1]


def test_spend_of_a_customer_at_q_of_one() -> None:
    """At q = 1 the peer multiplies 0 by infinity, though a customer with a repeat order has a mean spend."""
    found, params = PEER["gamma_gamma"], draws(PEER["gamma_gamma"]["parameters"])
    x, mean = (array(found["histories"][name]) for name in ("frequency", "monetary_value"))
    at, again = params["q"] == 1, x > 0
    assert np.isnan(array(found["expected_customer_spend"])[at]).all()
    one = {name: params[of][at] for name, of in (("p", "p"), ("q", "q"), ("gamma", "v"))}
    mine = gamma_gamma.expected_spend(one, x[again], (x * mean)[again])[0]
    p, q, gamma = (one[name][0] for name in ("p", "q", "gamma"))
    log_nu = np.arange(-40, 8, 0.01)
    for j in np.flatnonzero(again):
        density = np.exp((q + p * x[j]) * log_nu - (gamma + x[j] * mean[j]) * np.exp(log_nu))
        assert mine[j] == pytest.approx((density * p * np.exp(-log_nu)).sum() / density.sum(), rel=1e-9)


def test_spend_of_customers_in_any_order() -> None:
    """The peer sorts the labels and not the draws: the customer of $100 an order is called by the name of another."""
    found = PEER["gamma_gamma"]["distribution_customer_spend"]
    orders, means = (dict(zip(found["histories"]["customer_id"], found["histories"][name], strict=True)) for name in
                     ("frequency", "monetary_value"))  # fmt: skip
    assert (means["z"], means["a"]) == (100, 10)
    assert found["by_label"]["a"] > 80
    assert found["by_label"]["z"] < 20
    frame = pd.DataFrame(
        {
            "customer_id": ["z", "a"],
            "repeat_positive": [orders["z"], orders["a"]],
            "repeat_amount": [orders["z"] * means["z"], orders["a"] * means["a"]],
            "frequency": [orders["z"], orders["a"]],
            "recency_days": [7.0, 7.0],
            "T_days": [14.0, 14.0],
        }
    )
    mine = quantities.expected_spend(*value_of(frame)).mean("draw")
    assert float(mine.sel(customer_id="z")) == pytest.approx(100, rel=0.1)
    assert float(mine.sel(customer_id="a")) == pytest.approx(10, rel=0.1)


def value_of(frame: pd.DataFrame | None = None) -> tuple[FittedModels, CustomerSummary]:
    """The draws of its lifetime values, and its customers, or others."""
    found = PEER["lifetime_value"]
    life, money = draws(found["parameters"]), draws(found["spend_parameters"])
    money = {"p": money["p"], "q": money["q"], "gamma": money["v"], "first_order_factor": np.ones(3)}
    fitted = FittedModels(BgNbd(), GammaGamma(), Posterior(life, money, "week"))
    if frame is None:
        x, t_x, T, mean = (array(found["histories"][k]) for k in ("frequency", "recency", "T", "monetary_value"))
        frame = pd.DataFrame(
            {
                "customer_id": list("abcd"),
                "frequency": x,
                "recency_days": 7 * t_x,
                "T_days": 7 * T,
                "repeat_positive": x,
                "repeat_amount": x * mean,
            }
        )
    day = date(2024, 12, 31)
    return fitted, CustomerSummary(frame, day, date(2023, 1, 1), day, "week", "fixed")


def at_month_ends(months: int, rate: float) -> np.ndarray:
    """Orders, each discounted to the end of its month, (draw, customer)."""
    fitted, summary = value_of()
    total = [quantities.expected_orders(fitted, summary, horizon_months=m).to_numpy() for m in range(months + 1)]
    return sum((total[m] - total[m - 1]) / (1 + rate) ** m for m in range(1, months + 1))


def test_lifetime_values() -> None:
    """Discounted at month ends we have its values; an order's own day makes them larger by less than a month's rate."""
    found = PEER["lifetime_value"]
    fitted, summary = value_of()
    agree(quantities.expected_spend(fitted, summary).to_numpy(), array(found["expected_customer_spend"]))
    agree(40 * at_month_ends(36, 0.0), array(found["at_40_undiscounted_36"]))
    theirs = array(found["at_40_one_percent_36"])
    agree(40 * at_month_ends(36, 0.01), theirs)
    by_day = quantities.expected_discounted_orders(
        fitted, summary, horizon_months=36, annual_discount_rate=1.01**12 - 1
    )
    ratio = 40 * by_day.to_numpy() / theirs
    assert (ratio > 1).all()
    assert (ratio < 1.01).all()


def test_a_horizon_that_is_no_whole_month() -> None:
    """With a discount the peer takes two and a half months for three."""
    found = PEER["lifetime_value"]
    assert found["at_40_one_percent_2.5"] == found["at_40_one_percent_3"]
    fitted, summary = value_of()
    mine, two = (
        40 * quantities.expected_discounted_orders(
            fitted, summary, horizon_months=months, annual_discount_rate=1.01**12 - 1
        ).to_numpy()
        for months in (2.5, 2)
    )  # fmt: skip
    assert (mine < array(found["at_40_one_percent_3"])).all()
    assert (mine > two).all()


def test_values_hold_the_uncertainty_of_spend() -> None:
    """The peer averages spend over all draws before it multiplies: its values are as sure as if spend were known."""
    found = PEER["lifetime_value"]
    theirs, spend = array(found["expected_customer_lifetime_value"]), array(found["expected_customer_spend"])
    orders = at_month_ends(36, 0.01)
    agree(orders * spend.mean(axis=0), theirs)
    fitted, summary = value_of()
    mine = orders * quantities.expected_spend(fitted, summary).to_numpy()  # a draw's value at the draw's parameters
    agree(mine, orders * spend)
    some = np.array([False, False, True, True])  # where spend differs between the draws
    assert (np.abs(mine / theirs - 1).max(axis=0)[some] > 0.2).all()


def test_summaries_are_read_as_they_come(tmp_path: Path) -> None:
    """Its `rfm_summary` of a log, and lifetimes' with ids in the index, make the customers that the log makes."""
    found = PEER["rfm_summary"]
    (tmp_path / "log.csv").write_text(found["log"])
    config = DataConfig(path=str(tmp_path / "log.csv"), customer_id="id", date="date", amount="amount")
    log = summarize(read_transactions(None, config))
    by_day = pd.DataFrame(found["D"])
    lifetimes = by_day.rename(columns={"customer_id": "id"}).set_index("id")  # of lifetimes 0.11.3
    for frame, unit in ((by_day, "day"), (lifetimes, "day"), (pd.DataFrame(found["D_in_weeks"]), "week")):
        read = read_summary(frame, SummaryConfig.model_validate({"today": log.today, "time_unit": unit}))
        for name in ("customer_id", "frequency"):
            assert read.customers[name].tolist() == log.customers[name].tolist()
        for name in ("recency_days", "T_days", "repeat_amount"):
            np.testing.assert_allclose(read.customers[name], log.customers[name], rtol=1e-12)


def test_weeks_of_a_calendar() -> None:
    """By week the peer merges the orders of a calendar week: of three days with orders it leaves one repeat order."""
    found = PEER["rfm_summary"]
    week, day = (pd.DataFrame(found[unit]).set_index("customer_id") for unit in ("W", "D"))
    assert (day.loc["7", "frequency"], week.loc["7", "frequency"]) == (2, 1)
    assert week.loc["7", "T"] == 12 < day.loc["7", "T"] / 7
    config = SummaryConfig.model_validate({"today": date(2024, 3, 31), "time_unit": "week"})
    read = read_summary(week.reset_index(), config).customers.set_index("customer_id")
    assert (read.loc["7", "frequency"], read.loc["7", "T_days"]) == (1, 84)
