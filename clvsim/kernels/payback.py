"""What a customer has brought so far, and whether a newcomer has repaid the cost of acquisition."""

from clvsim.kernels.books import contribute, post_age
from clvsim.kernels.contacts import paid_by
from clvsim.kernels.state import Purse
from clvsim.kernels.structs import REPAID
from clvsim.kernels.variates import inline


@inline
def repaying(run, book, contacts, path, place, purse, listing, t, amount):
    """-> (contribution discounted to the own first order, whether it has repaid)."""
    if not run.arriving:
        return purse.own, purse.repaid
    if purse.repaid:
        return purse.own, True
    own = purse.own + place.own_discount * amount
    repaid = own - paid_by(contacts, run, path, listing, t) >= path.cac
    if repaid:
        post_age(run, book, place, REPAID, path.head_unit)
    return own, repaid


@inline
def contributed(run, book, contacts, path, place, life, amount):
    """The purse with the contribution of an order and its offers."""
    total = life.purse.total + place.discount * amount
    contribute(run, book, path, place, amount)
    own, repaid = repaying(run, book, contacts, path, place, life.purse, life.listing, life.now.t, amount)
    return Purse(total, own, repaid)
