"""What PyMC-Marketing says: runs in an environment of its own (`make peer`) and prints JSON.

`numbers`: its predictions at fixed parameters on fixed histories, for tests/models/test_models_peers.py:

    .venv-peer/bin/python benchmarks/peer_pymc_marketing.py numbers > tests/models/pymc_marketing.json

`posteriors TABLE FOLDER DRAWS`: models fitted and saved by its own `save`; some are in tests/models/pymc_marketing/.

The rest is the other side of `peer.py`. TABLE is an .npz with the arrays x, t_x, T and, for money, monetary_value.
"""

import contextlib
import json
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pymc_marketing  # ty: ignore[import-not-found]
import xarray as xr
from pymc_marketing import clv  # ty: ignore[import-not-found]
from pymc_marketing.clv import distributions  # ty: ignore[import-not-found]

Table = dict[str, list[float]]

# Weeks and dollars. First what was published on CDNOW, then what is hard.
BETA_GEO: Table = {
    "r": [0.2426, 0.25, 0.8, 0.2426, 0.5],
    "alpha": [4.4136, 4.0, 2.0, 4.4136, 5.0],
    "a": [0.7929, 0.8, 2.5, 1.0, 1 + 1e-12],
    "b": [2.4259, 2.5, 8.0, 2.4259, 2.0],
}
PARETO: Table = {
    "r": [0.5533, 0.5143, 0.55, 0.5533, 0.5],
    "alpha": [10.578, 2.8845, 10.57, 10.578, 6.0],
    "s": [0.6062, 0.2856, 0.61, 1.0, 1.5],
    "beta": [11.669, 14.1087, 11.67, 11.669, 6.0],
}
HISTORIES: Table = {
    "frequency": [2, 26, 0, 1, 10, 25, 0, 221, 204, 3, 1200, 0, 0],
    "recency": [30.43, 30.857, 0, 38.86, 20, 20, 0, 103.43, 98.57, 1, 515, 0, 0],
    "T": [38.86, 31.0, 38.86, 38.86, 39, 39, 1, 103.57, 99.43, 520, 520, 520, 0],
}
HORIZONS = [1.0, 39.0, 520.0]
DONORS: Table = {"alpha": [1.2035, 0.5], "beta": [0.7497, 2.0], "gamma": [0.6567, 1.5], "delta": [2.7834, 4.0]}
OPPORTUNITIES: Table = {"frequency": [0, 2, 6, 3], "recency": [0, 4, 6, 4], "T": [6, 6, 6, 6]}
RENEWALS: Table = {"alpha": [0.7041, 0.6681, 0.764], "beta": [1.1820, 3.8061, 1.296]}
SPEND: Table = {"p": [6.25, 3.61, 2.0, 2.0], "q": [3.74, 4.2, 1.0, 0.8], "v": [15.44, 30.0, 20.0, 20.0]}
SPENDERS: Table = {"frequency": [2, 1, 26, 0], "monetary_value": [22.35, 11.77, 70.0, 0.0]}


def fitted(model: Any, data: pd.DataFrame, parameters: Table, dims: tuple[str, ...] = ()) -> Any:
    """A model that believes to have been fitted: the parameters are its draws."""
    model.build_model(data)
    tree: dict[str, Any] = {}
    for name, values in parameters.items():
        table: np.ndarray = np.array(values, float)[None]
        tree[name] = (("chain", "draw", *dims), table.reshape(1, -1, *(1 for _ in dims)))
    model.idata = xr.DataTree.from_dict({"posterior": xr.Dataset(tree)})
    return model


def table(found: xr.DataArray) -> list:
    """(draw, customer), or (draw,); not a number is null."""
    values = found.to_numpy()[0]
    return [[cell(v) for v in row] for row in values] if values.ndim > 1 else [cell(v) for v in values]


def cell(value: float) -> float | str | None:
    value = float(value)
    return float(f"{value:.10g}") if math.isfinite(value) else None if math.isnan(value) else str(value)


def attempt(what: Any) -> Any:
    """What it returns, or what it says instead."""
    try:
        return what()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def with_ids(columns: Table) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    return frame.assign(customer_id=[f"c{i:02d}" for i in range(len(frame))])


