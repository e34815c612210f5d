"""The event loop: one customer's orders, offers, contacts and death in one world, posted to integer ledgers.

A life has one survival budget E ~ Exp(1) and ends when its cumulative hazard reaches E: hazard μ per day, η per order
or per opportunity, and what interventions add. Orders solve M(t') = M(t) + gap/λ on the integral M of the rate
multiplier, kept as its excess over time, so that at multiplier 1 the next order is exactly t + gap/λ; or they happen at
opportunities of a fixed grid, with a probability or surely.
Structs are opened into locals once, before the loops; helpers take scalars and arrays.
"""

import math
from types import FunctionType
from typing import Any

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.compiler import njit, typeof, types
from clvsim.kernels.structs import (
    ACQUIRED,
    ACTIVE,
    BASE_LINES,
    COHORT_ACTIVE,
    COHORT_CONTRIBUTION,
    COHORT_LINES,
    COHORT_REVENUE,
    CONTACTS,
    COUNT_UNIT,
    GOODS,
    KEPT_ORDERS,
    MARGINS,
    NEWCOMERS,
    OFFER_LINES,
    OFFERS,
    OPTED_OUT,
    ORDERS,
    REFUNDED,
    REPAID,
    REVENUE,
    SHOWN,
    TABLES,
    TAKEN,
    TRACE_DEATH,
    TRACE_DECLINED,
    TRACE_OPT_OUT,
    TRACE_ORDER,
    TRACE_REFUND,
    TRACE_TAKEN,
    Arrivals,
    Clock,
    Contacts,
    Laws,
    Ledgers,
    Offers,
    People,
    Tables,
    Trace,
    Traits,
    scalar,
    seal,
)
from clvsim.kernels.variates import address, exponential, gamma, inline, leaf, mix, normal, uniform

ORDERED, SKIPPED, LOST = range(3)
TINY = 1e-12  # orders per day, for a logarithm: draws of a very uneven rate fall far below, down to 0
FULL = True  # a constant of each compiled loop: what is never on costs nothing, see `_compiled`
WEEK = 7.0
PER_WEEK = 1.0 / 7.0


@inline
def units(amount, unit):
    """Ledger units, rounded half up."""
    return np.int64(math.floor(amount * unit + 0.5))


@inline
def add(ledger, at, amount):
    """An unsigned index spares the test for indices counted from the end."""
    ledger[np.uint64(at)] += amount


@inline
def post(ledger, cell, gap, amount, discount, unit):
    """Add to a cell of a flat ledger, and discounted to the cell `gap` further on."""
    money = amount * unit
    add(ledger, cell, np.int64(money + 0.5))
    add(ledger, cell + gap, np.int64(money * discount + 0.5))


@inline
def week_of(t, last):
    return min(int(t * PER_WEEK), last)


@inline
def excess_at(t, k, excess, multiplier, row):
    """∫₀ᵗ (multiplier - 1), days; k is the week of t. Rows of `excess` and of cumulative tables have an entry more."""
    m = multiplier[np.uint64(row[0] + k)]
    return excess[np.uint64(row[1] + k)] + (t - WEEK * k) * (m - 1.0)


@inline
def cumulative_at(t, table, row, last):
    """Piecewise linear between the starts of weeks."""
    k = week_of(t, last)
    low = table[np.uint64(row[1] + k)]
    return low + (t - WEEK * k) * PER_WEEK * (table[np.uint64(row[1] + k + 1)] - low)


@inline
def day_at(s, guess, excess, multiplier, row, last):
    """Day t on which t + excess(t) = s; exactly s while the multiplier has been 1. inf beyond the table.

    `guess` is a day near it, to start the search of the week from.
    """
    k = last if guess >= WEEK * last else int(guess * PER_WEEK)
    nearer = s - excess[np.uint64(row[1] + k)]  # excess changes little from week to week
    k = last if nearer >= WEEK * last else int(max(nearer, 0.0) * PER_WEEK)
    e = excess[np.uint64(row[1] + k)]
    while k > 0 and WEEK * k + e > s:
        k -= 1
        e = excess[np.uint64(row[1] + k)]
    after = excess[np.uint64(row[1] + k + 1)]
    while WEEK * (k + 1) + after <= s:
        k += 1
        if k > last:
            return np.inf
        e = after
        after = excess[np.uint64(row[1] + k + 1)]
    m = multiplier[np.uint64(row[0] + k)]
    return s - e if m == 1.0 else WEEK * k + (s - e - WEEK * k) / m


@inline
def table_row(w, tab, tables, last):
    """Where a world's table starts: in flat arrays by week, and in those with an entry more."""
    index = w * tables + tab
    return index * (last + 1), index * (last + 2)


