"""Prices of a run that nothing but money depends on, and the sizes that they multiply in a scenario's contribution."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from clvsim.interventions.base import ContactProgramme, CostEntry, Funnel, Mechanism, OfferTerms, Shift
from clvsim.knobs import KEY
from clvsim.scenario import BASELINE
from clvsim.simulation.ledger import Line
from clvsim.simulation.ledger.lines import ENTRY_ACCOUNT, FIXED
from clvsim.simulation.run import SimulatedScenario, Simulation

MARGIN, COST_PER_ORDER = "finance.gross_margin", "finance.cost_per_order"
PER_CUSTOMER = "acquisition.cost_per_customer"
_VISITOR = re.compile(r"acquisition\.channels\.([A-Za-z0-9_]+)\.cost_per_visitor")

Term = tuple[str, ...]  # prices whose product multiplies a size; () is what no price moves
Sizes = dict[Term, np.ndarray]


class Book(NamedTuple):
    """Discounted totals of a ledger's lines, (w, g) each."""

    lines: Mapping[Line, np.ndarray]
    zero: np.ndarray  # (w, g)

    @classmethod
    def of(cls, lines: tuple[Line, ...], totals: np.ndarray) -> "Book":
        """From totals (w, g, l)."""
        return cls({line: totals[:, :, i] for i, line in enumerate(lines)}, np.zeros(totals.shape[:2]))

    def get(self, account: str, cause: str) -> np.ndarray:
        return self.lines.get(Line(account, cause), self.zero)

    @property
    def contribution(self) -> np.ndarray:
        return np.sum([line.sign * total for line, total in self.lines.items()], axis=0)


def prices_of(simulation: Simulation) -> dict[str, float]:
    """Prices by configuration path with their values.

    Not among them: what is uncertain; what the baseline itself pays; the margin and the cost of an order where lists go
    by expected value, which would change with them, and the margin where a lever shifts it; the price of an offer that
    displaces later orders, or beside a cost in proportion to revenue; the cost of a visitor where leads cost money too.
    """
    found: dict[str, float] = {}
    mechanisms = [m for one in simulation.scenarios.values() for m in one.compiled.mechanisms]
    if not any(m.who.top for m in mechanisms):
        if not any(isinstance(m, Shift) and m.target == "margin" for m in mechanisms):
            found[MARGIN] = simulation.economics.gross_margin
        found[COST_PER_ORDER] = simulation.economics.cost_per_order
    if not any(isinstance(m, Funnel) for m in mechanisms):
        found |= {
            a.path: a.mean
            for a in simulation.assumptions
            if (a.path == PER_CUSTOMER or _VISITOR.fullmatch(a.path)) and a.mean > 0
        }
    levers = [scenario for name, scenario in simulation.scenarios.items() if name != BASELINE]
    for scenario in levers:
        for path, mechanism in zip(scenario.compiled.paths, scenario.compiled.mechanisms, strict=True):
            for field, values in _prices(mechanism, scenario).items():
                key = f"{path}.{field}"
                of_baseline = path.startswith(f"scenario.{BASELINE}.")
                if KEY.fullmatch(key) and not of_baseline and np.ptp(values) == 0:
                    found.setdefault(key, float(values.flat[0]))
    return found


def _prices(mechanism: Mechanism, scenario: SimulatedScenario) -> dict[str, np.ndarray]:
    """Fields of a mechanism that are prices, with their values."""
    if isinstance(mechanism, ContactProgramme):
        return {"cost": np.array([mechanism.cost])}
    if isinstance(mechanism, CostEntry):
        return {"amount": mechanism.amount} if mechanism.amount.all() else {}
    if not isinstance(mechanism, OfferTerms) or mechanism.referral or mechanism.next_product:
        return {}
    fields = {} if mechanism.contact_cost is None else {"cost": mechanism.contact_cost}
    if mechanism.incentive.any():
        fields["coupon" if mechanism.win_back else "incentive"] = mechanism.incentive
    by_revenue = any(isinstance(m, CostEntry) and m.per == "revenue" for m in scenario.compiled.mechanisms)
    if mechanism.price.all() and not mechanism.cannibalised.any() and not by_revenue:
        fields["price"] = mechanism.price
    return fields


