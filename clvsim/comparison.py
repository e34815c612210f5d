"""Comparison of scenarios: expected values per draw, paired differences, payback, and the table of all figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.metrics import METRICS, PAYBACK, Metric, available
from clvsim.scenario import BASELINE
from clvsim.simulation.run import SimulatedScenario, Simulation
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
    variance: Mapping[str, float]  # of the baseline's realised plan value: parameter, process, environment
    notes: tuple[str, ...]


class Inputs(NamedTuple):
    """Uncertain numbers that enter a scenario, (n, k), a mask of those that are its effects, (k,), and their basis."""

    values: np.ndarray
    effects: np.ndarray
    basis: decision.Basis


# Expected values and differences from the baseline, (draws,) each, by scenario.
ValuesAndDeltas = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


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

    Notes
    -----
    One simulated life per customer and draw carries luck, which would inflate P(best) and the value of information.
    Expected values are closed forms where there are any; else luck is regressed away (`clvsim.decision`).

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
    >>> rows[["scenario", "mean", "delta_mean", "p_best"]].round(1).values.tolist()
    [['baseline', 38.3, nan, 0.0], ['service', 43.6, 5.3, 1.0]]
    """
    metrics = available(simulation)
    decision_metric = metrics[metric]
    notes: list[str] = []
    inputs = {name: inputs_of(simulation, scenario) for name, scenario in simulation.scenarios.items()}
    values, deltas = expected_values(simulation, decision_metric, inputs, notes)
    rows = [
        row
        for name, definition in metrics.items()
        for row in metric_rows(simulation, name, definition, inputs, (values, deltas) if name == metric else None)
    ]
    curves = {
        name: payback_curve(simulation, scenario)
        for name, scenario in simulation.scenarios.items()
        if scenario.acquired and simulation.economics.margin_known
    }
    rows += [row for name, curve in curves.items() for row in payback_rows(simulation, name, curve)]
    information = decision.evpi(np.column_stack(list(values.values()))) if deltas else None
    return Comparison(
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        values=values,
        deltas=deltas,
        evpi=information,
        payback={name: curve for name, (curve, _) in curves.items()},
        variance=variance_layers(simulation, values[BASELINE], inputs[BASELINE]),
        notes=tuple(dict.fromkeys(notes)),
    )


def expected_values(
    simulation: Simulation, metric: Metric, inputs: Mapping[str, Inputs], notes: list[str]
) -> ValuesAndDeltas:
    """Expected value per draw of every scenario, and of its paired difference to the baseline."""
    base = simulation.scenarios[BASELINE]
    level = per_draw(simulation, metric.query(simulation, base))
    start = _expected_level(simulation, base, metric, level, inputs[BASELINE])
    values, deltas = {BASELINE: start}, {}
    for name, scenario in simulation.scenarios.items():
        if name == BASELINE:
            continue
        delta = per_draw(simulation, metric.query(simulation, scenario)) - level
        deltas[name] = _expected_delta(simulation, scenario, metric, delta, inputs[name], notes)
        values[name] = start + deltas[name]
    return values, deltas


def _expected_delta(
    simulation: Simulation,
    scenario: SimulatedScenario,
    metric: Metric,
    delta: np.ndarray,
    inputs: Inputs,
    notes: list[str],
) -> np.ndarray:
    if metric.exact or not np.isfinite(delta).all():
        return delta
    if metric.halves is None:
        return decision.regress(delta, inputs.basis)
    halves = metric.halves(simulation, scenario) - metric.halves(simulation, simulation.scenarios[BASELINE])
    surrogate = decision.expected_per_draw(delta, per_draw(simulation, halves), *inputs)
    if surrogate.note:
        notes.append(f"{scenario.compiled.description.title}: {surrogate.note}")
    return surrogate.values