@inline
def hazard_between(t0, t1, mu, excess, multiplier, budget, row, last):
    """Hazard that accrues by time alone: μ times its multiplier, plus what contacts add."""
    h = 0.0
    if mu > 0.0:
        e0 = excess_at(t0, week_of(t0, last), excess, multiplier, row)
        e1 = excess_at(t1, week_of(t1, last), excess, multiplier, row)
        h = mu * ((t1 + e1) - (t0 + e0))
    return h + cumulative_at(t1, budget, row, last) - cumulative_at(t0, budget, row, last)


@leaf
def death_between(t0, t1, need, mu, excess, multiplier, budget, row, last):
    """Day in (t0, t1] on which the hazard accrued since t0 reaches `need`; it is linear inside a week."""
    t = t0
    while True:
        end = min(t1, WEEK * (int(t * PER_WEEK) + 1))
        h = hazard_between(t, end, mu, excess, multiplier, budget, row, last)
        if h >= need or end >= t1:
            return t + (end - t) * min(1.0, need / h)
        need -= h
        t = end


@inline
def opt_out_day(start, end, threshold, table, row, last):
    """Day on which the cumulative opt-out hazard since `start` reaches the threshold, inf if not before `end`."""
    low = cumulative_at(start, table, row, last)
    high = cumulative_at(end, table, row, last)
    target = low + threshold
    if high < target:
        return np.inf
    k0 = week_of(start, last)
    k = min(k0 + int((end - start) * PER_WEEK * (threshold / (high - low))), last)  # as if contacts came evenly
    while k > k0 and table[np.uint64(row[1] + k)] >= target:
        k -= 1
    while k < last and table[np.uint64(row[1] + k + 1)] < target:
        k += 1
    low = table[np.uint64(row[1] + k)]
    step = table[np.uint64(row[1] + k + 1)] - low
    return max(start, WEEK * k + WEEK * (target - low) / step)


@inline
def age_week(month, week_in, per_day):
    """First week in which somebody who joined in week `week_in` has the given age; ages are counted from that week."""
    return week_in + math.ceil(month / per_day * PER_WEEK)


@inline
def month_of_life(t, start, per_day, last):
    """Monthly renewals fall on the very first moment of a month, which the rounding of t - start must not miss."""
    return min(int((t - start) * per_day + 1e-9), last)


@inline
def record(rows, used, w, c, kind, day, amount):
    n = used[0]
    if n < rows.shape[0]:
        rows[n, 0] = w
        rows[n, 1] = c
        rows[n, 2] = kind
        rows[n, 3] = day
        rows[n, 4] = amount
        used[0] = n + 1


@inline
def kept_gamma(kept, path, base, stream, shape, rate):
    """A trait ~ Gamma(shape, rate), drawn when first needed and kept for the other scenarios."""
    value = kept[path]
    if value < 0.0:
        value = gamma(address(base, stream, 0), shape) / rate
        kept[path] = value
    return value


@inline
def kept_eta(kept, path, base, a, b):
    """Hazard per order: -log(1 - p), p ~ Beta(a, b)."""
    eta = kept[path]
    if eta < 0.0:
        g1 = gamma(address(base, rng.ATTRITION_ORDER, 0), a)
        g2 = gamma(address(base, rng.ATTRITION_ORDER, 1), b)
        eta = -math.log(g2 / (g1 + g2))
        kept[path] = eta
    return eta


@inline
def kept_limit(kept, path, base):
    """Survival budget E ~ Exp(1)."""
    limit = kept[path]
    if limit < 0.0:
        limit = exponential(base, rng.LIFETIME, 0)
        kept[path] = limit
    return limit


@inline
def component_of(base, weight, first, components):
    """Which component of a mixture a path belongs to; the same in every scenario."""
    u = uniform(base, rng.COMPONENT, 0)
    j = 0
    while j < components - 1 and u >= weight[first + np.uint64(j)]:
        u -= weight[first + np.uint64(j)]
        j += 1
    return j


