"""The event loop: one customer's orders, offers, contacts and death in one world, posted to integer ledgers.

A life has one survival budget E ~ Exp(1) and ends when its cumulative hazard reaches E: hazard μ per day, η per order,
and what interventions add. Orders solve M(t') = M(t) + gap/λ on the integral M of the rate multiplier, kept as its
excess over time, so that at multiplier 1 the next order is exactly t + gap/λ.
Structs are opened into locals once, before the loops; helpers take scalars and arrays.
"""

import math

import numpy as np
from numba import njit, types, typeof

from clvsim.kernels import rng
from clvsim.kernels.rng import address, exponential, gamma, inline, mix, uniform
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
    KEPT_AMOUNTS,
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

WEEK = 7.0
PER_WEEK = 1.0 / 7.0


@inline
def units(amount, unit):
    """Ledger units, rounded half up (amounts are not negative)."""
    return np.int64(amount * unit + 0.5)


@inline
def post(ledger, row, line, periods, period, amount, discount, unit):
    """Add to a flat ledger whose `row` (world, group and half) starts at that index."""
    at = row + 2 * line * periods + period
    ledger[at] += units(amount, unit)
    ledger[at + periods] += units(amount * discount, unit)


@inline
def excess_at(t, excess, multiplier, w, tab, last):
    """∫₀ᵗ (multiplier - 1), days."""
    k = min(int(t * PER_WEEK), last)
    return excess[w, tab, k] + (t - WEEK * k) * (multiplier[w, tab, k] - 1.0)


@inline
def cumulative_at(t, table, w, tab, last):
    """Piecewise linear between the starts of weeks."""
    k = min(int(t * PER_WEEK), last)
    return table[w, tab, k] + (t - WEEK * k) / WEEK * (table[w, tab, k + 1] - table[w, tab, k])


@inline
def day_at(s, guess, excess, multiplier, w, tab, last):
    """Day t on which t + excess(t) = s; exactly s while the multiplier has been 1. inf beyond the table.

    `guess` is a day near it, to start the search of the week from.
    """
    out = np.inf
    if s < WEEK * (last + 1) + excess[w, tab, last + 1]:
        k = last if guess >= WEEK * last else int(guess * PER_WEEK)
        while k > 0 and WEEK * k + excess[w, tab, k] > s:
            k -= 1
        while k < last and WEEK * (k + 1) + excess[w, tab, k + 1] <= s:
            k += 1
        m = multiplier[w, tab, k]
        e = excess[w, tab, k]
        out = s - e if m == 1.0 else WEEK * k + (s - e - WEEK * k) / m
    return out


@inline
def hazard_between(t0, t1, mu, excess, multiplier, budget, w, tab, last):
    """Hazard that accrues by time alone: μ times its multiplier, plus what contacts add."""
    h = mu * (
        (t1 + excess_at(t1, excess, multiplier, w, tab, last)) - (t0 + excess_at(t0, excess, multiplier, w, tab, last))
    )
    return h + cumulative_at(t1, budget, w, tab, last) - cumulative_at(t0, budget, w, tab, last)


@njit(error_model="numpy")
def death_between(t0, t1, need, mu, excess, multiplier, budget, w, tab, last):
    """Day in (t0, t1] on which the hazard accrued since t0 reaches `need`; it is linear inside a week."""
    t = t0
    while True:
        end = min(t1, WEEK * (int(t * PER_WEEK) + 1))
        h = hazard_between(t, end, mu, excess, multiplier, budget, w, tab, last)
        if h >= need or end >= t1:
            return t + (end - t) * min(1.0, need / h)
        need -= h
        t = end


@njit(error_model="numpy")
def opt_out_day(start, end, threshold, table, w, tab, last):
    """Day on which the cumulative opt-out hazard since `start` reaches the threshold, inf if not before `end`."""
    target = cumulative_at(start, table, w, tab, last) + threshold
    if cumulative_at(end, table, w, tab, last) < target:
        return np.inf
    k = min(int(start * PER_WEEK), last)
    while k < last and table[w, tab, k + 1] < target:
        k += 1
    step = table[w, tab, k + 1] - table[w, tab, k]
    return max(start, WEEK * k + WEEK * (target - table[w, tab, k]) / step)