def likelihood(distribution: Any, parameters: Table, data: pd.DataFrame) -> list[list[Any]]:
    """(draw, customer)."""
    observed = data[["recency", "frequency"]].to_numpy(float)
    rows = []
    for one in zip(*parameters.values(), strict=True):
        values = (np.float64(v) for v in one)  # numbers of Python's own would become single precision
        rv = distribution.dist(**dict(zip(parameters, values, strict=True)), T=data["T"].to_numpy(float))
        rows.append([cell(v) for v in pm.logp(rv, observed).eval()])
    return rows


def noncontractual() -> dict[str, Any]:
    data = with_ids(HISTORIES)
    found: dict[str, Any] = {"histories": HISTORIES, "horizons": HORIZONS}
    for name, kind, parameters, law in (
        ("bg_nbd", clv.BetaGeoModel, BETA_GEO, distributions.BetaGeoNBD),
        ("mbg_nbd", clv.ModifiedBetaGeoModel, BETA_GEO, distributions.ModifiedBetaGeoNBD),
        ("pareto_nbd", clv.ParetoNBDModel, PARETO, distributions.ParetoNBD),
    ):
        model = fitted(kind(), data, parameters)
        one = data.iloc[:1]
        found[name] = {
            "parameters": parameters,
            "log_likelihood": likelihood(law, parameters, data),
            "probability_alive": table(model.expected_probability_alive()),
            "expected_purchases": [table(model.expected_purchases(future_t=t)) for t in HORIZONS],
            "expected_purchases_new_customer": [
                [row[0] for row in table(model.expected_purchases_new_customer(one, t=t))] for t in HORIZONS
            ],
        }
        if name == "bg_nbd":
            found[name]["probability_no_purchase"] = [
                table(model.expected_probability_no_purchase(t=t)) for t in HORIZONS
            ]
        if name == "pareto_nbd":
            found[name]["purchase_probability"] = [
                [table(model.expected_purchase_probability(n_purchases=n, future_t=t)) for n in (0, 1, 4)]
                for t in HORIZONS
            ]
    return found


def opportunities() -> dict[str, Any]:
    data = with_ids(OPPORTUNITIES).astype({"frequency": int, "recency": int, "T": int})
    model = fitted(clv.BetaGeoBetaBinomModel(), data, DONORS)
    single = {name: values[:1] for name, values in DONORS.items()}
    alone = fitted(clv.BetaGeoBetaBinomModel(), data, single)
    simulated = distributions.BetaGeoBetaBinom.dist(
        *(DONORS[name][0] for name in ("alpha", "beta", "gamma", "delta")), T=6, size=200_000
    )
    drawn = np.asarray(pm.draw(simulated, random_seed=1))
    return {
        "parameters": DONORS,
        "histories": OPPORTUNITIES,
        "one_draw": {
            "log_likelihood": table(alone._logp(*_of(alone, data))),
            "probability_alive": table(alone.expected_probability_alive(future_t=0)),
            "probability_alive_at_next": table(alone.expected_probability_alive(future_t=1)),
            "expected_purchases_5": table(alone.expected_purchases(future_t=5)),
        },
        "two_draws": {
            "probability_alive": attempt(lambda: table(model.expected_probability_alive(future_t=0))),
            "expected_purchases_5": attempt(lambda: table(model.expected_purchases(future_t=5))),
        },
        "expected_purchases_new_customer_10": [
            row[0] for row in table(model.expected_purchases_new_customer(data.iloc[:1], t=10))
        ],
        "simulated": {
            "lives": len(drawn),
            "orders": np.bincount(drawn[:, 1].astype(int)).tolist(),
            "last_order_of_those_without": sorted(set(drawn[drawn[:, 1] == 0, 0].tolist())),
        },
    }


def _of(model: Any, data: pd.DataFrame) -> list[Any]:
    found = model._extract_predictive_variables(data, customer_varnames=["frequency", "recency", "T"])
    return [found[name] for name in ("alpha", "beta", "gamma", "delta", "frequency", "recency", "T")]


