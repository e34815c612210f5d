"""What the page's knobs need of a comparison: expected values per draw, line by line, as they were decided on."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from clvsim.comparison.expected import Expected, has_levers, has_shocks_on, per_draw
from clvsim.comparison.prices import (
    COST_PER_ORDER,
    MARGIN,
    Book,
    Sizes,
    Term,
    known_sizes,
    prices_of,
    sizes_of,
)
from clvsim.decision import Expectation
from clvsim.decision.surrogate import mean_curve
from clvsim.knobs import LEVELS, MOST_BYTES, POINTS, Effects, Knobs, Lines
from clvsim.metrics import METRICS, Metric, head_and_fixed_costs
from clvsim.scenario import BASELINE
from clvsim.simulation.ledger.lines import DISCOUNTED
from clvsim.simulation.levels import ratio
from clvsim.simulation.run import SimulatedScenario, Simulation
from clvsim.types import DAYS_PER_MONTH

PerDraw = dict[Term, np.ndarray]


def knobs_of(simulation: Simulation, metric: str, expected: Mapping[str, Expected], notes: list[str]) -> Knobs | None:
    """All draws of the run, or None with a sentence in `notes`: where the plan's value does not decide or no margin is
    known there is nothing to move, and a page holds so many numbers only."""
    if metric != "plan_value" or not simulation.economics.margin_known:
        return None
    prices = prices_of(simulation)
    levels = {name: sizes for name in LEVELS if (sizes := level_sizes(simulation, name, expected, prices)) is not None}
    deltas = {
        name: delta_sizes(simulation, scenario, expected[metric].deltas[name], prices)
        for name, scenario in simulation.scenarios.items()
        if name != BASELINE
    }
    terms = tuple(dict.fromkeys(term for sizes in (*levels.values(), *deltas.values()) for term in sizes))
    keys = tuple(key for key in prices if any(key in term for term in terms))
    values = np.array([prices[key] for key in keys])
    numbers = tuple(tuple(keys.index(key) for key in term) for term in terms)
    coefficients = np.array([np.prod(values[list(term)]) for term in numbers])
    effects = effects_of(simulation, expected[metric])
    knobs = Knobs(
        keys, values, numbers, _lines(levels, terms, coefficients), _lines(deltas, terms, coefficients), effects
    )
    if knobs.size <= MOST_BYTES:
        return knobs
    sizes = f"{simulation.draws:,} draws of {len(deltas)} levers would take {knobs.size / 1e3:,.0f} kB"
    notes.append(
        f"The page has no knobs: {sizes}, and {MOST_BYTES / 1e3:.0f} kB are the most that a page is given. Fewer draws "
        "or fewer levers bring them back."
    )
    return None


def _lines(rows: Mapping[str, PerDraw], terms: tuple[Term, ...], coefficients: np.ndarray) -> Lines:
    """Sizes of rows as small integers. The size that no price moves, the first, takes up what rounding leaves of the
    others, so that with the prices of the run a figure is off by the rounding of one size and not of all."""
    if not rows:
        return Lines.of((), np.zeros((0, len(terms), 0)))
    nothing = np.zeros_like(next(iter(rows.values()))[()])
    sizes = np.stack([np.stack([row.get(term, nothing) for term in terms]) for row in rows.values()])
    rounded = Lines.of(tuple(rows), sizes).sizes
    sizes[:, 0] += np.einsum("t,rtn->rn", coefficients[1:], (sizes - rounded)[:, 1:])
    sizes[:, 1:] = rounded[:, 1:]
    return Lines.of(tuple(rows), sizes)


# --- differences ------------------------------------------------------------------------------------------------------


def delta_sizes(
    simulation: Simulation, scenario: SimulatedScenario, delta: Expectation, prices: Mapping[str, float]
) -> PerDraw:
    """Expected difference of the plan's value to the baseline by term, (draws,) each: the smoothing of the difference
    is linear once its penalties are chosen, so each size is smoothed by itself, with the same ones."""
    own, base = (plan_sizes(simulation, one, prices) for one in (scenario, simulation.scenarios[BASELINE]))
    raw = _minus(own[0], base[0])
    known = _minus(own[1], base[1])
    terms = tuple(dict.fromkeys((*raw, *known)))
    nothing = np.zeros(simulation.draws)
    certain = np.stack([known.get(term, nothing) for term in terms])
    parts = np.stack([raw.get(term, nothing) for term in terms]) - certain
    return dict(zip(terms, delta.smooth(parts) + certain, strict=True))


def plan_sizes(
    simulation: Simulation, scenario: SimulatedScenario, prices: Mapping[str, float]
) -> tuple[PerDraw, PerDraw]:
    """Simulated plan value by term, and the part of it that is known given the draw, (draws,) each."""
    book = calendar_book(scenario)
    sizes = {term: size.sum(axis=1) for term, size in sizes_of(simulation, scenario, prices, book).items()}
    known = known_sizes(scenario, prices, book, head_and_fixed_costs(simulation, scenario))
    return _per_draw(simulation, sizes), _per_draw(simulation, known)


def calendar_book(scenario: SimulatedScenario) -> Book:
    ledger = scenario.ledger
    return Book.of(ledger.lines, ledger.calendar[:, :, :, DISCOUNTED].sum(axis=-1))


def _per_draw(simulation: Simulation, sizes: Mapping[Term, np.ndarray]) -> PerDraw:
    return {term: per_draw(simulation, size) for term, size in sizes.items()}


def _minus(own: PerDraw, base: PerDraw) -> PerDraw:
    nothing = np.zeros_like(own[()])
    return {term: own.get(term, nothing) - base.get(term, nothing) for term in dict.fromkeys((*own, *base))}


# --- levels of the baseline -------------------------------------------------------------------------------------------


def level_sizes(
    simulation: Simulation, name: str, expected: Mapping[str, Expected], prices: Mapping[str, float]
) -> PerDraw | None:
    """A level of the baseline by term, (draws,) each; None where the run has no such figure in every draw."""
    level = expected[name].values[BASELINE] if name in expected else None
    if level is None or not np.isfinite(level.values).all():
        return None
    metric, base = METRICS[name], simulation.scenarios[BASELINE]
    closed = closed_sizes(simulation, name, metric, prices)
    if not has_shocks_on(simulation, metric) and not has_levers(base):
        return closed
    simulated = _per_draw(simulation, simulated_level(simulation, name, prices))
    if not all(np.isfinite(size).all() for size in simulated.values()):
        return None
    if not level.fitted:
        return simulated
    rest = _minus(simulated, closed)
    nothing = np.zeros(simulation.draws)
    smoothed = level.smooth(np.stack(list(rest.values())))
    return {term: closed.get(term, nothing) + part for term, part in zip(rest, smoothed, strict=True)}


def simulated_level(simulation: Simulation, name: str, prices: Mapping[str, float]) -> Sizes:
    """A simulated level of the baseline by term, (w,) each."""
    base = simulation.scenarios[BASELINE]
    ledger = base.ledger
    if name in ("plan_value", "rlv_per_customer"):
        book = calendar_book(base)
        if name == "plan_value":
            return {term: size.sum(axis=1) for term, size in sizes_of(simulation, base, prices, book).items()}
        existing = np.array([group.origin == "existing" for group in ledger.groups])
        people = len(simulation.customers)
        sizes = sizes_of(simulation, base, prices, book)
        return {term: size[:, existing].sum(axis=1) / people for term, size in sizes.items()}
    book = Book.of(ledger.lines, ledger.age[:, :, :, DISCOUNTED].sum(axis=-1))
    people = ledger.total("customers_acquired", age=True)
    sizes = {term: ratio(size.sum(axis=1), people) for term, size in sizes_of(simulation, base, prices, book).items()}
    if name == "visitor_value":
        assert base.acquired is not None
        return {term: base.acquired.conversion * size for term, size in sizes.items()}
    return sizes


def closed_sizes(simulation: Simulation, name: str, metric: Metric, prices: Mapping[str, float]) -> PerDraw:
    """Closed form of a level by term: it is linear in the margin, in the cost of an order and in that of newcomers."""
    form: Callable[[Simulation], np.ndarray] | None = metric.closed_form
    assert form is not None

    def at(margin: float, cost_per_order: float) -> np.ndarray:
        economics = replace(simulation.economics, gross_margin=margin, cost_per_order=cost_per_order)
        return form(replace(simulation, economics=economics))

    start, sizes = at(0.0, 0.0), {}
    if MARGIN in prices:
        sizes[MARGIN,] = at(1.0, 0.0) - start
    if COST_PER_ORDER in prices:
        sizes[COST_PER_ORDER,] = at(0.0, 1.0) - start
    if name == "plan_value":
        spent = simulation.expected.acquisition_cost
        middle = np.exp(-simulation.economics.discount_per_day * DAYS_PER_MONTH * (np.arange(spent.shape[2]) + 0.5))
        for key in prices:
            if key.startswith("acquisition."):
                channel = _channel(simulation, key)
                sizes[key,] = -(spent[:, channel] * middle).sum(axis=1) / prices[key]
    rest = form(simulation) - sum(prices[term[0]] * size for term, size in sizes.items())
    return {(): rest, **sizes}


def _channel(simulation: Simulation, key: str) -> int:
    """Place of the channel of a price; of a log there is one."""
    groups = simulation.scenarios[BASELINE].ledger.groups
    channels = list(dict.fromkeys(group.channel for group in groups if group.origin == "new"))
    parts = key.split(".")
    return channels.index(parts[2]) if len(parts) == 4 else 0


# --- effects ----------------------------------------------------------------------------------------------------------


def effects_of(simulation: Simulation, expected: Expected) -> Effects:
    """Curves of the numbers that drive each lever and about which something is uncertain."""
    scenarios, paths, curves = [], [], []
    for name, scenario in simulation.scenarios.items():
        for one in scenario.compiled.description.assumptions:
            applied = scenario.compiled.inputs.get(one.path)
            if name == BASELINE or applied is None or not one.drives or one.unit == "money":
                continue
            curve = mean_curve(applied, expected.deltas[name], POINTS)
            scenarios.append(name)
            paths.append(one.path)
            curves.append(curve._replace(at=np.expm1(curve.at) if one.unit == "relative" else curve.at))
    if not curves:
        empty = np.zeros((0, POINTS))
        return Effects((), empty, empty, empty, Lines.of((), np.zeros((0, 1, 0))))
    at, mean, mcse = (np.stack([getattr(curve, field) for curve in curves]) for field in ("at", "mean", "mcse"))
    given = Lines.of(tuple(paths), np.stack([curve.at_draws[None] for curve in curves]))
    return Effects(tuple(scenarios), at, mean, mcse, given)
