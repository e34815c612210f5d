"""Histories of a few simulated customers, line by line, in one world under every scenario.

They are simulated once more, one customer at a time, by the same loop with its trace switched on; what the run has
simulated does not know of it. docs/trace.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.interventions.base import CostEntry, OfferTerms
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation import engine, people
from clvsim.simulation.arrivals import ArrivalPlan, newcomer_blocks
from clvsim.simulation.config import TraceConfig
from clvsim.simulation.environment import sd_law
from clvsim.simulation.ledger import Raw
from clvsim.simulation.ledger.contacts import month_of_week
from clvsim.simulation.people import Block
from clvsim.simulation.plan import RunPlan, ScenarioPlan
from clvsim.simulation.ranges import make_setting, plan_all_arrivals
from clvsim.simulation.tables import stocks, weekly_contacts
from clvsim.simulation.win_backs import with_answers
from clvsim.simulation.worlds import make_worlds
from clvsim.types import DAYS_PER_WEEK, CustomerSummary, TraceLine

CUSTOMERS_SHOWN, LINES_SHOWN = 3, 40  # on the page
EVENTS_AT_FIRST = 4096  # of one life; a longer one is simulated again with more room
EVENTS = {
    int(ks.TRACE_ORDER): "order",
    int(ks.TRACE_TAKEN): "offer taken",
    int(ks.TRACE_DECLINED): "offer declined",
    int(ks.TRACE_DEATH): "left",
    int(ks.TRACE_OPT_OUT): "opted out",
    int(ks.TRACE_REFUND): "offer refunded",
    int(ks.TRACE_CAMPAIGN): "campaign",
    int(ks.TRACE_GONE): "had left before today",
    int(ks.TRACE_JOINED): "joins",
    int(ks.TRACE_SERVED): "order of a member",
    int(ks.TRACE_LEFT): "ends the membership",
    int(ks.TRACE_RETURNED): "comes back",
    int(ks.TRACE_MOVED): "goes over to the next product",
    int(ks.TRACE_WITHHELD): "campaign withheld",
}
TAKEN_AS = {"membership": "pays for the membership", "referral": "brings a customer", "win_back": "uses the coupon"}
FIRST_ORDER, COST, MESSAGES, STAYED, NEVER_CAME = "first order", "cost", "messages", "still there", "does not come"
HELD_OUT = "held out"


class Person(NamedTuple):
    """A customer to follow: a block of one, the name that a table shows, and why this one was chosen."""

    block: Block
    name: str
    role: str


class Happening(NamedTuple):
    """Something that happens to a customer on a day since today, with the money that the ledger holds for it.

    `number` of messages; `cause`: the lever, "" where it is the customer's own doing. Stocks are those of the cause at
    the end of the last week in which it sent any of these messages, nan of all else.
    """

    day: float
    event: str
    revenue: float = 0.0
    cost: float = 0.0
    cause: str = ""
    number: float = np.nan
    goodwill: float = np.nan
    fatigue: float = np.nan


def trace(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, customers: pd.DataFrame, config: TraceConfig
) -> pd.DataFrame:
    """What happens to `config.customers` customers under each scenario, in the world of draw `config.draw`.

    `customers` is the table of today's customers (`Simulation.customers`). One row per event, by customer, scenario and
    day: scenario, draw, customer, role, date (ISO), event, number, revenue, cost, cause, goodwill, fatigue. Revenue
    less cost adds up to what the ledger holds for these customers in this world, undiscounted, but for fixed costs and
    the cost of acquisition; a newcomer who stands for several (`simulation.max_newcomers_per_cell`) counts once here.
    """
    plan = with_answers(plan, fitted, summary)
    world = World.of(plan, fitted, summary, config.draw - 1)
    rows = [
        (name, config.draw, person.name, person.role, _iso(summary.today, what.day), what)
        for person in chosen(world, fitted, summary, customers, config.customers)
        for name, scenario in plan.scenarios.items()
        for what in life_of(world, person.block, name, scenario)
    ]
    table = pd.DataFrame([row[:5] for row in rows], columns=["scenario", "draw", "customer", "role", "date"])
    happened = pd.DataFrame([row[5]._asdict() for row in rows], columns=Happening._fields)
    columns = ["event", "number", "revenue", "cost", "cause", "goodwill", "fatigue"]
    return pd.concat([table, happened[columns]], axis=1)


def shown(table: pd.DataFrame) -> tuple[TraceLine, ...]:
    """The first lines of a trace's first customers, for the page: what several scenarios have alike is one line, and so
    are all messages of a programme, on the day of the first."""
    scenarios, alike = table["scenario"].nunique(), ["date", "event", "cause", "number", "revenue", "cost"]
    found: list[TraceLine] = []
    sent = table[table["event"] == MESSAGES].groupby(["customer", "scenario", "cause"])
    many, cost = sent["number"].transform("sum"), sent["cost"].transform("sum")
    first = table.index.isin(sent.head(1).index)
    table = table.assign(number=many, cost=cost.reindex(table.index).fillna(table["cost"]))
    table = table[first | (table["event"] != MESSAGES)]
    for _, own in list(table.groupby("customer", sort=False))[:CUSTOMERS_SHOWN]:
        again = own.groupby(["scenario", *alike], dropna=False).cumcount().rename("again")  # twice on one day
        lines = own.groupby([*alike, again], sort=False, dropna=False)["scenario"].unique().reset_index()
        for *what, _, names in lines.sort_values("date", kind="stable").head(LINES_SHOWN).itertuples(index=False):
            where = "all" if len(names) == scenarios > 1 else ", ".join(names)
            found.append(TraceLine(own["role"].iloc[0], *what, where))
    return tuple(found)


def _iso(today: date, day: float) -> str:
    """The day that a time lies in; the first simulated one is the day after today."""
    return str(today + timedelta(days=1 + int(day)))


class World(NamedTuple):
    """One world, with the newcomers of every scenario in it."""

    plan: RunPlan
    setting: engine.Setting
    draw: int
    arrivals: dict[str, ArrivalPlan]

    @classmethod
    def of(cls, plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, draw: int) -> "World":
        """The first replicate of a draw, with those before it: worlds are the same however many there are."""
        shocks_sd = sd_law(fitted, summary, plan.environment)
        worlds = make_worlds(
            plan.seed, draw + 1, 1, plan.layout.months, plan.environment, shocks_sd, arriving=plan.arriving
        )
        return cls(plan, make_setting(plan, worlds, fitted), draw, plan_all_arrivals(plan, worlds))

    @property
    def draws(self) -> slice:
        return slice(self.draw, self.draw + 1)

    def counts(self, name: str) -> np.ndarray:
        """Newcomers that are simulated in each cell under a scenario, (cells,)."""
        return self.arrivals[name].arrivals.count[self.draw]


# --- who is followed -------------------------------------------------------------------------------------------------


def chosen(
    world: World, fitted: FittedModels, summary: CustomerSummary, customers: pd.DataFrame, number: int
) -> list[Person]:
    """The customers to follow: of three one is a newcomer, where there are any; all are where nobody is a customer
    today. No random number decides.

    Today's: of median expected value, with most orders, silent for longest after more than one order, then by expected
    value from the lowest to the highest in equal steps. Newcomers: the first one, the first whom a lever brings in
    addition, then those after the first. Ties go to the id that comes first as a text. Contracts that are known to have
    ended are left alone.
    """
    if summary.customers.empty:
        return chosen_newcomers(world, fitted, number)
    new = chosen_newcomers(world, fitted, number // 3)
    return [*chosen_existing(world.plan, fitted, summary, customers, number - len(new)), *new]


def chosen_existing(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, customers: pd.DataFrame, number: int
) -> list[Person]:
    ids = summary.customers["customer_id"].to_numpy(str)
    blocks, order = people.existing_blocks(
        summary,
        fitted,
        plan.layout.group,
        plan.layout.cohort,
        plan.simulation.shard_customers,
        returning=plan.wins_back,
    )
    place = np.empty(order.size, int)
    place[order] = np.arange(order.size)
    by_id = np.argsort(ids, kind="stable")
    by_id = by_id[people.reachable(fitted, summary)[by_id]]
    roles = list(roles_of(summary.customers.iloc[by_id], customers["rlv_mean"].to_numpy()[by_id], number))
    size = plan.simulation.shard_customers
    return [
        Person(one_of(blocks[place[row] // size], place[row] % size), ids[row], role)
        for row, role in ((by_id[rank], role) for rank, role in roles)
    ]


def roles_of(customers: pd.DataFrame, value: np.ndarray, number: int) -> Iterator[tuple[int, str]]:
    """Row and role of at most `number` customers, each once; `value` (c,) is what each is expected to bring."""
    orders, silent = customers["frequency"].to_numpy(), (customers["T_days"] - customers["recency_days"]).to_numpy()
    ranked = np.argsort(value, kind="stable")
    silent = np.where(orders > 0, silent, -1.0) if orders.any() else silent
    places = [*np.linspace(0, ranked.size - 1, max(number, 2)).round().astype(int), *range(ranked.size)]
    candidates = [
        (ranked[(ranked.size - 1) // 2], "median expected value"),
        *((row, "most orders so far") for row in np.argsort(-orders, kind="stable")[:2]),
        *((row, "silent for longest") for row in np.argsort(-silent, kind="stable")[:3]),
        *((ranked[n], f"rank {ranked.size - n:,} of {ranked.size:,} by expected value") for n in places),
    ]
    found: dict[int, str] = {}
    for row, role in candidates:
        once = role in found.values() and not role.startswith("rank")
        if len(found) < number and int(row) not in found and not once:
            found[int(row)] = role
    yield from found.items()


def chosen_newcomers(world: World, fitted: FittedModels, number: int) -> list[Person]:
    acquisition, months = world.plan.acquisition, world.plan.acquisition.months
    if not number or not acquisition.channels:
        return []
    most = np.max([world.counts(name) for name in world.arrivals], axis=0)
    cells = sorted(range(most.size), key=lambda cell: (cell % months, cell // months))
    coming = [(cell, ordinal) for cell in cells for ordinal in range(most[cell])]
    base = world.counts(BASELINE)
    additional = [(cell, ordinal) for cell, ordinal in coming if ordinal >= base[cell]]
    first = [newcomer for newcomer in coming if newcomer not in additional][:1]
    wanted = list(dict.fromkeys([*first, *additional[:1], *coming]))[:number]
    blocks = newcomer_blocks(acquisition, fitted, list(world.arrivals.values()), world.plan.layout, max(1, most.sum()))
    where = {
        (int(cell), int(ordinal)): (block, row)
        for block in blocks
        for row, (cell, ordinal) in enumerate(zip(block.people.cell, block.people.ordinal, strict=True))
    }
    names = list(acquisition.channels)
    return [
        Person(
            one_of(*where[cell, ordinal]),
            f"{names[cell // months]}, month {cell % months + 1}, no. {ordinal + 1}",
            numbered(number) + (", whom a lever brings" if (cell, ordinal) in additional else ""),
        )
        for number, (cell, ordinal) in enumerate(wanted)
    ]


def numbered(number: int) -> str:
    """A newcomer's role, which tells one from another where no id is shown."""
    return f"newcomer {number + 1}" if number else "newcomer"


