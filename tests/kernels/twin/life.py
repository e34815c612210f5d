"""One life at a time, from event to event and from week to week."""

from clvsim.kernels import rng
from clvsim.kernels.structs import ACQUIRED, TRACE_DEATH, TRACE_GONE
from twin import again, attrition, campaigns, clocks, contacts, grid, membership, offers, orders, pace
from twin.books import Records, activate, close, count, record
from twin.cases import Case
from twin.paths import customer_of
from twin.state import Customer, Life
from twin.traits import traits_of


def simulate(case: Case) -> Records:
    records = Records()
    for w in range(case.worlds.size):
        for c in range(case.people.key.size):
            customer = customer_of(case, w, c)
            value, number = (0.0, 0) if customer is None else live(case, records, customer)
            records.value[w, c], records.orders[w, c] = value, number
    return records


def live(case: Case, records: Records, customer: Customer) -> tuple[float, int]:
    """One customer in one world; returns discounted contribution and number of orders."""
    cost = 0.0
    leaves, listed = contacts.opt_out_day(case, customer), contacts.is_listed(case, customer)
    if case.newcomers:
        count(case, records, customer, ACQUIRED, customer.start)
    # contacts go on whether or not the customer still buys; but contracts are seen to end
    if listed and not case.renews:
        cost = contacts.write_until(case, records, customer, leaves, customer.end)
    life = began(case, customer, leaves)
    gone = customer.draws.uniform(rng.ALIVE, 0) >= customer.law["p_alive"]
    if gone:
        record(records, customer, TRACE_GONE, customer.start)
        life.lost = True
    else:
        activate(case, records, customer, customer.start)
        if case.newcomers:
            orders.at_order(case, records, customer, life)
        live_on(case, records, customer, life)
    while life.lost and not case.renews:
        written, back, offer = campaigns.run_out(case, records, customer, life)
        membership.run_out(case, records, customer, life, min(back, customer.end))
        cost += written
        if back >= customer.end:
            break
        again.come_back(case, records, customer, life, back, offer)
        orders.at_order(case, records, customer, life)
        live_on(case, records, customer, life)
    if listed and case.renews and not gone:
        cost = contacts.write_until(case, records, customer, leaves, min(life.day, customer.end))
    return life.value - cost - due_at_start(customer), life.orders


def live_on(case: Case, records: Records, customer: Customer, life: Life) -> None:
    """Until the life or its window ends."""
    while not life.lost and life.day < customer.end:
        go_to_next(case, records, customer, life)
    if life.lost:
        record(records, customer, TRACE_DEATH, life.day)
    close(case, records, customer, life.day, life.lost)


def due_at_start(customer: Customer) -> float:
    """Cost of the plan per customer; who is known to be gone costs nothing."""
    return customer.dues[0] if customer.law["p_alive"] > 0 else 0.0


def began(case: Case, customer: Customer, leaves: float) -> Life:
    traits = traits_of(customer.law, case.at_intervals, customer.draws)
    paused = case.pauses and bool(case.laws.paused[customer.column])
    return Life(
        traits,
        day=customer.start,
        budget=traits.limit,
        leaves=leaves,
        pace=customer.rate,
        paused=paused,
        last_order=customer.last_order,
    )


def go_to_next(case: Case, records: Records, customer: Customer, life: Life) -> None:
    """To the next order or opportunity, or to the end of the life or of its window."""
    left = 0.0 if case.at_intervals else clocks.wait(case, customer, life)
    while life.day < customer.end:
        due, campaign = clocks.due(case, customer, life, left), campaigns.soonest(case, customer, life)
        stop = min(pace.end_of_step(customer, life), campaign)
        hazard = attrition.hazard_per_day(case, customer, life)
        loss = attrition.day_of_loss(life, hazard)
        if loss <= min(due, stop):
            left -= pace.rate_multiplier(case, customer, life) * (loss - life.day)
            before, life.day, life.lost = life.speed, loss, True
            if not again.goes_on(case, records, customer, life):
                return
            left *= before / life.speed
            continue
        if due <= stop and due < customer.end:
            life.budget -= hazard * (due - life.day)
            week_begins, life.day = due % 7 == 0 and due > life.day, due
            if week_begins:
                offers.heal(case, customer, life)
            answer(case, records, customer, life)
            return
        left -= pace.rate_multiplier(case, customer, life) * (stop - life.day)
        life.budget -= hazard * (stop - life.day)
        week_begins, life.day = stop % 7 == 0 and stop > life.day, stop
        if stop == life.leaves:
            life.on_list = False
        if week_begins:
            before = life.speed
            offers.heal(case, customer, life)
            left *= before / life.speed
        if stop == campaign < customer.end:
            left = campaigns.answer(case, records, customer, life, left)


def answer(case: Case, records: Records, customer: Customer, life: Life) -> None:
    """An order, or an opportunity for one."""
    if case.at_intervals:
        attrition.charge(life, grid.hazard(case, customer, life))
        if life.lost and not again.goes_on(case, records, customer, life):
            return
        if not grid.is_taken(case, customer, life):
            life.ticks += 1
            life.paused = True
            return
    life.paused = False
    orders.at_order(case, records, customer, life)
