"""Lives that go on where they would have ended, or start again."""

import math

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin import pace
from twin.books import Records, activate, count, record
from twin.cases import Case
from twin.state import Customer, Life
from twin.traits import law_of, traits_of


def new_budget(customer: Customer, life: Life) -> None:
    life.lost = False
    life.budget = customer.draws.exponential(rng.LIFETIME, life.ended)


def day_of_answer(case: Case, customer: Customer, life: Life, offer: int, day: float, chance: float) -> float:
    key = case.offers.key[offer]
    if customer.draws.uniform(rng.OFFER, life.ticks, key) >= chance:
        return math.inf
    return day + case.offers.days[offer, ks.WITHIN] * customer.draws.uniform(rng.ANSWER, life.ticks, key)


def days_at_one(case: Case, customer: Customer, life: Life, until: float) -> float:
    """Integral of the rate multiplier from now on, week by week."""
    total, now = 0.0, life.day
    rate = case.rate[customer.w, pace.table_of(case, customer, life)]
    while now < until:
        week = pace.week_of(now)
        stop = min(until, 7.0 * (week + 1))
        total += rate[week] * (stop - now)
        now = stop
    return total


def invite(case: Case, customer: Customer, life: Life, offer: int, left: float) -> float:
    """Somebody who is there; what is left of the wait for the next order."""
    w, key = customer.w, case.offers.key[offer]
    day = day_of_answer(case, customer, life, offer, life.day, case.offers.living[w, offer])
    uses = customer.draws.uniform(rng.REDEEM, life.ticks, key) < case.offers.redeemed[w, offer]
    life.coupons[offer] = -math.inf
    if day < math.inf or uses:
        life.coupons[offer] = life.day + case.offers.days[offer, ks.WITHIN]
    if case.at_intervals or day >= customer.end:
        return left
    return min(left, days_at_one(case, customer, life, day))


def redeem(case: Case, records: Records, customer: Customer, life: Life) -> float:
    """Coupons that an order uses: their cost."""
    cost = 0.0
    for offer, last in sorted(life.coupons.items()):
        if last >= life.day:
            count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * offer + ks.TAKEN, life.day)
            record(records, customer, ks.TRACE_TAKEN, life.day, 0.0, offer)
            cost += case.offers.cost[customer.w, offer]
    life.coupons.clear()
    return cost


def come_back(case: Case, records: Records, customer: Customer, life: Life, day: float, offer: int) -> None:
    """Who had left before the first day has the traits of the lost."""
    if life.ended == 0:
        life.ended = 1
        law = law_of(case.laws, customer.column, customer.draws, lost=True)
        life.traits = traits_of(law, case.at_intervals, customer.draws)
    life.day = day
    new_budget(customer, life)
    life.damping.clear()
    life.coupons = {offer: day}
    life.on_list = life.leaves > day
    activate(case, records, customer, day)
    count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * offer + ks.WON_BACK, day)
    record(records, customer, ks.TRACE_RETURNED, day, offer=offer)


def goes_on(case: Case, records: Records, customer: Customer, life: Life) -> bool:
    """Whether somebody whose life ends goes over to a next product, and lives on."""
    for offer in range(case.offers.key.size):
        if case.offers.occasion[offer] != ks.OUTGROWN or offer in life.moved or not life.lost:
            continue
        if not case.offers.active[offer, customer.group, pace.week_of(life.day)]:
            continue
        line, w = ks.BASE_LINES + ks.OFFER_LINES * offer, customer.w
        count(case, records, customer, line + ks.SHOWN, life.day)
        if customer.draws.uniform(rng.OFFER, life.ended, case.offers.key[offer]) < case.offers.take[w, offer]:
            life.moved.add(offer)
            count(case, records, customer, line + ks.TAKEN, life.day)
            record(records, customer, ks.TRACE_MOVED, life.day, offer=offer)
            life.pace *= case.offers.accept_rate[w, offer]
            life.size *= case.offers.size[w, offer]
            life.ended += 1
            new_budget(customer, life)
            return True
    life.ended += 1
    return False
