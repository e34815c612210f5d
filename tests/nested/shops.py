"""Three shops, a plan with newcomers and four levers, by the product and by the oracle on the same 1,000 draws."""

from typing import Any, NamedTuple

import numpy as np

import clvsim
from clvsim.models import RETENTION, SPEND
from clvsim.models.config import FitConfig
from clvsim.models.fitted import FittedModels
from clvsim.scenario import Scenario
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.types import CustomerSummary
from tests.nested.answer import Lever, Plan, Value, expected, in_days
from tests.nested.logs import histories_of, log_of

SHOPS = {
    "150 customers, 180 days": (150, 180),
    "300 customers, 56 days": (300, 56),
    "200 customers, 540 days": (200, 540),
}
DRAWS = 1000
CALM = EnvironmentConfig(sd_prior=0.0)
VISITORS, CONVERSION, PER_VISITOR = 2000.0, {"kind": "prior", "dist": "beta", "alpha": 60, "beta": 1440}, 2.0
COST, PRICE, ITEM_MARGIN, TAKE, HAZARD = 150.0, 8.0, 0.6, 0.2, 0.02
BUMP = {"kind": "offer", "price": PRICE, "margin": ITEM_MARGIN}
SIZE = {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.08}
UNCERTAIN_TAKE = {"kind": "prior", "dist": "beta", "alpha": 6, "beta": 24}
UNCERTAIN_HAZARD = {"kind": "prior", "dist": "lognormal", "median": 0.03, "sd": 0.8}
SCENARIOS: dict[str, dict[str, Any]] = {
    "more": {"purchase": {"kind": "shift", "target": "rate", "size": 0.1}},
    "campaign": {
        "advert": {"kind": "shift", "target": "rate", "size": SIZE},
        "agency": {"kind": "cost", "per": "month", "amount": COST},
    },
    "offer": {"item": {**BUMP, "take": TAKE, "if_declined": {"hazard": HAZARD}}},
    "risky": {"bump": {**BUMP, "take": UNCERTAIN_TAKE, "if_declined": {"hazard": UNCERTAIN_HAZARD}}},
}


class Answer(NamedTuple):
    """What the product simulated, and the exact expected values per draw by scenario."""

    simulation: Simulation
    exact: dict[str, Value]


def fitted_to(summary: CustomerSummary, draws: int = DRAWS, seed: int = 1) -> FittedModels:
    config = FitConfig(method="laplace", draws=draws, seed=seed, cache=False, allow_poor=True)
    return clvsim.fit(summary, RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), config)


def library(names: tuple[str, ...] = tuple(SCENARIOS)) -> dict[str, Scenario]:
    levers = {name: Scenario.model_validate({"title": name, **SCENARIOS[name]}) for name in names}
    return {"baseline": Scenario(title="As today")} | levers


def simulated(fitted: FittedModels, summary: CustomerSummary, seed: int = 3, **config: Any) -> Simulation:
    ads = {"visitors_per_month": VISITORS, "conversion": CONVERSION, "cost_per_visitor": PER_VISITOR}
    plan = Plan()
    return clvsim.simulate(
        fitted,
        summary,
        library(),
        simulation=SimulationConfig.model_validate({"draws": DRAWS, "horizon_months": plan.months} | config),
        finance=FinanceConfig(
            gross_margin=plan.margin, cost_per_order=plan.cost_per_order, annual_discount_rate=plan.annual_rate
        ),
        acquisition=AcquisitionConfig.model_validate({"months": plan.arrival_months, "channels": {"ads": ads}}),
        environment=CALM,
        seed=seed,
    )


def applied(simulation: Simulation, path: str) -> np.ndarray:
    """Draws of an uncertain number, (draw,), as applied: logs of factors, probabilities, amounts."""
    return simulation.inputs[path].to_numpy(float)


def levers_of(simulation: Simulation) -> dict[str, Lever]:
    bump = "scenario.risky.bump"
    return {
        "baseline": Lever(),
        "more": Lever(rate=1.1),
        "campaign": Lever(rate=np.exp(applied(simulation, "scenario.campaign.advert.size")), monthly_cost=COST),
        "offer": Lever(take=TAKE, gain=PRICE * ITEM_MARGIN, decline_hazard=HAZARD),
        "risky": Lever(
            take=applied(simulation, f"{bump}.take"),
            gain=PRICE * ITEM_MARGIN,
            decline_hazard=applied(simulation, f"{bump}.if_declined.hazard"),
        ),
    }


def exactly(simulation: Simulation, fitted: FittedModels, summary: CustomerSummary) -> dict[str, Value]:
    draws = slice(simulation.draws)
    plan = Plan(
        visitors=VISITORS,
        cost_per_visitor=PER_VISITOR,
        conversion=applied(simulation, "acquisition.channels.ads.conversion"),
    )
    life = in_days(fitted.retention_draws(draws), fitted.days_per_unit)
    money, who = fitted.spend_draws(draws), histories_of(summary)
    return {name: expected(life, money, who, plan, lever) for name, lever in levers_of(simulation).items()}


def answer(shop: str, seed: int = 3) -> Answer:
    summary = log_of(list(SHOPS).index(shop), *SHOPS[shop])
    fitted = fitted_to(summary)
    simulation = simulated(fitted, summary, seed)
    return Answer(simulation, exactly(simulation, fitted, summary))
