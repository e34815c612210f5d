"""Memberships: a trial that starts at an order, then charges at even intervals until the member leaves."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin import offers, payback
from twin.books import Records, count, post_revenue, record
from twin.cases import Case
from twin.state import Customer, Life, Member


def numbers(case: Case) -> list[int]:
    """The offers that are memberships."""
    return np.flatnonzero(case.offers.occasion == ks.MEMBERSHIP).tolist()


def within(customer: Customer, day: float) -> float:
    """inf at the end of the window, which sums of months may miss by their rounding."""
    return day if day < customer.end - 1e-6 else math.inf


def churn_of(terms: dict[str, float], customer: Customer, key: np.uint64) -> float:
    if terms["churn_b"] == 0:
        return terms["churn_a"]
    g1, g2 = (
        customer.draws.gamma(rng.MEMBER_CHURN, event, terms[name], key)
        for event, name in enumerate(("churn_a", "churn_b"))
    )
    return g1 / (g1 + g2)


def at_order(case: Case, records: Records, customer: Customer, life: Life) -> float:
    """Trials that start, and what orders of members cost."""
    cost = 0.0
    for offer in numbers(case):
        terms, key = offers.terms_of(case, customer, offer), case.offers.key[offer]
        line = ks.BASE_LINES + ks.OFFER_LINES * offer
        is_new = offer not in life.members and offers.is_shown(case, customer, life, offer)
        if is_new and customer.draws.uniform(rng.OFFER, life.ticks, key) < terms["take"]:
            trial = case.offers.days[offer, ks.TRIAL]
            life.members[offer] = Member(churn_of(terms, customer, key), within(customer, life.day + trial))
            life.pace *= terms["accept_rate"]
            count(case, records, customer, line + ks.SHOWN, life.day)
            record(records, customer, ks.TRACE_JOINED, life.day, offer=offer)
            cost += terms["contact_cost"]
        if offer in life.members and not life.members[offer].left:
            count(case, records, customer, line + ks.SERVED, life.day)
            cost += terms["perk"]
            record(records, customer, ks.TRACE_SERVED, life.day, offer=offer)
    return cost


def soonest(life: Life) -> float:
    return min((member.due for member in life.members.values()), default=math.inf)


def pays(terms: dict[str, float], customer: Customer, member: Member, key: np.uint64) -> bool:
    number = member.charges + 1
    if number == 1:
        wants = customer.draws.uniform(rng.CONVERSION, 0, key) < terms["convert"]
    else:
        wants = customer.draws.uniform(rng.RENEWAL, number, key) >= member.churn
    return wants and customer.draws.uniform(rng.CARD, number, key) >= terms["card_loss"]


def charge(case: Case, records: Records, customer: Customer, life: Life) -> tuple[float, float]:
    """All charges of this day: what they bring, and their revenue."""
    gain = revenue = 0.0
    for offer, member in sorted(life.members.items()):
        if member.due != life.day:
            continue
        terms = offers.terms_of(case, customer, offer)
        if pays(terms, customer, member, case.offers.key[offer]):
            member.charges += 1
            member.due = within(customer, life.day + case.offers.days[offer, ks.EVERY])
            count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * offer + ks.TAKEN, life.day)
            post_revenue(records, customer, life.day, terms["price"])
            record(records, customer, ks.TRACE_TAKEN, life.day, terms["price"], offer)
            gain += terms["price"] - terms["cost"]
            revenue += terms["price"]
        else:
            member.due, member.left = math.inf, True
            life.pace /= terms["accept_rate"]
            record(records, customer, ks.TRACE_LEFT, life.day, offer=offer)
    return gain, revenue


def run_out(case: Case, records: Records, customer: Customer, life: Life, end: float) -> None:
    """What still falls due when the shop's life has ended."""
    while (day := soonest(life)) < end:
        life.day = day
        gain, revenue = charge(case, records, customer, life)
        payback.contribute(case, records, customer, life, gain, customer.dues[2] * revenue)
