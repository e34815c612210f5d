"""What the rooms of the event loop hand each other: inputs of a call, then the state of one path. Times are days.

A path is one customer in one world. Its state is split into small structs; only the room that owns one makes a new one.
Numba has no `_replace`, so each field stands in few places; state in arrays would be 40 % slower.

Arrays are flat (`compiler.flat`); their shapes stand beside them. `Deals`, `Programmes`, `Rare` and `Occasions` are
None in loops that are compiled without them.
"""

from typing import Any, NamedTuple

import numpy as np

from clvsim.kernels.structs import Trace

Flat = Any  # entries of an array one after the other: a pointer when compiled, an array when interpreted

# --- inputs of a call -------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """Scalars of a call, and the sizes by which its flat arrays are cut."""

    length: float  # own life that is followed
    stop: float  # nobody is followed beyond
    delta: float  # log discount per day
    per_day: float  # ledger periods per day
    cost_per_order: float
    unit: float  # ledger units per unit of money
    by_order: bool  # attrition clock: η is charged per order whatever the rate
    paced: bool  # some rate multiplier differs from 1
    steady: bool  # no hazard but the customers' own
    renewing: bool  # contracts: a customer is seen to leave
    arriving: bool  # newcomers: ledgers by own age are kept
    goods: bool  # goods are posted order by order, since the margin varies
    keeping: bool  # traits, for the other scenarios
    valued: bool  # value and orders of single customers are wanted
    customers: int
    columns: int  # of the laws
    tables: int  # of a world
    last_week: int
    groups: int
    rows: int  # of a world's ledgers: group × half
    cohorts: int
    lines: int
    periods: int
    arrival_weeks: int
    ages: int


class Rates(NamedTuple):
    """Who is alive, and how often they order, (d, columns) and (d, columns × components) as in `structs.Laws`."""

    p_alive: Flat
    shape: Flat
    rate: Flat
    regularity: Flat  # stages of a gap, (d,)
    stages_done: float  # of the first gap, by existing customers without a mixture


class Mixture(NamedTuple):
    """Components that differ in the laws by component; one is none."""

    components: int
    living: int  # those before are of customers who are there, the others of those who have left
    weight: Flat
    stages_done: Flat  # (components,)


class Exits(NamedTuple):
    """Laws of the hazard per day and per order."""

    mu_shape: Flat
    mu_rate: Flat
    drop_a: Flat
    drop_b: Flat
    birth_charges: Flat  # times that η is charged at a newcomer's first order, (d,)


class Spend(NamedTuple):
    """Laws of amounts, (d, columns)."""

    order_shape: Flat
    nu_shape: Flat
    nu_rate: Flat
    first_factor: Flat
    first_paid: Flat


class Lognormal(NamedTuple):
    """The same of amounts whose logarithms are normal; idle unless `given`."""

    given: bool
    mean: Flat
    sd: Flat
    slope: Flat
    order_sd: Flat


class Products(NamedTuple):
    """The same of amounts that are one of a list of prices, (d, number); idle unless `given`."""

    given: bool
    number: int
    price: Flat
    upto: Flat  # cumulative shares


class Shares(NamedTuple):
    """Laws of the share of orders after the first that are paid, (d, columns); idle unless `given`."""

    given: bool
    paid_a: Flat
    paid_b: Flat


class Grid(NamedTuple):
    """Opportunities; idle where the interval is 0: orders then come at a rate."""

    interval: float
    intervals: Flat  # (interval_columns,): of each column, or of all
    interval_columns: int
    certain: bool  # everybody orders at each
    buy_a: Flat
    buy_b: Flat
    first_days: Flat  # (columns,)
    tenure: Flat  # (columns,)
    exponent: Flat  # (d, exponent_columns): of each column, or of all
    exponent_columns: int
    pausing: bool  # a contract that goes on may pause, and come back
    pause: Flat  # chances to pause, and to come back, as `exponent`
    resume: Flat
    paused: Flat  # (columns,) 1: an existing contract has
    late: Flat  # (columns,) days by which they come after they fall due
    due: Flat  # (d, due_days) multipliers of η by the day on which they fall due
    due_days: int
    per_day: float  # of these days
    before: float  # how many of them lie before the simulated time


class Weeks(NamedTuple):
    """Tables of a scenario: by world, table and week, or world, group and week; `structs.Tables`."""

    first: Flat  # (groups,)
    per_arrival_week: Flat  # (groups,)
    rate: Flat
    rate_excess: Flat
    hazard: Flat
    hazard_excess: Flat
    budget: Flat
    charge: Flat
    spend: Flat
    margin: Flat
    dues: Flat


class Tolls(NamedTuple):
    """What acquiring a newcomer has cost, which is to be repaid; `structs.Arrivals`."""

    tariffs: int
    cac: Flat


class Kept(NamedTuple):
    """Traits for the other scenarios: `structs.Traits`."""

    rate: Flat
    mu: Flat
    eta: Flat
    nu: Flat
    limit: Flat
    gap: Flat
    amount: Flat


class Books(NamedTuple):
    """Ledgers: `structs.Ledgers`."""

    calendar: Flat
    age: Flat
    cohort: Flat
    revenue: Flat  # of single customers, (w, c) where they are valued


class Deals(NamedTuple):
    """Offers: `structs.Offers`, (w, count) but for the first five; `memory` is of the customer at hand."""

    count: int
    numbers: int  # order numbers told apart
    key: Flat
    on_order: Flat  # (count, numbers)
    active: Flat  # (count, groups, weeks)
    take: Flat
    price: Flat
    cost: Flat
    refund: Flat
    returned: Flat
    cannibalised: Flat
    patience: Flat
    decline_hazard: Flat
    decline_rate: Flat
    healing: Flat
    accept_rate: Flat
    memory: Flat  # (MEMORIES, count)


