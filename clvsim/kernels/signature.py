"""The one signature of all compiled loops, and how a call's structs are opened for the rooms."""

from typing import Any

import numpy as np

from clvsim.kernels.compiler import flat, typeof, types
from clvsim.kernels.state import (
    Books,
    Campaigns,
    Cap,
    Deals,
    Exits,
    Grid,
    Ground,
    Kept,
    Lognormal,
    Mixture,
    Occasions,
    Products,
    Programmes,
    Rare,
    Rates,
    Run,
    Shares,
    Spend,
    Tolls,
    Weeks,
)
from clvsim.kernels.structs import (
    MARGINS,
    NEWCOMERS,
    RENEWING,
    STEADY,
    TABLES,
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
    seal,
)
from clvsim.kernels.variates import room


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
                People, key=(1, BITS, True), born=(1, REAL, True), spread=(1, REAL, True),
                first_order=(1, REAL, True), last_order=(1, REAL, True), rest=(1, WHOLE, True),
            ),
            seal(np.zeros(0, BITS), BITS),
            seal(np.zeros(0, WHOLE), WHOLE),
            _sample(
                Laws, living=(1, WHOLE, True), stages_done=(1, REAL, True), regularity=(1, REAL, True),
                birth_charges=(1, WHOLE, True), interval_days=(1, REAL, True), first_days=(1, REAL, True),
                tenure=(1, REAL, True), paused=(1, REAL, True), late_days=(1, REAL, True), due_steps=(1, REAL, True),
                rest=(2, REAL, True),
            ),
            _sample(Traits, gap=(3, REAL, False), amount=(3, REAL, False), rest=(2, REAL, False)),
            _sample(
                Arrivals, count=(2, WHOLE, True), start=(2, WHOLE, True), marginal_from=(2, WHOLE, True),
                rest=(2, REAL, True),
            ),
            _sample(
                Tables, first=(1, WHOLE, True), per_arrival_week=(1, WHOLE, True), rest=(3, REAL, True)
            ),
            _sample(
                Offers, key=(1, BITS, True), on_order=(2, FLAG, True), active=(3, FLAG, True),
                occasion=(1, WHOLE, True), memory=(2, REAL, False), cap=(1, REAL, True), sent=(1, REAL, False),
                rest=(2, REAL, True),
            ),
            _sample(Contacts, exposed=(1, FLAG, True), cost_discounted=(2, REAL, True), rest=(3, REAL, True)),
            _sample(Clock, flags=(1, WHOLE, True), rest=(1, REAL, True)),
            _sample(
                Ledgers, calendar=(5, WHOLE, False), age=(5, WHOLE, False), cohort=(4, WHOLE, False),
                exposure=(3, WHOLE, False), age_exit=(5, WHOLE, False), value=(2, REAL, False),
                orders=(2, WHOLE, False), revenue=(2, WHOLE, False),
            ),
            _sample(Trace, rows=(2, REAL, False), used=(1, WHOLE, False)),
        )
    )
)  # fmt: skip


@room
def run_of(people, laws, kept, tables, clock, out):
    flags = clock.flags[0]
    return Run(
        clock.length_days[0],
        clock.stop_days[0],
        clock.discount_per_day[0],
        1.0 / clock.period_days[0],
        clock.cost_per_order[0],
        clock.money_unit[0],
        clock.attrition_by_order[0] > 0.0,
        (flags & TABLES) != 0,
        (flags & STEADY) != 0,
        (flags & RENEWING) != 0,
        (flags & NEWCOMERS) != 0,
        (flags & MARGINS) != 0,
        kept.rate.size > 1,
        out.value.shape[1] > 0,
        people.key.shape[0],
        laws.p_alive.shape[1],
        tables.rate.shape[1],
        tables.rate.shape[2] - 1,
        tables.spend.shape[1],
        out.calendar.shape[1],
        out.cohort.shape[1],
        out.calendar.shape[2],
        out.calendar.shape[4],
        out.age_exit.shape[2],
        out.age.shape[4],
    )


@room
def occasions_of(people, offers):
    return Occasions(
        campaigns_of(people, offers), Cap(offers.cap[0], offers.cap[1], flat(offers.planned), flat(offers.sent))
    )


