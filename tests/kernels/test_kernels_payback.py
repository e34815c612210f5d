"""What a customer has brought, and when a newcomer has repaid the cost of acquisition."""

from typing import Any

import numpy as np
import pytest
from agreement import compare_books
from rooms import Moment, agree, interpreted, moments
from twin import payback as twin
from twin.books import Records
from twin.cases import random_case

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Life, Purse

PAYBACK = interpreted("payback")
KINDS: dict[str, dict[str, Any]] = {
    "existing": {},
    "newcomers": {"newcomers": True},
    "newcomers, contacts": {"newcomers": True, "contacts": 2},
}


def contributed(moment: Moment, gain: float, *, levered: bool = True) -> Life:
    contacts = moment.opened.programmes if levered else None
    book = moment.opened.ground.book
    purse = PAYBACK.add_contribution(moment.run, book, contacts, moment.path, moment.place(), moment.life, gain)
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
        life = contributed(moment, gain)
        twin.contribute(case, records, moment.customer, moment.twin, gain)
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
    moment.life = moment.life._replace(purse=Purse(0.0, 8.0, False), now=moment.life.now._replace(t=moment.path.start))
    moment.path = moment.path._replace(cac=10.0 + short)
    purse = contributed(moment, 2.0 / moment.place().own_discount).purse
    assert purse.own == pytest.approx(10.0)
    assert purse.repaid == repaid
    line = moment.opened.out.age[moment.path.w, moment.path.half, ks.REPAID]
    assert line.any() == repaid


def test_contacts_are_paid_first() -> None:
    """What a customer was sent counts against the contribution; without programmes in the loop nothing does."""
    paying = [m for m in moments(random_case(62, newcomers=True, contacts=2)) if m.life.now.t > m.path.start + 60]
    for moment in paying:
        moment.path = moment.path._replace(cac=0.0)
        moment.life = moment.life._replace(purse=Purse(0.0, 0.0, False))
        assert not contributed(moment, 1e-6).purse.repaid
        assert contributed(moment, 1e-6, levered=False).purse.repaid
    assert len(paying) > 10


def test_who_has_repaid_is_not_looked_at_again() -> None:
    moment = next(moments(random_case(63, newcomers=True)))
    moment.life = moment.life._replace(purse=Purse(1.0, 8.0, True))
    purse = contributed(moment, -100.0).purse
    assert (purse.own, purse.repaid) == (8.0, True)
    assert purse.total == 1.0 - 100.0 * moment.place().discount
    assert not moment.opened.out.age.any()
