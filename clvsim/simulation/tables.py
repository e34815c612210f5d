"""Schedules of one scenario as the kernel reads them: multipliers by world, table and week.

Customers on a contact list build up goodwill and fatigue from their own first week, so newcomers have a table for each
arrival week; the second half of the table axis is for customers who have opted out.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from clvsim.interventions.base import (
    ContactProgramme,
    CostEntry,
    Group,
    OfferTerms,
    Pulse,
    Shift,
)
from clvsim.interventions.cadence import FrequencyCap
from clvsim.interventions.terms import MembershipTerms
from clvsim.kernels.structs import (
    ANNIVERSARY,
    AT_ORDERS,
    BIRTHDAY,
    DUES,
    MEMBERSHIP,
    MEMORIES,
    OF_REVENUE,
    OFFERS_SHARED,
    ON_DATES,
    OUTGROWN,
    PER_CUSTOMER,
    PER_ORDER,
    SILENCE,
    WIN_BACK,
    Contacts,
    Offers,
    Tables,
    seal,
)
from clvsim.scenario import CompiledScenario
from clvsim.simulation.capping import planned, thinned
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK

OCCASIONS = {
    "orders": AT_ORDERS,
    "dates": ON_DATES,
    "anniversary": ANNIVERSARY,
    "birthday": BIRTHDAY,
    "silence": SILENCE,
    "win_back": WIN_BACK,
    "membership": MEMBERSHIP,
    "outgrown": OUTGROWN,
}
ORDER_NUMBERS = 64  # distinct order numbers of `on_orders`; later orders count as the last


@dataclass(frozen=True)
class Levers:
    """Mechanisms of a scenario by kind, in the order of their names."""

    name: str
    shifts: tuple[Shift, ...]
    offers: tuple[OfferTerms, ...]
    contacts: tuple[ContactProgramme, ...]

    @classmethod
    def from_scenario(cls, scenario: CompiledScenario) -> "Levers":
        return cls(
            name=scenario.name,
            shifts=tuple(m for m in scenario.mechanisms if isinstance(m, Shift)),
            offers=tuple(m for m in scenario.mechanisms if isinstance(m, OfferTerms)),
            contacts=tuple(m for m in scenario.mechanisms if isinstance(m, ContactProgramme)),
        )

    @property
    def win_backs(self) -> tuple[OfferTerms, ...]:
        """Those that bring back customers who have left."""
        return tuple(offer for offer in self.offers if offer.win_back is not None)

    @property
    def cap(self) -> FrequencyCap | None:
        """On campaigns, None where there are none; programmes are thinned by theirs (`weekly_contacts`)."""
        return next((offer.cap for offer in self.offers if offer.cap), None)

    @property
    def moves_margin(self) -> bool:
        return bool(self.margin_shifts)

    @property
    def margin_shifts(self) -> tuple[Shift, ...]:
        return tuple(s for s in self.shifts if s.target == "margin" and bool(s.size.any()))

    def schedule(self) -> tuple[Hashable, ...]:
        """Key of the tables: scenarios with equal schedules share them."""
        mechanisms = [*(s for s in self.shifts if not s.brings_customers), *self.contacts]
        return tuple(map(key_of, mechanisms))


def key_of(mechanism: Shift | OfferTerms | ContactProgramme) -> tuple[Hashable, ...]:
    """All that a mechanism holds."""
    return tuple(map(_key_of_value, vars(mechanism).values()))


def _key_of_value(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return tuple(map(_key_of_value, value)) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Calendar:
    """Time axis of a run."""

    weeks: int
    arrival_weeks: int  # weeks in which newcomers may arrive
    discount_per_day: float

    def discount(self) -> np.ndarray:
        """Discount factor at the middle of each week."""
        return np.exp(-self.discount_per_day * DAYS_PER_WEEK * (np.arange(self.weeks) + 0.5))


def shift_sum(shifts: Sequence[Shift], target: str, group: Group, draw: np.ndarray, weeks: int) -> np.ndarray:
    """Sum of size × strength over the shifts of one target that reach a group, (w, weeks); exactly 0 without any."""
    total = np.zeros((draw.size, weeks))
    for shift in shifts:
        if shift.target == target and shift.who.reaches(group):
            total += shift.weekly(draw, weeks)
    return total


def rate_sum(shifts: Sequence[Shift], group: Group, draw: np.ndarray, weeks: int, first_weeks: int) -> np.ndarray:
    """Log rate of a group's shifts, (w, first_weeks, weeks), or (w, 1, weeks) where that does not matter."""
    steady = shift_sum([s for s in shifts if not isinstance(s, Pulse)], "rate", group, draw, weeks)[:, None]
    bursts = [s for s in shifts if isinstance(s, Pulse) and s.who.reaches(group)]
    if not bursts:
        return steady
    own = [sum(burst.weekly(draw, weeks, joined) for burst in bursts) for joined in range(first_weeks)]
    return steady + np.stack(own, axis=1)


