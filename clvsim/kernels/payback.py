"""What a customer has brought so far, and whether a newcomer has repaid the cost of acquisition."""

from clvsim.kernels.books import post_age, post_cohort, units
from clvsim.kernels.contacts import cost_paid
from clvsim.kernels.state import Purse
from clvsim.kernels.structs import COHORT_CONTRIBUTION, OF_REVENUE, PER_CUSTOMER, PER_ORDER, REPAID
from clvsim.kernels.variates import inline


@inline
def cost_at_start(weeks, path):
    """Of the plan per customer."""
    return weeks.dues[path.dues + PER_CUSTOMER]


@inline
def cost_of_order(weeks, path, revenue):
    """Of the plan per order, and as a share of an order's revenue with its offers."""
    return weeks.dues[path.dues + PER_ORDER] + cost_of_sale(weeks, path, revenue)


@inline
def cost_of_sale(weeks, path, revenue):
    """Of the plan as a share of revenue."""
    return weeks.dues[path.dues + OF_REVENUE] * revenue


@inline
def line_of_tariff(run, contacts, tolls, j):
    """Line of those who have repaid under a tariff; those of all but the first stand before the programmes'."""
    if j == 0:
        return REPAID
    programmes = 0 if contacts is None else contacts.number
    return run.lines - programmes - tolls.tariffs + j


@inline
def post_repaid(run, book, contacts, tolls, path, place, best, now):
    """Count a newcomer whose contribution has reached a cost of acquisition for the first time."""
    for j in range(tolls.tariffs):
        cac = tolls.cac[path.cac + j]
        if best < cac <= now:
            post_age(run, book, place, line_of_tariff(run, contacts, tolls, j), path.head_unit)


@inline
def add_contribution(run, book, contacts, weeks, tolls, path, place, life, amount, cost):
    """The purse with the contribution of an order and its offers, or of a campaign.

    What the plan costs for it, `cost`, counts for the customer, not for the cohort.
    """
    purse = life.purse
    post_cohort(run, book, place, COHORT_CONTRIBUTION, units(amount, path.money_unit))  # it may be negative
    amount -= cost
    total, own, best = purse.total + place.discount * amount, purse.own, purse.best
    if run.arriving:
        own += place.own_discount * amount
        now = own - cost_paid(contacts, run, path, life.listing, life.now.t) - cost_at_start(weeks, path)
        if now > best:
            if path.cac >= 0:
                post_repaid(run, book, contacts, tolls, path, place, best, now)
            best = now
    return Purse(total, own, best)