def contractual() -> dict[str, Any]:
    """Two periods seen: the first customer has left after the first, the second is still there."""
    data = pd.DataFrame({"customer_id": ["gone", "there"], "recency": [1, 2], "T": [2, 2], "cohort": ["one", "one"]})
    out: dict[str, Any] = {"parameters": RENEWALS, "periods": [1, 2, 5, 10]}
    model = clv.ShiftedBetaGeoModel()
    model.build_model(data)
    model.idata = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {name: (("chain", "draw", "cohort"), np.array(v)[None, :, None]) for name, v in RENEWALS.items()},
                coords={"cohort": ["one"]},
            )
        }
    )

    def each(what: Any) -> list[list[float | str | None]]:
        """(draw, period) of somebody who has been there for each number of periods."""
        rows = []
        for periods in out["periods"]:
            one = pd.DataFrame({"customer_id": ["c"], "recency": [periods], "T": [periods], "cohort": ["one"]})
            rows.append([cell(v) for v in what(one).to_numpy().reshape(-1)])
        return [list(row) for row in zip(*rows, strict=True)]

    out["retention_rate"] = each(lambda d: model.expected_retention_rate(d, future_t=0))
    out["retention_rate_3"] = each(lambda d: model.expected_retention_rate(d, future_t=3))
    out["probability_alive"] = each(lambda d: model.expected_probability_alive(d, future_t=0))
    out["probability_alive_3"] = each(lambda d: model.expected_probability_alive(d, future_t=3))
    out["residual_lifetime"] = each(lambda d: model.expected_residual_lifetime(d, discount_rate=0.1))
    out["retention_elasticity"] = each(lambda d: model.expected_retention_elasticity(d, discount_rate=0.1))
    everybody = model.expected_residual_lifetime(discount_rate=0.1)
    out["residual_lifetime_of_fit_data"] = {
        str(name): [cell(v) for v in everybody.isel(cohort=i).to_numpy().reshape(-1)]
        for i, name in enumerate(everybody["customer_id"].to_numpy())
    }
    return out


def money() -> dict[str, Any]:
    spenders = with_ids(SPENDERS)
    repeat = spenders.query("frequency > 0")
    model = fitted(clv.GammaGammaModel(), repeat, SPEND)
    (density,) = model.model.potentials
    symbols = [model.model[name] for name in SPEND]
    by_draw = [density.eval(dict(zip(symbols, one, strict=True))) for one in zip(*SPEND.values(), strict=True)]
    unsorted = pd.DataFrame({"customer_id": ["z", "a"], "frequency": [50, 50], "monetary_value": [100.0, 10.0]})
    drawn = model.distribution_customer_spend(unsorted, random_seed=1).isel(draw=[0, 1]).mean(("chain", "draw"))
    return {
        "parameters": SPEND,
        "histories": SPENDERS,
        "log_likelihood_of_repeat_customers": [[cell(v) for v in row] for row in by_draw],
        "expected_customer_spend": table(model.expected_customer_spend(spenders)),
        "expected_new_customer_spend": table(model.expected_new_customer_spend()),
        "distribution_customer_spend": {
            "histories": unsorted.to_dict("list"),
            "by_label": {str(i): float(drawn.sel(customer_id=i)) for i in drawn["customer_id"].to_numpy()},
        },
    }


def lifetime_value() -> dict[str, Any]:
    """BG/NBD with Gamma-Gamma; as many draws of one as of the other."""
    parameters = {name: values[:3] for name, values in BETA_GEO.items()}
    spend = {"p": [6.25, 3.61, 2.5], "q": [3.74, 4.2, 2.5], "v": [15.44, 30.0, 40.0]}
    histories = {"frequency": [2.0, 26, 0, 1], "recency": [30.43, 30.857, 0, 38.86], "T": [38.86, 31.0, 38.86, 38.86]}
    data = with_ids(histories | {"monetary_value": [22.35, 70.0, 0.0, 11.77]})
    life = fitted(clv.BetaGeoModel(), data, parameters)
    amounts = fitted(clv.GammaGammaModel(), data.query("frequency > 0"), spend)
    spends = amounts.expected_customer_spend(data)
    plain = data.assign(future_spend=40.0)

    def value(rate: float, months: float, weeks: str = "W") -> list[list[float | str | None]]:
        return table(clv.customer_lifetime_value(life, plain, future_t=months, discount_rate=rate, time_unit=weeks))

    return {
        "parameters": parameters,
        "spend_parameters": spend,
        "histories": histories | {"monetary_value": data["monetary_value"].tolist()},
        "expected_customer_spend": table(spends),
        "at_40_undiscounted_36": value(0.0, 36),
        "at_40_one_percent_36": value(0.01, 36),
        "at_40_one_percent_2.5": value(0.01, 2.5),
        "at_40_one_percent_2": value(0.01, 2),
        "at_40_one_percent_3": value(0.01, 3),
        "expected_customer_lifetime_value": table(
            amounts.expected_customer_lifetime_value(life, data, future_t=36, discount_rate=0.01, time_unit="W")
        ),
    }


