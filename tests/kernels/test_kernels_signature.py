"""How a call's structs are opened for the rooms: every scalar and array under its name."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from rooms import Opened, interpreted
from twin.cases import MONTH, Case, random_case

from clvsim.kernels import signature, structs
from clvsim.kernels.compiler import typeof

KINDS: dict[str, dict[str, Any]] = {
    "existing": {"offers": 2, "contacts": 1, "tables": True, "components": 3, "regularity": 2, "by_order": True},
    "newcomers": {"offers": 3, "contacts": 2, "newcomers": True, "birth_charges": 1, "lognormal": True, "law": "both"},
    "opportunities": {"opportunities": "some sure", "components": 2},
    "renewals": {"opportunities": "sure"},
    "plain": {"law": "time"},
    "free": {"free": "some"},
}
RENAMED = {
    "rates": {"shape": "rate_shape", "rate": "rate_rate"},
    "lognormal": {"mean": "level_mean", "sd": "level_sd", "slope": "level_slope"},
    "grid": {"exponent": "tenure_exponent", "intervals": "interval_days", "late": "late_days"},
}
SCALARS = {
    "rates": ("stages_done",),
    "mixture": ("components", "living"),
    "shares": ("given",),
    "grid": (
        *("interval", "certain", "interval_columns", "exponent_columns", "pausing"),
        *("due_days", "per_day", "before"),
    ),
    "lognormal": ("given",),
    "deals": ("count", "numbers"),
    "programmes": ("number",),
    "tolls": ("tariffs",),
}


def case_of(kind: str) -> Case:
    """No two arrays of a case have the same entries, so that none can stand for another."""
    r = np.random.default_rng(7)
    case = random_case(120, **KINDS[kind])

    def entries(values: np.ndarray) -> np.ndarray:
        return structs.seal(values + r.random(values.shape), values.dtype)

    laws = {
        name: entries(values)
        for name, values in case.laws._asdict().items()
        if values.ndim == 2 and not (name == "buy_a" and not values.all())
    }
    return replace(
        case,
        laws=case.laws._replace(**laws),
        charge=case.charge + r.random(case.charge.shape),
        margin=case.margin + r.random(case.margin.shape),
        opt_out=case.opt_out + r.random(case.opt_out.shape),
        budget=case.budget + r.random(case.budget.shape),
        hazard=case.hazard + r.random(case.hazard.shape),
    )


def assert_flat(room: str, opened: NamedTuple, source: dict[str, np.ndarray]) -> None:
    for name, values in opened._asdict().items():
        if name in SCALARS.get(room, ()):
            continue
        expected = source[RENAMED.get(room, {}).get(name, name)]
        assert values.shape == (expected.size,), (room, name)
        np.testing.assert_array_equal(values, expected.reshape(-1), err_msg=f"{room} {name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_is_under_its_name(kind: str) -> None:
    room = Opened(case_of(kind))
    inputs, ground = room.inputs, room.ground
    laws = inputs.laws._asdict()
    assert_flat("rates", ground.rates, laws)
    assert_flat("exits", ground.exits, laws)
    assert_flat("spend", ground.spend, laws)
    assert_flat("shares", room.rare.shares, laws)
    assert room.rare.shares.given == (kind == "free")
    assert_flat("weeks", ground.weeks, inputs.tables._asdict())
    assert_flat("tolls", ground.tolls, inputs.arrivals._asdict())
    assert ground.tolls.tariffs == int(kind == "newcomers")
    assert_flat("mixture", room.rare.mixture, laws)
    assert_flat("grid", room.rare.grid, laws)
    assert_flat("lognormal", room.rare.lognormal, laws)
    assert_flat("deals", room.deals, inputs.offers._asdict())
    tables_and_ledgers = {"opt_out": inputs.tables.opt_out} | inputs.out._asdict()
    assert_flat("programmes", room.programmes, inputs.contacts._asdict() | tables_and_ledgers)
    assert room.rare.trace is inputs.trace


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_to_is_the_array_of_the_call(kind: str) -> None:
    room = Opened(case_of(kind))
    inputs = room.inputs
    for struct, source in ((room.ground.kept, inputs.traits), (room.ground.book, inputs.out)):
        for name, values in struct._asdict().items():
            values[...] = np.arange(values.size)
            expected = np.arange(values.size).reshape(getattr(source, name).shape)
            np.testing.assert_array_equal(getattr(source, name), expected)
    for name in ("exposure", "age_exit", "value"):
        getattr(room.programmes, name)[...] = 3
        assert (getattr(inputs.out, name) == 3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_scalars(kind: str) -> None:
    case = case_of(kind)
    room = Opened(case, traced=False)
    laws, rare = case.laws, room.rare
    assert room.ground.rates.stages_done == laws.stages_done[0]
    assert rare.mixture.components == KINDS[kind].get("components", 1)
    assert rare.grid.interval == laws.interval_days[0]
    assert rare.grid.certain == (KINDS[kind].get("opportunities") not in ("chance", "some sure"))
    assert rare.lognormal.given == KINDS[kind].get("lognormal", False)
    assert (room.deals.count, room.deals.numbers) == (KINDS[kind].get("offers", 0), 64)
    assert room.programmes.number == KINDS[kind].get("contacts", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_run(kind: str) -> None:
    """Scalars of the clock, flags, and sizes by which flat arrays are cut."""
    case = case_of(kind)
    run = Opened(case).ground.run
    assert run._asdict() == {
        "length": case.months * MONTH,
        "stop": case.periods * MONTH,
        "delta": pytest.approx(np.log(1.1) / 365.25),
        "per_day": 1 / MONTH,
        "cost_per_order": 1.5,
        "unit": structs.COUNT_UNIT / 32,
        "by_order": kind == "existing",
        "paced": bool((case.rate != 1).any()),
        "steady": False,
        "renewing": kind == "renewals",
        "arriving": kind == "newcomers",
        "goods": True,
        "keeping": True,
        "valued": True,
        "customers": case.people.key.size,
        "columns": case.laws.p_alive.shape[1],
        "tables": case.rate.shape[1],
        "last_week": case.weeks - 1,
        "groups": 2,
        "rows": 4,
        "cohorts": int(case.people.cohort.max()) + 1,
        "lines": case.lines,
        "periods": case.periods,
        "arrival_weeks": case.arrival_weeks,
        "ages": 1 + case.months,
    }


def test_flags_and_what_is_not_wanted() -> None:
    case = random_case(121, customers=5, worlds=2)
    run = Opened(case, traced=False, traits=structs.empty_traits(1, 1)).ground.run
    assert (run.goods, run.keeping, run.steady, run.renewing, run.paced) == (False, False, True, False, False)
    assert Opened(case, toggled=structs.RENEWING | structs.TABLES).ground.run[7:10] == (True, True, True)
    room = Opened(case)
    out = room.out._replace(value=np.zeros((2, 0)))
    inputs = room.inputs
    args = inputs.people, inputs.laws, inputs.traits, inputs.tables, inputs.clock
    assert not interpreted("signature").run_of(*args, out).valued


@pytest.mark.parametrize("kind", KINDS)
def test_one_signature_serves_all_calls(kind: str) -> None:
    inputs = case_of(kind).inputs()
    assert signature.SIGNATURE.args == tuple(typeof(struct) for struct in inputs)
