"""What an order is worth before any lever, and what is left of it after earlier offers."""

import math

from clvsim.kernels import rng
from twin.cases import Case
from twin.state import Customer, Life

LEAST_RATE = 1e-12  # orders per day, for a logarithm


def amount(case: Case, customer: Customer, life: Life) -> float:
    """Gamma or normal logarithms around what is the customer's own, always the same, or of a list; of a paid order."""
    law, draws = customer.law, customer.draws
    if case.laws.order_sd.size:
        level = law["level_mean"] + law["level_sd"] * draws.normal(rng.SPEND, 0)
        if law["level_slope"]:
            level += law["level_slope"] * math.log(max(life.traits.rate, LEAST_RATE))
        return math.exp(level + law["order_sd"] * draws.normal(rng.AMOUNT, life.ticks))
    if case.laws.product_upto.size:
        if case.newcomers and life.ticks == 0:
            return law["nu_rate"]
        upto, price = case.laws.product_upto[0], case.laws.product_price[0]
        u = draws.uniform(rng.AMOUNT, life.ticks)
        return price[min(sum(u >= one for one in upto), price.size - 1)]
    if not law["order_shape"]:
        return law["nu_rate"]
    nu = draws.gamma(rng.SPEND, 0, law["nu_shape"]) / law["nu_rate"]
    return draws.gamma(rng.AMOUNT, life.ticks, law["order_shape"]) / nu


def is_free(case: Case, customer: Customer, life: Life) -> bool:
    """A newcomer's first order by a chance common to all, others by the customer's own share of paid orders."""
    law, draws = customer.law, customer.draws
    share = 1.0
    if case.newcomers and life.ticks == 0:
        share = law["first_paid"]
    elif law["paid_b"]:
        paid, free = (draws.gamma(rng.SHARE_PAID, i, law[name]) for i, name in enumerate(("paid_a", "paid_b")))
        share = paid / (paid + free)
    return draws.uniform(rng.PAID, life.ticks) >= share


def displaced(life: Life, amount: float) -> float:
    """What is left of an amount after what earlier offers displaced, which is then no longer owed."""
    lost = min(life.owed, amount)
    life.owed -= lost
    return amount - lost
