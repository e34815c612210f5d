"""What the rooms of the twin hand each other: a customer in one world, and the state of the life. Times are days."""

import math
from dataclasses import dataclass, field

from twin.draws import Draws
from twin.traits import Traits


@dataclass(frozen=True)
class Customer:
    """What never changes along a life."""

    w: int
    c: int
    draws: Draws
    law: dict[str, float]
    column: int
    group: int
    half: int  # row of the ledgers
    cohort: int
    table: int  # of rates and hazards, while on the list
    week_in: int
    start: float
    end: float
    weight: float
    cac: float
    rate: float  # factors of an additional customer, on the own rate and on amounts
    spend: float
    dues: tuple[float, float, float]  # of the plan: per customer, per order, share of revenue
    orders_before: int
    first_order: float
    last_order: float  # before the life that is simulated
    heads: float  # ledger units for one customer
    money: float  # ledger units for one unit of money


@dataclass
class Member:
    churn: float  # chance to leave at a renewal
    due: float  # day of the next charge; inf when there is none
    charges: int = 0
    left: bool = False


@dataclass
class Life:
    traits: Traits
    day: float
    budget: float  # hazard left to live through
    leaves: float  # day of opting out
    last_order: float = -math.inf
    asked: dict[int, float] = field(default_factory=dict)  # by offer: day of its last campaign
    on_list: bool = True
    lost: bool = False
    ticks: int = 0  # orders, and opportunities without one
    orders: int = 0
    paused: bool = False  # the last opportunity was without an order
    pace: float = 1.0  # factor on the own rate, for good
    damping: dict[int, float] = field(default_factory=dict)  # by offer: log factor on it that heals
    owed: float = 0.0  # money that later orders lose
    declined: dict[int, int] = field(default_factory=dict)  # by offer
    written: list[float] = field(default_factory=list)  # days of messages of campaigns
    members: dict[int, Member] = field(default_factory=dict)  # by offer
    coupons: dict[int, float] = field(default_factory=dict)  # by offer: the last day
    moved: set[int] = field(default_factory=set)  # offers that are next products, and taken
    size: float = 1.0  # factor on amounts
    ended: int = 0  # lives so far
    value: float = 0.0  # contribution discounted to today
    own: float = 0.0  # the same discounted to the own first order
    repaid: bool = False

    @property
    def speed(self) -> float:
        """Factor on the own rate."""
        return self.pace * math.exp(sum(self.damping.values()))
