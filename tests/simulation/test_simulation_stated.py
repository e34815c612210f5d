"""Businesses without a log against arithmetic: sums that a spreadsheet has, and what the simulator makes of them."""

from datetime import date

import numpy as np
import pytest
import yaml

from clvsim import metrics
from clvsim.comparison import compare
from clvsim.config import RunConfig
from clvsim.data.config import StatedConfig
from clvsim.data.tables.stated import summary_of
from clvsim.models.stated import stated_models
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import levels, simulate
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.run import Simulation
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR
from tests.simulation.shop import CONFIGS, assert_same, error, ledger, scenarios, shipped

TODAY = date(2026, 1, 1)
CERTAIN = {
    "retention": {"orders_per_year": 7, "monthly_churn": 0.05, "orders_vary": 0.0, "churn_varies": 0.0},
    "spend": {"order_value": 60},
}


def of_today(config: RunConfig) -> int:
    """Customers that are stated."""
    assert isinstance(config.data, StatedConfig)
    return config.data.customers


def business(name: str, **changed: dict) -> RunConfig:
    """A shipped business with the keys of its sections changed."""
    tree = yaml.safe_load((CONFIGS / "business" / f"{name}.yaml").read_text())
    chosen = {key.removeprefix("override /"): kind for one in tree["defaults"] for key, kind in one.items()}
    sections = {
        group: {"kind": kind, **tree.get(group, {}), **changed.get(group, {})} for group, kind in chosen.items()
    }
    rest = {group: {**tree[group], **changed.get(group, {})} for group in ("acquisition", "finance")}
    return RunConfig.model_validate({**sections, **rest, "scenario": {BASELINE: {"title": "As today"}}})


def run(
    config: RunConfig, library: dict[str, Scenario] | None = None, draws: int = 40, months: int = 36, **more: int
) -> Simulation:
    return simulate(
        stated_models(config.retention, config.spend, draws, 1),
        summary_of(of_today(config), TODAY, "month"),
        library or scenarios(),
        simulation=SimulationConfig.model_validate({"draws": draws, "horizon_months": months, "jobs": 1} | more),
        finance=FinanceConfig.model_validate(config.finance),
        acquisition=AcquisitionConfig.model_validate(config.acquisition),
        environment=EnvironmentConfig(sd_prior=0.0),
        seed=5,
    )


def realised(simulation: Simulation, metric: str) -> np.ndarray:
    return metrics.METRICS[metric].query(simulation, simulation.scenarios[BASELINE])


@pytest.fixture(scope="module")
def ebook() -> Simulation:
    return run(business("ebook_funnel"))


def test_an_ebook_funnel_is_worth_what_its_arithmetic_says(ebook):
    """$20 + two more e-books at $20 + a course at $100, on average; $30 to acquire."""
    for metric, expected in (("pav_per_newcomer", 160.0), ("cac", 30.0), ("clv_per_newcomer", 130.0)):
        np.testing.assert_allclose(getattr(levels, metric)(ebook), expected, rtol=1e-7)
        figures = realised(ebook, metric)
        assert abs(figures.mean() - expected) <= 4 * error(figures) + 1e-9


def test_the_first_order_of_an_ebook_funnel_loses_ten_dollars(ebook):
    first = levels.expected_age_curve(ebook)[:, 0]
    np.testing.assert_array_equal(first - 30.0, -10.0)


def test_all_first_orders_are_of_one_price():
    """Of customers who make no other order, the ledger has 20 times their number, to its last bit."""
    simulation = run(business("ebook_funnel", retention={"later_orders": 1e-4, "orders_per_year": 1e-4}), months=3)
    book = ledger(simulation)
    assert (book.total("orders") == book.total("customers_acquired")).all()
    np.testing.assert_array_equal(book.total("revenue_orders"), 20.0 * book.total("customers_acquired"))


def test_what_the_average_of_an_ebook_funnel_hides(ebook):
    """A quarter buy the first book only, which does not repay $30; all others repay."""
    repaying = realised(ebook, "share_repaying")
    assert abs(repaying.mean() - 0.75) <= 4 * error(repaying)


