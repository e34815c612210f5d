"""Offers shown at orders: taken with a probability, at a price of their own; a declined one may annoy."""

from dataclasses import dataclass, field

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin import pace
from twin.books import Records, count, record
from twin.cases import Case
from twin.state import Customer, Life

HEALED = 1e-4  # a log factor that is smaller is none


@dataclass
class Outcome:
    """Of all offers at an order."""

    gain: float = 0.0
    hazard: float = 0.0
    prices: list[float] = field(default_factory=list)  # of those that were taken


def is_shown(case: Case, customer: Customer, life: Life, offer: int) -> bool:
    number = min(customer.orders_before + life.orders, case.offers.on_order.shape[1] - 1)
    active = case.offers.active[offer, customer.group, pace.week_of(life.day)]
    return bool(active and case.offers.on_order[offer, number])


def at_order(case: Case, records: Records, customer: Customer, life: Life) -> Outcome:
    outcome = Outcome()
    for offer in range(case.offers.key.size):
        if case.offers.occasion[offer] >= ks.MEMBERSHIP or not is_shown(case, customer, life, offer):
            continue
        count(case, records, customer, ks.BASE_LINES + ks.OFFER_LINES * offer + ks.SHOWN, life.day)
        if customer.draws.uniform(rng.OFFER, life.ticks, case.offers.key[offer]) < case.offers.take[customer.w, offer]:
            take(case, records, customer, life, offer, life.ticks, outcome)
        else:
            decline(case, records, customer, life, offer, outcome)
    return outcome


def terms_of(case: Case, customer: Customer, offer: int) -> dict[str, float]:
    names = set(case.offers._fields) - {*ks.OFFERS_SHARED, "memory", "sent"}
    return {name: getattr(case.offers, name)[customer.w, offer] for name in names}


def take(
    case: Case, records: Records, customer: Customer, life: Life, offer: int, event: int, outcome: Outcome
) -> None:
    terms = terms_of(case, customer, offer)
    line = ks.BASE_LINES + ks.OFFER_LINES * offer
    count(case, records, customer, line + ks.TAKEN, life.day)
    outcome.gain += terms["price"] - terms["cost"]
    outcome.prices.append(terms["price"])
    owed = terms["cannibalised"] * terms["price"]
    if customer.draws.uniform(rng.REFUND, event, case.offers.key[offer]) < terms["refund"]:
        count(case, records, customer, line + ks.REFUNDED, life.day)
        outcome.gain -= terms["price"] - terms["returned"]
        owed = 0.0
        record(records, customer, ks.TRACE_REFUND, life.day, terms["price"], offer)
    life.owed += owed
    life.pace *= terms["accept_rate"]
    record(records, customer, ks.TRACE_TAKEN, life.day, terms["price"], offer)


def decline(case: Case, records: Records, customer: Customer, life: Life, offer: int, outcome: Outcome) -> None:
    terms = terms_of(case, customer, offer)
    life.declined[offer] = life.declined.get(offer, 0) + 1
    if life.declined[offer] > terms["patience"]:
        outcome.hazard += terms["decline_hazard"]
        life.damping[offer] = life.damping.get(offer, 0.0) + terms["decline_rate"]
    record(records, customer, ks.TRACE_DECLINED, life.day, offer=offer)


def heal(case: Case, customer: Customer, life: Life) -> None:
    """What declined offers do to the pace is less in each week than in the one before, and at last nothing."""
    for offer in life.damping:
        left = life.damping[offer] * case.offers.healing[customer.w, offer]
        life.damping[offer] = left if abs(left) >= HEALED else 0.0