@leaf
def opportunity(t_chance, t_eta, t_limit, path, base, tick, served, c, a, b, buy_a, buy_b, hazard, rate, spent):
    """What becomes of an opportunity, and the hazard spent after it: ORDERED, SKIPPED or LOST before it.

    It charges η times `hazard` for the step from `served` to one more, and is taken with 1 - (1 - p)^rate. Out of line:
    it would slow down those who order at a rate.
    """
    if a > 0.0:
        eta = kept_eta(t_eta, path, base, a, b)
        spent += eta * hazard * ((served + 1.0) ** c - served**c)
        if spent >= kept_limit(t_limit, path, base):
            return LOST, spent
    if buy_a > 0.0:
        chance = t_chance[path]
        if chance < 0.0:
            g1 = gamma(address(base, rng.RATE, 0), buy_a)
            g2 = gamma(address(base, rng.RATE, 1), buy_b)
            chance = g1 / (g1 + g2)
            t_chance[path] = chance
        if rate != 1.0:
            chance = -math.expm1(rate * math.log1p(-chance))
        if uniform(base, rng.OPPORTUNITY, tick) >= chance:
            return SKIPPED, spent
    return ORDERED, spent


@inline
def kept_gap(kept, path, tick, base, shape):
    """Gap before an order at rate 1 ~ Gamma(shape, 1)."""
    place = path * np.uint64(KEPT_ORDERS) + np.uint64(tick)
    gap = kept[place] if tick < KEPT_ORDERS else -1.0
    if gap < 0.0:
        gap = exponential(base, rng.GAP, tick) if shape == 1.0 else gamma(address(base, rng.GAP, tick), shape)
        if tick < KEPT_ORDERS:
            kept[place] = gap
    return gap


@inline
def deviate(base, stream, event):
    """Standard normal of a decision."""
    x, _ = normal(address(base, stream, event))
    return x


@inline
def kept_amount(kept, path, tick, base, t_nu, nu_shape, nu_rate, order_shape):
    """Amount of an order before any factor; those of the first orders are kept for the other scenarios."""
    place = path * np.uint64(KEPT_ORDERS) + np.uint64(tick)
    amount = kept[place] if tick < KEPT_ORDERS else -1.0
    if amount < 0.0:
        amount = nu_rate
        if order_shape > 0.0:
            nu = kept_gamma(t_nu, path, base, rng.SPEND, nu_shape, nu_rate)
            amount = gamma(address(base, rng.AMOUNT, tick), order_shape) / nu
        if tick < KEPT_ORDERS:
            kept[place] = amount
    return amount


@leaf
def kept_lognormal(kept, path, tick, base, t_typical, rate, level_mean, level_sd, level_slope, order_sd):
    """The same of amounts whose logarithms are normal around the customer's level, which may go with the own rate."""
    place = path * np.uint64(KEPT_ORDERS) + np.uint64(tick)
    amount = kept[place] if tick < KEPT_ORDERS else -1.0
    if amount < 0.0:
        typical = t_typical[path]
        if typical < 0.0:
            level = level_mean + level_slope * math.log(max(rate, TINY))
            typical = math.exp(level + level_sd * deviate(base, rng.SPEND, 0))
            t_typical[path] = typical
        amount = typical * math.exp(order_sd * deviate(base, rng.AMOUNT, tick))
        if tick < KEPT_ORDERS:
            kept[place] = amount
    return amount


def _write_to(
    out, contacts, rows, used, w, c, g, cohort, half, cal, own_row, week_in, last, start, start_discount, delta,
    per_day, head_unit, leaves, end, n_offers, newcomers,
):  # fmt: skip
    """Post the contacts of a customer who is on the list from `start` up to day `end`, or until the opt-out."""
    undiscount = 1.0 / start_discount
    head = units(1.0, head_unit)
    periods, ages = out.calendar.shape[4], out.age.shape[4]
    calendar, age, age_exit, bit = out.calendar.reshape(-1), out.age.reshape(-1), out.age_exit, half & 1
    week_out = min(math.ceil(min(leaves, end) / WEEK), last + 1)
    out.exposure[w, 2 * cohort + bit, week_in] += head
    out.exposure[w, 2 * cohort + bit, week_out] -= head
    if out.value.shape[1] > 0:
        out.value[w, c] = contacts.cost_discounted[g, week_in] - contacts.cost_discounted[g, week_out]
    if leaves < end:
        left_discount = math.exp(-delta * leaves)
        period = min(int(leaves * per_day), periods - 1)
        post(calendar, cal + OPTED_OUT * 2 * periods + period, periods, 1.0, left_discount, head_unit)
        if newcomers:
            own_month = month_of_life(leaves, start, per_day, ages - 1)
            own_discount = left_discount * undiscount
            post(age, own_row + OPTED_OUT * 2 * ages + own_month, ages, 1.0, own_discount, head_unit)
        if rows.shape[0] > 0:
            record(rows, used, w, c, TRACE_OPT_OUT, leaves, 0.0)
    if newcomers:
        own_month = min(int(max(0.0, WEEK * (week_out - 1) - WEEK * week_in) * per_day), ages - 1)
        age_exit[w, half, week_in, 0, own_month] += head
        age_exit[w, half, week_in, 1, own_month] += units(undiscount, head_unit)
        k0 = min(week_out, age_week(own_month, week_in, per_day))
        for p in range(contacts.count.shape[0]):
            at = own_row + (BASE_LINES + OFFER_LINES * n_offers + p) * 2 * ages + own_month
            sent = contacts.count[p, g, week_out] - contacts.count[p, g, k0]
            discounted = contacts.discounted[p, g, week_out] - contacts.discounted[p, g, k0]
            add(age, at, units(sent, head_unit))
            add(age, at + ages, units(discounted * undiscount, head_unit))