def weekly_contacts(programmes: Sequence[ContactProgramme], group: Group, weeks: int) -> np.ndarray:
    """Contacts per week since today, within the cap of their scenario, (programmes, weeks)."""
    contacts = np.zeros((len(programmes), weeks))
    for sent, programme in zip(contacts, programmes, strict=True):
        if programme.who.reaches(group):
            sent[:] = programme.per_month * DAYS_PER_WEEK / DAYS_PER_MONTH * programme.when.weekly(weeks)
    return thinned(contacts, programmes[0].cap) if programmes else contacts


def left_by_cap(programmes: Sequence[ContactProgramme], groups: tuple[Group, ...], weeks: int) -> dict[str, float]:
    """By name, the share of what a programme would send to those whom it reaches that its cap leaves it."""
    free = [replace(programme, cap=None) for programme in programmes]
    sent, asked = (np.sum([weekly_contacts(p, g, weeks) for g in groups], axis=(0, 2)) for p in (programmes, free))
    return {p.name: float(a / b) for p, a, b in zip(programmes, sent, asked, strict=True) if b > 0}


def stocks(programme: ContactProgramme, contacts: np.ndarray, first_weeks: int) -> tuple[np.ndarray, np.ndarray]:
    """Goodwill G and fatigue F in each week for customers who join in week 0, 1, …; both (first_weeks, weeks)."""
    joined = np.arange(contacts.size)[None, :] >= np.arange(first_weeks)[:, None]
    received = joined * contacts
    goodwill, fatigue = np.zeros_like(received), np.zeros_like(received)
    keep_g = 0.5 ** (1 / programme.goodwill_half_life_weeks)
    keep_f = 0.5 ** (1 / programme.fatigue_half_life_weeks)
    g = f = np.zeros(first_weeks)
    for k in range(contacts.size):
        g = keep_g * g + programme.goodwill_weight * received[:, k]
        f = keep_f * f + programme.fatigue_weight * received[:, k]
        goodwill[:, k], fatigue[:, k] = g, f
    return goodwill, fatigue


class Response(NamedTuple):
    """Response of a group to one programme's contacts, per unit of the draw's sizes; each (first_weeks, weeks).

    The log rate changes by κ · goodwill - φ · fatigue in each week, `goodwill` being what a stated curve has at the
    contacts of the week where there is one. Hazards are cumulative, (first_weeks, weeks + 1).
    """

    goodwill: np.ndarray
    fatigue: np.ndarray
    hazard: np.ndarray  # times φ_h, budget units
    opt_out: np.ndarray  # times u0


def response(programme: ContactProgramme, contacts: np.ndarray, first_weeks: int) -> Response:
    """To the programme's `contacts` by week, (weeks,)."""
    g, f = stocks(programme, contacts, first_weeks)
    received = contacts * (np.arange(contacts.size)[None, :] >= np.arange(first_weeks)[:, None])
    per_month = received * DAYS_PER_MONTH / DAYS_PER_WEEK
    return Response(
        goodwill=np.asarray(programme.curve.gain(per_month)) if programme.curve else -np.expm1(-g),
        fatigue=f**2 / (1 + f),
        hazard=cumulative(received * f),
        opt_out=cumulative(received * np.exp(programme.opt_out_fatigue * f)),
    )


