"""Campaigns: offers on a date, on a customer's own day or after a silence, to all who are not known to be gone."""

import math

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin import again, contacts, membership, offers, payback
from twin.books import Records, count, discount, post_cohort, post_revenue, record
from twin.cases import Case
from twin.state import Customer, Life

YEARS = range(-60, 60)
AFTER_SILENCE = (ks.SILENCE, ks.WIN_BACK)


def planned(case: Case, customer: Customer, offer: int) -> list[float]:
    """All days of a campaign that does not depend on what the customer does, whenever they are."""
    days = case.offers.days[offer]
    occasion = case.offers.occasion[offer]
    if occasion == ks.ON_DATES:
        return sorted(days)
    if occasion == ks.BIRTHDAY:
        day = 365.25 * customer.draws.uniform(rng.BIRTHDAY, 0)
        own = [day + 365.25 * year for year in YEARS]
    else:
        own = [customer.first_order + 365.25 * year for year in YEARS if year > 0]
    return [day for day in own if days[ks.BEGINS] <= day < min(days[ks.ENDS], customer.end - 1e-6)]


def next_day(case: Case, customer: Customer, life: Life, offer: int) -> float:
    """inf where there is none any more."""
    is_none = case.offers.occasion[offer] in (ks.AT_ORDERS, ks.MEMBERSHIP, ks.OUTGROWN)
    if is_none or not case.offers.active[offer, customer.group, 0]:
        return math.inf
    asked = life.asked.get(offer)
    if case.offers.occasion[offer] not in AFTER_SILENCE:
        since = customer.start if asked is None else asked
        return min((day for day in planned(case, customer, offer) if day > since), default=math.inf)
    if asked is not None and asked > life.last_order:
        return math.inf
    begins, ends, least, most = case.offers.days[offer, :4]
    day = max(life.last_order + least, begins)
    return day if day < ends and day - life.last_order <= most else math.inf


def soonest(case: Case, customer: Customer, life: Life) -> float:
    days = (next_day(case, customer, life, offer) for offer in range(case.offers.key.size))
    return min(membership.soonest(life), *days, math.inf)


def is_within_cap(case: Case, customer: Customer, life: Life, day: float) -> bool:
    """Whether one more message fits beside those of the window, and beside what programmes send in one."""
    most, length = case.offers.cap
    if most == 0:
        return True
    number = sum(written > day - length for written in life.written)
    if contacts.is_listed(case, customer) and day < life.leaves + length:
        number += case.offers.planned[customer.group, int(day // 7)]
    return number + 1 <= most + 1e-9


def write(case: Case, records: Records, customer: Customer, life: Life, offer: int, day: float) -> float | None:
    """Count it; returns its cost, None where the cap withholds it."""
    life.asked[offer] = day
    if not is_within_cap(case, customer, life, day):
        count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * case.offers.key.size, day)
        record(records, customer, ks.TRACE_WITHHELD, day, offer=offer)
        return None
    life.written.append(day)
    count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * offer + ks.SHOWN, day)
    record(records, customer, ks.TRACE_CAMPAIGN, day, offer=offer)
    return case.offers.contact_cost[customer.w, offer]


def answer(case: Case, records: Records, customer: Customer, life: Life, left: float) -> float:
    """All campaigns of this day, to somebody who is alive, and charges of memberships.

    `left`: days at multiplier 1 to the next order; returns what is left of them.
    """
    outcome, cost = offers.Outcome(), 0.0
    for offer in range(case.offers.key.size):
        if next_day(case, customer, life, offer) != life.day:
            continue
        silence, before = case.offers.occasion[offer] == ks.SILENCE, life.speed
        written = write(case, records, customer, life, offer, life.day)
        if written is None:
            continue
        cost += written
        if case.offers.occasion[offer] == ks.WIN_BACK:
            left = again.invite(case, customer, life, offer, left)
            continue
        event = life.ticks if silence else int(life.day)
        if customer.draws.uniform(rng.OFFER, event, case.offers.key[offer]) < case.offers.take[customer.w, offer]:
            offers.take(case, records, customer, life, offer, event, outcome)
        left *= before / life.speed
    for price in outcome.prices:
        post_revenue(records, customer, life.day, price)
    before = life.speed
    gain, revenue = membership.charge(case, records, customer, life)
    left *= before / life.speed
    due = customer.dues[2] * (sum(outcome.prices) + revenue)
    payback.contribute(case, records, customer, life, outcome.gain + gain - cost, due)
    return left


def run_out(case: Case, records: Records, customer: Customer, life: Life) -> tuple[float, float, int]:
    """To somebody who has left without a word; the discounted cost, and the day on which an offer brings one back."""
    total, back, by = 0.0, math.inf, -1
    while True:
        days = [(next_day(case, customer, life, offer), offer) for offer in range(case.offers.key.size)]
        day, offer = min(days, default=(math.inf, -1))
        if day >= min(customer.end, back):
            break
        cost = write(case, records, customer, life, offer, day)
        if cost is None:
            continue
        post_cohort(records, customer, ks.COHORT_CONTRIBUTION, day, -cost)
        total += cost * discount(case, day)
        if case.offers.occasion[offer] == ks.WIN_BACK:
            answer = again.day_of_answer(case, customer, life, offer, day, case.offers.take[customer.w, offer])
            back, by = min((back, by), (answer, offer))
    return total, back, by