def one_of(block: Block, row: int) -> Block:
    """The block of one of a block's customers."""
    return replace(block, people=ks.People(*(seal(v[row : row + 1], v.dtype) for v in block.people)))


# --- what happens to them --------------------------------------------------------------------------------------------


class Lived(NamedTuple):
    """What the loop leaves of one life: its events as in `structs.Trace`, its sums, and the tables that it read."""

    events: np.ndarray
    raw: Raw
    tables: ks.Tables
    contacts: ks.Contacts


def live(world: World, block: Block, name: str, scenario: ScenarioPlan) -> Lived:
    """Simulate a block of one customer in the world under a scenario."""
    setting, layout, rows = world.setting, world.plan.layout, EVENTS_AT_FIRST
    alone = replace(setting, worlds=replace(setting.worlds, key=setting.worlds.key[world.draws]))
    while True:
        own = engine.empty_raw(alone, scenario.levers, layout.months, layout.ages, len(layout.cohorts))
        job = engine.make_job(setting, scenario.levers, own, world.arrivals[name].arrivals, scenario.costs)
        worlds = engine.make_slice(block, setting, world.draws, scenarios=1)
        shared = engine.make_shared_tables(job, setting, worlds, block)
        arrivals, events = engine.rows_of_arrivals(job, block, worlds.rows), ks.Trace.empty(rows)
        engine.run_kernel(block, job, setting, worlds, shared, arrivals, own, worlds.no_totals, events)
        used = int(events.used[0])
        if used < rows:
            return Lived(events.rows[:used], own, shared.tables, job.contacts)
        rows *= 8


