"""Residual lifetime value of 200,000 customers by 1,000 draws in a process of its own: time and peak memory."""

import json
import os
import resource
import subprocess
import sys
import time
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from clvsim import quantities
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary, Posterior

CUSTOMERS, DRAWS, MONTHS = 200_000, 1000, 36.0
SECONDS, MEMORY = 15.0, 2.0  # limits on two cores with kernels compiled; GB
# Published on CDNOW: Fader, Hardie & Lee 2005, Table 2 (weeks), and Fader & Hardie 2013 (dollars).
LIFE = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}
MONEY = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
TERMS: dict[str, Any] = {
    "horizon_months": MONTHS,
    "annual_discount_rate": 0.10,
    "gross_margin": 0.4,
    "cost_per_order": 2.0,
}


def customers(size: int) -> CustomerSummary:
    """BG/NBD lives by the day, acquired over two years."""
    random = np.random.default_rng(7)
    age = random.integers(1, 731, size).astype(float)
    rate = random.gamma(LIFE["r"], size=size) / (7 * LIFE["alpha"])
    p = random.beta(LIFE["a"], LIFE["b"], size)
    x, t_x, t, alive = np.zeros(size), np.zeros(size), np.zeros(size), np.ones(size, bool)
    while alive.any():
        t[alive] += random.exponential(1 / np.maximum(rate[alive], 1e-12))
        alive &= t <= age
        x[alive] += 1
        t_x[alive] = t[alive]
        alive &= random.random(size) >= p
    nu = random.gamma(MONEY["q"], 1 / MONEY["gamma"], size)
    total = np.where(x > 0, np.round(random.gamma(np.maximum(MONEY["p"] * x, 1e-9)) / nu, 2), 0.0)
    frame = pd.DataFrame(
        {
            "customer_id": np.char.add("c", np.char.zfill(np.arange(size).astype(str), 7)),
            "frequency": x.astype(np.int64),
            "recency_days": np.ceil(t_x),
            "T_days": age,
            "repeat_positive": x.astype(np.int64),
            "repeat_amount": total,
        }
    )
    today = date(2025, 1, 1)
    return CustomerSummary(frame, today, date(2023, 1, 1), today, "week", "made up")


def fitted_models(draws: int) -> FittedModels:
    """Draws about 5 % around the published values."""
    random = np.random.default_rng(8)

    def around(values: dict[str, float]) -> dict[str, np.ndarray]:
        return {k: v * np.exp(0.05 * random.standard_normal(draws)) for k, v in values.items()}

    return FittedModels(BgNbd(), GammaGamma(), Posterior(around(LIFE), around(MONEY), "week"))


def child(jobs: int) -> dict[str, float]:
    """Times one reduction; kernels are compiled, or read from the cache, before."""
    fitted, people = fitted_models(DRAWS), customers(CUSTOMERS)
    few = CustomerSummary(people.customers.iloc[:300], *(getattr(people, f) for f in list(people.__dict__)[1:6]))
    short = quantities.reduce_draws("expected_rlv", fitted, few, **TERMS)
    plain = quantities.expected_rlv(fitted, few, **TERMS)
    np.testing.assert_allclose(short["mean"], plain.mean("draw"), rtol=1e-12)
    np.testing.assert_allclose(short["total"], plain.sum("customer_id"), rtol=1e-12)
    start, used = time.perf_counter(), time.process_time()
    found = quantities.reduce_draws("expected_rlv", fitted, people, jobs=jobs, **TERMS)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "cpu": cpu, "memory": peak, "mean": float(found["mean"].mean())}


def main() -> str:
    command = [sys.executable, __file__, str(min(2, os.cpu_count() or 1))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (
        f"residual value of {CUSTOMERS:,} customers x {DRAWS:,} draws over {MONTHS:g} months: "
        f"{found['seconds']:.1f} s = {found['seconds'] / SECONDS:.2f} of {SECONDS:g} ({found['cpu']:.1f} s of CPU), "
        f"peak memory {found['memory']:.2f} GB = {found['memory'] / MEMORY:.2f} of {MEMORY:g}; equal on 300 customers"
    )


if __name__ == "__main__":
    print(json.dumps(child(int(sys.argv[1]))))
