"""What a customer has brought so far, and whether a newcomer has repaid the cost of acquisition."""

from clvsim.kernels.books import contribute, post_age
from clvsim.kernels.contacts import paid_by
from clvsim.kernels.state import Purse
from clvsim.kernels.structs import REPAID
from clvsim.kernels.variates import room


@room
def repaying(ground, contacts, path, place, purse, listing, t, amount):
    """-> (contribution discounted to the own first order, whether it has repaid)."""
    if not ground.run.arriving:
        return purse.own, purse.repaid
    if purse.repaid:
        return purse.own, True
    own = purse.own + place.own_discount * amount
    repaid = own - paid_by(contacts, ground.run, path, listing, t) >= path.cac
    if repaid:
        post_age(ground.run, ground.book, place, REPAID, path.head_unit)
    return own, repaid


@room
def contributed(ground, contacts, path, place, life, amount):
    """The purse with the contribution of an order and its offers."""
    total = life.purse.total + place.discount * amount
    contribute(ground.run, ground.book, path, place, amount)
    own, repaid = repaying(ground, contacts, path, place, life.purse, life.listing, life.now.t, amount)
    return Purse(total, own, repaid)
