"""Baseline event loop against baseline.c on one core, after checking that both give the same ledgers and values."""

import ctypes
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from clvsim.data.config import DataConfig
from clvsim.data.read import read_transactions
from clvsim.data.summary import summarize
from clvsim.interventions.base import Group
from clvsim.kernels import rng, variates
from clvsim.kernels import structs as ks
from clvsim.kernels.simulate import simulate
from clvsim.kernels.structs import scalar, seal
from clvsim.models import RETENTION, SPEND
from clvsim.models.laws import customers_of, spend_history_of
from clvsim.simulation.people import join_laws, people_of
from clvsim.simulation.tables import Calendar, Levers, make_contacts, make_offers, make_tables
from clvsim.types import DAYS_PER_MONTH

WORLDS, MONTHS, MARGIN, COST, SCALE = 16, 36, 0.35, 1.5, 32.0
DELTA = float(np.log(1.1) / 365.25)
TARGET = 1.3
# Published estimates for this log (Fader, Hardie & Lee 2005; spend per order), with some spread over worlds.
PARAMETERS = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.74, "gamma": 15.44}


class Work:
    """All of CDNOW's customers in some worlds: inputs once, outputs of its own for each program."""

    def __init__(self, worlds: int = WORLDS) -> None:
        summary = summarize(read_transactions(None, DataConfig(kind="bundled", calibration_end=date(1997, 9, 30))))
        jitter = np.exp(np.random.default_rng(1).normal(0, 0.05, (len(PARAMETERS), worlds)))
        drawn = {name: value * jitter[i] for i, (name, value) in enumerate(PARAMETERS.items())}
        life = RETENTION["bg_nbd"].laws(drawn, customers_of(summary), 7.0)
        spend = SPEND["gamma_gamma"].laws(drawn, spend_history_of(summary))
        self.laws = join_laws(life, spend, 1.0)
        n = len(summary.customers)
        key = np.sort(rng.text_keys(summary.customers["customer_id"].tolist()))
        self.people = people_of(key=key, column=np.arange(n))
        self.world_key = seal(rng.world_keys(1, np.arange(worlds), 0), np.uint64)
        self.groups = (Group("existing"),)
        self.shape = (worlds, n)

    def ledgers(self) -> ks.Ledgers:
        w, n = self.shape
        return ks.Ledgers(
            calendar=np.zeros((w, 2, ks.BASE_LINES, 2, MONTHS), np.int64),
            age=np.zeros((w, 2, ks.BASE_LINES, 2, 1), np.int64),
            cohort=np.zeros((w, 1, ks.COHORT_LINES, MONTHS), np.int64),
            exposure=np.zeros((w, 0, 2), np.int64),
            age_exit=np.zeros((w, 0, 1, 2, 1), np.int64),
            value=np.zeros((w, n)),
            orders=np.zeros((w, n), np.int64),
            revenue=np.zeros((w, n), np.int64),
        )


def clear(out: ks.Ledgers) -> None:
    for ledger in out:
        ledger[:] = 0


def clvsim_program(work: Work) -> Callable[[], ks.Ledgers]:
    """The package's event loop with nothing switched on."""
    levers, draw = Levers("baseline", (), (), ()), np.arange(WORLDS)
    weeks = int(np.ceil(MONTHS * DAYS_PER_MONTH / 7)) + 1
    calendar = Calendar(weeks, 1, DELTA)
    tables = make_tables(levers, work.groups, draw, np.zeros((WORLDS, weeks)), MARGIN, calendar, "time")
    offers = make_offers(levers, work.groups, draw, MARGIN, weeks)
    contacts = make_contacts(levers, work.groups, calendar)
    clock = ks.Clock(
        length_days=scalar(MONTHS * DAYS_PER_MONTH),
        stop_days=scalar(MONTHS * DAYS_PER_MONTH),
        discount_per_day=scalar(DELTA),
        period_days=scalar(DAYS_PER_MONTH),
        cost_per_order=scalar(COST),
        money_unit=scalar(ks.COUNT_UNIT / SCALE),
        attrition_by_order=scalar(0.0),
        flags=scalar(ks.STEADY, np.int64),
    )
    none, empty = seal(np.zeros((0, 0)), np.int64), seal(np.zeros((0, 0)))
    nobody = ks.Arrivals(none, none, none, empty, empty, empty, empty, empty)
    trace = ks.Trace.empty(0)
    world_draw = seal(draw, np.int64)
    out, traits = work.ledgers(), ks.empty_traits(1, 1)

    def run() -> ks.Ledgers:
        clear(out)
        simulate(
            work.people, work.world_key, world_draw, work.laws, traits, nobody, tables, offers, contacts, clock,
            out, trace,
        )  # fmt: skip
        return out

    return run


