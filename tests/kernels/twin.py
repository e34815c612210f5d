"""Plain-Python twin of the event loop: one life at a time, walking through the weeks instead of searching prefix sums.

It shares the kernel's uniforms (tested on their own) and nothing else. `Case` holds schedules by week; it can hand them
to the kernel as structs, and to the twin as they are.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from clvsim.kernels import rng, variates
from clvsim.kernels import structs as ks
from clvsim.kernels.simulate import simulate as compiled
from clvsim.kernels.structs import scalar, seal

MONTH = 365.25 / 12
ORDER, TAKEN, DECLINED, DEATH, OPT_OUT, REFUND = (
    ks.TRACE_ORDER, ks.TRACE_TAKEN, ks.TRACE_DECLINED, ks.TRACE_DEATH, ks.TRACE_OPT_OUT, ks.TRACE_REFUND
)  # fmt: skip


@dataclass
class Case:
    """All inputs of the kernel in plain form. Weekly tables have shape (w, tables, weeks), programmes (p, g, weeks)."""

    people: ks.People
    worlds: np.ndarray  # uint64 (w,)
    laws: ks.Laws
    newcomers: bool
    months: int  # of own life
    periods: int
    rate: np.ndarray
    hazard: np.ndarray
    charge: np.ndarray
    budget: np.ndarray
    opt_out: np.ndarray
    spend: np.ndarray
    margin: np.ndarray
    first_table: np.ndarray
    own_clock: np.ndarray
    arrivals: ks.Arrivals
    offers: ks.Offers
    exposed: np.ndarray
    contacts: np.ndarray  # per week
    contact_price: np.ndarray  # (p,)
    annual_rate: float = 0.1
    cost_per_order: float = 1.5
    money_scale: float = 32.0
    by_order: bool = False

    @property
    def weeks(self) -> int:
        return self.rate.shape[2]

    @property
    def lines(self) -> int:
        return ks.BASE_LINES + ks.OFFER_LINES * self.offers.key.size + self.contacts.shape[0]

    @property
    def arrival_weeks(self) -> int:
        return int((self.people.born + self.people.spread).max() / 7) + 1 if self.newcomers else 1

    def week_discount(self) -> np.ndarray:
        return (1 + self.annual_rate) ** (-7 * (np.arange(self.weeks) + 0.5) / 365.25)

    def contact_struct(self) -> ks.Contacts:
        cost = np.tensordot(self.contact_price, self.contacts, 1)
        return ks.Contacts(
            seal(self.exposed, np.bool_),
            seal(_prefix(self.contacts)),
            seal(_prefix(self.contacts * self.week_discount())),
            seal(_prefix(cost * self.week_discount())),
        )

    def run(
        self, kernel=compiled, traits: ks.Traits | None = None, traced: bool = True
    ) -> tuple[ks.Ledgers, np.ndarray, ks.Traits]:
        """Ledgers and trace of the kernel; without a trace, goods are not posted either."""
        w, c, g = self.worlds.size, self.people.key.size, self.exposed.size
        cohorts = int(self.people.cohort.max()) + 1
        ledgers = ks.Ledgers(
            calendar=np.zeros((w, 2 * g, self.lines, 2, self.periods), np.int64),
            age=np.zeros((w, 2 * g, self.lines, 2, self.months), np.int64),
            cohort=np.zeros((w, cohorts, ks.COHORT_LINES, self.periods), np.int64),
            exposure=np.zeros((w, 2 * cohorts, self.weeks + 1), np.int64),
            age_exit=np.zeros((w, 2 * g, self.arrival_weeks, 2, self.months), np.int64),
            value=np.zeros((w, c)),
            orders=np.zeros((w, c), np.int64),
        )
        tables = ks.Tables(
            first=seal(self.first_table, np.int64),
            per_arrival_week=seal(self.own_clock, np.int64),
            rate=seal(self.rate),
            rate_excess=seal(_prefix(7 * (self.rate - 1))),
            hazard=seal(self.hazard),
            hazard_excess=seal(_prefix(7 * (self.hazard - 1))),
            budget=seal(_prefix(self.budget)),
            charge=seal(self.charge),
            opt_out=seal(_prefix(self.opt_out)),
            spend=seal(self.spend),
            margin=seal(self.margin),
        )
        flags = (
            ks.NEWCOMERS * self.newcomers
            + ks.TABLES * bool((self.rate != 1).any())
            + ks.OFFERS * (self.offers.key.size > 0)
            + ks.CONTACTS * (self.contacts.shape[0] > 0)
            + ks.MARGINS * traced
            + ks.RENEWING * bool(self.laws.interval_days[0] > 0 and not self.laws.buy_a.any())
            + ks.STEADY * bool((self.hazard == 1).all() and not self.budget.any())
        )
        clock = ks.Clock(
            length_days=scalar(self.months * MONTH),
            stop_days=scalar(self.periods * MONTH),
            discount_per_day=scalar(math.log1p(self.annual_rate) / 365.25),
            period_days=scalar(MONTH),
            cost_per_order=scalar(self.cost_per_order),
            money_unit=scalar(ks.COUNT_UNIT / self.money_scale),
            attrition_by_order=scalar(float(self.by_order)),
            flags=scalar(flags, np.int64),
        )
        traits = traits or ks.empty_traits(w, c)
        trace = ks.Trace(np.zeros((200_000 * traced, 5)), np.zeros(1, np.int64))
        kernel(
            self.people,
            seal(self.worlds, np.uint64),
            seal(np.zeros(w), np.int64),
            self.laws,
            traits,
            self.arrivals,
            tables,
            self.offers,
            self.contact_struct(),
            clock,
            ledgers,
            trace,
        )
        used = int(trace.used[0])
        assert used < trace.rows.shape[0] or not traced
        return ledgers, trace.rows[:used], traits


def _prefix(weekly: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((*weekly.shape[:-1], 1)), np.cumsum(weekly, axis=-1)], axis=-1)


@dataclass
class Book:
    """Sums of the twin in ledger units, with the number of entries: each may be rounded to the other side."""

    units: Counter = field(default_factory=Counter)
    entries: Counter = field(default_factory=Counter)

    def add(self, where: tuple, amount: float, unit: float) -> None:
        self.units[where] += math.floor(amount * unit + 0.5)
        self.entries[where] += 1


@dataclass
class Twin:
    """Everything that the twin saw."""

    calendar: Book = field(default_factory=Book)  # (w, half, line, plain or discounted, month)
    age: Book = field(default_factory=Book)
    cohort: Book = field(default_factory=Book)
    exposure: Book = field(default_factory=Book)
    sent: Counter = field(
        default_factory=Counter
    )  # contacts by (calendar or age, w, half, programme, plain/discounted, month)
    events: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    value: dict[tuple[int, int], float] = field(default_factory=dict)
    orders: dict[tuple[int, int], int] = field(default_factory=dict)


class Draws:
    """Random numbers of one customer in one world, by decision."""

    def __init__(self, key: np.uint64, world: np.uint64) -> None:
        self.base = np.uint64(variates.mix(np.uint64(int(key) ^ int(world))))

    def uniform(self, stream: int, event: int, salt: int = 0) -> float:
        return variates.uniform(np.uint64(int(self.base) ^ int(salt)), stream, event)

    def exponential(self, stream: int, event: int) -> float:
        return variates.exponential(self.base, stream, event)

    def gap(self, event: int, shape: float) -> float:
        """At k = 1 the exponential of models without regularity."""
        return self.exponential(rng.GAP, event) if shape == 1 else self.gamma(rng.GAP, event, shape)

    def normal(self, stream: int, event: int) -> float:
        return variates.normal(np.uint64(variates.address(self.base, stream, event)))[0]

    def gamma(self, stream: int, event: int, shape: float) -> float:
        return variates.gamma(np.uint64(variates.address(self.base, stream, event)), shape)


def law_of(laws: ks.Laws, customer: int, draws: Draws) -> dict[str, float]:
    """Parameters of the component that a path belongs to, and how many stages of its first gap are over."""
    parts = laws.stages_done.size
    part = 0
    if parts > 1:
        mass = np.cumsum(laws.weight[0, customer * parts : (customer + 1) * parts])
        part = int(np.searchsorted(mass, draws.uniform(rng.COMPONENT, 0), side="right"))
    law = {"stages_done": float(laws.stages_done[part])}
    for name in ("p_alive", "order_shape", "nu_shape", "nu_rate", "first_factor"):
        law[name] = float(getattr(laws, name)[0, customer])
    for name in ("rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b"):
        law[name] = float(getattr(laws, name)[0, customer * parts + part])
    for name in ("level_mean", "level_sd", "level_slope", "order_sd"):
        law[name] = float(getattr(laws, name)[0, customer]) if laws.order_sd.size else 0.0
    for name in ("buy_a", "buy_b"):
        law[name] = float(getattr(laws, name)[0, customer * parts + part]) if laws.buy_a.size else 0.0
    return law


def amount_of(law: dict[str, float], lognormal: bool, draws: Draws, rate: float, tick: int) -> float:
    """Before any factor: Gamma or normal logarithms around what is the customer's own, or always the same."""
    if lognormal:
        level = law["level_mean"] + law["level_sd"] * draws.normal(rng.SPEND, 0)
        if law["level_slope"]:
            level += law["level_slope"] * math.log(max(rate, 1e-12))
        return math.exp(level + law["order_sd"] * draws.normal(rng.AMOUNT, tick))
    if not law["order_shape"]:
        return law["nu_rate"]
    nu = draws.gamma(rng.SPEND, 0, law["nu_shape"]) / law["nu_rate"]
    return draws.gamma(rng.AMOUNT, tick, law["order_shape"]) / nu