def life_of(world: World, block: Block, name: str, scenario: ScenarioPlan) -> list[Happening]:
    """All that happens to a customer under a scenario, by day."""
    newcomer = block.newcomers
    if newcomer and block.people.ordinal[0] >= world.counts(name)[block.people.cell[0]]:
        return [Happening(float(block.people.born[0]), NEVER_CAME)]
    lived = live(world, block, name, scenario)
    events = in_order(lived.events)
    start = float(events[events[:, 2] == ks.TRACE_ORDER][0, 3]) if newcomer else 0.0
    happened = [
        *held_out(world, scenario, block, start),
        *(what for event in events for what in happenings(world, scenario, block, lived.tables, event)),
        *costs_at_start(world, scenario.costs, block, start),
        *messages(world, scenario, lived, block, start),
    ]
    if newcomer:
        first = next(i for i, what in enumerate(happened) if what.event == EVENTS[int(ks.TRACE_ORDER)])
        happened[first] = happened[first]._replace(event=FIRST_ORDER)
    if is_there_at_the_end(events):
        happened.append(Happening(min(start + world.setting.length_days, world.setting.stop_days), STAYED))
    return sorted(happened, key=lambda what: what.day)


def is_there_at_the_end(events: np.ndarray) -> bool:
    """Whether the last life has not ended, of events by day."""
    turns = events[np.isin(events[:, 2], (ks.TRACE_DEATH, ks.TRACE_GONE, ks.TRACE_RETURNED)), 2]
    return turns.size == 0 or bool(turns[-1] == ks.TRACE_RETURNED)


