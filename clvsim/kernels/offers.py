"""Offers shown at orders: taken with a probability, at a price of their own; a declined one may annoy."""

from clvsim.kernels import rng
from clvsim.kernels.books import count, post_cohort, units
from clvsim.kernels.paths import apply_push
from clvsim.kernels.state import Push
from clvsim.kernels.structs import (
    BASE_LINES,
    COHORT_REVENUE,
    OFFER_LINES,
    REFUNDED,
    SHOWN,
    TAKEN,
    TRACE_DECLINED,
    TRACE_REFUND,
    TRACE_TAKEN,
)
from clvsim.kernels.trace import record
from clvsim.kernels.variates import inline, uniform


@inline
def is_shown(offers, o, run, path, week, number):
    active = offers.active[(o * run.groups + path.group) * (run.last_week + 1) + week]
    return active != 0 and offers.on_order[o * offers.numbers + number] != 0


@inline
def take_offer(offers, o, run, book, rare, path, place, life):
    """Price and cost now; later orders lose a share of the price."""
    now, at = life.now, path.w * offers.count + o
    line, price = BASE_LINES + OFFER_LINES * o, offers.price[at]
    count(run, book, path, place, line + TAKEN)
    gain = price - offers.cost[at]
    if uniform(path.base ^ offers.key[o], rng.REFUND, now.tick) < offers.refund[at]:
        gain -= price
        count(run, book, path, place, line + REFUNDED)
        record(rare, path, TRACE_REFUND, now.t, price)
    post_cohort(run, book, place, COHORT_REVENUE, units(price, path.money_unit))
    record(rare, path, TRACE_TAKEN, now.t, price)
    return Push(gain, 0.0, offers.accept_rate[at], offers.cannibalised[at] * price, 0)


@inline
def decline_offer(offers, o, rare, path, life):
    """Beyond the patience, which all offers share, a refusal costs hazard and pace."""
    at = path.w * offers.count + o
    record(rare, path, TRACE_DECLINED, life.now.t, 0.0)
    if life.terms.declined + 1 > offers.patience[at]:
        return Push(0.0, offers.decline_hazard[at], offers.decline_rate[at], 0.0, 1)
    return Push(0.0, 0.0, 1.0, 0.0, 1)


@inline
def at_order(offers, run, book, rare, path, place, life, gain):
    """All offers that an order meets, one after the other; -> (life, contribution of the order with them)."""
    number = min(path.orders_before + life.now.tick - life.now.skipped, offers.numbers - 1)
    for o in range(offers.count):
        if not is_shown(offers, o, run, path, place.week, number):
            continue
        count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SHOWN)
        if uniform(path.base ^ offers.key[o], rng.OFFER, life.now.tick) < offers.take[path.w * offers.count + o]:
            push = take_offer(offers, o, run, book, rare, path, place, life)
        else:
            push = decline_offer(offers, o, rare, path, life)
        life = apply_push(life, push)
        gain += push.gain
    return life, gain