LOG = """id,date,amount
7,2024-01-03,20.5
7,2024-01-03,4.5
7,2024-01-05,30.0
7,2024-02-20,10.0
ann,2024-01-31,99.0
9,2024-01-10,5.0
9,2024-03-31,7.5
Zoe,2024-03-31,1.0
"""


def summaries() -> dict[str, Any]:
    """Its summary of a log of few orders, column by column."""
    log = pd.DataFrame([line.split(",") for line in LOG.split()[1:]], columns=["id", "date", "amount"])
    log = log.astype({"amount": float})
    return {
        "log": LOG,
        **{unit: clv.rfm_summary(log, "id", "date", "amount", time_unit=unit).to_dict("list") for unit in ("D", "W")},
        "D_in_weeks": clv.rfm_summary(log, "id", "date", "amount", time_scaler=7).to_dict("list"),
    }


def numbers() -> dict[str, Any]:
    return {
        "about": "made by: python benchmarks/peer_pymc_marketing.py numbers; tables are (draw, customer), null is nan",
        "versions": {"pymc_marketing": pymc_marketing.__version__, "pymc": pm.__version__, "numpy": np.__version__},
        **noncontractual(),
        "bg_bb": opportunities(),
        "sbg": contractual(),
        "gamma_gamma": money(),
        "lifetime_value": lifetime_value(),
        "rfm_summary": summaries(),
    }


def frame_of(path: str) -> pd.DataFrame:
    """Its column names, customers by number."""
    with np.load(path) as arrays:
        columns = {name: arrays[name] for name in arrays.files if arrays[name].ndim == 1}
    frame = pd.DataFrame(columns).rename(columns={"x": "frequency", "t_x": "recency"})
    return frame.assign(customer_id=np.arange(len(frame)))


def posteriors(table_path: str, folder: str, draws: str) -> dict[str, str]:
    """Every model whose files can be read, fitted in two chains and saved."""
    data, settings = frame_of(table_path), {"tune": 500, "draws": int(draws), "chains": 2, "random_seed": 1}
    settings |= {"progressbar": False}
    paid = data[(data["frequency"] > 0) & (data["monetary_value"] > 0)]
    models = {
        "bg_nbd": (clv.BetaGeoModel(sampler_config=settings), data, {}),
        "mbg_nbd": (clv.ModifiedBetaGeoModel(sampler_config=settings), data, {}),
        "pareto_nbd": (clv.ParetoNBDModel(sampler_config=settings), data, {"method": "demz"}),
        "gamma_gamma": (clv.GammaGammaModel(sampler_config=settings), paid, {}),
    }
    for name, (model, rows, options) in models.items():
        model.fit(data=rows, **options)
        model.save(str(Path(folder) / f"{name}.nc"))
    return {name: str(Path(folder) / f"{name}.nc") for name in models}


def log_likelihood(table_path: str) -> dict[str, Any]:
    """BG/NBD, summed over customers, at the first three published and made-up points."""
    points = {name: values[:3] for name, values in BETA_GEO.items()}
    rows = likelihood(distributions.BetaGeoNBD, points, frame_of(table_path))
    return {"points": points, "total": [math.fsum(row) for row in rows]}


