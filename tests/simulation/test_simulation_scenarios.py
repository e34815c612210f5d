"""Properties of random scenarios as they are typed, with levers of all kinds beside each other."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import MBG, assert_same_ledger, channels, ledger, line, posterior, run, scenarios, shop

from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import Intervention
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation
from clvsim.simulation.config import EnvironmentConfig

STORMY = EnvironmentConfig(sd_prior=0.2, acquisition_sd=0.2)
DRAWS = 5
EXAMPLES = settings(max_examples=60)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False).map(lambda value: round(value, 4))


def lever(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


SHARE = numbers(0.0, 0.9)
TARGETS = ("rate", "spend", "hazard", "conversion", "visitors", "ad_spend", "margin")
KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "shift": lever("shift", target=st.sampled_from(TARGETS), size=numbers(-0.2, 0.2)),
    "funnel": lever("funnel", share=SHARE, cost=numbers(0, 2), first=st.fixed_dictionaries({"buy": SHARE})),
    "pulse": lever(
        "pulse", size=numbers(0, 1), weeks=st.integers(1, 3), pulled_forward=SHARE, recovery_weeks=st.integers(12, 16)
    ),
    "offer": lever(
        "offer", take=SHARE, price=numbers(1, 40), incentive=numbers(0, 5), refund=SHARE, cannibalised=SHARE
    ),
    "campaign": lever(
        "campaign", occasion=st.just("silence"), silent_days=st.integers(20, 120), take=SHARE, price=numbers(1, 40),
        cost=numbers(0, 1),
    ),
    "win_back": lever(
        "win_back", silent_days=st.integers(40, 120), lift=numbers(0, 0.3), living=SHARE, coupon=numbers(0, 5),
        cost=numbers(0, 1), redeemed=SHARE,
    ),
    "membership": lever(
        "membership", take=SHARE, trial_days=st.just(20), convert=SHARE, price=numbers(1, 20), churn=SHARE,
        rate=numbers(-0.2, 0.3), order_cost=numbers(0, 2),
    ),
    "next_product": lever(
        "next_product", outgrown=SHARE, take=SHARE, rate=numbers(-0.5, 0.3), spend=numbers(-0.5, 0.5)
    ),
    "referral": lever("referral", per_order=numbers(0, 0.1), reward=numbers(0, 10)),
    "contact": lever("contact", per_month=numbers(0.5, 8), cost=numbers(0, 0.5), goodwill=numbers(-0.2, 0.2)),
    "cost": lever(
        "cost", per=st.sampled_from(("once", "month", "order", "customer", "revenue")), amount=numbers(0, 0.3)
    ),
}  # fmt: skip


def test_every_kind_of_lever_is_among_them() -> None:
    assert set(KINDS) == set(INTERVENTIONS)


def several(*without: str, most: int = 5) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Levers by name, of some kinds."""
    known = [kind for kind in KINDS if kind not in without]
    return st.lists(st.sampled_from(known), min_size=1, max_size=most, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({f"my_{kind}": KINDS[kind] for kind in chosen})
    )


def simulated(library: dict[str, Scenario], **config: Any) -> Simulation:
    settings: dict[str, Any] = {"draws": DRAWS, "summary": shop(14, segments=2), "horizon_months": 8}
    settings |= {"acquisition": channels(months=2, visitors_per_month=200), "environment": STORMY}
    settings |= {"fitted": posterior(DRAWS + 2, spread=0.1, model=MBG)}
    return run(library, **(settings | config))