@inline
def age_week(month, week_in, per_day):
    """First week in which somebody who joined in week `week_in` has the given age; ages are counted from that week."""
    return week_in + int(math.ceil(month / per_day * PER_WEEK))


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


def _simulate(
    people: People,
    world_key: np.ndarray,
    world_draw: np.ndarray,
    laws: Laws,
    birth_charges: int,
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
    p_alive, rate_shape, rate_rate = laws.p_alive, laws.rate_shape, laws.rate_rate
    mu_shape, mu_rate, drop_a, drop_b = laws.mu_shape, laws.mu_rate, laws.drop_a, laws.drop_b
    order_shape, nu_shape, nu_rate, first_factor = laws.order_shape, laws.nu_shape, laws.nu_rate, laws.first_factor
    t_rate, t_mu, t_eta, t_nu, t_amount = traits.rate, traits.mu, traits.eta, traits.nu, traits.amount
    count, weight, cac = arrivals.count, arrivals.weight, arrivals.cac
    table_first, table_shift = tables.first, tables.per_arrival_week
    m_rate, x_rate, m_hazard, x_hazard = tables.rate, tables.rate_excess, tables.hazard, tables.hazard_excess
    budget, charge, opting, m_spend, margins = (
        tables.budget,
        tables.charge,
        tables.opt_out,
        tables.spend,
        tables.margin,
    )
    o_key, o_order, o_active = offers.key, offers.on_order, offers.active
    o_take, o_price, o_cost, o_refund = offers.take, offers.price, offers.cost, offers.refund
    o_cannibal, o_patience, o_hazard = offers.cannibalised, offers.patience, offers.decline_hazard
    o_decline, o_accept = offers.decline_rate, offers.accept_rate
    c_exposed, c_count, c_discounted = contacts.exposed, contacts.count, contacts.discounted
    c_cost = contacts.cost_discounted
    length, stop, delta = clock.length_days[0], clock.stop_days[0], clock.discount_per_day[0]
    per_day, cost_per_order, unit = 1.0 / clock.period_days[0], clock.cost_per_order[0], clock.money_unit[0]
    by_order = clock.attrition_by_order[0] > 0.0
    flags = clock.flags[0]
    newcomers, tabled = (flags & NEWCOMERS) != 0, (flags & TABLES) != 0
    offering, contacting = (flags & OFFERS) != 0, (flags & CONTACTS) != 0
    periods, ages = out.calendar.shape[4], out.age.shape[4]
    calendar_row = 2 * out.calendar.shape[2] * periods
    age_row = 2 * out.age.shape[2] * ages
    rows_per_world = out.calendar.shape[1]
    cohorts = out.cohort.shape[1]
    calendar, age, by_cohort = out.calendar.reshape(-1), out.age.reshape(-1), out.cohort.reshape(-1)
    exposure, age_exit, value, order_count = out.exposure, out.age_exit, out.value, out.orders
    rows, used = trace.rows, trace.used
    tracing = rows.shape[0] > 0
    n_offers, n_programmes = o_key.shape[0], c_count.shape[0]
    keep_out = value.shape[1] > 0
    contact_line = BASE_LINES + OFFER_LINES * n_offers
    last = m_rate.shape[2] - 1
    states = m_rate.shape[1] // 2
    last_period = periods - 1
    last_age = ages - 1
    count_unit = COUNT_UNIT

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
            bit = np.int64(key[c] >> np.uint64(63))
            half = 2 * g + bit
            cal = (w * rows_per_world + half) * calendar_row
            own_row = (w * rows_per_world + half) * age_row
            coh = (w * cohorts + cohort[c]) * COHORT_LINES * periods
            j = column[c]
            t = born[c]
            if spread[c] > 0.0:
                t += spread[c] * uniform(base, rng.ARRIVAL_DAY, 0)
            start = t
            start_discount = math.exp(-delta * start)
            end = min(start + length, stop)
            money_unit = unit * people_weight
            head_unit = count_unit * people_weight
            first_period = int(start * per_day)
            tab = table_first[g] + table_shift[g] * int(start * PER_WEEK)
            if newcomers:
                post(calendar, cal, ACQUIRED, periods, first_period, 1.0, start_discount, head_unit)
                post(age, own_row, ACQUIRED, ages, 0, 1.0, 1.0, head_unit)

            leaves = np.inf  # day of opting out
            if contacting and c_exposed[g]:
                leaves = opt_out_day(start, end, exponential(base, rng.OPT_OUT, 0), opting, w, tab, last)
                week_in = int(start * PER_WEEK)
                week_out = min(int(math.ceil(min(leaves, end) / WEEK)), last + 1)
                heads = units(1.0, head_unit)
                exposure[w, 2 * cohort[c] + bit, week_in] += heads
                exposure[w, 2 * cohort[c] + bit, week_out] -= heads
                if keep_out:
                    value[w, c] = c_cost[g, week_in] - c_cost[g, week_out]
                if leaves < np.inf:
                    post(
                        calendar, cal, OPTED_OUT, periods, min(int(leaves * per_day), last_period), 1.0,
                        math.exp(-delta * leaves), head_unit,
                    )  # fmt: skip
                    if tracing:
                        record(rows, used, w, c, TRACE_OPT_OUT, leaves, 0.0)
                if newcomers:
                    if leaves < np.inf:
                        post(
                            age, own_row, OPTED_OUT, ages, min(int((leaves - start) * per_day), last_age), 1.0,
                            math.exp(-delta * (leaves - start)), head_unit,
                        )  # fmt: skip
                    own_month = min(int(max(0.0, WEEK * (week_out - 1) - WEEK * week_in) * per_day), last_age)
                    age_exit[w, half, week_in, 0, own_month] += heads
                    age_exit[w, half, week_in, 1, own_month] += units(1.0 / start_discount, head_unit)
                    k0 = min(week_out, age_week(own_month, week_in, per_day))
                    for p in range(n_programmes):
                        at = own_row + 2 * (contact_line + p) * ages + own_month
                        age[at] += units(c_count[p, g, week_out] - c_count[p, g, k0], head_unit)
                        age[at + ages] += units(
                            (c_discounted[p, g, week_out] - c_discounted[p, g, k0]) / start_discount, head_unit
                        )

            if uniform(base, rng.ALIVE, 0) >= p_alive[d, j]:
                continue
            calendar[cal + 2 * ACTIVE * periods + first_period] += units(1.0, head_unit)
            by_cohort[coh + COHORT_ACTIVE * periods + first_period] += units(1.0, head_unit)
            if newcomers:
                age[own_row + 2 * ACTIVE * ages + 0] += units(1.0, head_unit)

            rate = t_rate[w, c]
            if rate < 0.0:
                rate = gamma(address(base, rng.RATE, 0), rate_shape[d, j]) / rate_rate[d, j]
                t_rate[w, c] = rate
            mu = 0.0
            if mu_shape[d, j] > 0.0:
                mu = t_mu[w, c]
                if mu < 0.0:
                    mu = gamma(address(base, rng.ATTRITION_TIME, 0), mu_shape[d, j]) / mu_rate[d, j]
                    t_mu[w, c] = mu
            per_order = drop_a[d, j] > 0.0
            by_time = mu > 0.0 or (contacting and c_exposed[g])
            limit = -1.0  # survival budget E
            eta = 0.0
            spent = 0.0  # hazard so far
            damp = 1.0  # rate factor of offers accepted and declined
            declined = 0
            owed = 0.0  # money that later orders lose to offers taken
            tick = 0  # orders so far in this simulation
            guess = 0.0
            due = -1.0  # integrated multiplier (days) at which the next order falls
            total = 0.0  # contribution discounted to today
            own = 0.0  # contribution discounted to the own first order
            repaid = False
            opted = False
            dead = False
            arriving = newcomers
            while True:
                if not arriving:
                    if due < 0.0:
                        guess = t + exponential(base, rng.GAP, tick) / (rate * damp)
                        due = guess
                        if tabled:
                            due += excess_at(t, x_rate, m_rate, w, tab, last)
                    t1 = day_at(due, guess, x_rate, m_rate, w, tab, last) if tabled else due
                    until = min(t1, end)
                    if not opted and leaves < until:
                        until = leaves
                    if by_time:
                        if limit < 0.0:
                            limit = exponential(base, rng.LIFETIME, 0)
                        h = hazard_between(t, until, mu, x_hazard, m_hazard, budget, w, tab, last)
                        if spent + h >= limit:
                            t = death_between(
                                t, until, limit - spent, mu, x_hazard, m_hazard, budget, w, tab, last
                            )
                            dead = True
                            break
                        spent += h
                    if not opted and leaves <= until and leaves < t1:
                        due -= excess_at(leaves, x_rate, m_rate, w, tab, last)
                        due += excess_at(leaves, x_rate, m_rate, w, tab + states, last)
                        t = leaves
                        opted = True
                        tab += states
                        continue
                    if t1 >= end:
                        break
                    t = t1
                    due = -1.0
                week = min(int(t * PER_WEEK), last)
                period = min(int(t * per_day), last_period)
                discount = math.exp(-delta * t)
                amount = t_amount[w, c, tick] if tick < KEPT_AMOUNTS else -1.0
                if amount < 0.0:
                    nu = t_nu[w, c]
                    if nu < 0.0:
                        nu = gamma(address(base, rng.SPEND, 0), nu_shape[d, j]) / nu_rate[d, j]
                        t_nu[w, c] = nu
                    amount = gamma(address(base, rng.AMOUNT, tick), order_shape[d, j]) / nu
                    if tick < KEPT_AMOUNTS:
                        t_amount[w, c, tick] = amount
                if arriving:
                    amount *= first_factor[d, j]
                amount *= m_spend[w, g, week]
                if owed > 0.0:
                    lost = min(owed, amount)
                    amount -= lost
                    owed -= lost
                goods = amount * (1.0 - margins[w, g, week])
                contribution = amount - goods - cost_per_order
                post(calendar, cal, REVENUE, periods, period, amount, discount, money_unit)
                post(calendar, cal, GOODS, periods, period, goods, discount, money_unit)
                post(calendar, cal, ORDERS, periods, period, 1.0, discount, head_unit)
                by_cohort[coh + COHORT_REVENUE * periods + period] += units(amount, money_unit)
                own_month = 0
                own_discount = 1.0
                if newcomers:
                    own_month = min(int((t - start) * per_day), last_age)
                    own_discount = discount / start_discount
                    post(age, own_row, REVENUE, ages, own_month, amount, own_discount, money_unit)
                    post(age, own_row, GOODS, ages, own_month, goods, own_discount, money_unit)
                    post(age, own_row, ORDERS, ages, own_month, 1.0, own_discount, head_unit)
                if tracing:
                    record(rows, used, w, c, TRACE_ORDER, t, amount)
                if offering:
                    number = orders_before[c] + tick  # zero-based order number of this customer
                    for o in range(n_offers):
                        if not (o_active[o, g, week] and o_order[o, min(number, o_order.shape[1] - 1)]):
                            continue
                        line = BASE_LINES + OFFER_LINES * o
                        post(calendar, cal, line + SHOWN, periods, period, 1.0, discount, head_unit)
                        if newcomers:
                            post(age, own_row, line + SHOWN, ages, own_month, 1.0, own_discount, head_unit)
                        if uniform(base ^ o_key[o], rng.OFFER, tick) < o_take[w, o]:
                            post(calendar, cal, line + TAKEN, periods, period, 1.0, discount, head_unit)
                            if newcomers:
                                post(age, own_row, line + TAKEN, ages, own_month, 1.0, own_discount, head_unit)
                            gain = o_price[w, o] - o_cost[w, o]
                            if uniform(base ^ o_key[o], rng.REFUND, tick) < o_refund[w, o]:
                                gain -= o_price[w, o]
                                post(calendar, cal, line + REFUNDED, periods, period, 1.0, discount, head_unit)
                                if newcomers:
                                    post(age, own_row, line + REFUNDED, ages, own_month, 1.0, own_discount, head_unit)
                                if tracing:
                                    record(rows, used, w, c, TRACE_REFUND, t, o_price[w, o])
                            contribution += gain
                            by_cohort[coh + COHORT_REVENUE * periods + period] += units(o_price[w, o], money_unit)
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
                by_cohort[coh + COHORT_CONTRIBUTION * periods + period] += np.int64(
                    math.floor(contribution * money_unit + 0.5)
                )
                if newcomers and not repaid:
                    own += own_discount * contribution
                    paid = 0.0
                    if contacting and c_exposed[g]:
                        k1 = min(int(math.ceil(min(t, leaves) / WEEK)), last + 1)
                        k0 = int(start * PER_WEEK)
                        paid = (c_cost[g, max(k0, k1)] - c_cost[g, k0]) / start_discount
                    if own - paid >= threshold:
                        repaid = True
                        post(age, own_row, REPAID, ages, own_month, 1.0, own_discount, head_unit)
                charges = birth_charges if arriving else 1
                arriving = False
                tick += 1
                if per_order and charges > 0:
                    eta = t_eta[w, c]
                    if eta < 0.0:
                        g1 = gamma(address(base, rng.ATTRITION_ORDER, 0), drop_a[d, j])
                        g2 = gamma(address(base, rng.ATTRITION_ORDER, 1), drop_b[d, j])
                        eta = -math.log(g2 / (g1 + g2))
                        t_eta[w, c] = eta
                    load = eta * charge[w, tab, week] * charges
                    spent += load if by_order else load / damp
                if spent > 0.0:
                    if limit < 0.0:
                        limit = exponential(base, rng.LIFETIME, 0)
                    if spent >= limit:
                        dead = True
                        break
            final = t if dead else end
            if dead and tracing:
                record(rows, used, w, c, TRACE_DEATH, t, 0.0)
            period = int(final * per_day)
            if period <= last_period:
                calendar[cal + 2 * ACTIVE * periods + period] -= units(1.0, head_unit)
                by_cohort[coh + COHORT_ACTIVE * periods + period] -= units(1.0, head_unit)
            if newcomers:
                own_month = int((final - start) * per_day)
                if own_month <= last_age:
                    age[own_row + 2 * ACTIVE * ages + own_month] -= units(1.0, head_unit)
            if keep_out:
                value[w, c] += total
                order_count[w, c] = tick


def _sample(struct: type, **shapes: tuple[int, type, bool]):
    """Empty struct whose types are those of every call: (dimensions, dtype, read-only) per field."""
    arrays = {}
    for name in struct._fields:
        ndim, dtype, sealed = shapes[name] if name in shapes else shapes["rest"]
        empty = np.zeros((0,) * ndim, dtype)
        arrays[name] = seal(empty, dtype) if sealed else empty
    return struct(**arrays)


F, I, U, B = np.float64, np.int64, np.uint64, np.bool_
SIGNATURE = types.void(
    *(
        typeof(sample)
        for sample in (
            _sample(
                People, key=(1, U, True), born=(1, F, True), spread=(1, F, True), rest=(1, I, True)
            ),
            seal(np.zeros(0, U), U),
            seal(np.zeros(0, I), I),
            _sample(Laws, rest=(2, F, True)),
            0,
            _sample(Traits, amount=(3, F, False), rest=(2, F, False)),
            _sample(Arrivals, count=(2, I, True), rest=(2, F, True)),
            _sample(
                Tables, first=(1, I, True), per_arrival_week=(1, I, True), rest=(3, F, True)
            ),
            _sample(
                Offers, key=(1, U, True), on_order=(2, B, True), active=(3, B, True), rest=(2, F, True)
            ),
            _sample(Contacts, exposed=(1, B, True), cost_discounted=(2, F, True), rest=(3, F, True)),
            _sample(Clock, flags=(1, I, True), rest=(1, F, True)),
            _sample(
                Ledgers, calendar=(5, I, False), age=(5, I, False), cohort=(4, I, False), exposure=(3, I, False),
                age_exit=(5, I, False), value=(2, F, False), orders=(2, I, False),
            ),
            _sample(Trace, rows=(2, F, False), used=(1, I, False)),
        )
    )
)  # fmt: skip
simulate = njit(SIGNATURE, cache=True, nogil=True, error_model="numpy")(_simulate)
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