def cumulative(weekly: np.ndarray) -> np.ndarray:
    """Sum before the start of each week along the last axis, one entry longer."""
    out = np.zeros((*weekly.shape[:-1], weekly.shape[-1] + 1))
    np.cumsum(weekly, axis=-1, out=out[..., 1:])
    return out


def arrival_tables(levers: Levers, group: Group, calendar: Calendar) -> int:
    """Tables of a group: one for each arrival week where contacts or bursts run on the customer's own clock."""
    by_arrival = levers.contacts or any(isinstance(s, Pulse) and s.who.reaches(group) for s in levers.shifts)
    return calendar.arrival_weeks if group.origin in ("new", "referred") and by_arrival else 1


Responses = tuple[tuple[Response, ...], ...]  # [group][programme]


def responses(levers: Levers, groups: tuple[Group, ...], calendar: Calendar) -> Responses:
    """The part of the tables that no draw changes."""
    return tuple(
        tuple(
            response(programme, contacts, arrival_tables(levers, group, calendar))
            for programme, contacts in zip(
                levers.contacts, weekly_contacts(levers.contacts, group, calendar.weeks), strict=True
            )
        )
        for group in groups
    )


class RateTables(NamedTuple):
    """Tables that follow from the multiplier of the purchase rate; as in the kernel's `Tables`."""

    rate: np.ndarray  # (w, t, weeks)
    rate_excess: np.ndarray  # (w, t, weeks + 1)
    charge: np.ndarray  # (w, t, weeks)


def make_tables(
    levers: Levers,
    groups: tuple[Group, ...],
    draw: np.ndarray,
    environment: np.ndarray,
    gross_margin: float,
    calendar: Calendar,
    attrition_clock: str,
    contact_responses: Responses | None = None,
    renewing: bool = False,
) -> Tables:
    """Tables of one scenario for the worlds of a slice.

    `draw` (w,), `environment` (w, weeks) log rate common to all; `contact_responses` are those of `responses`, to share
    them between slices. A rate multiplier of an intervention divides the hazard per order when attrition runs on time:
    buying more does not wear a customer out. Where customers are `renewing` contracts the environment multiplies the
    hazard instead of the rate, which has nothing to act on.
    """
    weeks, w = calendar.weeks, draw.size
    responses_by_group = responses(levers, groups, calendar) if contact_responses is None else contact_responses
    table_counts = [arrival_tables(levers, group, calendar) for group in groups]
    first_tables = np.cumsum([0, *table_counts[:-1]])
    off_list = sum(table_counts) if levers.contacts else 0  # second half of the table axis
    count = sum(table_counts) + off_list
    rates = RateTables(np.empty((w, count, weeks)), np.zeros((w, count, weeks + 1)), np.empty((w, count, weeks)))
    hazard, hazard_excess = np.empty((w, count, weeks)), np.empty((w, count, weeks + 1))
    budget, opt_out = np.zeros((w, count, weeks + 1)), np.zeros((w, count, weeks + 1))
    shocks, ones = np.exp(environment)[:, None], np.ones((w, 1, weeks))
    common_rate, common_hazard = (ones, shocks) if renewing else (shocks, ones)
    for group, start, n, group_responses in zip(groups, first_tables, table_counts, responses_by_group, strict=True):
        own_hazard = np.exp(shift_sum(levers.shifts, "hazard", group, draw, weeks))[:, None] * common_hazard
        log_rate = rate_sum(levers.shifts, group, draw, weeks, n)
        on_list_rows, off_list_rows = slice(start, start + n), slice(off_list + start, off_list + start + n)
        for rows in (on_list_rows, off_list_rows) if off_list else (on_list_rows,):
            hazard[:, rows] = own_hazard
            hazard_excess[:, rows] = cumulative(DAYS_PER_WEEK * (own_hazard - 1.0))
        wear = own_hazard if attrition_clock == "orders" else None
        fill_rate(np.exp(log_rate), common_rate, own_hazard, wear, off_list_rows, rates)
        if off_list:
            on_list = on_list_log_rate(log_rate, levers, group_responses, draw)
            fill_rate(np.exp(on_list, out=on_list), common_rate, own_hazard, wear, on_list_rows, rates)
            add_contact_hazards(levers, group_responses, draw, budget[:, on_list_rows], opt_out[:, on_list_rows])
    spend = [np.exp(shift_sum(levers.shifts, "spend", group, draw, weeks)) for group in groups]
    margin = [gross_margin + shift_sum(levers.shifts, "margin", group, draw, weeks) for group in groups]
    return Tables(
        first=seal(first_tables, np.int64),
        per_arrival_week=seal(np.array(table_counts) > 1, np.int64),
        rate=seal(rates.rate),
        rate_excess=seal(rates.rate_excess),
        hazard=seal(hazard),
        hazard_excess=seal(hazard_excess),
        budget=seal(budget),
        charge=seal(rates.charge),
        opt_out=seal(opt_out),
        spend=seal(np.stack(spend, axis=1)),
        margin=seal(np.minimum(np.stack(margin, axis=1), 1.0)),
        dues=seal(np.zeros((w, len(groups), DUES))),
    )


