"""Where a life begins."""

import math

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin.cases import MONTH, Case
from twin.draws import Draws
from twin.state import Customer
from twin.traits import law_of


def customer_of(case: Case, w: int, c: int) -> Customer | None:
    """A customer in one world; None for a newcomer who does not arrive there."""
    who = {name: values[c] for name, values in case.people._asdict().items()}
    cell, weight, cac, rate, spend = who["cell"], 1.0, math.inf, 1.0, 1.0
    if cell < -1:
        return None
    if cell >= 0:
        if not case.arrivals.start[w, cell] <= who["ordinal"] < case.arrivals.count[w, cell]:
            return None
        weight, cac = case.arrivals.weight[w, cell], case.arrivals.cac[w, cell]
        if who["ordinal"] >= case.arrivals.marginal_from[w, cell]:
            weight = case.arrivals.marginal_weight[w, cell]
            rate, spend = case.arrivals.marginal_rate[w, cell], case.arrivals.marginal_spend[w, cell]
    draws = Draws(who["key"], case.worlds[w])
    start = float(who["born"])
    if who["spread"] > 0:
        start += who["spread"] * draws.uniform(rng.ARRIVAL_DAY, 0)
    group, week_in = int(who["group"]), int(start // 7)
    return Customer(
        w=w,
        c=c,
        draws=draws,
        law=law_of(case.laws, int(who["column"]), draws),
        column=int(who["column"]),
        group=group,
        half=2 * group + (int(who["key"]) >> 63),
        cohort=int(who["cohort"]),
        table=int(case.first_table[group]) + (week_in if case.own_clock[group] else 0),
        week_in=week_in,
        start=start,
        end=min(start + case.months * MONTH, case.periods * MONTH),
        weight=float(weight),
        cac=float(cac),
        rate=float(rate),
        spend=float(spend),
        dues=(float(case.dues[w, group, 0]), float(case.dues[w, group, 1]), float(case.dues[w, group, 2])),
        orders_before=int(who["orders_before"]),
        first_order=start if case.newcomers else float(who["first_order"]),
        last_order=start if case.newcomers else float(who["last_order"]),
        heads=ks.COUNT_UNIT * weight,
        money=ks.COUNT_UNIT / case.money_scale * weight,
    )