def in_order(events: np.ndarray) -> np.ndarray:
    """Events by day; at one moment an order, its offers, each refund behind what it refunds, and at last the loss."""
    kind = events[:, 2]
    offer = np.select([kind == ks.TRACE_DEATH, kind == ks.TRACE_RETURNED], [np.inf, -np.inf], events[:, 5])
    follows = np.isin(kind, (ks.TRACE_TAKEN, ks.TRACE_DECLINED)) + 2 * (kind == ks.TRACE_REFUND)
    return events[np.lexsort((follows, offer, events[:, 3]))]


def happenings(
    world: World, scenario: ScenarioPlan, block: Block, tables: ks.Tables, event: np.ndarray
) -> Iterator[Happening]:
    """An event of the loop with its money, and the plan's costs that follow it."""
    kind, day, amount, number = int(event[2]), float(event[3]), float(event[4]), int(event[5])
    offer = scenario.levers.offers[number] if number >= 0 else None
    if offer is not None and offer.referral and kind == ks.TRACE_DECLINED:
        return  # an order that brought nobody
    what = Happening(day, event_of(kind, offer), cause=offer.name if offer else "")
    costs = [cost for cost in scenario.costs if reaches(world, cost, block)]
    if kind == ks.TRACE_ORDER:
        margin = tables.margin[0, block.people.group[0], min(int(day / DAYS_PER_WEEK), tables.margin.shape[2] - 1)]
        yield what._replace(revenue=amount, cost=amount * (1.0 - margin) + world.setting.cost_per_order)
        yield from (Happening(day, COST, cost=c.amount[world.draw], cause=c.name) for c in costs if c.per == "order")
    elif offer is None:
        yield what
    else:
        yield with_money(what, offer, kind, world)
    if kind in (ks.TRACE_ORDER, ks.TRACE_TAKEN):
        shares = (c for c in costs if c.per == "revenue")
        yield from (Happening(day, COST, cost=c.amount[world.draw] * amount, cause=c.name) for c in shares)


