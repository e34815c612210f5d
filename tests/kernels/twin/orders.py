"""What follows an order: its amount, offers, what it repays, and its hazard."""

from clvsim.kernels import structs as ks
from twin import again, amounts, attrition, membership, offers, pace, payback
from twin.books import Records, count, post, post_revenue, record
from twin.cases import Case
from twin.state import Customer, Life


def sell(case: Case, records: Records, customer: Customer, life: Life) -> tuple[float, float]:
    """The order itself; returns its amount and contribution."""
    week = pace.week_of(life.day)
    amount = amounts.amount(case, customer, life)
    if amounts.is_free(case, customer, life):
        amount = 0.0
    if case.newcomers and life.orders == 0:
        amount *= customer.law["first_factor"]
    amount = amounts.displaced(life, amount * case.spend[customer.w, customer.group, week] * customer.spend * life.size)
    goods = amount * (1 - case.margin[customer.w, customer.group, week])
    post(case, records, customer, ks.REVENUE, life.day, amount, customer.money)
    post(case, records, customer, ks.GOODS, life.day, goods, customer.money)
    post_revenue(records, customer, life.day, amount)
    count(case, records, customer, ks.ORDERS, life.day)
    record(records, customer, ks.TRACE_ORDER, life.day, amount)
    return amount, amount - goods - case.cost_per_order


def at_order(case: Case, records: Records, customer: Customer, life: Life) -> None:
    pace_before = life.speed
    amount, gain = sell(case, records, customer, life)
    outcome = offers.at_order(case, records, customer, life)
    for price in outcome.prices:
        post_revenue(records, customer, life.day, price)
    _, per_order, share = customer.dues
    cost = per_order + share * (amount + sum(outcome.prices))
    spent = membership.at_order(case, records, customer, life) + again.redeem(case, records, customer, life)
    payback.contribute(case, records, customer, life, gain + outcome.gain - spent, cost)
    attrition.charge(life, outcome.hazard + attrition.order_hazard(case, customer, life, pace_before))
    life.last_order = life.day
    life.orders += 1
    life.ticks += 1
    if life.lost:
        again.goes_on(case, records, customer, life)