def fill_rate(
    lever: np.ndarray,
    common: np.ndarray,
    hazard: np.ndarray,
    wear: np.ndarray | None,
    rows: slice,
    tables: RateTables,
) -> None:
    """Tables `rows` that follow from the levers' multiplier, (w, 1 or rows, weeks), written in place."""
    rate = lever * common
    tables.rate[:, rows] = rate
    tables.charge[:, rows] = hazard / lever if wear is None else wear
    rate -= 1.0
    rate *= DAYS_PER_WEEK
    tables.rate_excess[:, rows, 1:] = np.cumsum(rate, axis=-1, out=rate)


def on_list_log_rate(
    log_rate: np.ndarray, levers: Levers, group_responses: tuple[Response, ...], draw: np.ndarray
) -> np.ndarray:
    """`log_rate` (w, 1 or first weeks, weeks) plus what contacts do on the list, (w, first weeks, weeks)."""
    first_weeks = group_responses[0].goodwill.shape[0]
    out = np.broadcast_to(log_rate, (len(log_rate), first_weeks, log_rate.shape[2])).copy()
    for programme, contact_response in zip(levers.contacts, group_responses, strict=True):
        out += per_world(programme.goodwill, draw) * contact_response.goodwill
        out -= per_world(programme.fatigue, draw) * contact_response.fatigue
    return out


def add_contact_hazards(
    levers: Levers, group_responses: tuple[Response, ...], draw: np.ndarray, budget: np.ndarray, opt_out: np.ndarray
) -> None:
    """Add the contacts' hazards of leaving and of opting out in place, both (w, first weeks, weeks + 1)."""
    for programme, contact_response in zip(levers.contacts, group_responses, strict=True):
        budget += per_world(programme.churn, draw) * contact_response.hazard
        opt_out += per_world(programme.opt_out, draw) * contact_response.opt_out