# Passing structs costs as much as the posts; in line twice would make the loop larger than it need be.
write_in_line, write_to_contract = inline(_write_to), leaf(_write_to)


def _simulate(
    people: People,
    world_key: np.ndarray,
    world_draw: np.ndarray,
    laws: Laws,
    traits: Traits,
    arrivals: Arrivals,
    tables: Tables,
    offers: Offers,
    contacts: Contacts,
    clock: Clock,
    out: Ledgers,
    trace: Trace,
) -> None:
    """Simulate a block of customers in a slice of worlds under one scenario, adding to `out`.

    `world_key` (w,) uint64, `world_draw` (w,) int64 rows of `laws`. Not modelled: anything that couples customers.
    """
    key, group, column = people.key, people.group, people.column
    cell, ordinal, orders_before = people.cell, people.ordinal, people.orders_before
    cohort, born, spread = people.cohort, people.born, people.spread
    columns, components = laws.p_alive.shape[1], laws.stages_done.shape[0]
    stages_done, component_weight = laws.stages_done, laws.weight.reshape(-1)
    regularity, birth_charges = laws.regularity[0], laws.birth_charges[0]
    interval, first_days, tenure = laws.interval_days[0], laws.first_days, laws.tenure
    by_opportunity, certain = FULL and interval > 0.0, laws.buy_a.size == 0
    renewing = by_opportunity and not laws.buy_a.any()
    buy_a, buy_b, exponents = laws.buy_a.reshape(-1), laws.buy_b.reshape(-1), laws.tenure_exponent.reshape(-1)
    p_alive, rate_shape, rate_rate = laws.p_alive.reshape(-1), laws.rate_shape.reshape(-1), laws.rate_rate.reshape(-1)
    mu_shape, mu_rate = laws.mu_shape.reshape(-1), laws.mu_rate.reshape(-1)
    drop_a, drop_b, order_shape = laws.drop_a.reshape(-1), laws.drop_b.reshape(-1), laws.order_shape.reshape(-1)
    nu_shape, nu_rate, first_factor = laws.nu_shape.reshape(-1), laws.nu_rate.reshape(-1), laws.first_factor.reshape(-1)
    lognormal, order_sd, level_sd = (
        FULL and laws.order_sd.size > 0,
        laws.order_sd.reshape(-1),
        laws.level_sd.reshape(-1),
    )
    level_mean, level_slope = laws.level_mean.reshape(-1), laws.level_slope.reshape(-1)
    t_rate, t_mu, t_eta = traits.rate.reshape(-1), traits.mu.reshape(-1), traits.eta.reshape(-1)
    t_nu, t_limit = traits.nu.reshape(-1), traits.limit.reshape(-1)
    t_gap, t_amount = traits.gap.reshape(-1), traits.amount.reshape(-1)
    keeping = t_rate.size > 1  # else there is one scenario, and one life's traits are overwritten by the next's
    count, weight, cac = arrivals.count, arrivals.weight, arrivals.cac
    table_first, table_shift = tables.first, tables.per_arrival_week
    n_tables, last = tables.rate.shape[1], tables.rate.shape[2] - 1
    off_list = n_tables // 2  # tables of those who have opted out
    m_rate, x_rate = tables.rate.reshape(-1), tables.rate_excess.reshape(-1)
    m_hazard, x_hazard = tables.hazard.reshape(-1), tables.hazard_excess.reshape(-1)
    budget, charge, opting = tables.budget.reshape(-1), tables.charge.reshape(-1), tables.opt_out.reshape(-1)
    groups, m_spend, margins = tables.spend.shape[1], tables.spend.reshape(-1), tables.margin.reshape(-1)
    o_key, o_order, o_active = offers.key, offers.on_order, offers.active
    o_take, o_price, o_cost, o_refund = offers.take, offers.price, offers.cost, offers.refund
    o_cannibal, o_patience, o_hazard = offers.cannibalised, offers.patience, offers.decline_hazard
    o_decline, o_accept = offers.decline_rate, offers.accept_rate
    n_offers, n_orders = o_key.shape[0], o_order.shape[1]
    c_exposed, c_cost = contacts.exposed, contacts.cost_discounted
    length, stop, delta = clock.length_days[0], clock.stop_days[0], clock.discount_per_day[0]
    per_day, cost_per_order, unit = 1.0 / clock.period_days[0], clock.cost_per_order[0], clock.money_unit[0]
    by_order = clock.attrition_by_order[0] > 0.0
    flags = clock.flags[0]
    newcomers, tabled = FULL and (flags & NEWCOMERS) != 0, (flags & TABLES) != 0
    offering, contacting = FULL and (flags & OFFERS) != 0, FULL and (flags & CONTACTS) != 0
    paced = tabled and not by_opportunity  # gaps are shorter or longer than drawn
    costing = FULL and (flags & MARGINS) != 0
    periods, ages = out.calendar.shape[4], out.age.shape[4]
    last_period, last_age = periods - 1, ages - 1
    line, own_line = 2 * periods, 2 * ages  # from one line of a ledger to the next
    calendar_row, age_row = line * out.calendar.shape[2], own_line * out.age.shape[2]
    rows_per_world, cohorts = out.calendar.shape[1], out.cohort.shape[1]
    calendar, age, by_cohort = out.calendar.reshape(-1), out.age.reshape(-1), out.cohort.reshape(-1)
    value, order_count = out.value, out.orders
    keep_out = value.shape[1] > 0
    rows, used = trace.rows, trace.used
    tracing = FULL and rows.shape[0] > 0

    for w in range(world_key.shape[0]):
        d = world_draw[w]
        for c in range(key.shape[0]):
            if keep_out:
                value[w, c] = 0.0
                order_count[w, c] = 0
            people_weight = 1.0
            threshold = 0.0
            if cell[c] >= 0:
                if ordinal[c] >= count[w, cell[c]]:
                    continue
                people_weight = weight[w, cell[c]]
                threshold = cac[w, cell[c]]
            base = mix(key[c] ^ world_key[w])
            g = group[c]
            who = np.uint64(d * columns + column[c])
            law = who
            path = np.uint64(0)
            if keeping:
                path = np.uint64(w * key.shape[0] + c)
            else:
                t_rate[0] = t_mu[0] = t_eta[0] = t_nu[0] = t_limit[0] = -1.0
                for k in range(KEPT_ORDERS):
                    t_gap[k] = t_amount[k] = -1.0
            bit = np.int64(key[c] >> np.uint64(63))
            half = 2 * g + bit
            cal = (w * rows_per_world + half) * calendar_row
            own_row = (w * rows_per_world + half) * age_row
            coh = (w * cohorts + cohort[c]) * COHORT_LINES * periods
            weekly = (w * groups + g) * (last + 1)  # row of the group's own tables
            start = born[c]
            if spread[c] > 0.0:
                start += spread[c] * uniform(base, rng.ARRIVAL_DAY, 0)
            start_discount = math.exp(-delta * start) if start > 0.0 else 1.0
            undiscount = 1.0 / start_discount
            end = min(start + length, stop)
            money_unit = unit * people_weight
            head_unit = COUNT_UNIT * people_weight
            head = units(1.0, head_unit)
            first_period = int(start * per_day)
            week_in = int(start * PER_WEEK)
            tab = table_first[g] + table_shift[g] * week_in
            row = table_row(w, tab, n_tables, last)
            listed = contacting and c_exposed[g]
            if newcomers:
                post(calendar, cal + ACQUIRED * line + first_period, periods, 1.0, start_discount, head_unit)
                post(age, own_row + ACQUIRED * own_line, ages, 1.0, 1.0, head_unit)

            leaves = np.inf  # day of opting out
            if listed:
                leaves = opt_out_day(start, end, exponential(base, rng.OPT_OUT, 0), opting, row, last)
                if not renewing:  # nobody sees who has left
                    write_in_line(
                        out, contacts, rows, used, w, c, g, cohort[c], half, cal, own_row, week_in, last, start,
                        start_discount, delta, per_day, head_unit, leaves, end, n_offers, newcomers,
                    )  # fmt: skip

            if uniform(base, rng.ALIVE, 0) >= p_alive[who]:
                continue
            add(calendar, cal + ACTIVE * line + first_period, head)
            add(by_cohort, coh + COHORT_ACTIVE * periods + first_period, head)
            if newcomers:
                add(age, own_row + ACTIVE * own_line, head)

            part = 0
            if FULL and components > 1:
                law = who * np.uint64(components)
                part = component_of(base, component_weight, law, components)
                law += np.uint64(part)
            first_gap = regularity - stages_done[part]
            rate = 1.0
            if not by_opportunity:
                rate = kept_gamma(t_rate, path, base, rng.RATE, rate_shape[law], rate_rate[law])
            mu = 0.0
            if mu_shape[law] > 0.0:
                mu = kept_gamma(t_mu, path, base, rng.ATTRITION_TIME, mu_shape[law], mu_rate[law])
            per_order = drop_a[law] > 0.0 and not by_opportunity
            by_time = mu > 0.0 or listed
            t = start
            limit = -1.0  # survival budget E, drawn when first needed
            spent = 0.0  # hazard so far
            damp = 1.0  # rate factor of offers accepted and declined
            declined = 0
            owed = 0.0  # money that later orders lose to offers taken
            tick = 0  # orders so far in this simulation, or opportunities, and a newcomer's first order
            skipped = 0  # opportunities without an order
            guess = 0.0
            due = -1.0  # integrated multiplier (days) at which the next order falls
            total = 0.0  # contribution discounted to today
            own = 0.0  # contribution discounted to the own first order
            repaid = False
            opted = False
            dead = False
            arriving = newcomers
            week = week_in
            while True:
                if not arriving:
                    if due < 0.0:
                        if by_opportunity:
                            guess = start + (first_days[column[c]] + interval * (tick - newcomers))
                        else:
                            shape = first_gap if tick == 0 else regularity
                            guess = t + kept_gap(t_gap, path, tick, base, shape) / (rate * damp)
                        due = guess
                        if paced:
                            due += excess_at(t, week, x_rate, m_rate, row)
                    t1 = day_at(due, guess, x_rate, m_rate, row, last) if paced else due
                    until = min(t1, end)
                    if not opted and leaves < until:
                        until = leaves
                    if by_time:
                        if limit < 0.0:
                            limit = kept_limit(t_limit, path, base)
                        h = hazard_between(t, until, mu, x_hazard, m_hazard, budget, row, last)
                        if spent + h >= limit:
                            t = death_between(t, until, limit - spent, mu, x_hazard, m_hazard, budget, row, last)
                            dead = True
                            break
                        spent += h
                    if not opted and leaves <= until and leaves < t1:
                        week = week_of(leaves, last)
                        if paced:
                            due -= excess_at(leaves, week, x_rate, m_rate, row)
                        tab += off_list
                        row = table_row(w, tab, n_tables, last)
                        if paced:
                            due += excess_at(leaves, week, x_rate, m_rate, row)
                        t = leaves
                        opted = True
                        continue
                    if t1 >= end:
                        break
                    t = t1
                    due = -1.0
                week = week_of(t, last)
                if by_opportunity and not arriving:
                    at, served = np.uint64(row[0] + week), tenure[column[c]] + (tick - newcomers)
                    fate, spent = opportunity(
                        t_rate, t_eta, t_limit, path, base, tick, served, exponents[d], drop_a[law], drop_b[law],
                        0.0 if certain else buy_a[law], 1.0 if certain else buy_b[law], m_hazard[at],
                        damp * m_rate[at], spent,
                    )  # fmt: skip
                    if fate == LOST:
                        dead = True
                        break
                    if fate == SKIPPED:
                        tick += 1
                        skipped += 1
                        continue
                period = min(int(t * per_day), last_period)
                discount = start_discount if arriving else math.exp(-delta * t)
                cell_now = cal + period
                cohort_now = coh + period
                if lognormal:
                    amount = kept_lognormal(
                        t_amount, path, tick, base, t_nu, rate, level_mean[who], level_sd[who], level_slope[who],
                        order_sd[who],
                    )  # fmt: skip
                else:
                    amount = kept_amount(
                        t_amount, path, tick, base, t_nu, nu_shape[who], nu_rate[who], order_shape[who]
                    )
                if arriving:
                    amount *= first_factor[who]
                amount *= m_spend[np.uint64(weekly + week)]
                if owed > 0.0:
                    lost = min(owed, amount)
                    amount -= lost
                    owed -= lost
                goods = amount * (1.0 - margins[np.uint64(weekly + week)])
                contribution = amount - goods - cost_per_order
                post(calendar, cell_now + REVENUE * line, periods, amount, discount, money_unit)
                post(calendar, cell_now + ORDERS * line, periods, 1.0, discount, head_unit)
                add(by_cohort, cohort_now + COHORT_REVENUE * periods, np.int64(amount * money_unit + 0.5))
                own_now = own_row
                own_discount = 1.0
                if newcomers:
                    own_now = own_row + month_of_life(t, start, per_day, last_age)
                    own_discount = discount * undiscount
                    post(age, own_now + REVENUE * own_line, ages, amount, own_discount, money_unit)
                    post(age, own_now + ORDERS * own_line, ages, 1.0, own_discount, head_unit)
                if costing:
                    post(calendar, cell_now + GOODS * line, periods, goods, discount, money_unit)
                    if newcomers:
                        post(age, own_now + GOODS * own_line, ages, goods, own_discount, money_unit)
                if tracing:
                    record(rows, used, w, c, TRACE_ORDER, t, amount)
                damp_before = damp  # the rate at which this order came
                if offering:
                    number = orders_before[c] + tick - skipped  # of this customer, counted from 0
                    number = min(number, n_orders - 1)
                    for o in range(n_offers):
                        if not (o_active[o, g, week] and o_order[o, number]):
                            continue
                        at = cell_now + (BASE_LINES + OFFER_LINES * o) * line
                        own_at = own_now + (BASE_LINES + OFFER_LINES * o) * own_line
                        post(calendar, at + SHOWN * line, periods, 1.0, discount, head_unit)
                        if newcomers:
                            post(age, own_at + SHOWN * own_line, ages, 1.0, own_discount, head_unit)
                        if uniform(base ^ o_key[o], rng.OFFER, tick) < o_take[w, o]:
                            gain = o_price[w, o] - o_cost[w, o]
                            post(calendar, at + TAKEN * line, periods, 1.0, discount, head_unit)
                            if newcomers:
                                post(age, own_at + TAKEN * own_line, ages, 1.0, own_discount, head_unit)
                            if uniform(base ^ o_key[o], rng.REFUND, tick) < o_refund[w, o]:
                                gain -= o_price[w, o]
                                post(calendar, at + REFUNDED * line, periods, 1.0, discount, head_unit)
                                if newcomers:
                                    post(age, own_at + REFUNDED * own_line, ages, 1.0, own_discount, head_unit)
                                if tracing:
                                    record(rows, used, w, c, TRACE_REFUND, t, o_price[w, o])
                            contribution += gain
                            add(by_cohort, cohort_now + COHORT_REVENUE * periods, units(o_price[w, o], money_unit))
                            owed += o_cannibal[w, o] * o_price[w, o]
                            damp *= o_accept[w, o]
                            if tracing:
                                record(rows, used, w, c, TRACE_TAKEN, t, o_price[w, o])
                        else:
                            declined += 1
                            if declined > o_patience[w, o]:
                                spent += o_hazard[w, o]
                                damp *= o_decline[w, o]
                            if tracing:
                                record(rows, used, w, c, TRACE_DECLINED, t, 0.0)
                total += discount * contribution
                add(by_cohort, cohort_now + COHORT_CONTRIBUTION * periods, units(contribution, money_unit))
                if newcomers and not repaid:
                    own += own_discount * contribution
                    paid = 0.0
                    if listed:
                        k1 = min(math.ceil(min(t, leaves) / WEEK), last + 1)
                        paid = (c_cost[g, max(week_in, k1)] - c_cost[g, week_in]) * undiscount
                    if own - paid >= threshold:
                        repaid = True
                        post(age, own_now + REPAID * own_line, ages, 1.0, own_discount, head_unit)
                charges = birth_charges if arriving else 1
                arriving = False
                tick += 1
                if per_order and charges > 0:
                    eta = kept_eta(t_eta, path, base, drop_a[law], drop_b[law])
                    load = eta * charge[np.uint64(row[0] + week)] * charges
                    spent += load if by_order else load / damp_before
                if spent > 0.0:
                    if limit < 0.0:
                        limit = kept_limit(t_limit, path, base)
                    if spent >= limit:
                        dead = True
                        break
            final = t if dead else end
            if dead and tracing:
                record(rows, used, w, c, TRACE_DEATH, t, 0.0)
            if dead or end < stop:  # whoever lives at the end of a ledger is active in its last period
                period = min(int(final * per_day), last_period)
                add(calendar, cal + ACTIVE * line + period, -head)
                add(by_cohort, coh + COHORT_ACTIVE * periods + period, -head)
            if newcomers and dead:
                own_month = month_of_life(t, start, per_day, last_age)
                add(age, own_row + ACTIVE * own_line + own_month, -head)
            if listed and renewing:  # a contract that ended is known to be lost
                write_to_contract(
                    out, contacts, rows, used, w, c, g, cohort[c], half, cal, own_row, week_in, last, start,
                    start_discount, delta, per_day, head_unit, leaves, final, n_offers, newcomers,
                )  # fmt: skip
            if keep_out:
                value[w, c] += total
                order_count[w, c] = tick - skipped