class Programmes(NamedTuple):
    """Contact programmes: `structs.Contacts`, with the tables and ledgers that only they use."""

    number: int
    exposed: Flat
    count: Flat
    discounted: Flat
    cost_discounted: Flat
    opt_out: Flat
    exposure: Flat
    age_exit: Flat
    value: Flat


class Campaigns(NamedTuple):
    """What offers on occasions know beyond `Deals`, as in `structs.Offers`: campaigns, memberships, further lives."""

    occasion: Flat
    days: Flat  # (count, slots)
    slots: int
    cost: Flat  # (w, count), as the following
    convert: Flat
    churn_a: Flat
    churn_b: Flat
    card_loss: Flat
    perk: Flat
    living: Flat
    redeemed: Flat
    size: Flat
    first_order: Flat  # (customers,)
    last_order: Flat


class Cap(NamedTuple):
    """What one customer is sent at most, by campaigns beside contact programmes; idle where `contacts` is 0."""

    contacts: float
    days: float
    planned: Flat  # (groups, weeks)
    sent: Flat  # of the customer at hand: number, and a ring of days


class Occasions(NamedTuple):
    """Offers that act on other occasions than orders, and how often a customer is written to."""

    campaigns: Campaigns
    cap: Cap


class Rare(NamedTuple):
    """What few runs need, compiled together."""

    mixture: Mixture
    grid: Grid
    lognormal: Lognormal
    products: Products
    shares: Shares
    trace: Trace


class Ground(NamedTuple):
    """Everything that stays the same over all paths of a call, and that all loops know."""

    run: Run
    rates: Rates
    exits: Exits
    spend: Spend
    weeks: Weeks
    tolls: Tolls
    kept: Kept
    book: Books


# --- one path ---------------------------------------------------------------------------------------------------------


class Path(NamedTuple):
    """What never changes along a path."""

    w: int
    c: int
    base: np.uint64  # key of the customer in this world
    law: np.uint64  # place in the flat laws, before components
    kept: int  # place in the kept traits; -1: not kept
    draw: int  # row of the laws
    column: int
    group: int
    cohort: int
    half: int  # row of the ledgers: group and half of the customers
    calendar: int  # first cells of the own ledger rows
    age: int
    by_cohort: int
    table: int  # of rates and hazards; with contacts those of each arrival week have one
    own_weeks: int  # row of the group's spend and margin
    week_in: int
    start: float
    end: float
    discount: float  # of the start
    undiscount: float
    money_unit: float  # ledger units, times the weight of a representative
    head_unit: float
    rate: float  # factor on the own rate, of an additional customer
    spend: float  # factor on amounts
    cac: int  # place of what a newcomer has to repay, under the first tariff; -1: nothing
    dues: int  # place of the costs of a plan
    orders_before: int


class Row(NamedTuple):
    """Where a customer's table starts in arrays by week, and in cumulative ones, which have an entry more."""

    week: int
    cumulative: int


class Place(NamedTuple):
    """Where a moment stands in ledgers and tables."""

    week: int
    calendar: int
    age: int
    cohort: int
    discount: float  # to today
    own_discount: float  # to the own first order


class Own(NamedTuple):
    """Traits of the customer; < 0: not drawn yet. Owned by `traits` and `amounts`."""

    part: np.uint64  # place in those laws that differ by component of a mixture
    first_gap: float  # stages of the first gap
    rate: float  # orders per day; 1 where orders come at opportunities
    mu: float  # hazard per day
    eta: float  # hazard per order or opportunity
    nu: float  # spend level
    chance: float  # of an order at an opportunity


class Moment(NamedTuple):
    """Owned by `clocks`."""

    t: float  # now
    due: float  # the next order, in operational time; < 0: not drawn yet
    guess: float  # a day near it
    tick: int  # orders, or opportunities and a newcomer's first order, in this run
    skipped: int  # opportunities without an order
    paused: bool  # the last one was without


class Budget(NamedTuple):
    """Survival budget of one line of a life. Owned by `attrition`."""

    spent: float  # hazard so far
    limit: float  # E ~ Exp(1); < 0: not drawn yet
    alive: bool


class Terms(NamedTuple):
    """What mechanisms have done to later orders."""

    pace: float  # factor on the own rate, for good
    damping: float  # factor on it that heals
    heals: float  # day on which it does so next; inf: nothing to heal
    owed: float  # money that later orders lose
    size: float  # factor on amounts


class Purse(NamedTuple):
    """Contribution so far. Owned by `payback`."""

    total: float  # discounted to today
    own: float  # discounted to the own first order, less what contacts and the plan have cost
    best: float  # the most that it has been


class Listing(NamedTuple):
    """Standing with contact programmes. Owned by `contacts`."""

    listed: bool
    leaves: float  # day of opting out; inf: never
    ahead: float  # the same while it is to come, then inf


class Life(NamedTuple):
    """State of one line of a life. A second line beside it has one of its own."""

    now: Moment
    own: Own
    budget: Budget
    terms: Terms
    purse: Purse
    listing: Listing
    row: Row


class Push(NamedTuple):
    """All that a mechanism may do to a life; the loop applies it once, see `paths.apply_push`."""

    gain: float  # money now
    sold: float  # revenue, of which the gain is what is left
    hazard: float  # of the survival budget
    factor: float  # on the rate, for good
    damping: float  # log factor on the rate that heals
    owed: float  # money that later orders lose
