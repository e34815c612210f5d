"""Memberships against the sBG's closed form (Fader & Hardie 2007), and what they leave alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import betaln
from shop import channels, error, ledger, line, posterior, run, scenarios, shop

from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.types import Posterior

MONTHS = 12
CLUB: dict[str, Any] = {
    "kind": "membership", "on_orders": [1], "take": 1.0, "price": 30.0, "margin": 0.8, "churn": 0.2,
    "polarisation": 0.15, "who": {"customers": "new"},
}  # fmt: skip


def with_club(draws: int = 60, **changed: Any) -> Simulation:
    """Every newcomer joins at the first order. Half of them order once, and many leave the shop early."""
    return run(
        scenarios(club={"club": CLUB | changed}),
        draws=draws,
        horizon_months=MONTHS,
        acquisition=channels(),
        fitted=posterior(draws),
    )


def survival(renewals: np.ndarray, mean: float, polarisation: float) -> np.ndarray:
    """Share of payers who are left after so many renewals, eq. 6."""
    total = 1 / polarisation - 1
    a, b = mean * total, (1 - mean) * total
    return np.exp(betaln(a, b + renewals) - betaln(a, b))


def charges(sim: Simulation, discounted: int) -> np.ndarray:
    """Charges for each newcomer, by world and month of own age."""
    book = ledger(sim, "club")
    newcomers = line(book, "customers_acquired", "acquisition")[:, :, 0].sum(axis=(1, 2))
    return line(book, "charges", "club", age=True)[:, :, discounted].sum(axis=1) / newcomers[:, None]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"trial_days": 365.25 / 12, "convert": 0.4},
        {"trial_days": 365.25 / 12, "convert": 0.7, "card_failure": 0.2, "card_recovery": 0.5},
        {"every_months": 3, "polarisation": 0.4, "churn": 0.3},
        {"rate": 0.5},
    ],
    ids=["from the first order on", "after a trial", "cards fail", "by the quarter", "members order more"],
)
def test_charges_come_as_the_formula_says(changed: dict[str, Any]) -> None:
    """Whether or not the customer still orders; each charge on its day, and discounted from there."""
    own = CLUB | {"convert": 1.0, "trial_days": 0.0, "every_months": 1, "card_failure": 0.0, "card_recovery": 0.0}
    own |= changed
    first = round(own["trial_days"] / (365.25 / 12))
    months = np.arange(first, MONTHS, own["every_months"])
    kept = 1 - own["card_failure"] * (1 - own["card_recovery"])
    renewals = np.arange(months.size)
    expected = own["convert"] * kept ** (renewals + 1) * survival(renewals, own["churn"], own["polarisation"])
    sim = with_club(**changed)
    for discounted, factor in ((0, np.ones(months.size)), (1, 1.1 ** (-months / 12))):
        found = charges(sim, discounted)
        by_month = np.zeros(found.shape[1])
        by_month[months] = expected * factor
        total = found.sum(axis=1)
        assert abs(total.mean() - by_month.sum()) < 4 * error(total)
        for month in range(found.shape[1]):
            bound = 4 * error(found[:, month]) + 1e-9
            assert abs(found[:, month].mean() - by_month[month]) < bound, month


def test_a_membership_that_moves_no_rate_leaves_every_order() -> None:
    sim = with_club(draws=12)
    for account in ("orders", "revenue_orders", "active_customers"):
        np.testing.assert_array_equal(
            line(ledger(sim, "club"), account, "orders"), line(ledger(sim), account, "orders"), err_msg=account
        )


def test_members_order_more_while_they_are_members() -> None:
    """With a churn of 1 they leave when the first renewal falls due: twice the rate for one month only."""
    long, short = (
        with_club(rate=1.0, churn=churn, polarisation=0.0) for churn in (0.0, 1.0)
    )  # fmt: skip
    base, forever, once = (
        line(ledger(sim, name), "orders", "orders", age=True)[:, :, 0].sum(axis=(0, 1))
        for sim, name in ((long, BASELINE), (long, "club"), (short, "club"))
    )
    first = line(ledger(long, "club"), "customers_acquired", "acquisition")[:, :, 0].sum()
    assert once[0] - first > 1.5 * (base[0] - first)
    np.testing.assert_allclose(once[1:8].sum(), base[1:8].sum(), rtol=0.1)
    assert forever[1:8].sum() > 1.5 * base[1:8].sum()


def test_nobody_ends_a_contract_pays_once_more_than_a_member() -> None:
    """Whom nobody loses: a new contract pays at once and at twelve renewals, one of today that has just paid at twelve;
    a member who joins at the first order is charged for each of the twelve months, and not at their end."""
    draws = 3
    life, price = {"alpha": np.full(draws, 1e-9), "beta": np.full(draws, 1e3)}, np.full(draws, 10.0)
    money = {"price": price, "first_order_factor": np.ones(draws)}
    contracts = FittedModels(Sbg(), FixedPrice(), Posterior(life, money, "month"))
    customers = shop().customers.assign(frequency=0, recency_days=0.0, T_days=0.0)
    sim = run(
        draws=draws,
        fitted=contracts,
        summary=replace(shop(), customers=customers),
        acquisition=channels(),
        horizon_months=MONTHS,
    )
    book = ledger(sim)
    orders, come = line(book, "orders", "orders"), line(book, "customers_acquired", "acquisition")
    np.testing.assert_array_equal(orders[:, 0, 0].sum(axis=-1) / len(customers), MONTHS)
    np.testing.assert_array_equal(orders[:, 1, 0].sum(axis=-1) / come[:, 1, 0].sum(axis=-1), MONTHS + 1)
    club = with_club(draws, churn=0.0, polarisation=0.0)
    np.testing.assert_array_equal(charges(club, 0).sum(axis=1), MONTHS)