def age_month(days: float) -> int:
    """Whole months of life; a renewal after exactly n months is in month n, whatever its day was rounded to."""
    return math.floor(round(days / MONTH, 9))


@dataclass
class Grid:
    """Opportunities of one life: their days, and what becomes of them."""

    interval: float
    start: float
    first: float  # days from the start
    served: float
    exponent: float
    eta: float
    chance: float  # purchase probability

    @classmethod
    def of(cls, laws: ks.Laws, customer: int, law: dict[str, float], start: float, eta: float, draws: Draws) -> "Grid":
        chance = 1.0
        if law["buy_a"] > 0:
            buys, not_ = (draws.gamma(rng.RATE, i, law[name]) for i, name in enumerate(("buy_a", "buy_b")))
            chance = buys / (buys + not_)
        return cls(
            float(laws.interval_days[0]), start, float(laws.first_days[customer]), float(laws.tenure[customer]),
            float(laws.tenure_exponent[0, 0]), eta, chance,
        )  # fmt: skip

    def day(self, number: int) -> float:
        """Of the opportunities to come, counted from 0."""
        return self.start + (self.first + number * self.interval)

    def hazard(self, number: int, multiplier: float) -> float:
        j = self.served + number + 1
        return self.eta * multiplier * (j**self.exponent - (j - 1) ** self.exponent)

    def taken(self, uniform: float, multiplier: float) -> bool:
        return uniform < 1 - (1 - self.chance) ** multiplier