def per_world(values: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Value of each world's draw, (draws,) → (w, 1, 1)."""
    return values[draw][:, None, None]


def make_offers(levers: Levers, groups: tuple[Group, ...], draw: np.ndarray, gross_margin: float, weeks: int) -> Offers:
    """Offers of one scenario for the worlds of a slice."""
    from clvsim.kernels.rng import text_keys

    offers = levers.offers

    def stack(values: Sequence[np.ndarray]) -> np.ndarray:
        return seal(np.stack(values, axis=1)[draw] if values else np.zeros((draw.size, 0)))

    cap = levers.cap
    on_order = np.ones((len(offers), ORDER_NUMBERS), bool)
    active = np.zeros((len(offers), len(groups), weeks), bool)
    for o, offer in enumerate(offers):
        if offer.is_campaign or offer.next_product is not None:
            on_order[o] = False
        elif offer.on_orders:
            on_order[o] = np.isin(np.arange(1, ORDER_NUMBERS + 1), offer.on_orders)
        for g, group in enumerate(groups):
            in_time = True if offer.is_campaign else offer.when.weekly(weeks) > 0  # a campaign has days of its own
            active[o, g] = offer.who.reaches(group) & in_time
    goods = [o.price * (1 - (gross_margin if o.margin is None else o.margin)) for o in offers]
    return Offers(
        key=seal(text_keys([o.name for o in offers]), np.uint64),
        on_order=seal(on_order, np.bool_),
        active=seal(active, np.bool_),
        occasion=seal(np.array([OCCASIONS[o.occasion] for o in offers], np.int64), np.int64),
        days=seal(days_of(offers)),
        take=stack([o.take for o in offers]),
        price=stack([o.price for o in offers]),
        contact_cost=stack([cost_of_reaching(o) for o in offers]),
        cost=stack([g + o.incentive for g, o in zip(goods, offers, strict=True)]),
        refund=stack([o.refund for o in offers]),
        returned=stack([g * o.goods_return for g, o in zip(goods, offers, strict=True)]),
        cannibalised=stack([o.cannibalised for o in offers]),
        patience=stack([np.full_like(o.take, o.patience) for o in offers]),
        decline_hazard=stack([o.decline_hazard for o in offers]),
        decline_rate=stack([o.decline_rate for o in offers]),
        healing=stack([np.full_like(o.take, 0.5 ** (1 / o.half_life_weeks)) for o in offers]),
        accept_rate=stack([np.exp(o.accept_rate) for o in offers]),
        **{name: stack(values) for name, values in (membership_terms(offers) | terms_of_lives(offers)).items()},
        memory=np.zeros((MEMORIES, len(offers))),
        cap=seal(np.array([cap.contacts, cap.days] if cap else [0.0, 0.0])),
        planned=seal(planned_contacts(levers, groups, weeks) if cap else np.zeros((0, 0))),
        sent=np.zeros(1 + (cap.contacts if cap else 0)),
    )


def planned_contacts(levers: Levers, groups: tuple[Group, ...], weeks: int) -> np.ndarray:
    """What programmes take of a cap on campaigns, (g, weeks); as in the kernel's `Offers`."""
    days = levers.cap.days if levers.cap else 0.0
    return np.stack([planned(weekly_contacts(levers.contacts, g, weeks).sum(axis=0), days) for g in groups])


def cost_of_reaching(offer: OfferTerms) -> np.ndarray:
    """Of each customer whom a campaign reaches, or who starts a trial; 0 of an offer at orders, (n,)."""
    if offer.membership is not None:
        return offer.membership.trial_cost
    return np.zeros_like(offer.take) if offer.contact_cost is None else offer.contact_cost


def membership_terms(offers: Sequence[OfferTerms]) -> dict[str, list[np.ndarray]]:
    """What the kernel needs of memberships, (n,) for each offer; 0 for those that are none."""
    terms: dict[str, list[np.ndarray]] = {name: [] for name in ("convert", "churn_a", "churn_b", "card_loss", "perk")}
    for offer in offers:
        own = offer.membership
        a, b = (np.zeros_like(offer.take),) * 2 if own is None else churn_law(own)
        values = (own.convert, a, b, own.card_loss, own.order_cost) if own else (np.zeros_like(a),) * 5
        for rows, value in zip(terms.values(), values, strict=True):
            rows.append(value)
    return terms


def terms_of_lives(offers: Sequence[OfferTerms]) -> dict[str, list[np.ndarray]]:
    """What the kernel needs of win-backs and next products, (n,) for each offer; neutral for those that are none.

    Raises ValueError before it is known who answers.
    """
    terms: dict[str, list[np.ndarray]] = {"living": [], "redeemed": [], "size": []}
    for offer in offers:
        nothing = np.zeros_like(offer.take)
        answers = offer.win_back.answers if offer.win_back else nothing
        if answers is None:
            raise ValueError(f"{offer.name}: nobody knows yet who answers a win-back; see win_backs.with_answers")
        terms["living"].append(answers)
        terms["redeemed"].append(offer.win_back.redeemed if offer.win_back else nothing)
        terms["size"].append(np.exp(offer.next_product.spend if offer.next_product else nothing))
    return terms


def churn_law(terms: MembershipTerms) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (n,) of Beta(a, b) with the mean and the polarisation of a member's churn; b is 0 where all members
    have the same, a: Fader & Hardie 2007, J. Interactive Marketing 21(1).
    """
    alike = (terms.churn <= 0) | (terms.churn >= 1) | (terms.polarisation == 0)
    total = 1 / terms.polarisation - 1 if terms.polarisation else 1.0
    return np.where(alike, terms.churn, terms.churn * total), np.where(alike, 0.0, (1 - terms.churn) * total)


def days_of(offers: Sequence[OfferTerms]) -> np.ndarray:
    """Dates, or first and last day and days of silence, of each offer that is a campaign, or lengths of a membership,
    (o, n); as in the kernel."""
    rows = []
    for offer in offers:
        if offer.membership is not None:
            rows.append((offer.membership.trial_days, offer.membership.period_days))
            continue
        between = (offer.when.start_month * DAYS_PER_MONTH, offer.when.end_month * DAYS_PER_MONTH)
        within = (offer.win_back.within_days,) if offer.win_back else ()
        days = (max(0.0, between[0]), between[1], *offer.silent_days, *within)
        rows.append(offer.dates if offer.occasion == "dates" else days)
    days = np.full((len(rows), max(map(len, rows), default=0)), np.inf)
    for row, values in zip(days, rows, strict=True):
        row[: len(values)] = values
    return days


def slice_offers(offers: Offers, rows: slice) -> Offers:
    """Offers of a slice of worlds, with a memory of their own."""
    sliced = Offers(*(v if f in OFFERS_SHARED else seal(v[rows]) for f, v in zip(Offers._fields, offers, strict=True)))
    return sliced._replace(memory=np.zeros_like(offers.memory), sent=np.zeros_like(offers.sent))


def make_dues(costs: Sequence[CostEntry], groups: tuple[Group, ...], draw: np.ndarray) -> np.ndarray:
    """What a plan's costs per customer, per order and as a share of revenue come to for a customer, (w, g, DUES)."""
    column = {"customer": PER_CUSTOMER, "order": PER_ORDER, "revenue": OF_REVENUE}
    dues = np.zeros((draw.size, len(groups), DUES))
    for cost in costs:
        if cost.per in column:
            reached = [cost.who.reaches(group) for group in groups]
            dues[:, reached, column[cost.per]] += cost.amount[draw][:, None]
    return dues


def make_contacts(levers: Levers, groups: tuple[Group, ...], calendar: Calendar) -> Contacts:
    """Schedules and costs of contacts, the kernel's struct; no draw changes them."""
    weeks = calendar.weeks
    count = np.zeros((len(levers.contacts), len(groups), weeks))
    for g, group in enumerate(groups):
        count[:, g] = weekly_contacts(levers.contacts, group, weeks)
    price = np.array([p.cost for p in levers.contacts]).reshape(-1, 1, 1)
    discount = calendar.discount()
    return Contacts(
        exposed=seal(count.any(axis=(0, 2)) if len(levers.contacts) else np.zeros(len(groups), bool), np.bool_),
        count=seal(cumulative(count)),
        discounted=seal(cumulative(count * discount)),
        cost_discounted=seal(cumulative((price * count).sum(axis=0) * discount)),
    )
