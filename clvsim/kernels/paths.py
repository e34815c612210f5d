"""Where a path begins, and what pushes do to a life."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.attrition import add_hazard
from clvsim.kernels.pace import PER_WEEK, start_of_next_week
from clvsim.kernels.state import Life, Path, Terms
from clvsim.kernels.structs import COHORT_LINES, COUNT_UNIT, DUES
from clvsim.kernels.variates import inline, mix, room, uniform


@inline
def is_there(arrivals, w, cell, ordinal):
    """Whether a customer exists, and is to be simulated."""
    if cell < 0:
        return cell == -1
    return arrivals.start[w, cell] <= ordinal < arrivals.count[w, cell]


@inline
def standing_of(arrivals, tariffs, w, cell, ordinal):
    """-> (weight, factors on rate and on amounts, place of the cost of acquisition)."""
    if cell < 0:
        return 1.0, 1.0, 1.0, -1
    cac = (w * arrivals.count.shape[1] + cell) * tariffs
    if ordinal < arrivals.marginal_from[w, cell]:
        return arrivals.weight[w, cell], 1.0, 1.0, cac
    return (
        arrivals.marginal_weight[w, cell],
        arrivals.marginal_rate[w, cell],
        arrivals.marginal_spend[w, cell],
        cac,
    )


@room
def path_of(ground, people, arrivals, world_key, draw, w, c):
    run, key, group = ground.run, people.key[c], people.group[c]
    base = mix(key ^ world_key[w])
    half = 2 * group + np.int64(key >> np.uint64(63))
    row = w * run.rows + half
    weight, rate, spend, cac = standing_of(arrivals, ground.tolls.tariffs, w, people.cell[c], people.ordinal[c])
    start = people.born[c]
    if people.spread[c] > 0.0:
        start += people.spread[c] * uniform(base, rng.ARRIVAL_DAY, 0)
    discount = math.exp(-run.delta * start) if start > 0.0 else 1.0
    week_in = int(start * PER_WEEK)
    kept = w * run.customers + c if run.keeping else -1
    return Path(
        w,
        c,
        base,
        np.uint64(draw * run.columns + people.column[c]),  # law
        kept,
        draw,
        people.column[c],
        group,
        people.cohort[c],
        half,
        2 * row * run.lines * run.periods,  # calendar
        2 * row * run.lines * run.ages,
        (w * run.cohorts + people.cohort[c]) * COHORT_LINES * run.periods,  # by_cohort
        ground.weeks.first[group] + ground.weeks.per_arrival_week[group] * week_in,
        (w * run.groups + group) * (run.last_week + 1),  # own_weeks
        week_in,
        start,
        min(start + run.length, run.stop),  # end
        discount,
        1.0 / discount,  # undiscount
        run.unit * weight,  # money_unit
        COUNT_UNIT * weight,  # head_unit
        rate,
        spend,
        cac,
        (w * run.groups + group) * DUES,  # dues
        people.orders_before[c],
    )


@inline
def apply_push(life, push):
    """A life after what a mechanism did to it; its gain belongs to the order."""
    terms, owed = life.terms, life.terms.owed + push.owed
    damping, heals = terms.damping, terms.heals
    if push.damping != 0.0:
        damping, heals = damping * math.exp(push.damping), start_of_next_week(life.now.t)
    terms = Terms(terms.pace * push.factor, damping, heals, owed, terms.size)
    budget = add_hazard(life.budget, push.hazard)
    return Life(life.now, life.own, budget, terms, life.purse, life.listing, life.row)
