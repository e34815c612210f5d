"""The table of all figures: levels, paired differences, and how scenarios rank."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.comparison.designs import Design, make_designs
from clvsim.comparison.draws import Draws, stack
from clvsim.comparison.expected import Expected, expected_values, has_common_shocks, per_draw
from clvsim.comparison.knobs import knobs_of
from clvsim.comparison.payback import cost_of_one, expected_curve, payback_curve, payback_rows
from clvsim.comparison.sampled import SamplingErrors, sampling_errors
from clvsim.decision import Expectation
from clvsim.knobs import Knobs
from clvsim.metrics import METRICS, Metric, available, require_expectation
from clvsim.models.around.several import MODEL
from clvsim.scenario import BASELINE
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.ledger.lines import DISCOUNTED
from clvsim.simulation.luck import luck_of, with_luck_of_all
from clvsim.simulation.run import Simulation
from clvsim.simulation.spread import VALUE
from clvsim.simulation.worlds import ENOUGH_WORLDS
from clvsim.types import PaybackCurve

COLUMNS = (
    "scenario",
    "metric",
    "unit",
    "basis",
    "layers",
    "mean",
    "mean_mcse",
    "p05",
    "p50",
    "p95",
    "delta_mean",
    "delta_mcse",
    "delta_p05",
    "delta_p50",
    "delta_p95",
    "p_better",
    "p_better_mcse",
    "p_best",
    "expected_loss",
    "p_equal",
    "p_best_mcse",
    "expected_loss_mcse",
)
HEADLINE = "plan_value"


@dataclass(frozen=True)
class Comparison:
    """`table` has the columns of comparison.csv; per-draw arrays are expected plan values."""

    table: pd.DataFrame
    values: Mapping[str, np.ndarray]  # (draws,) by scenario
    deltas: Mapping[str, np.ndarray]  # (draws,) by scenario, baseline excluded
    evpi: decision.InformationValue | None
    payback: Mapping[str, PaybackCurve]
    curves: Mapping[str, np.ndarray]  # behind it, expected value of a newcomer by age, (draws, ages + 1)
    variance: Mapping[str, float]  # of the baseline's realised plan value: model, parameter, process, environment
    notes: tuple[str, ...]
    draws: Draws
    knobs: Knobs | None = None  # what the page's knobs compute with; None where there is nothing to move, or too much


def compare(simulation: Simulation, metric: str = HEADLINE) -> Comparison:
    """Compare every scenario with the baseline.

    Parameters
    ----------
    simulation
        Ledgers of the scenarios, of `clvsim.simulate`.
    metric
        What the decision is about, by its name in `clvsim.metrics.METRICS`: P(better), P(best) and expected loss are on
        it.

    Returns
    -------
    Comparison
        A table of all figures, a row per scenario, metric and basis (expected or realised); expected values of `metric`
        per draw and their differences to the baseline, (draw,), by scenario; the value of perfect information, None
        without another scenario; payback by scenario, where newcomers and the margin are known.

    Raises
    ------
    KeyError
        A metric that this simulation does not have.
    ConfigError
        A metric that is realised only.

    Notes
    -----
    One simulated life per customer and draw carries luck, which would inflate P(best) and the value of information.
    Levels of the baseline are closed forms, differences are regressed (`clvsim.decision`). Probabilities need 500
    simulated worlds and are nan with fewer. Not modelled: decisions that depend on what is learned on the way.

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
    >>> comparison = clvsim.compare(simulation)
    >>> rows = comparison.table.query("metric == 'plan_value' and basis == 'expected'")
    >>> rows[["scenario", "mean", "delta_mean"]].round(1).values.tolist()
    [['baseline', 38.7, nan], ['service', 43.9, 5.3]]
    """
    return compared(simulation, with_luck_of_all(simulation), metric)


def compared(simulation: Simulation, of_all: Simulation, metric: str) -> Comparison:
    """`compare`, where the simulation `of_all` customers is at hand (`simulation.luck`)."""
    metrics = available(simulation)
    require_expectation(metric)
    designs, notes = make_designs(simulation), []
    expected = {metric: expected_values(simulation, metrics[metric], designs, notes)}
    decided, contest = expected[metric], contestants(simulation)
    ranked = rank_expected(simulation, metric, decided, contest)
    notes += precision_notes(simulation, decided)
    rows, realised = [], {}
    for name, definition in metrics.items():
        if definition.has_expectation and name != metric:
            expected[name] = expected_values(simulation, definition, designs, [])
        if name in expected:
            rows += expected_rows(
                simulation, name, definition, expected[name], contest, ranked if name == metric else None
            )
        realised[name] = {one: definition.query(of_all, found) for one, found in of_all.scenarios.items()}
        rows += realised_rows(simulation, name, definition, realised[name], contest if name == metric else [])
    curves, cash = ({}, {})
    for name in with_newcomers(simulation):
        curves[name] = expected_curve(simulation, name, designs)
        cash[name] = expected_curve(simulation, name, designs, discounted=False)
    costs = {name: cost_of_one(simulation, name) for name in curves}
    paybacks = {name: payback_curve(curve, costs[name]) for name, curve in curves.items()}
    for name, (_, month) in paybacks.items():
        _, undiscounted = payback_curve(cash[name], costs[name])
        rows += payback_rows(simulation, name, month, undiscounted, layers(simulation, "expected"))
    values = {name: value.values for name, value in decided.values.items()}
    knobs = knobs_of(simulation, metric, expected, notes)
    return Comparison(
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        values=values,
        deltas={name: delta.values for name, delta in decided.deltas.items()},
        evpi=ranked.evpi if ranked else None,
        payback={name: curve for name, (curve, _) in paybacks.items()},
        curves=curves,
        variance=variance_layers(simulation, realised[HEADLINE][BASELINE], values[BASELINE], designs[BASELINE]),
        notes=tuple(dict.fromkeys(notes)),
        draws=draws_of(simulation, metric, expected, realised, curves, cash),
        knobs=knobs,
    )


def with_newcomers(simulation: Simulation) -> list[str]:
    """Scenarios of which it can be told what a newcomer brings by when: somebody comes, and the margin is known."""
    return [
        name
        for name, scenario in simulation.scenarios.items()
        if scenario.acquired and simulation.economics.margin_known and np.isfinite(scenario.acquired.cac).any()
    ]


def draws_of(
    simulation: Simulation,
    metric: str,
    expected: Mapping[str, Expected],
    realised: Mapping[str, Mapping[str, np.ndarray]],
    curves: Mapping[str, np.ndarray],
    cash: Mapping[str, np.ndarray],
) -> Draws:
    """All figures per draw and per world, stacked by name."""
    names, metrics, draws = tuple(simulation.scenarios), tuple(realised), (simulation.draws,)
    levels = {
        name: stack({one: value.values for one, value in found.values.items()}, names, draws)
        for name, found in expected.items()
    }
    nothing = Expectation.exact(np.zeros(draws))
    changes = [expected[metric].deltas.get(name, nothing) for name in names]
    ages = (*draws, simulation.horizon_months + 1)
    lines = {name: line_totals(simulation, scenario.ledger) for name, scenario in simulation.scenarios.items()}
    line_names = tuple(dict.fromkeys(line for found in lines.values() for line in found))
    return Draws(
        decided=metric,
        metrics=metrics,
        scenarios=names,
        expected=stack(levels, metrics, (len(names), *draws)),
        realised=np.stack([np.stack(list(realised[name].values())) for name in metrics]),
        delta=np.stack([change.values for change in changes]),
        noise=np.stack([noise_of(change) for change in changes]),
        curve=stack(curves, names, ages),
        cash=stack(cash, names, ages),
        lines=np.stack([stack(lines[name], line_names, draws) for name in names]),
        line_names=line_names,
        there=simulation.expected.existing_there,
        inputs=simulation.inputs.to_numpy(float),
        input_names=tuple(simulation.inputs.columns),
        effective=simulation.effective_draws,
    )


def noise_of(change: Expectation) -> np.ndarray:
    """Noise by draw, made so much larger that the error of the mean holds what simulating a sample adds."""
    noise, n = change.noise, change.values.size
    return noise if not change.sampled else np.sqrt(noise**2 + n * change.sampled**2) * np.where(noise < 0, -1.0, 1.0)


def line_totals(simulation: Simulation, ledger: Ledger) -> dict[str, np.ndarray]:
    """Discounted totals of a ledger's lines over groups and months, (draws,), by `account/cause`."""
    totals = per_draw(simulation, ledger.calendar[:, :, :, DISCOUNTED].sum(axis=(1, 3)))
    return {f"{line.account}/{line.cause}": totals[:, number] for number, line in enumerate(ledger.lines)}