def event_of(kind: int, offer: OfferTerms | None) -> str:
    """What the event of a kind is called, of an offer by what it sells."""
    if offer is not None and kind == ks.TRACE_TAKEN:
        return next((words for terms, words in TAKEN_AS.items() if getattr(offer, terms)), EVENTS[kind])
    return EVENTS[kind]


def with_money(what: Happening, offer: OfferTerms, kind: int, world: World) -> Happening:
    """What an offer or a campaign brings and costs in the world's draw."""
    draw, price = world.draw, offer.price[world.draw]
    goods = price * (1.0 - (world.setting.gross_margin if offer.margin is None else offer.margin))
    if kind == ks.TRACE_TAKEN:
        return what._replace(revenue=price, cost=goods + offer.incentive[draw])
    if kind == ks.TRACE_REFUND:
        return what._replace(revenue=-price, cost=-goods * offer.goods_return)
    if offer.membership is not None and kind in (ks.TRACE_JOINED, ks.TRACE_SERVED):
        each = offer.membership.trial_cost if kind == ks.TRACE_JOINED else offer.membership.order_cost
        return what._replace(cost=each[draw])
    if kind == ks.TRACE_CAMPAIGN and offer.contact_cost is not None:
        return what._replace(cost=offer.contact_cost[draw])
    return what


def reaches(world: World, cost: CostEntry, block: Block) -> bool:
    return cost.who.reaches(world.plan.layout.groups[block.people.group[0]])


def held_out(world: World, scenario: ScenarioPlan, block: Block, start: float) -> Iterator[Happening]:
    """Levers that would reach the customer, who is among those held out of them."""
    group, compiled = world.plan.layout.groups[block.people.group[0]], scenario.compiled
    whom = dict(zip(compiled.levers, (mechanism.who for mechanism in compiled.mechanisms), strict=True))
    for lever, who in whom.items():
        if who.hold_out in group.held_out and who.everybody.reaches(group):
            yield Happening(start, HELD_OUT, cause=lever)


def costs_at_start(world: World, costs: Sequence[CostEntry], block: Block, start: float) -> Iterator[Happening]:
    """The plan's costs per customer: of a contract that is known to have ended there are none."""
    if block.newcomers or block.laws(world.draws).p_alive[0, block.people.column[0]] > 0:
        for cost in costs:
            if cost.per == "customer" and reaches(world, cost, block):
                yield Happening(start, COST, cost=cost.amount[world.draw], cause=cost.name)


def messages(world: World, scenario: ScenarioPlan, lived: Lived, block: Block, start: float) -> Iterator[Happening]:
    """What contact programmes send, by month, on the day on which the first of its weeks begins."""
    on_list = np.cumsum(lived.raw.exposure[0], axis=-1)[:, :-1].sum(axis=0) > 0
    month, group = month_of_week(on_list.size, world.plan.layout.months), int(block.people.group[0])
    joined, programmes = int(start / DAYS_PER_WEEK), scenario.levers.contacts
    by_week = weekly_contacts(programmes, world.plan.layout.groups[group], on_list.size)
    for number, (programme, weekly) in enumerate(zip(programmes, by_week, strict=True)):
        sent = np.diff(lived.contacts.count[number, group]) * on_list
        goodwill, fatigue = (stock[joined] for stock in stocks(programme, weekly, joined + 1))
        for m in np.unique(month[sent > 0]):
            weeks = np.flatnonzero((month == m) & (sent > 0))
            many, last = float(sent[weeks].sum()), weeks[-1]
            yield Happening(
                day=max(start, DAYS_PER_WEEK * float(weeks[0])),
                event=MESSAGES,
                cost=programme.cost * many,
                cause=programme.name,
                number=many,
                goodwill=float(goodwill[last]),
                fatigue=float(fatigue[last]),
            )
