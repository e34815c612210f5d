"""Lives that a scenario leaves as they were are not simulated again, and no bit of any ledger shows it."""

from typing import Any

import numpy as np
import pytest
from shop import CALM, assert_same, channels, posterior, run, scenarios, shop
from toys import as_toy

from clvsim.kernels import structs as ks
from clvsim.simulation import Simulation, engine
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig
from clvsim.simulation.reuse import Sharing, sharing

NORMAL = {"kind": "prior", "dist": "normal", "mean": 0.0, "sd": 0.3}
OFFER = {"kind": "offer", "take": 0.3, "price": 12.0, "cannibalised": 0.3, "if_declined": {"rate": -0.2}}
EMAIL = {"kind": "contact", "per_month": 3.0, "cost": 0.02, "opt_out": 0.02}
NEW, OLD = {"customers": "new"}, {"customers": "existing"}
LEVERS: dict[str, dict[str, Any]] = {
    "lift": {"page": {"kind": "shift", "target": "conversion", "size": 0.3}},
    "perhaps": {"page": {"kind": "shift", "target": "conversion", "size": NORMAL}},
    "lift in one channel": {
        "page": {"kind": "shift", "target": "conversion", "size": 0.3, "who": {"channels": ["ads"]}}
    },
    "newcomers": {"often": {"kind": "shift", "target": "rate", "size": 0.2, "who": NEW}},
    "one segment": {"often": {"kind": "shift", "target": "hazard", "size": -0.3, "who": {"segments": ["s1"]}}},
    "offer to some": {"bump": OFFER | {"who": OLD}},
    "email to newcomers": {"email": EMAIL | {"who": NEW}},
    "email to one channel": {"email": EMAIL | {"who": {"channels": ["post"]}}},
    "fixed costs": {"rent": {"kind": "cost", "per": "month", "amount": 30.0}},
    "costs of newcomers": {"gift": {"kind": "cost", "per": "order", "amount": 2.0, "who": NEW}},
    "costs of all": {"fee": {"kind": "cost", "per": "revenue", "amount": 0.05}},
    "margin of some": {"cheaper": {"kind": "shift", "target": "margin", "size": 0.1, "who": {"segments": ["s0"]}}},
    "lift and offer": {"page": {"kind": "shift", "target": "conversion", "size": 0.3}, "bump": OFFER},
    "lift and costs": {
        "page": {"kind": "shift", "target": "conversion", "size": 0.2},
        "card": {"kind": "cost", "per": "customer", "amount": 3.0},
    },
}
TWO = AcquisitionConfig.model_validate(
    {
        "months": 3,
        "channels": {
            "ads": {"visitors_per_month": 400, "conversion": 0.02, "cost_per_visitor": 0.4},
            "post": {"visitors_per_month": 200, "conversion": 0.03, "cost_per_visitor": 1.0},
        },
    }
)


def nothing_shared(block: Any, jobs: Any, groups: Any) -> Sharing:
    full = sharing(block, jobs, groups)
    return Sharing(np.zeros_like(full.same), (0,) * len(jobs), jobs[0].arrivals.cac)


def everything(**changed: Any) -> Simulation:
    library = scenarios(**{name.replace(" ", "_"): levers for name, levers in LEVERS.items()})
    defaults: dict[str, Any] = {
        "draws": 10, "summary": shop(40, segments=2), "acquisition": TWO, "horizon_months": 9,
        "environment": EnvironmentConfig(sd_prior=0.2), "fitted": posterior(12, spread=0.1),
    }  # fmt: skip
    return run(library, **defaults | changed)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights": {"max_newcomers_per_cell": 2},
    "threads and small blocks": {"jobs": 2, "shard_customers": 7},
    "replicates": {"draws": 5, "replicates": 2},
    "regular": {"fitted": as_toy(posterior(12, spread=0.1), "regular")},
    "renewing": {"fitted": as_toy(posterior(12, spread=0.1), "renewing")},
    "calm": {"environment": CALM},
}


@pytest.mark.parametrize("case", CASES)
def test_every_bit_is_that_of_a_full_simulation(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = everything(**CASES[case])
    monkeypatch.setattr(engine, "sharing", nothing_shared)
    assert_same(shared, everything(**CASES[case]))
    for name in shared.scenarios:
        a = shared.scenarios[name].ledger
        assert a.first.any() or not a.age.any()


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, int]]:
    """Of each call of the kernel: scenario, whether newcomers, and how many lives are to be simulated in its worlds."""
    from clvsim.kernels import simulate as kernel

    calls: list[tuple[str, bool, int]] = []
    original, name = kernel.simulate, [""]
    run_kernel = engine.run_kernel

    def named(block: Any, job: Any, *rest: Any) -> None:
        name[0] = job.levers.name
        run_kernel(block, job, *rest)

    def counting(people: ks.People, keys: Any, draw: Any, laws: Any, traits: Any, arrivals: ks.Arrivals, *rest: Any):
        cell, new = people.cell, bool(people.cell.max() >= 0)
        there = int((cell == -1).sum()) * keys.size
        if new:
            low, high = arrivals.start[:, cell], arrivals.count[:, cell]
            there = int(((people.ordinal >= low) & (people.ordinal < high)).sum())
        calls.append((name[0], new, there))
        original(people, keys, draw, laws, traits, arrivals, *rest)

    monkeypatch.setattr(engine, "run_kernel", named)
    monkeypatch.setattr(kernel, "simulate", counting)
    return calls


def test_who_is_simulated(lives: list[tuple[str, bool, int]]) -> None:
    """In each scenario only those whom it changes: 20 customers a segment, newcomers by channel, 10 worlds."""
    sim = everything()
    heads = {name: s.ledger.total("customers_acquired", age=True) for name, s in sim.scenarios.items()}
    base = int(heads["baseline"].sum())

    def simulated(name: str, newcomers: bool) -> int:
        return sum(n for scenario, new, n in lives if scenario == name.replace(" ", "_") and new == newcomers)

    assert (simulated("baseline", False), simulated("baseline", True)) == (400, base)
    for name, old, new in (
        ("lift", 0, int(heads["lift"].sum()) - base),
        ("newcomers", 0, base),
        ("one segment", 200, 0),
        ("offer to some", 400, 0),
        ("email to newcomers", 0, base),
        ("fixed costs", 0, 0),
        ("costs of newcomers", 0, base),
        ("costs of all", 0, base),
        ("margin of some", 200, 0),
        ("lift and offer", 400, int(heads["lift_and_offer"].sum())),
    ):
        assert (simulated(name, False), simulated(name, True)) == (old, new), name
    assert 0 < simulated("lift in one channel", True) < simulated("lift", True)
    fewer = heads["perhaps"] < heads["baseline"]
    assert fewer.any()  # in these worlds newcomers are simulated anew
    assert 0 < simulated("perhaps", True) < heads["perhaps"].sum()
    assert simulated("email to one channel", True) < base


def test_a_baseline_with_offers_shares_nothing(lives: list[tuple[str, bool, int]]) -> None:
    library = scenarios(bump={"bump": OFFER}, rent={"rent": {"kind": "cost", "per": "month", "amount": 30.0}})
    as_baseline = {"baseline": library["bump"], "rent": library["rent"]}
    run(as_baseline, acquisition=channels(), draws=4)
    assert sum(n for name, _, n in lives if name == "rent") > 4 * 60
