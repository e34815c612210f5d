"""Schedules of one scenario as the kernel reads them: multipliers by world, table and week.

Customers on a contact list build up goodwill and fatigue from their own first week, so newcomers have a table for each
arrival week; the second half of the table axis is for customers who have opted out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clvsim.interventions.base import ContactProgramme, Group, OfferTerms, Shift
from clvsim.kernels.structs import Contacts, Offers, Tables, seal
from clvsim.scenario import CompiledScenario
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK

ORDER_NUMBERS = 64  # order numbers told apart by `on_orders`; later ones are like the last


@dataclass(frozen=True)
class Levers:
    """Mechanisms of a scenario by kind, in the order of their names."""

    name: str
    shifts: tuple[Shift, ...]
    offers: tuple[OfferTerms, ...]
    contacts: tuple[ContactProgramme, ...]

    @classmethod
    def of(cls, scenario: CompiledScenario) -> "Levers":
        return cls(
            name=scenario.name,
            shifts=tuple(m for m in scenario.mechanisms if isinstance(m, Shift)),
            offers=tuple(m for m in scenario.mechanisms if isinstance(m, OfferTerms)),
            contacts=tuple(m for m in scenario.mechanisms if isinstance(m, ContactProgramme)),
        )


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
            total += shift.size[draw][:, None] * shift.when.weekly(weeks)
    return total


def weekly_contacts(programme: ContactProgramme, group: Group, weeks: int) -> np.ndarray:
    """Contacts per week since today, (weeks,)."""
    if not programme.who.reaches(group):
        return np.zeros(weeks)
    return programme.per_month * DAYS_PER_WEEK / DAYS_PER_MONTH * programme.when.weekly(weeks)


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


@dataclass(frozen=True)
class Response:
    """What the contacts of a scenario do to those on the list: (w, first_weeks, weeks), per week."""

    log_rate: np.ndarray
    hazard: np.ndarray
    opt_out: np.ndarray


def response(
    programmes: Sequence[ContactProgramme], group: Group, draw: np.ndarray, weeks: int, first_weeks: int
) -> Response:
    shape = (draw.size, first_weeks, weeks)
    log_rate, hazard, opt_out = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for programme in programmes:
        contacts = weekly_contacts(programme, group, weeks)
        g, f = stocks(programme, contacts, first_weeks)
        received = contacts * (np.arange(weeks)[None, :] >= np.arange(first_weeks)[:, None])
        kappa, phi, phi_h, u0 = (
            v[draw][:, None, None] for v in (programme.goodwill, programme.fatigue, programme.churn, programme.opt_out)
        )
        log_rate += kappa * -np.expm1(-g) - phi * (f**2 / (1 + f))
        hazard += phi_h * (received * f)
        opt_out += u0 * (received * np.exp(programme.opt_out_fatigue * f))
    return Response(log_rate, hazard, opt_out)


def cumulative(weekly: np.ndarray) -> np.ndarray:
    """Sum before the start of each week along the last axis, one entry longer."""
    out = np.zeros((*weekly.shape[:-1], weekly.shape[-1] + 1))
    np.cumsum(weekly, axis=-1, out=out[..., 1:])
    return out


def make_tables(
    levers: Levers,
    groups: tuple[Group, ...],
    draw: np.ndarray,
    environment: np.ndarray,
    gross_margin: float,
    calendar: Calendar,
    attrition_clock: str,
) -> Tables:
    """Tables of one scenario for the worlds of a slice.

    `draw` (w,), `environment` (w, weeks) log rate common to all. A rate multiplier of an intervention divides the
    hazard per order when attrition runs on time: buying more does not wear a customer out.
    """
    weeks = calendar.weeks
    states = 2 if levers.contacts else 1
    first, own_clock, on_list, off_list = [], [], [], []
    spend, margin = [], []
    count = 0
    for group in groups:
        joins = calendar.arrival_weeks if group.origin == "new" and levers.contacts else 1
        first.append(count)
        own_clock.append(int(joins > 1))
        count += joins
        base = np.broadcast_to(shift_sum(levers.shifts, "rate", group, draw, weeks)[:, None], (draw.size, joins, weeks))
        hazard = np.broadcast_to(
            np.exp(shift_sum(levers.shifts, "hazard", group, draw, weeks))[:, None], (draw.size, joins, weeks)
        )
        nothing = np.zeros((draw.size, joins, weeks))
        off_list.append((base, hazard, nothing, nothing))
        if levers.contacts:
            contacts = response(levers.contacts, group, draw, weeks, joins)
            on_list.append((base + contacts.log_rate, hazard, contacts.hazard, contacts.opt_out))
        spend.append(np.exp(shift_sum(levers.shifts, "spend", group, draw, weeks)))
        margin.append(np.minimum(gross_margin + shift_sum(levers.shifts, "margin", group, draw, weeks), 1.0))
    parts = [on_list, off_list] if states == 2 else [off_list]
    log_rate, hazard, budget, opt_out = (
        np.concatenate([group[i] for part in parts for group in part], axis=1) for i in range(4)
    )
    lever_rate = np.exp(log_rate)
    rate = np.exp(environment)[:, None] * lever_rate
    return Tables(
        first=seal(np.array(first), np.int64),
        per_arrival_week=seal(np.array(own_clock), np.int64),
        rate=seal(rate),
        rate_excess=seal(cumulative(DAYS_PER_WEEK * (rate - 1.0))),
        hazard=seal(hazard),
        hazard_excess=seal(cumulative(DAYS_PER_WEEK * (hazard - 1.0))),
        budget=seal(cumulative(budget)),
        charge=seal(hazard if attrition_clock == "orders" else hazard / lever_rate),
        opt_out=seal(cumulative(opt_out)),
        spend=seal(np.stack(spend, axis=1)),
        margin=seal(np.stack(margin, axis=1)),
    )


def make_offers(levers: Levers, groups: tuple[Group, ...], draw: np.ndarray, gross_margin: float, weeks: int) -> Offers:
    """Offers of one scenario for the worlds of a slice."""
    from clvsim.kernels.rng import text_keys

    offers = levers.offers

    def stack(values: Sequence[np.ndarray]) -> np.ndarray:
        return seal(np.stack(values, axis=1)[draw] if values else np.zeros((draw.size, 0)))

    on_order = np.ones((len(offers), ORDER_NUMBERS), bool)
    active = np.zeros((len(offers), len(groups), weeks), bool)
    for o, offer in enumerate(offers):
        if offer.on_orders:
            on_order[o] = np.isin(np.arange(1, ORDER_NUMBERS + 1), offer.on_orders)
        for g, group in enumerate(groups):
            active[o, g] = offer.who.reaches(group) & (offer.when.weekly(weeks) > 0)
    cost = [o.price * (1 - (gross_margin if o.margin is None else o.margin)) + o.incentive for o in offers]
    return Offers(
        key=seal(text_keys([o.name for o in offers]), np.uint64),
        on_order=seal(on_order, np.bool_),
        active=seal(active, np.bool_),
        take=stack([o.take for o in offers]),
        price=stack([o.price for o in offers]),
        cost=stack(cost),
        refund=stack([o.refund for o in offers]),
        cannibalised=stack([o.cannibalised for o in offers]),
        patience=stack([np.full_like(o.take, o.patience) for o in offers]),
        decline_hazard=stack([o.decline_hazard for o in offers]),
        decline_rate=stack([np.exp(o.decline_rate) for o in offers]),
        accept_rate=stack([np.exp(o.accept_rate) for o in offers]),
    )


def make_contacts(levers: Levers, groups: tuple[Group, ...], calendar: Calendar) -> Contacts:
    """Schedules and costs of contacts; the same in every draw."""
    weeks = calendar.weeks
    count = np.zeros((len(levers.contacts), len(groups), weeks))
    for p, programme in enumerate(levers.contacts):
        for g, group in enumerate(groups):
            count[p, g] = weekly_contacts(programme, group, weeks)
    price = np.array([p.cost for p in levers.contacts]).reshape(-1, 1, 1)
    discount = calendar.discount()
    return Contacts(
        exposed=seal(count.any(axis=(0, 2)) if len(levers.contacts) else np.zeros(len(groups), bool), np.bool_),
        count=seal(cumulative(count)),
        discounted=seal(cumulative(count * discount)),
        cost_discounted=seal(cumulative((price * count).sum(axis=0) * discount)),
    )