def sizes_of(simulation: Simulation, scenario: SimulatedScenario, prices: Mapping[str, float], book: Book) -> Sizes:
    """Contribution of a book by term, (w, g) each: with the prices of the run their sum is the contribution."""
    sizes: Sizes = {}

    def add(term: Term, size: np.ndarray) -> None:
        if all(key in prices for key in term):
            sizes[term] = sizes.get(term, 0.0) + size

    add((MARGIN,), book.get("revenue_orders", "orders"))
    add((COST_PER_ORDER,), -book.get("orders", "orders"))
    for line, spent in book.lines.items():
        if line.account == "cost_acquisition":
            key = f"acquisition.channels.{line.cause}.cost_per_visitor"
            key = key if key in prices else PER_CUSTOMER
            add((key,), -spent / prices.get(key, 1.0))
    for path, m in zip(scenario.compiled.paths, scenario.compiled.mechanisms, strict=True):
        cost, price = f"{path}.cost", f"{path}.price"
        if isinstance(m, ContactProgramme):
            add((cost,), -book.get("contacts", m.name))
        elif isinstance(m, CostEntry):
            account = "cost_fixed" if m.per in FIXED else ENTRY_ACCOUNT[m.per]
            add((f"{path}.amount",), -book.get(account, m.name) / prices.get(f"{path}.amount", 1.0))
        elif isinstance(m, OfferTerms):
            add((cost,), -book.get("contacts", m.name))
            add((f"{path}.incentive",), -book.get("offers_taken", m.name))
            add((f"{path}.coupon",), -book.get("coupons_used", m.name))
            goods = _goods(simulation, m, book)
            if price in prices:
                money = book.get("revenue_offers", m.name) - book.get("refunds", m.name)
                kept = money / prices[price] - (goods if m.margin is None else goods * (1 - m.margin))
                if m.margin is None and MARGIN not in prices:
                    kept = kept + simulation.economics.gross_margin * goods
                add((price,), kept)
                if m.margin is None:
                    add((MARGIN, price), goods)
            elif m.margin is None:
                add((MARGIN,), goods * _by_world(simulation, m.price))
    rest = sum((np.prod([prices[key] for key in term]) * size for term, size in sizes.items()), book.zero)
    return {(): book.contribution - rest, **sizes}


def _by_world(simulation: Simulation, values: np.ndarray) -> np.ndarray:
    return values[simulation.worlds.draw][:, None]


def _goods(simulation: Simulation, offer: OfferTerms, book: Book) -> np.ndarray:
    """How many items of an offer cost goods, (w, g)."""
    if offer.membership:
        return book.get("charges", offer.name)
    taken = book.get("offers_taken", offer.name)
    if not offer.goods_return or not offer.price.any():
        return taken
    price = _by_world(simulation, np.where(offer.price > 0, offer.price, 1.0))
    return taken - book.get("refunds", offer.name) / price


def known_sizes(scenario: SimulatedScenario, prices: Mapping[str, float], book: Book, known: np.ndarray) -> Sizes:
    """What is known of the sizes given the draw, (w,) each, so that it adds up to `known` (w,): posted costs that
    follow no random event."""
    existing = np.array([group.origin == "existing" for group in scenario.ledger.groups])
    sizes: Sizes = {}
    rest = known.copy()
    for path, m in zip(scenario.compiled.paths, scenario.compiled.mechanisms, strict=True):
        key = f"{path}.amount"
        if isinstance(m, CostEntry) and key in prices and m.per in (*FIXED, "customer"):
            if m.per in FIXED:
                spent = book.get("cost_fixed", m.name).sum(axis=1)
            else:
                spent = book.get("cost_incentive", m.name)[:, existing].sum(axis=1)
            sizes[key,] = -spent / prices[key]
            rest += spent
    return {(): rest, **sizes}
