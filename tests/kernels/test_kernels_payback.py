"""What a customer has brought, and when a newcomer has repaid the cost of acquisition."""

from typing import Any

import numpy as np
import pytest
from agreement import compare_books
from rooms import Moment, agree, interpreted, moments
from twin import payback as twin
from twin.books import Records
from twin.cases import random_case

from clvsim.kernels import state
from clvsim.kernels import structs as ks
from clvsim.kernels.state import Life, Purse

PAYBACK = interpreted("payback")
KINDS: dict[str, dict[str, Any]] = {
    "existing": {},
    "newcomers": {"newcomers": True},
    "newcomers, contacts": {"newcomers": True, "contacts": 2},
}


def contributed(
    moment: Moment,
    gain: float,
    cost: float = 0.0,
    *,
    levered: bool = True,
    cac: list[float] | None = None,
    dues: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Life:
    """`cac`: costs of acquisition, one under each tariff, and `dues` those of the plan, both in place of the case's."""
    contacts = moment.opened.programmes if levered else None
    ground, path = moment.opened.ground, moment.path
    tolls, weeks = ground.tolls, ground.weeks
    if cac is not None:
        tolls, path = state.Tolls(len(cac), np.array(cac)), path._replace(cac=0, dues=0)
        weeks = weeks._replace(dues=np.array(dues))
    room = moment.run, ground.book, contacts, weeks, tolls
    purse = PAYBACK.add_contribution(*room, path, moment.place(), moment.life, gain, cost)
    return moment.life._replace(purse=purse)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions(kind: str) -> None:
    """Losses too; a cohort's are not discounted, and who has repaid is counted once."""
    case = random_case(60, months=30, customers=60, **KINDS[kind])
    records, r, opened = Records(), np.random.default_rng(60), None
    repaid = 0
    for moment in moments(case):
        opened, gain = moment.opened, float(r.normal(25, 30))
        before = moment.twin.repaid
        life = contributed(moment, gain, 20.0)
        twin.contribute(case, records, moment.customer, moment.twin, gain, 20.0)
        agree(moment, life)
        repaid += moment.twin.repaid and not before
    assert opened is not None
    assert (repaid > 10) == case.newcomers
    for name in ("calendar", "age", "cohort"):
        assert getattr(opened.out, name).any() == (name == "cohort" or (case.newcomers and name == "age")), name
    if not case.contacts.size:
        compare_books(case, records, opened.out)


@pytest.mark.parametrize(("short", "repaid"), [(0.01, False), (0.0, True), (-5.0, True)])
def test_repaid_is_at_least_the_cost(short: float, repaid: bool) -> None:
    moment = next(moments(random_case(61, newcomers=True)))
    moment.life = moment.life._replace(
        purse=Purse(0.0, 8.0, -np.inf), now=moment.life.now._replace(t=moment.path.start)
    )
    dues = (1.0, 0.5, 0.1)  # per customer, per order, and a share of revenue
    weeks, path = moment.weeks._replace(dues=np.array(dues)), moment.path._replace(dues=0)
    cost = PAYBACK.cost_of_order(weeks, path, 20.0)
    assert cost == pytest.approx(0.5 + 0.1 * 20.0)
    assert PAYBACK.cost_of_sale(weeks, path, 20.0) == pytest.approx(0.1 * 20.0)
    gain = 2.0 / moment.place().own_discount + cost
    purse = contributed(moment, gain, cost, cac=[9.0 + short], dues=dues).purse
    assert purse.own == pytest.approx(10.0)
    assert (purse.best >= 9.0 + short) == repaid
    line = moment.opened.out.age[moment.path.w, moment.path.half, ks.REPAID]
    assert line.any() == repaid


def test_contacts_are_paid_first() -> None:
    """What a customer was sent counts against the contribution; without programmes in the loop nothing does."""
    paying = [m for m in moments(random_case(62, newcomers=True, contacts=2)) if m.life.now.t > m.path.start + 60]
    for moment in paying:
        moment.life = moment.life._replace(purse=Purse(0.0, 0.0, -np.inf))
        assert contributed(moment, 1e-6, cac=[0.0]).purse.best < 0
        assert contributed(moment, 1e-6, levered=False, cac=[0.0]).purse.best >= 0
    assert len(paying) > 10


def test_who_has_repaid_is_not_looked_at_again() -> None:
    moment = next(moments(random_case(63, newcomers=True)))
    place = moment.place()
    moment.life = moment.life._replace(purse=Purse(1.0, 8.0, 12.0))
    for gain, best in ((-100.0, 12.0), (3.0, 12.0), (6.0 / place.own_discount, 14.0)):
        purse = contributed(moment, gain, cac=[11.0]).purse
        assert purse == pytest.approx((1.0 + gain * place.discount, 8.0 + gain * place.own_discount, best))
    assert not moment.opened.out.age.any()


def test_each_tariff_has_a_line_of_its_own() -> None:
    """Whoever repays several at one order is counted under each of them; lines of programmes come after them."""
    moment = next(moments(random_case(64, newcomers=True, offers=1, contacts=2)))
    moment.path = moment.path._replace(w=0)
    moment.life = moment.life._replace(
        purse=Purse(0.0, 0.0, 3.0),
        now=moment.life.now._replace(t=moment.path.start),
        listing=moment.life.listing._replace(listed=False),
    )
    contributed(moment, 10.0, cac=[10.0, 2.0, 9.0, 11.0])
    lines = moment.opened.out.age[0, moment.path.half, :, 0].sum(axis=-1)
    last = lines.size - 2
    assert [i for i in range(lines.size) if lines[i]] == [ks.REPAID, last - 2]