# --- rows ------------------------------------------------------------------------------------------------------------


def contestants(simulation: Simulation) -> list[str]:
    """The baseline and the scenarios that have a chance: those that rest on stated numbers alone have consequences."""
    return [
        name
        for name, scenario in simulation.scenarios.items()
        if name == BASELINE or not scenario.compiled.description.is_what_if
    ]


def rank_expected(
    simulation: Simulation, metric: str, expected: Expected, contest: Sequence[str]
) -> decision.Ranking | None:
    """How the contestants rank on their differences to the baseline; None without any, or where they are nan."""
    deltas = [expected.deltas[name] for name in contest if name != BASELINE]
    if not deltas or not all(np.isfinite(delta.values).all() for delta in deltas):
        return None
    errors = sampling_errors(simulation, METRICS[metric])
    places = [errors.names.index(name) - 1 for name in contest if name != BASELINE]
    sampling = errors.of_deltas[np.ix_(places, places)]
    return decision.rank(deltas, simulation.effective_draws, sampling=sampling)


def probabilities_known(simulation: Simulation) -> bool:
    return simulation.worlds.key.size >= ENOUGH_WORLDS


def expected_rows(
    simulation: Simulation,
    name: str,
    metric: Metric,
    expected: Expected,
    contest: Sequence[str],
    ranked: decision.Ranking | None = None,
) -> list[dict]:
    """Rows of expected values, with probabilities and losses of the contestants where they are ranked by them."""
    rows = []
    for scenario, level in expected.values.items():
        row = _row(simulation, scenario, name, metric, "expected")
        row |= _summary(simulation, level, "mean", "mean_mcse", "")
        if scenario in expected.deltas:
            row |= _summary(simulation, expected.deltas[scenario], "delta_mean", "delta_mcse", "delta_")
        if ranked and scenario in contest:
            number = contest.index(scenario)
            row |= {"expected_loss": ranked.loss[number], "expected_loss_mcse": ranked.loss_mcse[number]}
            if probabilities_known(simulation):
                names = ("p_better", "p_better_mcse", "p_equal", "p_best", "p_best_mcse")
                row |= {column: getattr(ranked, column)[number] for column in names}
        rows.append(row)
    return rows


