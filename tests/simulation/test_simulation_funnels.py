"""Funnels: leads, those who buy by e-mail, when, and at what cost; by hand."""

from typing import Any

import numpy as np
import pytest
from shop import channels, ledger, line, posterior, run, scenarios

from clvsim import metrics
from clvsim.errors import ConfigError
from clvsim.scenario import BASELINE, problems
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig

MONTH = 365.25 / 12
FUNNEL: dict[str, Any] = {
    "kind": "funnel", "share": 0.1, "cost": 0.2, "quality": None,
    "first": {"after_days": 0, "buy": 0.05}, "second": {"after_days": MONTH, "buy": 0.04},
    "third": {"after_days": 1.5 * MONTH, "buy": 0.03},
}  # fmt: skip


def funnelled(draws: int = 30, *, lever: dict[str, Any] | None = None, **changed: Any) -> Simulation:
    settings: dict[str, Any] = {"acquisition": channels(months=6), "fitted": posterior(draws)} | changed
    return run(scenarios(mails={"mails": FUNNEL | (lever or {})}), draws=draws, **settings)


def test_leads_and_customers_are_those_of_the_stages() -> None:
    """400 visitors a month, 2 % of whom buy; a tenth of the others leave an address."""
    sim = funnelled()
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    leads = 0.1 * 400 * 0.98
    np.testing.assert_allclose(acquired.leads, 6 * leads, rtol=1e-12)
    shares = [0.05, 0.95 * 0.04, 0.95 * 0.96 * 0.03]
    months = [6, 5, 4.5]  # in which those leads buy before newcomers end
    bought = leads * np.dot(shares, months)
    np.testing.assert_allclose(acquired.by_lead, bought, rtol=1e-12)
    np.testing.assert_allclose(acquired.expected_customers, 6 * 8 + bought, rtol=1e-12)
    np.testing.assert_allclose(acquired.cost, 6 * (400 * 0.4 + 0.2 * leads), rtol=1e-12)
    np.testing.assert_allclose(acquired.cac, acquired.cost / acquired.expected_customers, rtol=1e-12)
    number = acquired.customers
    assert abs(number.mean() - acquired.expected_customers.mean()) < 4 * np.sqrt(number.mean() / number.size)


def test_those_who_come_anyway_keep_their_lives() -> None:
    """With a funnel there are more ordinals of each cell, and the first ones are those of the baseline."""
    sim = funnelled(lever={"share": 0.0})
    for account in ("orders", "revenue_orders"):
        np.testing.assert_array_equal(
            line(ledger(sim, "mails"), account, "orders"), line(ledger(sim), account, "orders"), err_msg=account
        )
    more = funnelled()
    orders = (line(ledger(more, name), "orders", "orders")[:, -2, 0].sum(axis=-1) for name in (BASELINE, "mails"))
    assert (np.diff(list(orders), axis=0) >= 0).all()


def test_a_funnel_runs_in_its_time_only() -> None:
    sim = funnelled(lever={"when": {"start_month": 2, "end_month": 3}, "second": None, "third": None})
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    np.testing.assert_allclose(acquired.leads, 0.1 * 400 * 0.98, rtol=1e-12)
    come = line(ledger(sim, "mails"), "customers_acquired", "acquisition")[:, -2, 0]
    base = line(ledger(sim), "customers_acquired", "acquisition")[:, -2, 0]
    assert not (come - base)[:, [0, 1, 3, 4, 5]].any()
    assert (come - base)[:, 2].sum() > 10


def test_each_email_finds_those_whom_others_left() -> None:
    """Three e-mails of 10 % make 27.1 % customers."""
    mail = {"after_days": 0, "buy": 0.1}
    sim = funnelled(lever={"first": mail, "second": mail, "third": mail})
    acquired = sim.scenarios["mails"].acquired
    assert acquired is not None
    np.testing.assert_allclose(acquired.by_lead / acquired.leads, 0.271, rtol=1e-12)
    note = next(note for note in sim.notes if note.startswith("Leads in"))
    assert "235 on average, of whom 27.10% buy" in note


def test_quality_is_that_of_customers_by_email() -> None:
    """Half of the orders of those who come by e-mail; those who come anyway as before."""
    plain, worse = (funnelled(draws=60, lever={"quality": q}) for q in (None, {"rate": 0.0, "spend": -0.5}))
    base, all_alike, halved = (
        line(ledger(sim, name), "revenue_orders", "orders")[:, -2, 0].sum()
        for sim, name in ((plain, BASELINE), (plain, "mails"), (worse, "mails"))
    )
    np.testing.assert_allclose(halved - base, 0.5 * (all_alike - base), rtol=1e-6)


def test_the_plan_pays_for_leads() -> None:
    sim = funnelled(draws=10, lever={"first": {"after_days": 0, "buy": 0.0}, "second": None, "third": None})
    scenario, base = sim.scenarios["mails"], sim.scenarios[BASELINE]
    middle = 1.1 ** (-(np.arange(6) + 0.5) / 12)
    np.testing.assert_allclose(
        metrics.plan_value(sim, base) - metrics.plan_value(sim, scenario), 0.2 * 39.2 * middle.sum(), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("lever", "said"),
    [
        ({"second": None}, "third needs second"),
        ({"first": {"after_days": 40, "buy": 0.1}}, "after_days must not fall from e-mail to e-mail, got 40, 30.4375"),
        ({"who": {"customers": "existing"}}, "a funnel is about those who come"),
        ({"first": {"after_days": -1, "buy": 0.1}}, "after_days"),
    ],
)
def test_what_is_refused(lever: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        scenarios(mails={"mails": FUNNEL | lever})


def test_shares_that_are_none_are_refused_all_at_once() -> None:
    library = scenarios(
        mails={"mails": FUNNEL | {"share": 1.2, "second": {"after_days": 40, "buy": -0.1}, "third": None}}
    )
    assert {problem.where for problem in problems(library)} == {
        "scenario.mails.mails.share",
        "scenario.mails.mails.second.buy",
    }


def test_newcomers_of_the_log_have_no_leads() -> None:
    with pytest.raises(ConfigError, match=r"needs typed acquisition.channels") as refused:
        run(
            scenarios(mails={"mails": FUNNEL}),
            acquisition=AcquisitionConfig(months=3, from_log=True),
        )
    assert any(problem.where == "scenario.mails.mails" for problem in refused.value.problems)
