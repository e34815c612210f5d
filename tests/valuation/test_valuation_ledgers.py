"""Money by month from the simulator's ledgers: whose it is, how long, and that it is the run's own."""

from functools import cache

import numpy as np
import pytest

from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation
from clvsim.simulation.config import ValuationConfig
from clvsim.simulation.levels import rlv_total
from clvsim.valuation import Flows, flows_of, values_of
from tests.simulation.shop import channels, ledger, posterior, run, scenarios, shop

RENT = {"kind": "cost", "amount": 25, "per": "month"}
FAIR = {"kind": "cost", "amount": 300, "per": "once", "when": {"start_month": 4}}
INVITE = {"kind": "referral", "per_order": 0.1, "reward": 2}
H, LONG = 12, 30


@cache
def simulated(horizon_months: int = LONG, draws: int = 40, *, referring: bool = False) -> Simulation:
    levers = {"rent": RENT, "fair": FAIR} | ({"invite": INVITE} if referring else {})
    library = {BASELINE: Scenario.model_validate({"title": "As today", **levers})}
    return run(
        library,
        draws=draws,
        horizon_months=horizon_months,
        fitted=posterior(draws, spread=0.2, model=MbgNbd()),
        acquisition=channels(months=H),
        rate=0.15,
    )


def flows(simulation: Simulation, horizon: int = H) -> Flows:
    book = ledger(simulation)
    return flows_of(book, book.horizon_months, horizon, frozenset({"fair"}))


def test_until_the_horizon_a_longer_run_is_the_run_itself() -> None:
    """So that a valuation's months are those of the books, bit for bit."""
    longer, own = ledger(simulated()), ledger(simulated(H))
    assert longer.lines == own.lines
    np.testing.assert_array_equal(longer.calendar[..., :H], own.calendar[..., :H])


@pytest.mark.parametrize("referring", [False, True])
def test_every_line_of_the_ledger_is_in_one_flow(referring: bool) -> None:
    simulation = simulated(referring=referring)
    found, book = flows(simulation), ledger(simulation)
    together = found.existing + found.newcomers - found.acquisition - found.monthly - found.once
    np.testing.assert_allclose(
        together, book.contribution(discounted=False).sum(axis=1)[:, :LONG], rtol=1e-12, atol=1e-9
    )
    selling = book.by_month("revenue_orders") + book.by_month("revenue_offers") - book.by_month("refunds")
    np.testing.assert_allclose(found.revenue, selling, rtol=1e-12)
    np.testing.assert_allclose(found.acquisition[:, :H], 400 * 0.4)
    assert not found.acquisition[:, H:].any()
    np.testing.assert_allclose(found.monthly, 25)
    assert found.once[:, 4].tolist() == [300] * 40
    assert found.once.sum() == 300 * 40
    assert (found.newcomers[:, H:].sum(axis=1) > 0).mean() > 0.9  # who came goes on


def test_with_a_discount_of_wacc_todays_customers_are_worth_their_closed_form() -> None:
    """Apart from the middle of each month standing for its days: under 1e-4 of the value at 15 % a year."""
    simulation = simulated(draws=400)
    brought = values_of(flows(simulation, LONG), ValuationConfig(wacc=0.15)).parts["existing"]
    apart = brought - rlv_total(simulation)
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(apart.size) + 1e-4 * brought.mean()


def test_nobody_is_read_beyond_where_everybody_is_followed() -> None:
    with pytest.raises(ValueError, match="followed for 30 months only, not for 31"):
        flows_of(ledger(simulated()), LONG + 1, H, frozenset())


def test_without_levers_or_newcomers_only_todays_customers_bring_money() -> None:
    simulation = run(scenarios(), draws=12, summary=shop())
    found = flows(simulation)
    assert found.existing.any()
    for name in ("newcomers", "acquisition", "monthly", "once"):
        assert not getattr(found, name).any(), name
