"""`simulate`: posterior × scenarios → dated ledgers, on shared worlds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from clvsim import effects
from clvsim.errors import ConfigError
from clvsim.interventions.base import ContactProgramme, CostEntry, Group, Mechanism, OfferTerms, Shift
from clvsim.kernels import structs as ks
from clvsim.kernels.rng import world_keys
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import rows_of
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order
from clvsim.scenario import BASELINE, CompiledScenario, Scenario, compile_scenario
from clvsim.simulation import engine, ledger, population
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.environment import SdLaw, sd_law, season_by_week
from clvsim.simulation.layout import Layout, make_layout, refuse
from clvsim.simulation.ledger import Economics, Ledger, Line
from clvsim.simulation.tables import Calendar, Levers, make_contacts
from clvsim.simulation.worlds import Worlds, make_worlds
from clvsim.types import (
    DAYS_PER_MONTH,
    DAYS_PER_WEEK,
    DAYS_PER_YEAR,
    Assumption,
    CustomerSummary,
)

CUSTOMERS_AT_ONCE = 4096  # in closed forms; floating sums must not depend on `simulation.shard_customers`
COMPANY = Group("company")


@dataclass(frozen=True)
class Acquired:
    """Newcomers of one scenario per world, summed over channels and months."""

    visitors: np.ndarray  # (w,)
    customers: np.ndarray  # (w,) with weights
    cost: np.ndarray  # (w,), undiscounted
    cac: np.ndarray  # (w,) expected cost per acquired customer
    conversion: np.ndarray  # (w,) expected, over visitors
    weighted_share: float  # share of newcomers who are represented with a weight above 1


@dataclass(frozen=True)
class SimulatedScenario:
    """One scenario's ledger, what it assumed, and its newcomers."""

    compiled: CompiledScenario
    ledger: Ledger
    acquired: Acquired | None


@dataclass(frozen=True)
class Simulation:
    """Everything that was simulated. `scenarios` starts with the baseline; those that do not apply have no ledger."""

    scenarios: Mapping[str, SimulatedScenario]
    skipped: Mapping[str, CompiledScenario]
    worlds: Worlds
    inputs: pd.DataFrame  # draw × uncertain number, by configuration path or parameter
    customers: pd.DataFrame  # per existing customer, under the baseline
    closed_form: np.ndarray  # (draws,) expected contribution of existing customers within the horizon, environment at 1
    economics: Economics
    horizon_months: int
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]

    @property
    def draws(self) -> int:
        return self.worlds.draws