@room
def campaigns_of(people, offers):
    return Campaigns(
        flat(offers.occasion),
        flat(offers.days),
        offers.days.shape[1],
        flat(offers.contact_cost),
        flat(offers.convert),
        flat(offers.churn_a),
        flat(offers.churn_b),
        flat(offers.card_loss),
        flat(offers.perk),
        flat(offers.living),
        flat(offers.redeemed),
        flat(offers.size),
        flat(people.first_order),
        flat(people.last_order),
    )


@room
def rare_of(laws, trace):
    return Rare(
        Mixture(laws.stages_done.shape[0], laws.living[0], flat(laws.weight), flat(laws.stages_done)),
        Grid(
            laws.interval_days[0],
            flat(laws.interval_days),
            laws.interval_days.shape[0],
            laws.buy_a.shape[0] == 0,
            flat(laws.buy_a),
            flat(laws.buy_b),
            flat(laws.first_days),
            flat(laws.tenure),
            flat(laws.tenure_exponent),
            laws.tenure_exponent.shape[1],
            laws.pause.shape[0] > 0,
            flat(laws.pause),
            flat(laws.resume),
            flat(laws.paused),
            flat(laws.late_days),
            flat(laws.due),
            laws.due.shape[1],
            1.0 / laws.due_steps[0],
            laws.due_steps[1],
        ),
        Lognormal(
            laws.order_sd.shape[0] > 0,
            flat(laws.level_mean),
            flat(laws.level_sd),
            flat(laws.level_slope),
            flat(laws.order_sd),
        ),
        Products(
            laws.product_upto.shape[0] > 0,
            laws.product_upto.shape[1],
            flat(laws.product_price),
            flat(laws.product_upto),
        ),
        Shares(laws.paid_b.shape[0] > 0, flat(laws.paid_a), flat(laws.paid_b)),
        trace,
    )


@room
def deals_of(offers):
    return Deals(
        offers.key.shape[0],
        offers.on_order.shape[1],
        flat(offers.key),
        flat(offers.on_order),
        flat(offers.active),
        flat(offers.take),
        flat(offers.price),
        flat(offers.cost),
        flat(offers.refund),
        flat(offers.returned),
        flat(offers.cannibalised),
        flat(offers.patience),
        flat(offers.decline_hazard),
        flat(offers.decline_rate),
        flat(offers.healing),
        flat(offers.accept_rate),
        flat(offers.memory),
    )


@room
def programmes_of(contacts, tables, out):
    return Programmes(
        contacts.count.shape[0],
        flat(contacts.exposed),
        flat(contacts.count),
        flat(contacts.discounted),
        flat(contacts.cost_discounted),
        flat(tables.opt_out),
        flat(out.exposure),
        flat(out.age_exit),
        flat(out.value),
    )


@room
def tolls_of(arrivals):
    cells = arrivals.count.shape[1]
    return Tolls(arrivals.cac.shape[1] // cells if cells > 0 else 0, flat(arrivals.cac))


@room
def ground_of(people, laws, kept, arrivals, tables, clock, out):
    return Ground(
        run_of(people, laws, kept, tables, clock, out),
        Rates(
            flat(laws.p_alive), flat(laws.rate_shape), flat(laws.rate_rate), flat(laws.regularity), laws.stages_done[0]
        ),
        Exits(flat(laws.mu_shape), flat(laws.mu_rate), flat(laws.drop_a), flat(laws.drop_b), flat(laws.birth_charges)),
        Spend(
            flat(laws.order_shape),
            flat(laws.nu_shape),
            flat(laws.nu_rate),
            flat(laws.first_factor),
            flat(laws.first_paid),
        ),
        Weeks(
            flat(tables.first),
            flat(tables.per_arrival_week),
            flat(tables.rate),
            flat(tables.rate_excess),
            flat(tables.hazard),
            flat(tables.hazard_excess),
            flat(tables.budget),
            flat(tables.charge),
            flat(tables.spend),
            flat(tables.margin),
            flat(tables.dues),
        ),
        tolls_of(arrivals),
        Kept(
            flat(kept.rate),
            flat(kept.mu),
            flat(kept.eta),
            flat(kept.nu),
            flat(kept.limit),
            flat(kept.gap),
            flat(kept.amount),
        ),
        Books(flat(out.calendar), flat(out.age), flat(out.cohort), flat(out.revenue)),
    )