def test_a_store_has_its_closed_form():
    """$35 a month while a customer stays: m [60 + 35 ∫ exp(-(μ + δ) t) dt], over 36 months."""
    simulation = run(business("store", **CERTAIN))
    decay = -np.log1p(-0.05) + np.log(1.1) * DAYS_PER_MONTH / DAYS_PER_YEAR
    a_month = 7 * 60 / 12
    assert a_month == 35
    expected = 0.4 * (60 + a_month * -np.expm1(-decay * 36) / decay)
    np.testing.assert_allclose(levels.pav_per_newcomer(simulation), expected, rtol=1e-4)  # of customers nearly alike
    figures = realised(simulation, "pav_per_newcomer")
    assert abs(figures.mean() - expected) <= 4 * error(figures)


def test_contracts_that_end_alike_have_a_geometric_sum():
    """29 m Σ (1 - c)^k v^k: a first payment and 36 renewals, the k-th one k months on."""
    config = business("saas_membership", retention={"churn": 0.04, "churn_varies": 0.0})
    simulation = run(config)
    month = 1.1 ** (-DAYS_PER_MONTH / DAYS_PER_YEAR)
    expected = 0.8 * 29 * np.sum((0.96 * month) ** np.arange(37))
    np.testing.assert_allclose(levels.pav_per_newcomer(simulation), expected, rtol=2e-5)
    figures = realised(simulation, "pav_per_newcomer")
    assert abs(figures.mean() - levels.pav_per_newcomer(simulation).mean()) <= 4 * error(figures)


@pytest.mark.parametrize("name", ["agency_retainer", "relationship_seller"])
def test_customers_of_today_are_simulated_as_their_formula_has_them(name):
    simulation = run(business(name), draws=200, months=12)
    difference = realised(simulation, "rlv_total") - levels.rlv_total(simulation)
    assert abs(difference.mean()) <= 4 * error(difference)
    assert len(simulation.customers) == of_today(business(name))


@pytest.mark.parametrize("name", ["ebook_funnel", "agency_retainer"])
def test_a_neutral_lever_changes_no_bit(name):
    neutral = {"kind": "shift", "target": "spend", "size": 0.0}
    more = shipped("conversion_lift")["landing_page"] | {"size": 0.0, "quality": {"rate": 0.0, "spend": 0.0}}
    simulation = run(business(name), scenarios(neutral={"prices": neutral, "page": more}), draws=12, months=12)
    base, other = (ledger(simulation, one) for one in (BASELINE, "neutral"))
    np.testing.assert_array_equal(base.calendar, other.calendar)
    np.testing.assert_array_equal(base.age, other.age)


@pytest.mark.parametrize("name", ["ebook_funnel", "relationship_seller"])
def test_threads_change_no_bit(name):
    one, two = (run(business(name), draws=24, months=12, jobs=jobs) for jobs in (1, 2))
    assert_same(one, two)


def test_a_lever_on_spend_multiplies_a_list():
    dearer = scenarios(dearer={"prices": {"kind": "shift", "target": "spend", "size": 0.5}})
    simulation = run(business("ebook_funnel"), dearer, draws=12, months=12)
    base, other = (ledger(simulation, name).total("revenue_orders") for name in (BASELINE, "dearer"))
    np.testing.assert_allclose(other, 1.5 * base, rtol=1e-6)


def test_what_varies_of_stated_behaviour_is_an_assumption():
    simulation = run(business("store"), draws=30, months=6)
    assert {"retention.alpha", "retention.beta", "spend.gamma"} <= set(simulation.inputs.columns)
    comparison = compare(simulation)
    assert set(comparison.table["layers"]) == {"assumption", "assumption+process"}
    assert "parameter" not in comparison.variance
    assert comparison.variance["assumption"] > 0


def test_without_customers_of_today_nothing_is_said_of_them(ebook):
    assert not {"rlv_total", "rlv_per_customer"} & set(metrics.available(ebook))
    assert ebook.customers.empty