def _sample(struct: Any, **shapes: tuple[int, type, bool]) -> Any:
    """Empty struct whose types are those of every call: (dimensions, dtype, read-only) per field."""
    arrays = {}
    for name in struct._fields:
        ndim, dtype, sealed = shapes[name] if name in shapes else shapes["rest"]
        empty = np.zeros((0,) * ndim, dtype)
        arrays[name] = seal(empty, dtype) if sealed else empty
    return struct(**arrays)


REAL, WHOLE, BITS, FLAG = np.float64, np.int64, np.uint64, np.bool_
SIGNATURE = types.void(
    *(
        typeof(sample)
        for sample in (
            _sample(
                People, key=(1, BITS, True), born=(1, REAL, True), spread=(1, REAL, True), rest=(1, WHOLE, True)
            ),
            seal(np.zeros(0, BITS), BITS),
            seal(np.zeros(0, WHOLE), WHOLE),
            _sample(
                Laws, stages_done=(1, REAL, True), regularity=(1, REAL, True), birth_charges=(1, WHOLE, True),
                interval_days=(1, REAL, True), first_days=(1, REAL, True), tenure=(1, REAL, True), rest=(2, REAL, True),
            ),
            _sample(Traits, gap=(3, REAL, False), amount=(3, REAL, False), rest=(2, REAL, False)),
            _sample(Arrivals, count=(2, WHOLE, True), rest=(2, REAL, True)),
            _sample(
                Tables, first=(1, WHOLE, True), per_arrival_week=(1, WHOLE, True), rest=(3, REAL, True)
            ),
            _sample(
                Offers, key=(1, BITS, True), on_order=(2, FLAG, True), active=(3, FLAG, True), rest=(2, REAL, True)
            ),
            _sample(Contacts, exposed=(1, FLAG, True), cost_discounted=(2, REAL, True), rest=(3, REAL, True)),
            _sample(Clock, flags=(1, WHOLE, True), rest=(1, REAL, True)),
            _sample(
                Ledgers, calendar=(5, WHOLE, False), age=(5, WHOLE, False), cohort=(4, WHOLE, False),
                exposure=(3, WHOLE, False), age_exit=(5, WHOLE, False), value=(2, REAL, False),
                orders=(2, WHOLE, False),
            ),
            _sample(Trace, rows=(2, REAL, False), used=(1, WHOLE, False)),
        )
    )
)  # fmt: skip