def _expected_level(
    simulation: Simulation, scenario: SimulatedScenario, metric: Metric, level: np.ndarray, inputs: Inputs
) -> np.ndarray:
    """Expected value per draw, (draws,), of the metric itself.

    Shocks common to all customers are in both halves, so the regression has to average them out.
    """
    if metric.exact or not np.isfinite(level).all():
        return level
    if metric.halves is None:
        return decision.regress(level, inputs.basis)
    halves = per_draw(simulation, metric.halves(simulation, scenario))
    closed = metric.closed_form(simulation) if metric.closed_form else None
    return decision.expected_level(
        level, halves, inputs.values, inputs.effects, closed, inputs.basis, shocks=has_common_shocks(simulation)
    ).values


def per_draw(simulation: Simulation, values: np.ndarray) -> np.ndarray:
    """Mean over the replicates of each draw."""
    return values.reshape(simulation.draws, -1, *values.shape[1:]).mean(axis=1)


def inputs_of(simulation: Simulation, scenario: SimulatedScenario) -> Inputs:
    """Inputs of a scenario: all uncertain numbers but the effects of other scenarios."""
    foreign_paths = {
        path
        for simulated in simulation.scenarios.values()
        for path in simulated.compiled.inputs
        if path not in scenario.compiled.inputs
    }
    columns = [c for c in simulation.inputs.columns if c not in foreign_paths]
    values = simulation.inputs[columns].to_numpy(float)
    effects = np.array([c in scenario.compiled.inputs for c in columns], bool)
    return Inputs(values, effects, decision.Basis.from_inputs(values, effects))


def metric_rows(
    simulation: Simulation,
    name: str,
    metric: Metric,
    inputs: Mapping[str, Inputs],
    decision_values: ValuesAndDeltas | None,
) -> list[dict]:
    """Rows of one metric: expected for every scenario, and realised too for the metric that decides."""
    values, deltas = decision_values or expected_values(simulation, metric, inputs, [])
    rows = _rows(simulation, name, metric, "expected", values, deltas, ranked=decision_values is not None)
    if decision_values is not None:
        raw = {s: metric.query(simulation, simulated) for s, simulated in simulation.scenarios.items()}
        realised = {s: v - raw[BASELINE] for s, v in raw.items() if s != BASELINE}
        rows += _rows(simulation, name, metric, "realised", raw, realised, ranked=True)
    return rows


def has_sampled_parameters(simulation: Simulation) -> bool:
    """Whether parameters vary over draws; not in a draft fitted at a single point."""
    return any(name.startswith(("retention.", "spend.")) for name in simulation.inputs.columns)


def has_common_shocks(simulation: Simulation) -> bool:
    """Whether worlds differ by shocks common to all customers."""
    return bool(simulation.worlds.environment_sd.any() or simulation.worlds.log_visitors.any())


def layers(simulation: Simulation, basis: str) -> str:
    """Layers of uncertainty in an interval on `basis`, joined by "+"."""
    parts = ["parameter", "assumption"] if has_sampled_parameters(simulation) else ["assumption"]
    if basis == "realised":
        parts += ["process", "environment"] if has_common_shocks(simulation) else ["process"]
    return "+".join(parts)


def _rows(
    simulation: Simulation,
    name: str,
    metric: Metric,
    basis: str,
    values: Mapping[str, np.ndarray],
    deltas: Mapping[str, np.ndarray],
    ranked: bool,
) -> list[dict]:
    best = loss = dict.fromkeys(values, np.nan)
    if ranked and deltas:
        table = np.column_stack(list(values.values()))
        best = dict(zip(values, decision.p_best(table), strict=True))
        loss = dict(zip(values, decision.expected_loss(table), strict=True))
    rows = []
    for scenario, figure in values.items():
        row: dict[str, Any] = {"scenario": scenario, "metric": name, "unit": metric.unit, "basis": basis}
        row |= {"layers": layers(simulation, basis)} | _summary(figure, "mean", "mean_mcse", "")
        if scenario in deltas:
            row |= _summary(deltas[scenario], "delta_mean", "delta_mcse", "delta_")
            if ranked:
                better = decision.p_better(deltas[scenario])
                row |= {"p_better": better.value, "p_better_mcse": better.mcse}
        rows.append(row | {"p_best": best[scenario], "expected_loss": loss[scenario]})
    return rows


