"""`simulate`: posterior × scenarios → dated ledgers, on shared worlds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.errors import ConfigError
from clvsim.files import unknown_name
from clvsim.models.diagnostics import effective_draws
from clvsim.models.fitted import FittedModels, implausible_draws
from clvsim.models.stated import is_stated
from clvsim.scenario import BASELINE, CompiledScenario, Scenario
from clvsim.simulation import engine, people
from clvsim.simulation.arrivals import Acquired, ArrivalPlan, sum_acquired
from clvsim.simulation.assumptions import (
    acquisition_assumptions,
    environment_assumptions,
    rate_notes,
    uncertain_inputs,
    weight_notes,
)
from clvsim.simulation.concentration import Concentration, Tally
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.environment import sd_law
from clvsim.simulation.expected import (
    Activity,
    ExpectedLevels,
    customer_table,
    expected_levels,
    expected_value,
    next_orders,
)
from clvsim.simulation.ledger import WITHHELD, Economics, Ledger, Line
from clvsim.simulation.ledger.assemble import assemble_ledger
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.ranges import Progress, make_jobs
from clvsim.simulation.referrals import referral_notes, run_referrals
from clvsim.simulation.sample import Sample, draw_sample
from clvsim.simulation.spread import Sampled
from clvsim.simulation.tables import left_by_cap
from clvsim.simulation.win_backs import with_answers
from clvsim.simulation.workers import HERE, Workers, workers_of
from clvsim.simulation.worlds import Worlds, make_worlds
from clvsim.types import Assumption, CustomerSummary


@dataclass(frozen=True)
class SimulatedScenario:
    """One scenario with its assumptions, its ledger and the totals of its newcomers."""

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
    expected: ExpectedLevels  # of the baseline, closed forms per draw
    concentration: Concentration  # of the revenue of existing customers within the horizon, under the baseline
    economics: Economics
    horizon_months: int
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]
    stated: bool  # whether behaviour is, so that what varies of it is an assumption
    effective_draws: float  # independent draws that the posterior's are worth, at most `draws`
    sampled: Sampled | None = None  # where not all of today's customers were simulated

    @property
    def sample(self) -> Sample | None:
        """The customers of today who were simulated; None: all of them."""
        return self.sampled.sample if self.sampled else None

    @property
    def draws(self) -> int:
        return self.worlds.draws

    @property
    def replicates(self) -> int:
        return self.worlds.replicates


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
    progress: Progress | None = None,
) -> Simulation:
    """Simulate the customers of today, and newcomers, under each scenario, on the same random events.

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers of today, whether or not they are those that the models were fitted to.
    scenarios
        By name; also the library that `combine` refers to.
    names
        Which of them to simulate; the baseline is simulated anyway. None: all.
    simulation
        How many draws and replicates, for how many months, on how many threads or which cluster. None, as for the
        other sections: all defaults.
    finance
        Discount rate, margin and cost per order. Without a margin, money is revenue.
    acquisition
        Channels and how many visitors they bring, or that newcomers come as in the log. Without, there are none.
    environment
        Shocks common to all customers.
    seed
        Of all random events and of uncertain effects.
    progress
        Called with the numbers of blocks that are done and of all blocks.

    Returns
    -------
    Simulation
        A ledger per scenario with axes (world, group, line, undiscounted or discounted, month), worlds being draws ×
        replicates; uncertain inputs, (draw, input); closed forms per customer.

    Raises
    ------
    ConfigError
        No scenario called `baseline`, more draws than the posterior holds, ledgers that would be too large, an effect
        that does not fit, a cluster that cannot be reached or differs from this process, a checkpoint of another
        simulation.

    Notes
    -----
    A difference between scenarios is an effect and not noise: they share each random event. Not modelled: customers who
    influence each other, limits to how many can be served.

    Examples
    --------
    Two customers with the published parameters of CDNOW, and a scenario that halves the hazard of losing them:

    >>> from datetime import date
    >>> import numpy as np
    >>> import pandas as pd
    >>> import clvsim
    >>> from clvsim.data.config import SummaryConfig
    >>> from clvsim.models import RETENTION, SPEND
    >>> from clvsim.models.fitted import FittedModels
    >>> from clvsim.scenario import Scenario
    >>> from clvsim.simulation.config import SimulationConfig
    >>> from clvsim.types import Posterior
    >>> orders = {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86], "monetary_value": [22.35, 0.0]}
    >>> table = pd.DataFrame({"customer_id": ["again", "once"], **orders})
    >>> summary = clvsim.read_summary(table, SummaryConfig(today=date(1997, 9, 30), time_unit="week"))
    >>> life = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    >>> spend = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 1.0}
    >>> draws = ({name: np.full(64, value) for name, value in values.items()} for values in (life, spend))
    >>> fitted = FittedModels(RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), Posterior(*draws, time_unit="week"))
    >>> service = {"title": "Better service", "stay": {"kind": "shift", "target": "hazard", "size": -0.5}}
    >>> scenarios = {"baseline": Scenario(title="As today"), "service": Scenario.model_validate(service)}
    >>> config = SimulationConfig(draws=64, horizon_months=12)
    >>> simulation = clvsim.simulate(fitted, summary, scenarios, simulation=config)
    >>> {name: float(scenario.ledger.total("orders").mean()) for name, scenario in simulation.scenarios.items()}
    {'baseline': 1.515625, 'service': 1.78125}
    >>> simulation.customers[["customer_id", "p_alive", "expected_orders"]].round(3).values.tolist()
    [['again', 0.727, 1.563], ['once', 1.0, 0.253]]
    """
    config = simulation or SimulationConfig()
    _require_scenarios(scenarios, names or ())
    check_draws(config, fitted)
    plan_with = partial(
        make_plan,
        summary,
        scenarios,
        names or list(scenarios),
        simulation=config,
        finance=finance or FinanceConfig(),
        acquisition=acquisition or AcquisitionConfig(),
        environment=environment or EnvironmentConfig(),
        seed=seed,
        renewing=fitted.retention.renewing,
    )
    plan = plan_with()
    if plan.provisional:
        plan = plan_with(value=expected_value(plan, fitted, summary))
    with workers_of(config) as workers:
        return simulate_plan(plan, fitted, summary, progress, workers)


def _require_scenarios(scenarios: Mapping[str, Scenario], names: Sequence[str]) -> None:
    """Raises ConfigError where the baseline or one of `names` is not there, or something is no scenario."""
    wanted = dict.fromkeys([BASELINE, *names])
    problems = [("scenarios", unknown_name("scenario", name, scenarios)) for name in wanted if name not in scenarios]
    problems += [
        (f"scenarios.{name}", f"must be a Scenario, got {type(one).__name__}; Scenario.model_validate takes a mapping")
        for name, one in scenarios.items()
        if not isinstance(one, Scenario)
    ]
    if problems:
        raise ConfigError(problems)


def simulate_plan(
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    progress: Progress | None = None,
    workers: Workers = HERE,
) -> Simulation:
    """Simulate a plan that was made for this summary, `simulation.replicates` of each draw.

    Quantiles of single customers are over as many replicates as 500 worlds need. Raises ConfigError when the plan has
    more draws than the posterior, ValueError for a provisional plan.
    """
    if plan.provisional:
        raise ValueError("the plan is provisional: make it with the customers' expected values")
    check_draws(plan.simulation, fitted)
    plan = with_answers(plan, fitted, summary)
    config, layout = plan.simulation, plan.layout
    shocks_sd = sd_law(fitted, summary, plan.environment)
    worlds = make_worlds(
        plan.seed, config.draws, config.replicates, layout.months, plan.environment, shocks_sd, arriving=plan.arriving
    )
    customers = reachable_by_group(plan, fitted, summary)
    means, expected = expected_levels(plan, fitted, summary, people.key_order(summary)[1], customers)
    sample = draw_sample(plan, summary, means[2], means[0], people.reachable(fitted, summary))
    simulated, quantiles, concentration, sampled = simulate_worlds(
        plan, fitted, summary, worlds, expected.activity, progress, workers, sample
    )
    compiled = [scenario.compiled for scenario in plan.scenarios.values()]
    return Simulation(
        scenarios=simulated,
        skipped=plan.skipped,
        worlds=worlds,
        inputs=uncertain_inputs(fitted, worlds, plan.base_conversions, compiled, plan.arriving),
        customers=customer_table(summary, means, quantiles, next_orders(plan, fitted, summary)),
        expected=expected,
        concentration=concentration,
        economics=plan.economics,
        horizon_months=config.horizon_months,
        assumptions=acquisition_assumptions(plan.acquisition, plan.conversions, plan.arriving)
        + environment_assumptions(
            plan.environment,
            shocks_sd,
            worlds.environment_sd,
            worlds.level_sd,
            contracts=fitted.retention.renewing,
            dated=summary.dated.repeat_orders_by_day is not None,
            stated=is_stated(fitted),
        ),
        notes=notes_of(plan, fitted, simulated, sample),
        stated=is_stated(fitted),
        effective_draws=effective_draws(fitted.posterior, worlds.draws),
        sampled=sampled,
    )


class Simulated(NamedTuple):
    """Scenarios on some worlds; of existing customers under the baseline quantiles of each one's value, (c, 3), nan of
    those who are not simulated, and how revenue is spread over them."""

    scenarios: dict[str, SimulatedScenario]
    quantiles: np.ndarray
    concentration: Concentration
    sampled: Sampled | None = None


def simulate_worlds(
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    worlds: Worlds,
    activity: Activity | None,
    progress: Progress | None,
    workers: Workers = HERE,
    sample: Sample | None = None,
) -> Simulated:
    """Simulate all scenarios of a plan on some worlds; `activity` is that of the expected levels. Of today's customers
    only a `sample`, where there is one."""
    simulated = sample.part(plan, summary) if sample else (plan, summary)
    work, sums = workers.simulate(simulated[0], fitted, simulated[1], worlds, progress)
    order, everybody = work.existing[1], len(summary.customers)
    quantiles, sampled = np.full((everybody, 3), np.nan), None
    quantiles[sample.rows[order] if sample else order] = sums.quantiles
    if sample:
        spread = np.empty_like(sums.spread)
        spread[..., order] = sums.spread
        sampled = Sampled(sample, spread)
    jobs = make_jobs(plan, work.setting, work.arrivals, sums.raws)
    customers = reachable_by_group(plan, fitted, summary)
    newcomers_by_world = np.mean([own.number.sum(axis=1).mean() for own in work.arrivals.values()])
    run_referrals(plan, fitted, work.setting, jobs, everybody + int(newcomers_by_world))
    concentration = Tally.holding(sums.count, sums.units).concentration()
    del sums  # each scenario's are freed as soon as they are turned into money
    scenarios = assemble_scenarios(plan, jobs, work.arrivals, worlds.draw, customers, activity)
    return Simulated(scenarios, quantiles, concentration, sampled)


def notes_of(
    plan: RunPlan, fitted: FittedModels, scenarios: Mapping[str, SimulatedScenario], sample: Sample | None = None
) -> tuple[str, ...]:
    """Sentences for the page on a sample, pooled groups, newcomers with weights, and levers that do nothing."""
    return (
        *((sample.sentence,) if sample else ()),
        *plan.notes,
        *((plan.layout.note,) if plan.layout.note else ()),
        *weight_notes(scenario.acquired for scenario in scenarios.values()),
        *lead_notes(scenarios.values()),
        *referral_notes(scenarios.values()),
        *cap_notes(plan, scenarios),
        *(rate_notes(s.compiled for s in scenarios.values()) if fitted.retention.renewing else ()),
    )


def cap_notes(plan: RunPlan, scenarios: Mapping[str, SimulatedScenario]) -> tuple[str, ...]:
    """What a frequency cap takes from programmes, and how many messages of campaigns it withholds."""
    notes = []
    for name, scenario in scenarios.items():
        levers, book = plan.scenarios[name].levers, scenario.ledger
        left = left_by_cap(levers.contacts, plan.layout.groups, plan.calendar.weeks)
        does = [f"leaves {lever} {share:.0%} of what it would send" for lever, share in left.items() if share < 1.0]
        if levers.cap and (withheld := book.total(WITHHELD.account).mean()) > 0:
            written = [Line("contacts", offer.name) for offer in levers.offers if offer.cap]
            sent = book.calendar[:, :, [book.lines.index(one) for one in written], 0].sum(axis=(1, 2, 3)).mean()
            does.append(f"withholds {withheld:,.0f} of {withheld + sent:,.0f} messages of campaigns, on average")
        if does:
            notes.append(f"The frequency cap of “{scenario.compiled.description.title}” {', and '.join(does)}.")
    return tuple(notes)


def lead_notes(scenarios: Iterable[SimulatedScenario]) -> tuple[str, ...]:
    """How many leads there are, and which share of them buys: what a lead is worth beside a customer."""
    return tuple(
        f"Leads in “{scenario.compiled.description.title}”: {own.leads.mean():,.0f} on average, of whom "
        f"{own.by_lead.mean() / own.leads.mean():.2%} buy while newcomers arrive; a lead is worth that share of a "
        "customer who comes by e-mail."
        for scenario in scenarios
        if (own := scenario.acquired) is not None and own.leads.mean() > 0
    )


def reachable_by_group(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> np.ndarray:
    """Existing customers of each ledger group who are not known to be lost, (g,)."""
    layout = plan.layout
    return np.bincount(layout.group, people.reachable(fitted, summary), minlength=len(layout.groups))


def check_draws(config: SimulationConfig, fitted: FittedModels) -> None:
    """Raises ConfigError for draws that no parameter can have, whatever they came from, and where there are too few."""
    if wrong := implausible_draws(fitted):
        raise ConfigError([("fit.posterior", what) for what in wrong])
    if config.draws > fitted.draws:
        text = f"must be at most the {fitted.draws} draws of the posterior, got {config.draws}; raise fit.draws"
        raise ConfigError([("simulation.draws", text)])


def assemble_scenarios(
    plan: RunPlan,
    jobs: list[engine.Job],
    arrivals: Mapping[str, ArrivalPlan],
    draw: np.ndarray,
    customers: np.ndarray,
    activity: Activity | None,
) -> dict[str, SimulatedScenario]:
    """Turn the jobs' integer sums into ledgers, emptying `jobs`; the last three as in `assemble_ledger`."""
    scenarios = {}
    for name, scenario in plan.scenarios.items():
        job = jobs.pop(0)
        ledger = assemble_ledger(job.raw, job.contacts, scenario, arrivals[name], plan, draw, customers, activity)
        acquired = None
        if plan.acquisition.channels:
            acquired = sum_acquired(arrivals[name], plan.acquisition.months, of_log=plan.acquisition.from_log)
        scenarios[name] = SimulatedScenario(scenario.compiled, ledger, acquired)
    return scenarios
