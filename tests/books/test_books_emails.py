"""Credit of e-mails against plain computations, and what its rows add up to."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import channels, posterior, run, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.books import keep_books
from clvsim.books.emails import buy_after_each, customers_of_subsets
from clvsim.decision import shapley
from clvsim.interventions.base import Funnel
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation

MONTH = 365.25 / 12
FUNNEL: dict[str, Any] = {
    "kind": "funnel", "share": 0.5, "cost": 0.2, "quality": None,
    "first": {"after_days": 0, "buy": {"kind": "prior", "dist": "beta", "alpha": 8, "beta": 72}},
    "second": {"after_days": 3, "buy": 0.05}, "third": {"after_days": 1.5 * MONTH, "buy": 0.08},
}  # fmt: skip


def funnel_of(sim: Simulation, name: str = "mails") -> Funnel:
    return next(m for m in sim.scenarios[name].compiled.mechanisms if isinstance(m, Funnel))


def simulated(months: int = 6, draws: int = 20, **lever: Any) -> Simulation:
    return run(
        scenarios(mails={"mails": FUNNEL | lever}),
        draws=draws,
        replicates=2,
        acquisition=channels(months=months),
        fitted=posterior(draws, spread=0.1),
    )


def credit_rows(sim: Simulation) -> pd.DataFrame:
    books = keep_books(sim, posterior(1), shop())
    return books[books.book == "email_credit"]


@pytest.fixture(scope="module")
def sim() -> Simulation:
    return simulated()


def test_subsets_are_lead_by_lead_what_is_left(sim: Simulation) -> None:
    """Every lead lives through the e-mails of the subset one after the other; the third one comes a month and a half
    later, so that leads of the last month, and half of those before, are not counted."""
    funnel, draw = funnel_of(sim), sim.worlds.draw
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    values = customers_of_subsets(funnel, acquired.leads_by_funnel[:, 0], draw)
    monthly = acquired.leads_by_funnel[:, 0, 0]
    np.testing.assert_allclose(acquired.leads_by_funnel[:, 0], monthly[:, None] * np.ones(6), rtol=1e-12)
    counted = np.array([6.0, 6.0 - 3 / MONTH, 4.5])
    for subset in range(8):
        left, bought = np.ones(draw.size), np.zeros(draw.size)
        for e in range(3):
            if subset >> e & 1:
                bought += left * funnel.buy[e][draw] * counted[e]
                left = left * (1 - funnel.buy[e][draw])
        np.testing.assert_allclose(values[:, subset], monthly * bought, rtol=1e-12, err_msg=str(subset))
    np.testing.assert_allclose(values[:, -1], acquired.by_lead, rtol=1e-12)


def test_credits_are_all_whom_the_sequence_brings(sim: Simulation) -> None:
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    values = customers_of_subsets(funnel_of(sim), acquired.leads_by_funnel[:, 0], sim.worlds.draw)
    for shares in (shapley(values), buy_after_each(values)):
        np.testing.assert_allclose(shares.sum(axis=1), acquired.by_lead, rtol=1e-12)
    table = credit_rows(sim).set_index(["metric", "group"])["mean"]
    emails = [f"mails {email}" for email in ("first", "second", "third")]
    for metric in ("customers", "customers_after", "value"):
        assert table[metric][emails].sum() == pytest.approx(table[metric]["mails sequence"], rel=1e-12)
    assert table["customers"]["mails sequence"] == pytest.approx(acquired.by_lead.mean(), rel=1e-12)


def test_the_value_of_the_sequence_is_that_of_all_its_leads(sim: Simulation) -> None:
    books = keep_books(sim, posterior(1), shop())
    mails = books[(books.scenario == "mails") & (books.basis == "expected")]
    lead = mails[(mails.metric == "lead_value") & (mails["at"] == 12)]["mean"].iloc[0]
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    total = mails[(mails.metric == "value") & (mails.group == "mails sequence")]["mean"].iloc[0]
    assert total == pytest.approx(lead * acquired.leads[0], rel=1e-9)  # as many leads in every world


def test_the_first_brings_most_and_keeps_no_more_than_its_share() -> None:
    """Three e-mails of 10 % on one day: 10, 9 and 8.1 % buy after each. None of them is better than another, so each
    has a third of the 27.1 %; where later ones come too late for some leads, the first one has more."""
    same = {"buy": 0.1, "after_days": 0.0}
    alike = simulated(first=same, second=same, third=same)
    acquired = alike.scenarios["mails"].acquired
    assert acquired is not None
    leads = acquired.leads_by_funnel[:, 0]
    values = customers_of_subsets(funnel_of(alike), leads, alike.worlds.draw) / leads.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(buy_after_each(values), np.tile([0.1, 0.09, 0.081], (40, 1)), rtol=1e-12)
    np.testing.assert_allclose(shapley(values), 0.271 / 3, rtol=1e-12)
    later = simulated(first=same, second=same | {"after_days": 20.0}, third=same | {"after_days": 40.0})
    table = credit_rows(later).set_index(["metric", "group"])["mean"]
    for metric in ("customers", "customers_after", "value"):
        first, second, third = (table[metric][f"mails {email}"] for email in ("first", "second", "third"))
        assert first > second > third, metric
    assert table["customers_after"]["mails first"] > table["customers"]["mails first"]
    days = credit_rows(later).query("metric == 'value'").set_index("group")["at"]
    assert list(days) == [0.0, 20.0, 40.0, 0.0]


def test_one_email_has_it_all_and_nobody_without_a_funnel_has_rows() -> None:
    sim = simulated(second=None, third=None, draws=5)
    table = credit_rows(sim)
    assert set(table.group) == {"mails first", "mails sequence"}
    assert set(table.scenario) == {"mails"}
    for _, pair in table.groupby("metric"):
        np.testing.assert_allclose(*pair[["mean", "p05", "p95"]].to_numpy(), rtol=1e-12)
    assert not len(credit_rows(simulated(share=0.0, draws=5)))
    assert not len(credit_rows(run(scenarios(), draws=3)))


def test_funnels_are_told_apart_and_the_baselines_counts_too() -> None:
    """Two funnels of one scenario share visitors, not leads; each has a credit of its own."""
    two = {"mails": FUNNEL | {"third": None}, "calls": FUNNEL | {"share": 0.1, "second": None, "third": None}}
    library = scenarios(both=two)
    library[BASELINE] = library[BASELINE].model_validate({"title": "As today", "mails": FUNNEL})
    sim = run(library, draws=5, acquisition=channels(months=3))
    table = credit_rows(sim)
    customers = table[table.metric == "customers"].set_index(["scenario", "group"])["mean"]
    assert set(customers["both"].index) == {
        *("mails first", "mails second", "mails sequence"),
        *("calls first", "calls sequence"),
    }
    acquired = sim.scenarios["both"].acquired
    assert acquired is not None
    both = customers["both"]["mails sequence"] + customers["both"]["calls sequence"]
    assert both == pytest.approx(acquired.by_lead.mean(), rel=1e-12)
    assert "mails third" in customers[BASELINE].index
