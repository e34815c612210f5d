"""What a customer has brought so far, and whether a newcomer has repaid the cost of acquisition."""

from clvsim.kernels.books import post_age, post_cohort, units
from clvsim.kernels.contacts import cost_paid
from clvsim.kernels.state import Purse
from clvsim.kernels.structs import COHORT_CONTRIBUTION, REPAID
from clvsim.kernels.variates import inline


@inline
def add_contribution(run, book, contacts, path, place, life, amount):
    """The purse with the contribution of an order and its offers."""
    purse = life.purse
    post_cohort(run, book, place, COHORT_CONTRIBUTION, units(amount, path.money_unit))  # it may be negative
    total, own, repaid = purse.total + place.discount * amount, purse.own, purse.repaid
    if run.arriving and not repaid:
        own += place.own_discount * amount
        repaid = own - cost_paid(contacts, run, path, life.listing, life.now.t) >= path.cac
        if repaid:
            post_age(run, book, place, REPAID, path.head_unit)
    return Purse(total, own, repaid)
