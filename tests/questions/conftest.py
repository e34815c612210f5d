"""A finished run with draws made by hand: a better conversion (tested), an offer (judged), messages (stated)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from clvsim.comparison.draws import Draws
from clvsim.config import validate
from clvsim.questions.answer import Finished
from clvsim.questions.settings import Settings
from clvsim.types import Assumption, ScenarioDescription
from tests.report.factory import comparison, demo

N = 1000
LEVERS = ("landing", "offer", "mail")
METRICS = ("plan_value", "rlv_total", "pav_per_newcomer", "cac", "marginal_cac", "visitor_value", "newcomers")
LIFT, TAKE, GOODWILL = "scenario.landing.page.size", "scenario.offer.box.take", "scenario.mail.email.goodwill"
CONVERSION = "acquisition.channels.ads.conversion"
SPEND_A_MONTH, VISITORS, MOST_VISITORS = 4000.0, 10_000.0, 25_000.0


def quantiles(order: int) -> np.ndarray:
    """Mid-quantiles of a normal, in one of several orders that have nothing to do with each other."""
    values = norm.ppf((np.arange(N) + 0.5) / N)
    return values[np.random.default_rng(order).permutation(N)] if order else values


def config(**more: Any) -> Any:
    size = {"kind": "prior", "dist": "normal", "mean": 0.02, "sd": 0.05}
    take = {"kind": "prior", "dist": "beta", "alpha": 8, "beta": 92}
    scenario = {
        "baseline": {"title": "As today"},
        "landing": {"title": "New landing page", "page": {"kind": "shift", "target": "conversion", "size": size}},
        "offer": {
            "title": "Gift box",
            "box": {"kind": "offer", "take": take, "price": 20},
            "set_up": {"kind": "cost", "per": "once", "amount": 1},
        },
        "mail": {"title": "More mail", "email": {"kind": "contact", "per_month": 2, "cost": 0.01}},
    }
    channel = {"visitors_per_month": VISITORS, "conversion": 0.02, "cost_per_visitor": SPEND_A_MONTH / VISITORS}
    return validate(
        {
            "data": {"kind": "synthetic", "customers": 200},
            "retention": {"kind": "bg_nbd"},
            "spend": {"kind": "gamma_gamma"},
            "finance": {"gross_margin": 0.4, "currency": "$"},
            "acquisition": {
                "months": 12,
                "channels": {"ads": channel | {"most_visitors_per_month": MOST_VISITORS} | more},
            },
            "scenario": scenario,
        }
    )


def assumption(path: str, label: str, mean: float, unit: str, evidence: str) -> Assumption:
    return Assumption(path, label, "prior", "", "", mean, mean - 0.1, mean + 0.1, unit, evidence, drives=True)


def described(name: str, title: str, evidence: str, *assumptions: Assumption) -> ScenarioDescription:
    return ScenarioDescription(name, title, False, "", assumptions, (f"{title}.",), evidence)


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Finished]:
    """`finished(delta={lever: (N,)}, noise=…, lines={name: {lever: (N,)}}, **channel)`: the rest is as below."""

    def make(
        delta: dict[str, np.ndarray] | None = None,
        noise: dict[str, np.ndarray] | None = None,
        lines: dict[str, dict[str, np.ndarray]] | None = None,
        decided: str = "plan_value",
        **channel: Any,
    ) -> Finished:
        lift, take, goodwill, pav = (
            0.02 + 0.05 * quantiles(0),
            0.08 + 0.02 * quantiles(1),
            0.05 * quantiles(2),
            quantiles(3),
        )
        value, conversion = 40 + 5 * pav, 0.02 + 0.001 * quantiles(4)
        changes = {"landing": 100_000 * lift - 1500, "offer": 50_000 * (take - 0.07), "mail": 8000 * goodwill - 100}
        changes |= delta or {}
        names = ("baseline", *LEVERS)
        cac = 0.4 / conversion
        levels = {
            "plan_value": 90_000 + 9000 * pav,
            "rlv_total": 50_000 + 4000 * pav,
            "pav_per_newcomer": value,
            "cac": cac,
            "marginal_cac": 1.5 * cac,
            "visitor_value": value * conversion,
            "newcomers": 120_000 * conversion,
        }
        expected = np.stack([np.stack([levels[m]] * len(names)) for m in METRICS])
        expected[:2, 1:] += np.stack([changes[name] for name in LEVERS])
        luck = np.random.default_rng(8).standard_normal((len(METRICS), 1, N))
        posted = {
            "cost_contact/email": {"mail": np.full(N, 200.0)},
            "contacts/email": {"mail": np.full(N, 20_000.0)},
            "cost_acquisition/ads": {name: np.full(N, 45_000.0) for name in names},
        } | (lines or {})
        ages = np.linspace(0.25, 1, 37)
        curve = np.stack([value[:, None] * ages] * len(names))
        draws = Draws(
            decided=decided,
            metrics=METRICS,
            scenarios=names,
            expected=expected,
            realised=expected * (1 + 0.05 * luck),
            delta=np.stack([np.zeros(N), *(changes[name] for name in LEVERS)]),
            noise=np.stack([np.zeros(N), *((noise or {}).get(name, np.zeros(N)) for name in LEVERS)]),
            curve=curve,
            cash=curve,
            lines=np.stack([[found.get(name, np.full(N, np.nan)) for found in posted.values()] for name in names]),
            line_names=tuple(posted),
            there=np.column_stack([np.full(N, 1000.0), np.full(N, 970.0)]),
            inputs=np.column_stack([40 + pav, conversion, lift, take, goodwill]),
            input_names=("spend.p", CONVERSION, LIFT, TAKE, GOODWILL),
            effective=float(N),
        )
        rests_on = {
            "landing": (LIFT, "Change of the conversion", 0.02, "relative", "experiment"),
            "offer": (TAKE, "Share of offers taken", 0.08, "probability", "judgement"),
            "mail": (GOODWILL, "Goodwill: largest change of the log purchase rate", 0.0, "number", "stated"),
        }
        titles = {"landing": "New landing page", "offer": "Gift box", "mail": "More mail"}
        scenarios = (
            described("baseline", "As today", ""),
            *(described(name, titles[name], of[-1], assumption(*of)) for name, of in rests_on.items()),
        )
        table = comparison({"baseline": np.zeros(N), **changes}, {"plan_value": (90_000.0, 0.1, 0.002)})
        table["expected_loss_mcse"] = 10.0
        result = replace(
            demo(),
            scenarios=scenarios,
            delta_draws=changes,
            comparison=table,
            currency="$",
            layers=("parameter", "process", "assumption"),
        )
        return Finished(config(**channel), result, draws, tmp_path)

    return make


@pytest.fixture
def asked() -> Callable[..., Settings]:
    return lambda **keys: Settings(**keys)
