"""What crosses the border between Python and the kernels: NamedTuples of C-contiguous arrays.

Times are days, money is in the log's currency. Axis names: w = worlds of the slice, d = draws of the slice,
c = customers of the block, g = ledger groups, t = tables, k = weeks since today.
Inputs are read-only views (`seal`), so that one compiled signature serves all callers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


def constants(number: int) -> Iterator[Any]:
    """0, 1, … as np.int64: of a Python integer Numba makes a literal type, and compiles each helper once per value."""
    return map(np.int64, range(number))


class People(NamedTuple):
    """One entry per customer of the block, shape (c,)."""

    key: np.ndarray  # uint64, entity key
    group: np.ndarray  # int64, ledger group
    column: np.ndarray  # int64, customer of the laws
    cell: np.ndarray  # int64, arrival cell; customer exists iff ordinal < count[w, cell] (-1: always, -2: not now)
    ordinal: np.ndarray  # int64
    orders_before: np.ndarray  # int64, orders before the simulation starts
    cohort: np.ndarray  # int64, row of the cohort ledger; customers of one row are in one group
    born: np.ndarray  # float64, first day in days since today; newcomers: day is drawn inside [born, born + spread)
    spread: np.ndarray  # float64, 0 for a known first day
    first_order: np.ndarray  # float64, days since today, of existing customers
    last_order: np.ndarray


class Laws(NamedTuple):
    """Trait distributions (no random numbers); a shape parameter of 0 says the trait is absent.

    Shape (d, columns), and (d, columns × components) for what a mixture's components may differ in: component j of a
    customer stands at column × components + j.
    """

    p_alive: np.ndarray
    weight: np.ndarray  # (d, columns × components) probabilities of the components; (0, 0) without a mixture
    living: np.ndarray  # int64 (1,) components of those who are there; the others are of those who have left
    rate_shape: np.ndarray  # λ per day ~ Gamma(shape, rate), by component
    rate_rate: np.ndarray
    mu_shape: np.ndarray  # hazard per day ~ Gamma(shape, rate), by component
    mu_rate: np.ndarray
    drop_a: np.ndarray  # p ~ Beta(a, b); hazard per order or opportunity η = -log(1 - p), by component
    drop_b: np.ndarray
    buy_a: np.ndarray  # purchase probability at an opportunity ~ Beta(a, b), by component; 1 where a is 0 or (0, 0)
    buy_b: np.ndarray
    order_shape: np.ndarray  # order amount ~ Gamma(order_shape, ν); 0: exactly nu_rate
    nu_shape: np.ndarray  # ν ~ Gamma(shape, rate)
    nu_rate: np.ndarray
    level_mean: np.ndarray  # or log amount ~ Normal(level, order_sd), and, given the customer's λ per day,
    level_sd: np.ndarray  # level ~ Normal(level_mean + level_slope log λ, level_sd)
    level_slope: np.ndarray
    order_sd: np.ndarray  # all four are (0, 0) where amounts are not lognormal, else the three before
    product_price: np.ndarray  # (d, products) or an order is one of a list of prices, each up to its cumulative share;
    product_upto: np.ndarray  # nu_rate is then their mean, and both are (0, 0) where there is no list
    first_factor: np.ndarray  # a newcomer's first order = factor × a draw from the own spend law; of a list × its mean
    first_paid: np.ndarray  # chance that a newcomer's first order is paid; else its amount is 0
    paid_a: np.ndarray  # that of a customer's other orders ~ Beta(a, b); (0, 0) where all of them are paid
    paid_b: np.ndarray
    stages_done: np.ndarray  # (components,) stages of the first gap that an existing customer has behind
    regularity: np.ndarray  # (d,) gaps are Gamma(regularity, λ)
    interval_days: np.ndarray  # (columns,), or (1,) of all, between opportunities; 0: orders come at a rate
    first_days: np.ndarray  # (columns,) from the start of a life to its first opportunity
    tenure: np.ndarray  # (columns,) opportunities served before
    tenure_exponent: np.ndarray  # (d, columns) or (d, 1), c: opportunity number j charges η (j^c - (j-1)^c)
    pause: np.ndarray  # chances that a contract that goes on pauses, and that one in a pause comes back, shaped as the
    resume: np.ndarray  # exponent; (0, 0) where none pauses
    paused: np.ndarray  # (columns,) 1: an existing contract is in a pause
    late_days: np.ndarray  # (columns,) by which an existing contract's opportunities come after they fall due
    due: np.ndarray  # (d, days) multiplies η of an opportunity, by the day on which it falls due; (0, 0): none does
    due_steps: np.ndarray  # (2,) length of these days, and how many of them lie before the simulated time
    birth_charges: np.ndarray  # int64 (d,) times that η is charged at a newcomer's first order


class Traits(NamedTuple):
    """What a path draws by key, -1 until first needed; kept for the other scenarios of the slice.

    A single scenario needs room for one life only: `empty_traits(1, 1)`.
    """

    rate: np.ndarray  # (w, c), or the purchase probability
    mu: np.ndarray  # (w, c)
    eta: np.ndarray  # (w, c)
    nu: np.ndarray  # (w, c), or exp(level)
    limit: np.ndarray  # (w, c), survival budget
    gap: np.ndarray  # (w, c, KEPT_ORDERS), gaps before the first orders, at rate 1
    amount: np.ndarray  # (w, c, KEPT_ORDERS), amounts of the first orders before any factor


class Arrivals(NamedTuple):
    """Newcomers per world and arrival cell, shape (w, cells). Above the cap, representatives carry a weight.

    Ordinals from `marginal_from` on, the baseline's number, are additional customers of a scenario: they have a weight
    and multipliers of their own. Those before `start` are not simulated.
    """

    count: np.ndarray  # int64, representatives
    start: np.ndarray  # int64
    marginal_from: np.ndarray  # int64
    weight: np.ndarray  # float64
    marginal_weight: np.ndarray
    marginal_rate: np.ndarray  # factor on the purchase rate
    marginal_spend: np.ndarray  # factor on amounts
    cac: np.ndarray  # (w, cells × tariffs) acquisition cost per acquired customer, under one tariff after the other


class Tables(NamedTuple):
    """Everything that is scheduled, by week. Shape (w, t, k) or (w, t, k + 1) for cumulative ones.

    Table index = group (or group's first table + arrival week when contacts run on the customer's own clock);
    the second half of axis t holds for customers who have opted out.
    `*_excess` is the integral of (multiplier - 1) up to the start of week k, in days.
    """

    first: np.ndarray  # int64 (g,), first table of a group
    per_arrival_week: np.ndarray  # int64 (g,), 1: add the arrival week
    rate: np.ndarray
    rate_excess: np.ndarray
    hazard: np.ndarray
    hazard_excess: np.ndarray
    budget: np.ndarray  # cumulative hazard in units of the survival budget
    charge: np.ndarray  # multiplies η
    opt_out: np.ndarray  # cumulative hazard of leaving the contact list
    spend: np.ndarray  # (w, g, k)
    margin: np.ndarray  # (w, g, k)
    dues: np.ndarray  # (w, g, DUES) costs of a plan per customer, per order and as a share of revenue


class Offers(NamedTuple):
    """One column per offer o; numbers that may be uncertain have shape (w, o).

    `memory` and `sent` are no input: what the customer at hand has declined, and been sent. A call needs its own.
    """

    key: np.ndarray  # uint64 (o,), hash of the intervention's name
    on_order: np.ndarray  # bool (o, n), shown at order number 1, 2, …; the last entry holds for all later ones
    occasion: np.ndarray  # int64 (o,) when it is shown: at orders, as a campaign, or as a membership
    days: np.ndarray  # float64 (o, n): dates, ascending; BEGINS, ENDS, SILENT, MOST of a campaign on other days; TRIAL
    # and EVERY, lengths of a membership
    active: np.ndarray  # bool (o, g, k)
    take: np.ndarray
    price: np.ndarray
    contact_cost: np.ndarray  # of a campaign, for each customer whom it reaches; of a membership, per trial
    cost: np.ndarray  # goods and incentive per taken offer
    refund: np.ndarray  # probability
    returned: np.ndarray  # value of the goods that come back with a refund
    cannibalised: np.ndarray  # share of the price that later orders lose, unless it was refunded
    patience: np.ndarray  # times that it may be declined without consequence
    decline_hazard: np.ndarray  # budget units
    decline_rate: np.ndarray  # log factor on the purchase rate, which heals
    healing: np.ndarray  # factor on that log from week to week
    accept_rate: np.ndarray  # factor on the purchase rate
    convert: np.ndarray  # of a membership: share of trials that are paid for
    churn_a: np.ndarray  # own chance to leave at a renewal ~ Beta(a, b); a for all where b is 0
    churn_b: np.ndarray
    card_loss: np.ndarray  # chance that a charge fails for good
    perk: np.ndarray  # cost of a member's order
    living: np.ndarray  # of a win-back: chance that somebody who is there answers; `take` is that of the lost
    redeemed: np.ndarray  # share of the others who use its coupon when they order in time
    size: np.ndarray  # of a next product: factor on amounts
    memory: np.ndarray  # (MEMORIES, o): times declined, the present log factor on the rate, the day of the next
    # campaign or charge, 1 + the charges so far (of a next product 1: taken), the member's chance to leave, the last
    # day of a coupon
    cap: np.ndarray  # (2,) most contacts of a customer in so many days; 0: campaigns have no cap
    planned: np.ndarray  # (g, k) those of contact programmes in the fullest such window around a week; (0, 0) uncapped
    sent: np.ndarray  # (1 + most,) how many campaigns the customer was sent, and days of the last ones


OFFERS_SHARED = ("key", "on_order", "active", "occasion", "days", "cap", "planned")  # by all worlds


class Contacts(NamedTuple):
    """Contact programmes; opting out ends all of them."""

    exposed: np.ndarray  # bool (g,)
    count: np.ndarray  # (programmes, g, k + 1) cumulative contacts, undiscounted
    discounted: np.ndarray  # same, discounted to today
    cost_discounted: np.ndarray  # (g, k + 1) cumulative cost of all programmes, discounted to today


class Clock(NamedTuple):
    """Scalars of a run, arrays of shape (1,) so that the struct is uniform."""

    length_days: np.ndarray  # own life that is followed
    stop_days: np.ndarray  # nobody is followed beyond this day
    discount_per_day: np.ndarray  # log(1 + d) / 365.25
    period_days: np.ndarray  # length of a ledger period
    cost_per_order: np.ndarray
    money_unit: np.ndarray  # ledger units per unit of money
    attrition_by_order: np.ndarray  # 1: η is charged per order whatever the interventions do; 0: per time
    flags: np.ndarray  # int64


KEPT_ORDERS = 4
NEWCOMERS, TABLES = 1, 2
MARGINS = 4  # the margin varies: goods are posted order by order; else they follow from revenue after the loop
RENEWING = 8  # contracts, which are seen to end: they get no messages afterwards
STEADY = 16  # all hazard multipliers are 1 and contacts add none: no table need be read
LEVERED = 32  # another scenario of the run has offers, contacts or a margin that varies: one loop serves them all
OCCASIONAL = 64  # another one has offers on occasions: the same, where a loop knows what is rare

# Lines that every ledger has; offers and contact programmes append theirs.
# Of a scenario whose campaigns have a cap, a line of those that it withheld stands behind the offers'.
# Under more than one tariff, a line for those who repay each of the others stands before those of the programmes.
REVENUE, GOODS, ORDERS, ACQUIRED, ACTIVE, REPAID, OPTED_OUT, BASE_LINES = constants(8)
SHOWN, TAKEN, REFUNDED, OFFER_LINES = constants(4)
SERVED = REFUNDED  # orders of members: charges are not refunded
WON_BACK = REFUNDED  # those who came back: coupons are not refunded
PER_CUSTOMER, PER_ORDER, OF_REVENUE, DUES = constants(4)
DECLINED, DAMPING, NEXT, CHARGES, CHURN, VALID, MEMORIES = constants(7)
AT_ORDERS, ON_DATES, ANNIVERSARY, BIRTHDAY, SILENCE, WIN_BACK, MEMBERSHIP, OUTGROWN = constants(8)  # occasions
# First and last day, days of silence: at least and at most, days that an answer takes at most.
BEGINS, ENDS, SILENT, MOST, WITHIN, CAMPAIGN_DAYS = constants(6)
TRIAL, EVERY, MEMBERSHIP_DAYS = constants(3)
COHORT_REVENUE, COHORT_CONTRIBUTION, COHORT_ACTIVE, COHORT_LINES = constants(4)
COUNT_UNIT = 2.0**24


class Ledgers(NamedTuple):
    """int64 sums in ledger units; sums of integers do not depend on their order.

    What contact programmes do to everybody on their list is not posted month by month: customers are counted in and
    out (`exposure`, `age_exit`), and multiplied by the schedule after the loop.
    """

    calendar: np.ndarray  # (w, 2g, lines, 2, periods): group and half, line, (plain, discounted to today), period
    age: np.ndarray  # same, discounted to the own first order; the first period is its moment, then months of own age
    cohort: np.ndarray  # (w, cohorts, COHORT_LINES, periods), undiscounted, before contact costs
    exposure: np.ndarray  # (w, 2 cohorts, k + 1) entries minus exits of contact lists, by week
    age_exit: np.ndarray  # (w, 2g, arrival weeks, 2, ages) newcomers by month of own age in which they leave the list,
    # counted as 1 and as 1 / discount of the own first order
    value: np.ndarray  # float64 (w, c) contribution per customer discounted to today; (w, 0): not kept
    orders: np.ndarray  # int64 (w, c)
    revenue: np.ndarray  # int64 (w, c) ledger units, undiscounted, with what offers sell; refunds are not taken off


def empty_traits(worlds: int, customers: int) -> Traits:
    flat = (np.full((worlds, customers), -1.0) for _ in range(5))
    return Traits(*flat, *(np.full((worlds, customers, KEPT_ORDERS), -1.0) for _ in range(2)))


class Trace(NamedTuple):
    """Events of single paths: rows (world, customer, kind, day, amount, offer); empty arrays record nothing.

    `offer` is the place of the offer or campaign in `Offers`, `NO_OFFER` of an event that none causes. Whoever has left
    before the simulation starts is `TRACE_GONE` on the first day.
    """

    rows: np.ndarray  # float64 (n, TRACE_COLUMNS)
    used: np.ndarray  # int64 (1,)

    @classmethod
    def empty(cls, rows: int) -> "Trace":
        """Room for so many events."""
        return cls(np.zeros((rows, TRACE_COLUMNS)), np.zeros(1, np.int64))


TRACE_COLUMNS = 6
(
    TRACE_ORDER,
    TRACE_TAKEN,
    TRACE_DECLINED,
    TRACE_DEATH,
    TRACE_OPT_OUT,
    TRACE_REFUND,
    TRACE_CAMPAIGN,
    TRACE_GONE,
    TRACE_JOINED,
    TRACE_SERVED,
    TRACE_LEFT,
    TRACE_RETURNED,
    TRACE_MOVED,
    TRACE_WITHHELD,
) = constants(14)
NO_OFFER = np.int64(-1)


def seal(array: np.ndarray, dtype: type | np.dtype = np.float64) -> np.ndarray:
    """Read-only C-contiguous view (or copy) of `array`."""
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view


def scalar(value: float, dtype: type = np.float64) -> np.ndarray:
    return seal(np.array([value]), dtype)