def _summary(values: np.ndarray, mean: str, mcse: str, prefix: str) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {}
    s = decision.summary(finite)
    return {mean: s.mean, mcse: s.mcse, f"{prefix}p05": s.p05, f"{prefix}p50": s.p50, f"{prefix}p95": s.p95}


# --- payback ---------------------------------------------------------------------------------------------------------


def payback_curve(simulation: Simulation, scenario: SimulatedScenario) -> tuple[PaybackCurve, np.ndarray]:
    """Cumulative contribution per acquired customer by own age, and the payback month of each draw (inf: never).

    Discounted to the own first order, which is at age 0; customers who are lost count 0. Payback is the first month of
    age after which the curve stays at or above the draw's acquisition cost: 0 where the first order repays it.
    """
    ledger, acquired = scenario.ledger, scenario.acquired
    if acquired is None:
        raise ValueError("payback needs acquisition channels")
    cumulative = per_draw(simulation, ledger.contribution_by_age())
    people = per_draw(simulation, ledger.total("customers_acquired", age=True))
    cost = per_draw(simulation, acquired.cac)
    draws = people > 0
    curve = cumulative[draws] / people[draws, None]
    month = payback_months(curve, cost[draws])
    low, high = np.quantile(curve, [0.05, 0.95], axis=0)
    middle = float(np.quantile(month, 0.5, method="higher"))
    return (
        PaybackCurve(
            months=np.arange(curve.shape[1]),
            mean=curve.mean(axis=0),
            p05=low,
            p95=high,
            cac_mean=float(np.nanmean(cost)),
            payback_p50_months=middle if np.isfinite(middle) else float("nan"),
            p_within_12_months=float((month <= 12).mean()),
            p_never=float(np.isinf(month).mean()),
        ),
        month,
    )


def payback_months(curve: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """First month (column) from which each row stays ≥ its cost; inf when the last month is below. (n, h+1) → (n,)."""
    below = curve < cost[:, None]
    last_below = below.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1)
    first = np.where(below.any(axis=1), last_below + 1.0, 0.0)
    return np.where(first >= curve.shape[1], np.inf, first)


def payback_rows(simulation: Simulation, name: str, curve_and_months: tuple[PaybackCurve, np.ndarray]) -> list[dict]:
    """Payback is a property of expected cash per draw: quantiles count draws without payback as infinitely late."""
    _, month = curve_and_months
    common = {"scenario": name, "basis": "expected", "layers": layers(simulation, "expected")}
    p05, p50, p95 = (float(q) for q in np.quantile(month, [0.05, 0.5, 0.95], method="higher"))
    rows = [common | {"metric": PAYBACK[0], "unit": "months", "p05": p05, "p50": p50, "p95": p95}]
    for metric, event in zip(PAYBACK[1:], (month <= 12, np.isinf(month)), strict=True):
        share = decision.estimate(event.astype(float))
        rows.append(common | {"metric": metric, "unit": "share", "mean": share.value, "mean_mcse": share.mcse})
    return rows


# --- layers ----------------------------------------------------------------------------------------------------------


def variance_layers(simulation: Simulation, expected: np.ndarray, inputs: Inputs) -> dict[str, float]:
    """Variance of the baseline's realised plan value: parameter, process (from the halves), environment the rest."""
    base = simulation.scenarios[BASELINE]
    realised = METRICS[HEADLINE].query(simulation, base)
    halves = base.ledger.halves.sum(axis=2)
    split = decision.expected_level(
        per_draw(simulation, realised), per_draw(simulation, halves), inputs.values, inputs.effects, basis=inputs.basis
    )
    process = split.noise_variance * (realised.size // simulation.draws)
    total, parameter = float(realised.var(ddof=1)), float(expected.var(ddof=1))
    return {
        "parameter": parameter,
        "process": process,
        "environment": max(0.0, total - parameter - process),
        "total": total,
    }