def nuts(table_path: str, customers: str, chains: str, draws: str, tune: str) -> dict[str, Any]:
    """BG/NBD on the first customers by its default sampler: time without compilation, effective draws, what it found.

    Compilation is what a run of a few steps takes; the first of three imports and fills caches.
    """
    import arviz as az

    data = frame_of(table_path).iloc[: int(customers)]
    spent, model = [], clv.BetaGeoModel()
    few = {"draws": 4, "tune": 1}
    for length in (few, few, {"draws": int(draws), "tune": int(tune)}):
        model = clv.BetaGeoModel()
        start, used = time.perf_counter(), time.process_time()
        model.fit(
            data=data, chains=int(chains), random_seed=1, progressbar=False, compute_convergence_checks=False, **length
        )
        spent.append((time.perf_counter() - start, time.process_time() - used))
    posterior = model.idata["posterior"].dataset
    symbols = ("r", "alpha", "a", "b")
    return {
        "seconds": spent[2][0] - spent[1][0],
        "cpu": spent[2][1] - spent[1][1],
        "sampler": posterior.attrs.get("inference_library", "pymc"),
        "ess": {name: float(az.ess(posterior[name].to_numpy(), method="bulk")) for name in symbols},
        "mean": {name: float(posterior[name].mean()) for name in symbols},
        "sd": {name: float(posterior[name].std()) for name in symbols},
        "gradients": int(model.idata["sample_stats"].dataset["n_steps"].sum()),
    }


def cost(table_path: str, *customers: str) -> dict[str, float]:
    """CPU seconds of one log density with its gradient, by number of customers."""
    data, found = frame_of(table_path), {}
    for size in customers:
        model = clv.BetaGeoModel()
        model.build_model(data.iloc[: int(size)])
        of = model.model.logp_dlogp_function(ravel_inputs=True)
        of.set_extra_values({})
        at = pm.blocking.DictToArrayBijection.map(model.model.initial_point())
        of(at)
        rounds = []
        for _ in range(5):
            used = time.process_time()
            of(at)
            rounds.append(time.process_time() - used)
        found[size] = min(rounds)
    return found


def value(table_path: str, months: str, monthly_rate: str) -> dict[str, Any]:
    """Lifetime values at the draws in the table: CPU seconds, sums over customers (draw,)."""
    data = frame_of(table_path)
    with np.load(table_path) as arrays:
        parameters = {name: arrays[f"draws_{name}"].reshape(-1).tolist() for name in ("r", "alpha", "a", "b")}
    life = fitted(clv.BetaGeoModel(), data, parameters)
    start, used = time.perf_counter(), time.process_time()
    found = clv.customer_lifetime_value(
        life, data, future_t=int(months), discount_rate=float(monthly_rate), time_unit="W"
    )
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    return {"seconds": seconds, "cpu": cpu, "total": found.sum("customer_id").to_numpy()[0].tolist()}


def holdout(table_path: str, weeks: str, draws: str, out: str) -> dict[str, float]:
    """BG/NBD and Gamma-Gamma by their default sampler; `out` gets expected orders and mean orders, (draw, customer)."""
    data, start = frame_of(table_path), time.perf_counter()
    paid = data[(data["frequency"] > 0) & (data["monetary_value"] > 0)]
    options: dict[str, Any] = {"chains": 2, "draws": 1000, "tune": 1000, "random_seed": 1, "progressbar": False}
    life, spend = clv.BetaGeoModel(), clv.GammaGammaModel()
    life.fit(data=data, **options)
    spend.fit(data=paid, **options)

    def thinned(found: xr.DataArray) -> np.ndarray:
        table = found.stack(sample=("chain", "draw")).transpose("sample", "customer_id").to_numpy()
        return table[np.linspace(0, len(table) - 1, int(draws)).astype(int)]

    orders = thinned(life.expected_purchases(data=data, future_t=float(weeks)))
    means = thinned(spend.expected_customer_spend(data=data.assign(frequency=data["frequency"].clip(lower=0))))
    np.savez(out, orders=orders, spend=means)
    return {"seconds": time.perf_counter() - start}


COMMANDS = {
    "holdout": holdout,
    "numbers": numbers,
    "posteriors": posteriors,
    "log_likelihood": log_likelihood,
    "nuts": nuts,
    "cost": cost,
    "value": value,
}


def dumped(found: Any, depth: int = 0) -> str:
    """JSON with one entry of a mapping in a line."""
    if not isinstance(found, dict) or depth > 1:
        return json.dumps(found)
    entries = (f"{json.dumps(key)}: {dumped(value, depth + 1)}" for key, value in found.items())
    return "{\n" + ",\n".join(entries) + "\n}"


def main() -> None:
    warnings.simplefilter("ignore")
    command, *words = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        found = COMMANDS[command](*words)
    print(dumped(found))


if __name__ == "__main__":
    main()