def realised_rows(
    simulation: Simulation, name: str, metric: Metric, raw: Mapping[str, np.ndarray], contest: Sequence[str]
) -> list[dict]:
    """Rows of what happens in the simulated worlds, `raw` (w,) by scenario, luck and shocks included; chances and
    losses of contestants."""
    errors = sampling_errors(simulation, metric)
    rows = []
    for scenario, figure in raw.items():
        row = _row(simulation, scenario, name, metric, "realised")
        row |= _of_worlds(simulation, figure, "mean", "mean_mcse", "", errors.level(scenario))
        if scenario != BASELINE:
            delta = figure - raw[BASELINE]
            row |= _of_worlds(simulation, delta, "delta_mean", "delta_mcse", "delta_", errors.delta(scenario))
        rows.append(row | (chances(simulation, scenario, raw, contest, errors) if scenario in contest else {}))
    return rows


def chances(
    simulation: Simulation, scenario: str, raw: Mapping[str, np.ndarray], contest: Sequence[str], errors: SamplingErrors
) -> dict[str, float]:
    """Over worlds: P(better), P(best) and expected loss of a contestant; its difference is uncertain by `errors`."""
    figures, by = raw[scenario], errors.delta(scenario)
    known, row = probabilities_known(simulation), {}
    others = np.column_stack([raw[one] for one in contest])
    number = list(contest).index(scenario)

    def moved(shift: float) -> np.ndarray:
        table = others.copy()
        table[:, number] += shift
        return table

    def share(of: Callable[[float], np.ndarray]) -> decision.Estimate:
        found = _mean(simulation, of(0.0))
        sampled = abs(float(np.nanmean(of(by)) - np.nanmean(of(-by)))) / 2 if by else 0.0
        return found._replace(mcse=float(np.hypot(found.mcse, sampled)))

    if scenario != BASELINE and known:
        delta = figures - raw[BASELINE]
        better = share(lambda shift: np.heaviside(delta + shift * (delta != 0), 0.5))
        row |= {"p_better": better.value, "p_better_mcse": better.mcse, "p_equal": float((delta == 0).mean())}
    if len(contest) > 1:
        loss = share(lambda shift: decision.losses(moved(shift))[:, number])
        row |= {"expected_loss": loss.value, "expected_loss_mcse": loss.mcse}
        if known:
            best = share(lambda shift: decision.shares_of_best(moved(shift))[:, number])
            row |= {"p_best": best.value, "p_best_mcse": best.mcse}
    return row


def _row(simulation: Simulation, scenario: str, name: str, metric: Metric, basis: str) -> dict[str, Any]:
    head = {"scenario": scenario, "metric": name, "unit": metric.unit, "basis": basis}
    return head | {"layers": layers(simulation, basis)}