def c_program(work: Work, folder: Path) -> Callable[[], ks.Ledgers]:
    """baseline.c as a shared library. No fused multiply-adds, which Numba does not use either: equal results."""
    source, library = Path(__file__).with_name("baseline.c"), folder / "baseline.so"
    options = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, str(source), "-o", str(library), "-lm"], check=True)
    call = ctypes.CDLL(str(library)).baseline

    def array(values: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(values.ctypes.data)

    def integer(value: int) -> ctypes.c_int64:
        return ctypes.c_int64(value)

    def number(value: float) -> ctypes.c_double:
        return ctypes.c_double(value)

    laws, people = work.laws, work.people
    traits = (
        laws.p_alive, laws.rate_shape, laws.rate_rate, laws.drop_a, laws.drop_b,
        laws.order_shape, laws.nu_shape, laws.nu_rate,
    )  # fmt: skip

    out = work.ledgers()

    def run() -> ks.Ledgers:
        clear(out)
        call(
            *map(integer, work.shape),
            *map(array, (work.world_key, people.key, people.group, people.cohort, *traits)),
            *map(number, (MONTHS * DAYS_PER_MONTH, DELTA, DAYS_PER_MONTH, MARGIN, COST, ks.COUNT_UNIT / SCALE)),
            number(ks.COUNT_UNIT),
            *map(integer, (1, 1, MONTHS)),
            *map(array, (variates.EDGE, variates.CURVE, out.calendar, out.cohort, out.value, out.orders)),
        )
        return out

    return run


def differences(ours: ks.Ledgers, theirs: ks.Ledgers) -> list[str]:
    """Where the two differ at all; empty if every integer and every value is the same to the last bit.

    With a constant margin clvsim derives the goods from the revenue: a cell may differ by half a unit per order.
    """
    fields = ("calendar", "cohort", "orders", "value")
    pairs = {name: (getattr(ours, name), getattr(theirs, name)) for name in fields}
    goods = (1 - MARGIN) * ours.calendar[:, :, ks.REVENUE]
    orders = ours.calendar[:, :, ks.ORDERS, :1] / ks.COUNT_UNIT
    if np.any(np.abs(goods - theirs.calendar[:, :, ks.GOODS]) > orders + 0.5):
        return ["goods"]
    own, other = ours.calendar.copy(), theirs.calendar.copy()
    own[:, :, ks.GOODS] = other[:, :, ks.GOODS] = 0
    pairs["calendar"] = own, other
    return [f"{name}: {np.sum(a != b)} of {a.size}" for name, (a, b) in pairs.items() if not np.array_equal(a, b)]


def best_times(programs: list[Callable[[], object]], rounds: int) -> list[float]:
    """Least CPU seconds of each in turn: a shared machine slows single rounds, never speeds one up."""
    best = [float("inf")] * len(programs)
    for _ in range(rounds):
        for i, program in enumerate(programs):
            start = time.thread_time()
            program()
            best[i] = min(best[i], time.thread_time() - start)
    return best


def main(folder: Path, rounds: int = 40) -> str:
    if not shutil.which("cc"):
        return "event loop against C: skipped, no C compiler (cc) here"
    work = Work()
    ours, theirs = clvsim_program(work), c_program(work, folder)
    if found := differences(ours(), theirs()):
        raise AssertionError("clvsim and baseline.c differ in " + "; ".join(found))
    times = best_times([ours, theirs], rounds)
    lives, orders = np.prod(work.shape), theirs().orders.sum()
    return (
        f"event loop against C, one core: {times[0] / times[1]:.2f} x C (target <= {TARGET}); "
        "equal to the last bit (goods within rounding); "
        f"{times[0] / lives * 1e9:.0f} against {times[1] / lives * 1e9:.0f} ns a life of {orders / lives:.1f} orders"
    )