def neutral(levers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """With every number that may be uncertain at the value that does nothing."""
    found = {}
    for name, fields in levers.items():
        section: Intervention = INTERVENTIONS[fields["kind"]].model_validate(fields)
        tree: dict[str, Any] = {**fields}
        for field, (_, number) in section.uncertain().items():
            *parents, last = field.split(".")
            place = tree
            for parent in parents:
                place[parent] = {**place.get(parent, {})}
                place = place[parent]
            place[last] = number.neutral
        found[name] = tree
    return found


@EXAMPLES
@given(several(), st.data())
def test_the_order_and_the_parts_in_which_levers_are_written_change_nothing(levers: dict[str, Any], data: Any) -> None:
    other = data.draw(st.permutations(list(levers)))
    parts = {f"part_{name}": {name: fields} for name, fields in levers.items()}
    library = scenarios(plan=levers, shuffled={name: levers[name] for name in other}, **parts)
    library["combined"] = Scenario(title="combined", combine=tuple(f"part_{name}" for name in other))
    sim = simulated({name: s for name, s in library.items() if not name.startswith("part_")} | library)
    for name in ("shuffled", "combined"):
        assert_same_ledger(ledger(sim, name), ledger(sim, "plan"))


@EXAMPLES
@given(several(), st.integers(1, 3), st.integers(1, 20))
def test_threads_blocks_and_more_draws_change_nothing(levers: dict[str, Any], jobs: int, size: int) -> None:
    library = scenarios(plan=levers)
    one, other = simulated(library), simulated(library, jobs=jobs, shard_customers=size)
    more = simulated(library, draws=DRAWS + 2)
    for name in one.scenarios:
        assert_same_ledger(ledger(other, name), ledger(one, name))
        np.testing.assert_array_equal(ledger(more, name).calendar[:DRAWS], ledger(one, name).calendar)
        np.testing.assert_array_equal(ledger(more, name).age[:DRAWS], ledger(one, name).age)


@EXAMPLES
@given(several())
def test_without_effect_no_line_of_the_baseline_moves(levers: dict[str, Any]) -> None:
    sim = simulated(scenarios(nothing=neutral(levers)))
    book, base = ledger(sim, "nothing"), ledger(sim)
    for entry in base.lines:
        if entry.account == "repaid" or entry.account.startswith("cost_"):
            continue  # what is sent or decided costs money all the same
        np.testing.assert_array_equal(line(book, *entry), line(base, *entry), err_msg=str(entry))
    for entry in set(book.lines) - set(base.lines):
        if entry.account in ("revenue_offers", "refunds", "referrals", "won_back", "moved_on", "charges", "trials"):
            assert not line(book, *entry).any(), entry


@EXAMPLES
@given(several("funnel", "referral"))
def test_who_is_not_reached_lives_as_before(levers: dict[str, Any]) -> None:
    """Levers on one segment: every line of the other one, and of newcomers, bit for bit."""
    reached = {"segments": ["s0"], "customers": "existing"}
    own = {
        name: {**fields, "who": reached}
        for name, fields in levers.items()
        if fields.get("target") not in ("conversion", "visitors", "ad_spend")
    }
    sim = simulated(scenarios(plan=own or {"none": {"kind": "cost", "per": "once", "amount": 1.0}}))
    book, base = ledger(sim, "plan"), ledger(sim)
    others = [g for g, group in enumerate(book.groups) if group.segment != "s0"]
    for entry in base.lines:
        np.testing.assert_array_equal(line(book, *entry)[:, others], line(base, *entry)[:, others], err_msg=str(entry))


@EXAMPLES
@given(numbers(-0.9, 0.0), st.sampled_from(("time", "orders")))
def test_a_lower_hazard_shortens_no_life(size: float, clock: str) -> None:
    """In every world and month at least as many are there."""
    safer = {"kind": "shift", "target": "hazard", "size": size}
    sim = simulated(scenarios(safer={"safer": safer}), attrition_clock=clock)
    book, base = ledger(sim, "safer"), ledger(sim)
    there, before = (line(one, "active_customers", "orders")[:, :, 0] for one in (book, base))
    assert (there >= before - 1e-9).all()
    assert (
        line(book, "orders", "orders")[:, :, 0].sum(axis=-1) >= line(base, "orders", "orders")[:, :, 0].sum(axis=-1)
    ).all()


@EXAMPLES
@given(several())
def test_accounts_add_up_by_cause(levers: dict[str, Any]) -> None:
    """What is earned and spent, cause by cause, is the contribution, in both ledgers; and every cause is a lever's."""
    sim = simulated(scenarios(plan=levers))
    own_causes = {entry.cause for entry in ledger(sim).lines}
    for name in (BASELINE, "plan"):
        book = ledger(sim, name)
        by_cause: dict[str, np.ndarray] = {}
        for entry in book.lines:
            signed = entry.sign * line(book, *entry)
            by_cause[entry.cause] = by_cause.get(entry.cause, 0.0) + signed.sum(axis=(1, 3))
        total = np.sum(list(by_cause.values()), axis=0)
        for discounted in (False, True):
            held = book.contribution(discounted=discounted).sum(axis=(1, 2))
            np.testing.assert_allclose(total[:, int(discounted)], held, rtol=1e-9, atol=1e-6)
        assert set(by_cause) <= own_causes | set(levers) | {"contact", "frequency_cap"}