def simulate(
    fitted: FittedModels,
    summary: CustomerSummary,
    scenarios: Mapping[str, Scenario],
    *,
    names: Sequence[str] | None = None,
    simulation: SimulationConfig | None = None,
    finance: FinanceConfig | None = None,
    acquisition: AcquisitionConfig | None = None,
    environment: EnvironmentConfig | None = None,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Simulate `names` (default all of `scenarios`, which also serves as the library that `combine` refers to).

    `progress(done, total)` counts blocks. Raises ConfigError when more draws are asked for than the posterior holds,
    when the ledgers would be too large, or an effect does not fit.
    """
    config = simulation or SimulationConfig()
    finance, acquisition = finance or FinanceConfig(), acquisition or AcquisitionConfig()
    environment = environment or EnvironmentConfig()
    names = [BASELINE, *(n for n in (names or scenarios) if n != BASELINE)]
    _check_draws(config, fitted)
    economics = make_economics(finance, summary)
    layout = make_layout(summary, config, acquisition)
    keys = world_keys(seed, np.arange(config.draws), 0)
    compiled = {n: compile_scenario(n, scenarios, keys, layout.groups, economics.margin_known) for n in names}
    active = [c for c in compiled.values() if c.applies]
    refuse(layout, config, active)

    shocks_sd = sd_law(fitted, summary, environment)
    worlds = make_worlds(seed, config.draws, config.replicates, layout.months, environment, shocks_sd)
    setting = make_setting(layout, worlds, economics, config, acquisition, fitted)
    conversions = population.base_conversions(acquisition, worlds.draw_key)
    values = {name: drawn.values for name, drawn in conversions.items()}
    levers = [Levers.of(priced(c, economics)) for c in active]
    cap = config.max_newcomers_per_cell
    plans = [population.plan_arrivals(acquisition, lever.shifts, worlds, values, cap) for lever in levers]
    raws = [engine.empty_raw(setting, lever, layout.months, layout.ages, len(layout.cohorts)) for lever in levers]
    existing, order = population.existing_blocks(summary, fitted, layout.group, layout.cohort, config.shard_customers)
    newcomers = population.newcomer_blocks(
        acquisition, fitted, plans, layout.first_new_group, layout.first_new_cohort, config.shard_customers
    )
    quantiles = run_blocks([*existing, *newcomers], levers, plans, raws, setting, config.jobs, progress)

    reachable = population.reachable(fitted, summary)
    done: dict[str, SimulatedScenario] = {}
    for scenario, lever, plan in zip(active, levers, plans, strict=True):
        raw = raws.pop(0)  # freed as soon as it is turned into money
        book = make_ledger(raw, lever, scenario, setting, economics, plan, acquisition, layout, config, reachable)
        done[scenario.name] = SimulatedScenario(scenario, book, acquired_of(plan) if acquisition.channels else None)
    law = population.newcomer_laws(fitted)(slice(0, 1))
    renewing, on_given_days = population.contractual(law), bool(law.interval_days[0] > 0)
    frame, closed_form = customer_values(fitted, summary, order, quantiles, config, economics)
    return Simulation(
        scenarios=done,
        skipped={name: c for name, c in compiled.items() if not c.applies},
        worlds=worlds,
        inputs=uncertain_inputs(fitted, worlds, values, active),
        customers=frame,
        closed_form=closed_form,
        economics=economics,
        horizon_months=config.horizon_months,
        assumptions=run_assumptions(acquisition, conversions, environment, shocks_sd, worlds, renewing, on_given_days),
        notes=tuple(n for n in (layout.note, *weight_notes(done), *(rate_notes(active) if renewing else ())) if n),
    )


def make_setting(
    layout: Layout,
    worlds: Worlds,
    economics: Economics,
    config: SimulationConfig,
    acquisition: AcquisitionConfig,
    fitted: FittedModels,
) -> engine.Setting:
    weeks = int(np.ceil(layout.months * DAYS_PER_MONTH / DAYS_PER_WEEK)) + 1
    return engine.Setting(
        worlds=worlds,
        groups=layout.groups,
        calendar=Calendar(
            weeks=weeks,
            arrival_weeks=int(acquisition.months * DAYS_PER_MONTH / DAYS_PER_WEEK) + 1,
            discount_per_day=economics.discount_per_day,
        ),
        gross_margin=economics.gross_margin,
        cost_per_order=economics.cost_per_order,
        money_scale=economics.money_scale,
        length_days=config.horizon_months * DAYS_PER_MONTH,
        stop_days=layout.months * DAYS_PER_MONTH,
        period_days=DAYS_PER_MONTH,
        attrition_clock=config.attrition_clock,
        season=season_by_week(fitted, worlds.draws, 1, weeks),
    )


def run_blocks(
    blocks: Sequence[population.Block],
    levers: Sequence[Levers],
    plans: Sequence[population.ArrivalPlan],
    raws: Sequence[ledger.Raw],
    setting: engine.Setting,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """Simulate everybody, adding to `raws`. Mean and quantiles of each existing customer's value, (c, 4)."""
    customers = []
    for number, block in enumerate(blocks):
        jobs = [
            engine.Job(lever, plan.arrivals if block.newcomers else engine.NOBODY, raw)
            for lever, plan, raw in zip(levers, plans, raws, strict=True)
        ]
        kept = engine.run_block(block, jobs, setting, threads, keep=not block.newcomers)
        if kept is not None:
            customers.append(value_quantiles(kept[0]))
        if progress:
            progress(number + 1, len(blocks))
    return np.concatenate(customers)


def _check_draws(config: SimulationConfig, fitted: FittedModels) -> None:
    if config.draws > fitted.draws:
        what = f"must be at most the {fitted.draws} draws of the posterior, got {config.draws}; raise fit.draws"
        raise ConfigError([("simulation.draws", what)])


def make_economics(finance: FinanceConfig, summary: CustomerSummary) -> Economics:
    known = finance.gross_margin is not None
    return Economics(
        margin_known=known,
        gross_margin=finance.gross_margin if finance.gross_margin is not None else 1.0,
        cost_per_order=finance.cost_per_order,
        discount_per_day=float(np.log1p(finance.annual_discount_rate) / DAYS_PER_YEAR),
        money_scale=ledger.money_scale(ledger.typical_amounts(summary.customers)),
    )


def priced(scenario: CompiledScenario, economics: Economics) -> CompiledScenario:
    """Without a known margin no goods are costed: offers too count with their full price."""
    if economics.margin_known:
        return scenario
    mechanisms = tuple(replace(m, margin=None) if isinstance(m, OfferTerms) else m for m in scenario.mechanisms)
    return replace(scenario, mechanisms=mechanisms)


def make_ledger(
    raw: ledger.Raw,
    lever: Levers,
    scenario: CompiledScenario,
    setting: engine.Setting,
    economics: Economics,
    plan: population.ArrivalPlan,
    acquisition: AcquisitionConfig,
    layout: Layout,
    config: SimulationConfig,
    reachable: np.ndarray,
) -> Ledger:
    """Integer sums to dated lines, both halves kept for totals and added for everything else."""
    worlds, groups, cohorts = setting.worlds, layout.groups, layout.cohorts
    there = np.bincount(layout.group, reachable, minlength=len(groups))
    sizes = np.repeat(there, 2) / 2.0  # halves are shared out evenly
    draw, scale, delta = worlds.draw, economics.money_scale, economics.discount_per_day
    new = np.array([g.origin == "new" for g in groups])
    entries = tuple(m for m in priced(scenario, economics).mechanisms if isinstance(m, CostEntry))
    contacts = make_contacts(lever, groups, setting.calendar)
    margin = None if lever.moves_margin else economics.gross_margin
    calendar, age = ledger.natural(raw.calendar, scale, margin), ledger.natural(raw.age, scale, margin)
    cohort = raw.cohort / ks.COUNT_UNIT
    cohort[:, :, [ks.COHORT_REVENUE, ks.COHORT_CONTRIBUTION]] *= scale
    np.cumsum(cohort[:, :, ks.COHORT_ACTIVE], axis=-1, out=cohort[:, :, ks.COHORT_ACTIVE])
    if lever.contacts:
        first = ks.BASE_LINES + ks.OFFER_LINES * len(lever.offers)
        on_list = np.cumsum(raw.exposure, axis=-1)[..., :-1] / ks.COUNT_UNIT
        weekly_discount = setting.calendar.discount()
        ledger.calendar_contacts(on_list, cohorts, contacts, weekly_discount, calendar[:, :, first:])
        ledger.age_contacts(raw.age_exit, contacts, np.flatnonzero(new).tolist(), age[:, :, first:])
        of_group = np.array([c.group for c in cohorts])
        weekly_cost = np.diff(contacts.cost_discounted)[of_group] / weekly_discount
        cost = (on_list[:, 0::2] + on_list[:, 1::2]) * weekly_cost
        cohort[:, :, ks.COHORT_CONTRIBUTION] -= ledger.sum_by_month(cost, cohort.shape[-1])
    for book in (calendar, age):
        np.cumsum(book[:, :, ks.ACTIVE], axis=-1, out=book[:, :, ks.ACTIVE])

    def lines_of(book: np.ndarray, heads: np.ndarray) -> dict[Line, np.ndarray]:
        lines = dict(ledger.money_lines(book, lever, draw, economics))
        return lines | dict(ledger.entry_lines(entries, groups, heads, lines, draw))

    on_calendar = lines_of(calendar, sizes)
    on_age = lines_of(age, np.zeros_like(sizes))
    halves = half_totals(on_calendar, new)
    both = {line: _both(v) for line, v in on_calendar.items()}
    empty = np.zeros((worlds.key.size, 1, 2, calendar.shape[-1]))
    book = {line: np.concatenate([v, empty], axis=1) for line, v in both.items()}
    blank = np.zeros((worlds.key.size, len(groups) + 1, 2, calendar.shape[-1]))
    for c, (name, _) in enumerate(acquisition.channels.items()):
        cells = slice(c * acquisition.months, (c + 1) * acquisition.months)
        spent = np.zeros((worlds.key.size, calendar.shape[-1]))
        spent[:, : acquisition.months] = plan.cost[:, cells]
        middle = np.exp(-delta * DAYS_PER_MONTH * (np.arange(calendar.shape[-1]) + 0.5))
        line = book[Line("cost_acquisition", name)] = blank.copy()
        line[:, groups.index(Group("new", "", name)), 0] = spent
        line[:, groups.index(Group("new", "", name)), 1] = spent * middle
    for what, amount in ledger.fixed_lines(entries, draw, config.horizon_months, calendar.shape[-1], delta):
        book[what] = blank.copy()
        book[what][:, -1] = amount
    aged = {line: _both(v)[:, new] for line, v in on_age.items()}
    none = np.zeros((worlds.key.size, int(new.sum()), 2, age.shape[-1]))
    return Ledger(
        groups=(*groups, COMPANY),
        lines=tuple(book),
        calendar=np.stack(list(book.values()), axis=2),
        age=np.stack([aged.get(line, none) for line in book], axis=2),
        cohort=cohort,
        cohorts=cohorts,
        halves=halves,
        age_halves=age_half_totals(on_age, new),
    )


def _both(values: np.ndarray) -> np.ndarray:
    """Add the two halves of the customers: (w, 2g, …) → (w, g, …)."""
    return values[:, 0::2] + values[:, 1::2]


def half_totals(lines: Mapping[Line, np.ndarray], new: np.ndarray) -> np.ndarray:
    """Discounted contribution of each half of the customers, (w, 2, [existing, new])."""
    total = sum(line.sign * values[:, :, ledger.DISCOUNTED].sum(axis=-1) for line, values in lines.items())
    by_half = np.asarray(total).reshape(-1, new.size, 2).transpose(0, 2, 1)
    return np.stack([by_half[:, :, ~new].sum(axis=2), by_half[:, :, new].sum(axis=2)], axis=2)


def age_half_totals(lines: Mapping[Line, np.ndarray], new: np.ndarray) -> np.ndarray:
    """Of newcomers: discounted contribution and number, (w, 2, 2)."""
    value = half_totals(lines, new)[:, :, 1]
    heads = lines[Line("customers_acquired", "acquisition")][:, :, ledger.PLAIN].sum(axis=-1)
    by_half = heads.reshape(-1, new.size, 2).transpose(0, 2, 1)[:, :, new].sum(axis=2)
    return np.stack([value, by_half], axis=2)


def acquired_of(plan: population.ArrivalPlan) -> Acquired:
    visitors = plan.visitors.sum(axis=1)
    heads = plan.arrivals.count * plan.arrivals.weight
    expected = (plan.visitors * plan.conversion).sum(axis=1)
    cost = plan.cost.sum(axis=1)
    people = heads.sum()
    return Acquired(
        visitors=visitors,
        customers=heads.sum(axis=1),
        cost=cost,
        cac=np.divide(cost, expected, out=np.full_like(cost, np.nan), where=expected > 0),
        conversion=np.divide(expected, visitors, out=np.full_like(cost, np.nan), where=visitors > 0),
        weighted_share=float(heads[plan.arrivals.weight > 1].sum() / people) if people else 0.0,
    )


def weight_notes(scenarios: Mapping[str, SimulatedScenario]) -> list[str]:
    share = max((s.acquired.weighted_share for s in scenarios.values() if s.acquired), default=0.0)
    if share == 0:
        return []
    return [
        f"{share:.0%} of new customers are represented by fewer simulated ones with a weight; expected figures are "
        "unaffected, realised figures vary too much (simulation.max_newcomers_per_cell)."
    ]


def rate_notes(scenarios: Sequence[CompiledScenario]) -> list[str]:
    """Which scenarios try to make customers of a contract buy more often."""
    return [
        f"{scenario.view.title}: customers pay at every renewal until they cancel, so what is to make them buy more or "
        "less often has no effect here (shifts of the rate, goodwill and fatigue of contacts, an offer's effect on "
        "the rate). What makes them stay is a shift of the hazard."
        for scenario in scenarios
        if any(moves_rate(m) for m in scenario.mechanisms)
    ]


def moves_rate(mechanism: Mechanism) -> bool:
    match mechanism:
        case Shift():
            return mechanism.target == "rate" and bool(mechanism.size.any())
        case ContactProgramme():
            return bool(mechanism.goodwill.any() or mechanism.fatigue.any())
        case OfferTerms():
            return bool(mechanism.decline_rate.any() or mechanism.accept_rate.any())
    return False


def value_quantiles(value: np.ndarray) -> np.ndarray:
    """Simulated mean and 5, 50, 95 % quantiles over worlds per customer, (c, 4)."""
    ordered = np.sort(np.ascontiguousarray(value.T), axis=1)
    return np.column_stack([ordered.mean(axis=1), np.quantile(ordered, [0.05, 0.5, 0.95], axis=1).T])


def customer_values(
    fitted: FittedModels,
    summary: CustomerSummary,
    order: np.ndarray,
    simulated: np.ndarray,
    config: SimulationConfig,
    economics: Economics,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Per existing customer: closed-form expectations over draws and simulated quantiles; and the sum per draw."""
    from joblib import Parallel, delayed

    histories, spends = fitted.retention.histories(summary), fitted.spend.histories(summary)
    customers = len(summary.customers)
    sums = np.zeros((3, customers))
    per_draw = np.zeros(config.draws)
    chunks = [slice(low, min(config.draws, low + 64)) for low in range(0, config.draws, 64)]
    for low in range(0, customers, CUSTOMERS_AT_ONCE):
        part = slice(low, low + CUSTOMERS_AT_ONCE)
        some, money = rows_of(histories, part), rows_of(spends, part)
        found = Parallel(config.jobs, backend="threading")(
            delayed(expected_values)(fitted, chunk, some, money, config.horizon_months, economics) for chunk in chunks
        )
        for chunk, (by_customer, by_draw) in zip(chunks, found, strict=True):  # in this order whatever the jobs
            sums[:, part] += by_customer
            per_draw[chunk] += by_draw
    quantiles = np.empty((customers, 4))
    quantiles[order] = simulated
    alive, orders, value = sums / config.draws
    frame = pd.DataFrame(
        {
            "customer_id": summary.customers["customer_id"].to_numpy(),
            "p_alive": alive,
            "expected_orders": orders,
            "rlv_mean": value,
            "rlv_p05": quantiles[:, 1],
            "rlv_p50": quantiles[:, 2],
            "rlv_p95": quantiles[:, 3],
        }
    )
    return frame, per_draw


def expected_values(
    fitted: FittedModels,
    draws: slice,
    histories: Any,
    spends: Any,
    horizon_months: int,
    economics: Economics,
) -> tuple[np.ndarray, np.ndarray]:
    """P(alive), expected orders and expected contribution summed over draws, (3, c), and the last over customers."""
    retention, days, horizon = fitted.retention, fitted.days_per_unit, horizon_months * DAYS_PER_MONTH
    rate = float(np.expm1(economics.discount_per_day * DAYS_PER_YEAR))
    life = fitted.retention_draws(draws)
    p = retention.laws(life, histories, days).p_alive
    discounted = p * retention.expected_discounted_orders(life, histories, horizon, rate, days)
    plain = discounted if rate == 0 else p * retention.expected_discounted_orders(life, histories, horizon, 0.0, days)
    customers = FittedCustomers(retention, fitted.spend, life, fitted.spend_draws(draws), histories, spends, days)
    per_order = expected_spend_per_order(customers, horizon, rate)
    worth = discounted * (per_order * economics.gross_margin - economics.cost_per_order)
    return np.stack([p.sum(axis=0), plain.sum(axis=0), worth.sum(axis=0)]), worth.sum(axis=1)


def uncertain_inputs(
    fitted: FittedModels, worlds: Worlds, conversions: Mapping[str, np.ndarray], scenarios: Sequence[CompiledScenario]
) -> pd.DataFrame:
    """Every uncertain number of the run by draw: parameters, conversions, environment, effects."""
    n = worlds.draws
    columns = {f"retention.{k}": v for k, v in fitted.retention_draws(slice(n)).items()}
    columns |= {f"spend.{k}": v for k, v in fitted.spend_draws(slice(n)).items()}
    columns |= {f"acquisition.channels.{k}.conversion": v for k, v in conversions.items()}
    columns["environment.sd"] = worlds.environment_sd
    for scenario in scenarios:
        columns |= scenario.inputs
    frame = pd.DataFrame(columns)
    return frame.loc[:, frame.nunique() > 1]


def run_assumptions(
    acquisition: AcquisitionConfig,
    conversions: Mapping[str, effects.EffectDraws],
    environment: EnvironmentConfig,
    shocks_sd: SdLaw,
    worlds: Worlds,
    renewing: bool,
    on_given_days: bool,
) -> tuple[Assumption, ...]:
    """Numbers of the whole run that are not in the log."""
    found = []
    for name, channel in acquisition.channels.items():
        at = f"acquisition.channels.{name}"
        found += [
            stated(f"{at}.visitors_per_month", f"Visitors a month, {name}", channel.visitors_per_month),
            stated(f"{at}.cost_per_visitor", f"Cost per visitor, {name}", channel.cost_per_visitor, "money"),
            effects.assumption(
                channel.conversion, "probability", conversions[name], f"{at}.conversion", f"Conversion, {name}"
            ),
        ]
    if environment.sd_prior > 0:
        sd = worlds.environment_sd
        memory = f"month-to-month correlation {environment.autocorrelation:g}"
        learned = (
            f"half-normal with sd {environment.sd_prior:g} before the log was seen, updated on its "
            f"{shocks_sd.months} full months up to today; {memory} is assumed"
        )
        assumed = f"half-normal with sd {environment.sd_prior:g}, {memory}; assumed, not estimated from the data"
        if environment.learn and on_given_days:
            assumed += f" (it is for orders at any time only, not for {'renewals' if renewing else 'opportunities'})"
        found.append(
            Assumption(
                "environment.sd_prior",
                f"Monthly shocks common to all customers, sd of log {'hazard' if renewing else 'purchase rate'}",
                "learned" if shocks_sd.months else "prior",
                learned if shocks_sd.months else assumed,
                "",
                float(sd.mean()),
                float(np.quantile(sd, 0.05)),
                float(np.quantile(sd, 0.95)),
            )
        )
    return tuple(found)


def stated(path: str, label: str, value: float, unit: str = "number") -> Assumption:
    return Assumption(path, label, "fixed", "as configured, no uncertainty", "", value, value, value, unit)
