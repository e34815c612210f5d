"""What an order is worth before any lever: Gamma or lognormal around the customer's level, always the same, or one of
a list of prices."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.state import Own, Terms
from clvsim.kernels.structs import KEPT_ORDERS
from clvsim.kernels.traits import gamma_trait, keep_value, kept_value
from clvsim.kernels.variates import address, gamma, inline, leaf, normal, uniform

TINY = 1e-12  # orders per day, for a logarithm: draws of a very uneven rate fall far below, down to 0


@inline
def kept_place(path, tick):
    """Place of the first orders' gaps and amounts, which are kept; -1 for later ones."""
    return path.kept * KEPT_ORDERS + tick if path.kept >= 0 and tick < KEPT_ORDERS else np.int64(-1)


@inline
def gamma_amount(laws, kept_nu, path, own, tick):
    if laws.order_shape[path.law] <= 0.0:
        return laws.nu_rate[path.law], own
    nu = own.nu
    if nu < 0.0:
        nu = gamma_trait(kept_nu, path, rng.SPEND, laws.nu_shape[path.law], laws.nu_rate[path.law])
    amount = gamma(address(path.base, rng.AMOUNT, tick), laws.order_shape[path.law]) / nu
    return amount, Own(own.part, own.first_gap, own.rate, own.mu, own.eta, nu, own.chance)


@inline
def deviate(base, stream, event):
    """Standard normal of a decision."""
    x, _ = normal(address(base, stream, event))
    return x


@leaf
def typical_amount(kept_nu, kept, base, rate, mean, sd, slope):
    """exp(level), level ~ Normal(mean + slope log λ, sd). Out of line: it would slow down amounts that are Gamma."""
    typical = kept_value(kept_nu, kept)
    if typical < 0.0:
        level = mean + slope * math.log(max(rate, TINY))
        typical = math.exp(level + sd * deviate(base, rng.SPEND, 0))
        keep_value(kept_nu, kept, typical)
    return typical


@inline
def lognormal_amount(laws, kept_nu, path, own, tick):
    """Logarithms are normal around the customer's level, which may go with the own rate."""
    who, typical = path.law, own.nu
    if typical < 0.0:
        typical = typical_amount(
            kept_nu, path.kept, path.base, own.rate, laws.mean[who], laws.sd[who], laws.slope[who]
        )  # fmt: skip
    amount = typical * math.exp(laws.order_sd[who] * deviate(path.base, rng.AMOUNT, tick))
    return amount, Own(own.part, own.first_gap, own.rate, own.mu, own.eta, typical, own.chance)


@inline
def listed_amount(products, path, tick):
    """The price of one of the products, by their shares."""
    first = np.uint64(path.draw * products.number)
    u = uniform(path.base, rng.AMOUNT, tick)
    j = 0
    while j < products.number - 1 and u >= products.upto[first + np.uint64(j)]:
        j += 1
    return products.price[first + np.uint64(j)]


@inline
def new_amount(spend, kept_nu, rare, path, own, tick):
    if rare is None:
        return gamma_amount(spend, kept_nu, path, own, tick)
    if rare.lognormal.given:
        return lognormal_amount(rare.lognormal, kept_nu, path, own, tick)
    if rare.products.given:
        return listed_amount(rare.products, path, tick), own
    return gamma_amount(spend, kept_nu, path, own, tick)


@leaf
def share_paid(base, a, b):
    """Of a customer's orders after the first, ~ Beta(a, b); not kept, since few logs ask for it."""
    g1 = gamma(address(base, rng.SHARE_PAID, 0), a)
    g2 = gamma(address(base, rng.SHARE_PAID, 1), b)
    return g1 / (g1 + g2)


@inline
def amount_of(spend, kept, rare, path, own, tick):
    """-> (amount, traits); amounts of the first orders are kept for the other scenarios."""
    place = kept_place(path, tick)
    amount = kept_value(kept.amount, place)
    if amount < 0.0:
        amount, own = new_amount(spend, kept.nu, rare, path, own, tick)
        keep_value(kept.amount, place, amount)
    return amount, own


@inline
def basis_of_first(spend, rare, path, amount):
    """What a newcomer's first order is a multiple of: an own amount, but of a list the mean price, so that all pay the
    same."""
    if rare is None:
        return amount
    return spend.nu_rate[path.law] if rare.products.given else amount


@inline
def first_amount(spend, rare, path, amount):
    """Of a newcomer's first order: of another size, and free with a chance that is common to all."""
    amount = basis_of_first(spend, rare, path, amount)
    share = spend.first_paid[path.law]
    if share < 1.0 and uniform(path.base, rng.PAID, 0) >= share:
        return 0.0
    return amount * spend.first_factor[path.law]


@inline
def later_amount(shares, path, tick, amount):
    """Of any other order: free or not by the customer's own share."""
    if not shares.given:
        return amount
    share = share_paid(path.base, shares.paid_a[path.law], shares.paid_b[path.law])
    return 0.0 if uniform(path.base, rng.PAID, tick) >= share else amount


@inline
def collect_displaced(terms, amount):
    """What is left of an amount after what earlier offers displaced, and what is then still owed."""
    if terms.owed <= 0.0:
        return amount, terms
    lost = min(terms.owed, amount)
    return amount - lost, Terms(terms.pace, terms.damping, terms.heals, terms.owed - lost, terms.size)