def simulate(case: Case) -> Twin:
    twin = Twin()
    for w in range(case.worlds.size):
        for c in range(case.people.key.size):
            twin.value[w, c], twin.orders[w, c] = live(case, w, c, twin)
    return twin


def live(case: Case, w: int, c: int, twin: Twin) -> tuple[float, int]:
    """One customer in one world; returns discounted contribution and number of orders."""
    who = {name: values[c] for name, values in case.people._asdict().items()}
    weight, cac = 1.0, 0.0
    if who["cell"] >= 0:
        if who["ordinal"] >= case.arrivals.count[w, who["cell"]]:
            return 0.0, 0
        weight, cac = case.arrivals.weight[w, who["cell"]], case.arrivals.cac[w, who["cell"]]
    draws = Draws(who["key"], case.worlds[w])
    law, stages, at_birth = (
        law_of(case.laws, int(who["column"]), draws),
        case.laws.regularity[0],
        case.laws.birth_charges[0],
    )
    group = int(who["group"])
    half = 2 * group + (int(who["key"]) >> 63)
    cohort = int(who["cohort"])
    heads, money = ks.COUNT_UNIT * weight, ks.COUNT_UNIT / case.money_scale * weight

    start = float(who["born"])
    if who["spread"] > 0:
        start += who["spread"] * draws.uniform(rng.ARRIVAL_DAY, 0)
    end = min(start + case.months * MONTH, case.periods * MONTH)
    week_in = int(start // 7)
    table = int(case.first_table[group]) + (week_in if case.own_clock[group] else 0)

    def discount(day: float) -> float:
        return (1 + case.annual_rate) ** (-day / 365.25)

    def post(line: int, day: float, amount: float, unit: float) -> None:
        spots = [(twin.calendar, int(day / MONTH), discount(day))]
        if case.newcomers:
            spots.append((twin.age, age_month(day - start), discount(day - start)))
        for book, month, factor in spots:
            book.add((w, half, line, 0, month), amount, unit)
            book.add((w, half, line, 1, month), amount * factor, unit)

    def tell(kind: int, day: float, amount: float = 0.0) -> None:
        twin.events.append((w, c, kind, day, amount))

    if case.newcomers:
        post(ks.ACQUIRED, start, 1.0, heads)

    # contacts go on until the end or the opt-out, whether or not the customer still buys; but contracts are seen to end
    renews = case.laws.interval_days[0] > 0 and not case.laws.buy_a.any()
    leaves, value = math.inf, 0.0
    listed = case.contacts.shape[0] > 0 and bool(case.exposed[group])
    if listed:
        left = draws.exponential(rng.OPT_OUT, 0)
        day = start
        while day < end and leaves == math.inf:
            week = int(day // 7)
            stop = min(7.0 * (week + 1), end)
            hazard = case.opt_out[w, table, week] * (stop - day) / 7
            if hazard >= left:
                leaves = day + (stop - day) * left / hazard
            left -= hazard
            day = stop

    def write_until(known: float) -> None:
        nonlocal value
        last_contact = math.ceil(min(leaves, known) / 7)
        twin.exposure.add((w, 2 * cohort + half % 2, week_in), 1.0, heads)
        twin.exposure.add((w, 2 * cohort + half % 2, last_contact), -1.0, heads)
        weekly = case.week_discount()
        for week in range(week_in, last_contact):
            month = min(int((7 * week + 3.5) / MONTH), case.periods - 1)
            own = max(m for m in range(case.months) if week_in + math.ceil(m * MONTH / 7) <= week)
            for p in range(case.contacts.shape[0]):
                sent = weight * case.contacts[p, group, week]
                value -= case.contact_price[p] * sent / weight * weekly[week]
                twin.sent["calendar", w, half, p, 0, month] += sent
                twin.sent["calendar", w, half, p, 1, month] += sent * weekly[week]
                if case.newcomers:
                    twin.sent["age", w, half, p, 0, own] += sent
                    twin.sent["age", w, half, p, 1, own] += sent * weekly[week] / discount(start)
        if leaves < known:
            post(ks.OPTED_OUT, leaves, 1.0, heads)
            tell(OPT_OUT, leaves)

    if listed and not renews:
        write_until(end)

    if draws.uniform(rng.ALIVE, 0) >= law["p_alive"]:
        return value, 0
    twin.calendar.add((w, half, ks.ACTIVE, 0, int(start / MONTH)), 1.0, heads)
    twin.cohort.add((w, cohort, ks.COHORT_ACTIVE, int(start / MONTH)), 1.0, heads)
    if case.newcomers:
        twin.age.add((w, half, ks.ACTIVE, 0, 0), 1.0, heads)

    gridded = case.laws.interval_days[0] > 0
    buying = math.nan if gridded else draws.gamma(rng.RATE, 0, law["rate_shape"]) / law["rate_rate"]
    fading = draws.gamma(rng.ATTRITION_TIME, 0, law["mu_shape"]) / law["mu_rate"] if law["mu_shape"] > 0 else 0.0
    lognormal = case.laws.order_sd.size > 0
    eta = 0.0
    if law["drop_a"] > 0:
        stays, goes = (
            draws.gamma(rng.ATTRITION_ORDER, 1, law["drop_b"]),
            draws.gamma(rng.ATTRITION_ORDER, 0, law["drop_a"]),
        )
        eta = -math.log(stays / (stays + goes))
    grid = Grid.of(case.laws, int(who["column"]), law, start, eta, draws)
    budget = draws.exponential(rng.LIFETIME, 0)
    state = {"damp": 1.0, "owed": 0.0, "declined": 0, "own": 0.0, "repaid": False}
    orders, ticks, day, dead, on_list = 0, 0, start, False, True  # ticks count opportunities too that nobody took

    def order(day: float) -> float:
        """One order with its offers; returns the hazard it brings."""
        nonlocal value
        annoyance = 0.0
        week = int(day // 7)
        amount = amount_of(law, lognormal, draws, buying, ticks)
        if case.newcomers and orders == 0:
            amount *= law["first_factor"]
        amount *= case.spend[w, group, week]
        lost = min(state["owed"], amount)
        state["owed"] -= lost
        amount -= lost
        goods = amount * (1 - case.margin[w, group, week])
        gain = amount - goods - case.cost_per_order
        post(ks.REVENUE, day, amount, money)
        post(ks.GOODS, day, goods, money)
        post(ks.ORDERS, day, 1.0, heads)
        revenue = [amount]
        tell(ORDER, day, amount)
        damp = state["damp"]  # the rate at which this order came: its hazard is charged at that rate
        for o in range(case.offers.key.size):
            offer = {name: getattr(case.offers, name)[w, o] for name in case.offers._fields[3:]}
            number = min(int(who["orders_before"]) + orders, case.offers.on_order.shape[1] - 1)
            if not (case.offers.active[o, group, week] and case.offers.on_order[o, number]):
                continue
            line = ks.BASE_LINES + ks.OFFER_LINES * o
            salt = case.offers.key[o]
            post(line + ks.SHOWN, day, 1.0, heads)
            if draws.uniform(rng.OFFER, ticks, salt) < offer["take"]:
                post(line + ks.TAKEN, day, 1.0, heads)
                gain += offer["price"] - offer["cost"]
                revenue.append(offer["price"])
                if draws.uniform(rng.REFUND, ticks, salt) < offer["refund"]:
                    post(line + ks.REFUNDED, day, 1.0, heads)
                    gain -= offer["price"]
                    tell(REFUND, day, offer["price"])
                state["owed"] += offer["cannibalised"] * offer["price"]
                state["damp"] *= offer["accept_rate"]
                tell(TAKEN, day, offer["price"])
            else:
                state["declined"] += 1
                if state["declined"] > offer["patience"]:
                    annoyance += offer["decline_hazard"]
                    state["damp"] *= offer["decline_rate"]
                tell(DECLINED, day)
        value += discount(day) * gain
        month = int(day / MONTH)
        for amount in revenue:
            twin.cohort.add((w, cohort, ks.COHORT_REVENUE, month), amount, money)
        twin.cohort.add((w, cohort, ks.COHORT_CONTRIBUTION, month), gain, money)
        if case.newcomers:
            state["own"] += discount(day - start) * gain
            paid = 0.0
            if listed:
                until = math.ceil(min(day, leaves) / 7)
                cost = np.tensordot(case.contact_price, case.contacts[:, group], 1) * case.week_discount()
                paid = cost[week_in:until].sum() / discount(start)
            if not state["repaid"] and state["own"] - paid >= cac:
                state["repaid"] = True
                twin.age.add((w, half, ks.REPAID, 0, age_month(day - start)), 1.0, heads)
                twin.age.add((w, half, ks.REPAID, 1, age_month(day - start)), discount(day - start), heads)
        charges = at_birth if case.newcomers and orders == 0 else 1
        if gridded:
            charges = 0  # it was charged before the opportunity
        load = eta * case.charge[w, now, week] * charges
        return annoyance + (load if case.by_order else load / damp)

    now = table
    if case.newcomers:
        budget -= order(day)
        orders += 1
        ticks += 1
        dead = budget <= 0
    while not dead and day < end:
        wait, number = math.nan, ticks - case.newcomers
        if not gridded:
            left = stages - law["stages_done"] if ticks == 0 else stages
            wait = draws.gap(ticks, left) / (buying * state["damp"])  # in days of multiplier 1
        while True:
            week = int(day // 7)
            now = table if on_list else table + case.rate.shape[1] // 2
            stop = min(7.0 * (week + 1), end, leaves if on_list else math.inf)
            speed, danger = case.rate[w, now, week], fading * case.hazard[w, now, week]
            if listed:
                danger += case.budget[w, now, week] / 7
            next_order = grid.day(number) if gridded else day + wait / speed
            dies = day + budget / danger if danger > 0 else math.inf
            if dies <= min(next_order, stop):
                day, dead = dies, True
                break
            if next_order <= stop and next_order < end:
                budget -= danger * (next_order - day)
                day = next_order
                week = int(day // 7)
                if gridded:
                    budget -= grid.hazard(number, case.hazard[w, now, week])
                    dead = budget <= 0
                if not dead and (
                    not gridded
                    or grid.taken(draws.uniform(rng.OPPORTUNITY, ticks), state["damp"] * case.rate[w, now, week])
                ):
                    budget -= order(day)
                    orders += 1
                    dead = budget <= 0
                ticks += 1
                break
            wait -= speed * (stop - day)
            budget -= danger * (stop - day)
            day = stop
            if day >= end:
                break
            if day == leaves:
                on_list = False
    if dead:
        tell(DEATH, day)
    if int(day / MONTH) < case.periods:
        twin.calendar.add((w, half, ks.ACTIVE, 0, int(day / MONTH)), -1.0, heads)
        twin.cohort.add((w, cohort, ks.COHORT_ACTIVE, int(day / MONTH)), -1.0, heads)
    if case.newcomers and dead:
        twin.age.add((w, half, ks.ACTIVE, 0, age_month(day - start)), -1.0, heads)
    if listed and renews:
        write_until(min(day, end))
    return value, orders
