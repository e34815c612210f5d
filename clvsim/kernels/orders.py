"""What follows an order: its amount, offers, what it repays, and its hazard."""

import numpy as np

from clvsim.kernels import again, membership
from clvsim.kernels import campaigns as campaigns_room
from clvsim.kernels import offers as offers_room
from clvsim.kernels.amounts import amount_of, collect_displaced, first_amount, later_amount
from clvsim.kernels.attrition import add_hazard, check_limit, order_hazard
from clvsim.kernels.books import count, earn, post_both
from clvsim.kernels.clocks import after_order
from clvsim.kernels.payback import add_contribution, cost_of_order
from clvsim.kernels.state import Life
from clvsim.kernels.structs import GOODS, NO_OFFER, ORDERS, REVENUE, TRACE_ORDER
from clvsim.kernels.trace import record
from clvsim.kernels.traits import at_intervals, eta_of
from clvsim.kernels.variates import inline, room


@room
def sell(ground, rare, path, place, life, first):
    """The order itself; -> (traits, terms, amount)."""
    amount, own = amount_of(ground.spend, ground.kept, rare, path, life.own, life.now.tick)
    if first:
        amount = first_amount(ground.spend, rare, path, amount)
    elif rare is not None:
        amount = later_amount(rare.shares, path, life.now.tick, amount)
    amount *= ground.weeks.spend[np.uint64(path.own_weeks + place.week)] * path.spend * life.terms.size
    amount, terms = collect_displaced(life.terms, amount)
    earn(ground.run, ground.book, path, place, REVENUE, amount)
    count(ground.run, ground.book, path, place, ORDERS)
    record(rare, path, TRACE_ORDER, life.now.t, amount, NO_OFFER)
    return own, terms, amount


@inline
def margin_of(run, book, margin, path, place, amount):
    """Contribution of an order, before costs of the plan. A constant margin's goods follow from revenue afterwards."""
    goods = amount * (1.0 - margin[np.uint64(path.own_weeks + place.week)])
    if run.goods:
        post_both(run, book, place, GOODS, goods, path.money_unit)
    return amount - goods - run.cost_per_order


@room
def charge_order(ground, rare, path, place, life, terms, first):
    """Traits and budget after the hazard of an order; that of an opportunity was charged before it."""
    own, budget = life.own, life.budget
    charges = ground.exits.birth_charges[np.uint64(path.draw)] if first else np.int64(1)
    if not at_intervals(rare) and charges > 0 and ground.exits.drop_a[own.part] > 0.0:
        own = eta_of(ground.exits, ground.kept, path, own)
        budget = add_hazard(
            budget, order_hazard(ground.run, ground.weeks.charge, own, terms, life.row, place.week, charges)
        )
    return own, check_limit(ground.kept.limit, path, budget)


@room
def at_order(ground, offers, contacts, rare, occasions, path, place, life, first):
    """`first`: a newcomer's, which starts the life."""
    own, terms, amount = sell(ground, rare, path, place, life, first)
    before = terms  # the rate at which this order came: its hazard is charged at that rate
    gain = margin_of(ground.run, ground.book, ground.weeks.margin, path, place, amount)
    life = Life(life.now, own, life.budget, terms, life.purse, life.listing, life.row)
    if offers is not None:
        life, gain, amount = offers_room.at_order(
            offers, ground.run, ground.book, rare, occasions, path, place, life, gain, amount
        )
        if occasions is not None:
            life, spent = membership.at_order(
                offers, occasions.campaigns, ground.run, ground.book, rare, path, place, life
            )  # fmt: skip
            gain -= spent + again.redeem(
                offers, occasions.campaigns, ground.run, ground.book, rare, path, place, life
            )  # fmt: skip
    cost = cost_of_order(ground.weeks, path, amount)
    purse = add_contribution(
        ground.run, ground.book, contacts, ground.weeks, ground.tolls, path, place, life, gain, cost
    )  # fmt: skip
    if occasions is not None:
        campaigns_room.after_order(offers, occasions.campaigns, ground.run, path, life.now.t)
    own, budget = charge_order(ground, rare, path, place, life, before, first)
    return Life(after_order(life.now), own, budget, life.terms, purse, life.listing, life.row)