def _compiled(name: str, full: bool) -> Any:
    """The loop with FULL fixed, under a name of its own by which it is cached."""
    loop = FunctionType(_simulate.__code__, {**globals(), "FULL": full}, name)
    loop.__qualname__, loop.__module__ = name, __name__
    return njit(SIGNATURE, cache=True, nogil=True, error_model="numpy", _nrt=False)(loop)


simulate_full, simulate_plain = _compiled("simulate_full", True), _compiled("simulate_plain", False)


def is_plain(laws: Laws, clock: Clock, trace: Trace) -> bool:
    """Whether only today's customers are simulated, who order at a rate, with no lever but shifts and no trace."""
    without_levers = not int(clock.flags[0]) & ~TABLES
    at_a_rate = laws.interval_days[0] == 0.0 and laws.stages_done.size == 1 and laws.order_sd.size == 0
    return without_levers and at_a_rate and trace.rows.size == 0


def simulate(
    people: People,
    world_key: np.ndarray,
    world_draw: np.ndarray,
    laws: Laws,
    traits: Traits,
    arrivals: Arrivals,
    tables: Tables,
    offers: Offers,
    contacts: Contacts,
    clock: Clock,
    out: Ledgers,
    trace: Trace,
) -> None:
    """`_simulate`, compiled; the baseline of today's customers by a loop without the branches that it never takes."""
    loop = simulate_plain if is_plain(laws, clock, trace) else simulate_full
    loop(people, world_key, world_draw, laws, traits, arrivals, tables, offers, contacts, clock, out, trace)


simulate_python = _simulate


@njit(types.int64(types.uint64, types.uint64, types.float64), cache=True, nogil=True, error_model="numpy")
def count_arrivals(cell_key, world_key, expected):
    """How many unit-exponential steps fit into `expected`: ordinals are added, never exchanged, as it grows."""
    base = mix(cell_key ^ world_key)
    total = 0.0
    n = 0
    while True:
        total += exponential(base, rng.ARRIVAL_GAP, n)
        if total > expected:
            return n
        n += 1


__all__ = ["SIGNATURE", "count_arrivals", "scalar", "simulate", "simulate_python"]