def _summary(simulation: Simulation, of_draws: Expectation, mean: str, mcse: str, prefix: str) -> dict[str, float]:
    exists = np.isfinite(of_draws.values)
    if not exists.any():
        return {}
    effective = simulation.effective_draws * exists.mean()
    s = decision.summary(of_draws.values[exists], of_draws.noise[exists], effective, of_draws.sampled)
    return {mean: s.mean, mcse: s.mcse, f"{prefix}p05": s.p05, f"{prefix}p50": s.p50, f"{prefix}p95": s.p95}


def _of_worlds(
    simulation: Simulation, figure: np.ndarray, mean: str, mcse: str, prefix: str, sampled: float = 0.0
) -> dict[str, float]:
    exists = figure[np.isfinite(figure)]
    if not exists.size:
        return {}
    p05, p50, p95 = np.quantile(exists, [0.05, 0.5, 0.95])
    error = float(np.hypot(_mean(simulation, figure).mcse, sampled if figure.any() else 0.0))
    quantiles = {f"{prefix}p05": float(p05), f"{prefix}p50": float(p50), f"{prefix}p95": float(p95)}
    return {mean: float(exists.mean()), mcse: error} | quantiles


def _mean(simulation: Simulation, figure: np.ndarray) -> decision.Estimate:
    """Mean over worlds (w,); replicates of a draw share its parameters."""
    by_draw = per_draw(simulation, figure)
    by_draw = by_draw[np.isfinite(by_draw)]
    if not by_draw.size:
        return decision.Estimate(np.nan, np.nan)
    return decision.estimate(by_draw, ess=simulation.effective_draws * by_draw.size / simulation.draws)


def has_sampled_parameters(simulation: Simulation) -> bool:
    """Whether parameters that were learned vary over draws; not in a draft fitted at a single point, nor where they are
    stated, which makes them assumptions."""
    return not simulation.stated and any(
        name.startswith(("retention.", "spend.")) for name in simulation.inputs.columns
    )


# --- precision -------------------------------------------------------------------------------------------------------


def precision_notes(simulation: Simulation, expected: Expected) -> list[str]:
    """Sentences on probabilities that are not given and on differences whose mean is too uncertain."""
    notes = []
    if expected.deltas and not probabilities_known(simulation):
        notes.append(
            f"No probabilities are given: they need {ENOUGH_WORLDS} simulated worlds, and {simulation.draws} draws × "
            f"{simulation.replicates} make {simulation.worlds.key.size}; raise simulation.draws."
        )
    for name, delta in expected.deltas.items():
        found = decision.precision(delta, simulation.effective_draws)
        if found.share > decision.TOLERATED_ERROR:
            key = "simulation.max_replicates" if found.more > 1 else "simulation.draws"
            key = "simulation.max_customers" if found.sampled > found.share / 2 else key
            notes.append(
                f"{simulation.scenarios[name].compiled.description.title}: with {simulation.draws:,} draws × "
                f"{simulation.replicates} the mean difference has an error of {found.share:.0%} of its spread over "
                f"draws; raise {key}."
            )
    return notes


# --- layers ----------------------------------------------------------------------------------------------------------


def layers(simulation: Simulation, basis: str) -> str:
    """Layers of uncertainty in an interval on `basis`, joined by "+"."""
    parts = ["parameter", "assumption"] if has_sampled_parameters(simulation) else ["assumption"]
    if basis == "realised":
        parts += ["process", "environment"] if has_common_shocks(simulation) else ["process"]
    return "+".join(parts)


# --- layers ----------------------------------------------------------------------------------------------------------


def variance_layers(
    simulation: Simulation, realised: np.ndarray, expected: np.ndarray, design: Design
) -> dict[str, float]:
    """Variance of the baseline's `realised` plan value (w,): which model (where several share the draws), the other
    parameters, process (from the halves), environment the rest."""
    base = simulation.scenarios[BASELINE]
    halves = per_draw(simulation, base.ledger.halves.sum(axis=2))
    process = decision.process_noise(halves, design.bases()) * (realised.size // simulation.draws)
    if simulation.sampled:  # of the sample's luck as much as all customers have
        luck = luck_of(simulation.sampled, simulation.worlds.draw, simulation.economics.money_scale)[0]
        process -= float(luck.of_sample[VALUE] - luck.of_all[VALUE])
    total, parameter = float(realised.var(ddof=1)), float(expected.var(ddof=1))
    if not has_common_shocks(simulation):  # how many come is luck, too, and no half of the customers tells
        process = max(process, total - parameter)
    model = decision.between(expected, simulation.inputs.filter(regex=f"^retention[.]{MODEL}[.]").to_numpy(float))
    return {
        **({} if model is None else {"model": model}),
        ("assumption" if simulation.stated else "parameter"): parameter - (model or 0.0),
        "process": process,
        "environment": max(0.0, total - parameter - process),
        "total": total,
    }
