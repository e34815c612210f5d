"""Random scenarios with several mechanisms at once: the event loop and its twin agree event by event."""

from typing import Any

from agreement import compare
from hypothesis import given, settings
from hypothesis import strategies as st
from twin.cases import random_case
from twin.life import simulate


@st.composite
def kinds(draw: st.DrawFn) -> dict[str, Any]:
    """Any mechanisms beside each other that a run can have; win-backs need an order rate."""
    opportunities = draw(st.sampled_from(("", "", "", "chance", "sure", "some sure")))
    further = {name: draw(st.integers(0, 2)) for name in ("win_backs", "next_products", "memberships")}
    further["win_backs"] *= not opportunities
    living, lost = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    return {
        **further,
        "offers": 1 + sum(further.values()) + draw(st.integers(0, 3)),
        "campaigns": draw(st.booleans()),
        "contacts": draw(st.integers(0, 2)),
        "cap": draw(st.integers(0, 4)),
        "opportunities": opportunities,
        "newcomers": draw(st.booleans()),
        "law": draw(st.sampled_from(("order", "time", "both"))),
        "tables": draw(st.booleans()),
        "by_order": draw(st.booleans()),
        "birth_charges": draw(st.integers(0, 1)),
        "regularity": draw(st.integers(1, 3)),
        "components": living + lost,
        "lost": lost,
        "lognormal": draw(st.booleans()),
        "free": draw(st.sampled_from(("", "some"))),
        "customers": draw(st.integers(1, 12)),
        "worlds": draw(st.integers(1, 3)),
        "months": draw(st.integers(1, 24)),
    }


@settings(max_examples=600)
@given(kinds(), st.integers(0, 10**6))
def test_any_scenario_event_by_event(kind: dict[str, Any], seed: int) -> None:
    case = random_case(seed, **kind)
    compare(case, simulate(case), *case.run()[:2])
