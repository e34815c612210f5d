"""Value of a lead by age, against arithmetic by hand and the closed form of a newcomer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import (  # ty: ignore[import-not-found]
    CALM,
    assert_same_ledger,
    channels,
    posterior,
    run,
    scenarios,
    shop,
)

from clvsim.books import keep_books
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation, levels
from clvsim.simulation.config import FinanceConfig, SimulationConfig
from clvsim.simulation.leads import follow_leads, leads_alone
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.plan import make_plan

FUNNEL: dict[str, Any] = {
    "kind": "funnel", "share": 0.5, "cost": 0.2, "quality": None,
    "first": {"after_days": 0, "buy": 0.1}, "second": {"after_days": 0, "buy": 0.05},
}  # fmt: skip
BOUGHT = 1 - 0.9 * 0.95
DRAWS = 60


def simulated(**levers: dict[str, Any]) -> tuple[Simulation, dict[str, Ledger]]:
    """About 170 customers by e-mail of some 1,200 leads in each world, who come within three months."""
    return of({**scenarios(), "mails": Scenario.model_validate({"title": "Mails", **levers})})


def of(library: dict[str, Scenario], **changed: Any) -> tuple[Simulation, dict[str, Ledger]]:
    newcomers, fitted = channels(visitors_per_month=800), posterior(DRAWS)
    sim = run(library, draws=DRAWS, fitted=fitted, acquisition=newcomers, horizon_months=9, **changed)
    plan = make_plan(
        shop(),
        library,
        list(library),
        simulation=SimulationConfig.model_validate({"draws": DRAWS, "horizon_months": 9, "jobs": 1} | changed),
        finance=FinanceConfig(gross_margin=0.4, cost_per_order=1.5, annual_discount_rate=0.1),
        acquisition=newcomers,
        environment=CALM,
        seed=3,
    )
    return sim, follow_leads(plan, fitted, shop(), sim)


def value(sim: Simulation, leads: dict[str, Ledger] | None, basis: str, who: str = "lead") -> pd.DataFrame:
    books = keep_books(sim, posterior(1), shop(), leads=leads)
    rows = books[(books.metric == f"{who}_value") & (books.basis == basis) & (books.scenario == "mails")]
    return rows.set_index("at")


@pytest.mark.parametrize(("quality", "factor"), [(None, 1.0), ({"rate": 0.0, "spend": -0.5}, 0.5)])
def test_a_lead_is_worth_the_share_that_buys_times_a_customer(quality: dict | None, factor: float) -> None:
    """Margin on half the amount, less what each order costs: by hand from the closed forms of a newcomer."""
    sim, leads = simulated(mails=FUNNEL | {"quality": quality})
    newcomer = levels.pav_per_newcomer(sim).mean()
    orders = simulated_orders(leads["mails"])
    by_hand = BOUGHT * (factor * (newcomer + 1.5 * orders) - 1.5 * orders)
    realised, expected = (value(sim, leads, basis) for basis in ("realised", "expected"))
    assert list(realised.index) == list(expected.index) == list(range(10))
    ledger, acquired = leads["mails"], sim.scenarios["mails"].acquired
    assert acquired is not None
    worlds = ledger.contribution_by_age()[:, -1] / acquired.leads
    error = worlds.std(ddof=1) / np.sqrt(DRAWS)
    assert error < 0.06 * by_hand
    assert realised["mean"][9] == pytest.approx(worlds.mean(), rel=1e-12)
    assert realised["p95"][9] == pytest.approx(np.quantile(worlds, 0.95), rel=1e-12)
    assert realised["mean"][9] == pytest.approx(by_hand, abs=4 * error)
    assert expected["mean"][9] == pytest.approx(by_hand, abs=4 * error)
    assert realised["p05"][9] < expected["p05"][9]  # luck is in the one only


def simulated_orders(ledger: Ledger) -> float:
    """Discounted orders of a customer by e-mail."""
    return float(
        (ledger.total("orders", age=True, discounted=True) / ledger.total("customers_acquired", age=True)).mean()
    )


def test_customers_by_email_are_those_whom_the_baseline_does_not_have() -> None:
    """With nothing but a funnel, what they bring is the difference of two ledgers, whatever their quality; with another
    lever beside it, which the customers who come anyway feel too, they are followed by themselves all the same."""
    sim, leads = simulated(mails=FUNNEL | {"quality": {"rate": -0.2, "spend": -0.5}})
    difference = (
        sim.scenarios["mails"].ledger.contribution_by_age() - sim.scenarios[BASELINE].ledger.contribution_by_age()
    )
    np.testing.assert_allclose(leads["mails"].contribution_by_age(), difference, rtol=1e-9, atol=1e-6)
    offer = {"kind": "offer", "take": 1.0, "price": 10.0, "margin": 1.0}
    sim, with_offer = simulated(mails=FUNNEL, gift=offer)
    people, orders = (with_offer["mails"].total(a, age=True) for a in ("customers_acquired", "orders"))
    base, own = (sim.scenarios[name].ledger.total("customers_acquired", age=True) for name in (BASELINE, "mails"))
    np.testing.assert_array_equal(people, own - base)
    np.testing.assert_allclose(with_offer["mails"].total("revenue_offers", age=True), 10.0 * orders)


def test_representatives_have_their_weight_and_blocks_do_not_matter() -> None:
    library = {**scenarios(), "mails": Scenario.model_validate({"title": "Mails", "mails": FUNNEL})}
    _, once = of(library, max_newcomers_per_cell=5)
    sim, again = of(library, max_newcomers_per_cell=5, shard_customers=7, jobs=2)
    assert_same_ledger(once["mails"], again["mails"])
    base, own = (sim.scenarios[name].ledger.total("customers_acquired", age=True) for name in (BASELINE, "mails"))
    np.testing.assert_allclose(once["mails"].total("customers_acquired", age=True), own - base, rtol=1e-6)


def test_where_others_come_too_a_mean_newcomer_stands_for_them() -> None:
    sim, leads = simulated(mails=FUNNEL, page={"kind": "shift", "target": "conversion", "size": -0.3})
    assert leads == {}
    assert not leads_alone(sim, "mails")
    for basis in ("realised", "expected"):
        newcomer, lead = (value(sim, leads, basis, who)["mean"] for who in ("newcomer", "lead"))
        np.testing.assert_allclose(lead, BOUGHT * newcomer, rtol=1e-9)


def test_nobody_leaves_an_address_and_nobody_buys() -> None:
    sim, leads = simulated(mails=FUNNEL | {"share": 0.0})
    assert not len(value(sim, leads, "realised"))
    nothing = {"after_days": 0, "buy": 0.0}
    sim, leads = simulated(mails=FUNNEL | {"first": nothing, "second": None})
    for basis in ("realised", "expected"):
        np.testing.assert_array_equal(value(sim, leads, basis)[["mean", "p05", "p95"]], 0.0)
    bare = run(scenarios(), draws=3, acquisition=channels())
    assert not (keep_books(bare, posterior(1), shop()).metric == "lead_value").any()
