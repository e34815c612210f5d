"""One and two threads on the same block of customers, after checking that the ledgers are equal to the last bit."""

import os
import time

import numpy as np
from event_loop import COST, DELTA, MARGIN, MONTHS, SCALE, Work

from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal
from clvsim.simulation import engine
from clvsim.simulation.ledger import Raw
from clvsim.simulation.people import Block
from clvsim.simulation.tables import Calendar, Levers
from clvsim.simulation.worlds import Worlds
from clvsim.types import DAYS_PER_MONTH

DRAWS = 256
NOTHING = Levers("baseline", (), (), ())


def setting_of(work: Work) -> engine.Setting:
    """The environment is on, as in a run."""
    weeks = int(np.ceil(MONTHS * DAYS_PER_MONTH / 7)) + 1
    shocks = np.random.default_rng(2).normal(0, 0.1, (DRAWS, MONTHS))
    return engine.Setting(
        worlds=Worlds(
            key=work.world_key,
            draw=np.arange(DRAWS),
            draw_key=work.world_key,
            environment_sd=np.full(DRAWS, 0.1),
            level_sd=np.zeros(DRAWS),
            log_rate=shocks,
            log_visitors=np.zeros_like(shocks),
        ),
        groups=work.groups,
        calendar=Calendar(weeks, 1, DELTA),
        gross_margin=MARGIN,
        cost_per_order=COST,
        money_scale=SCALE,
        length_days=MONTHS * DAYS_PER_MONTH,
        stop_days=MONTHS * DAYS_PER_MONTH,
        period_days=DAYS_PER_MONTH,
        attrition_clock="time",
    )


def block_of(work: Work) -> Block:
    def laws(draws: slice) -> ks.Laws:
        fields = work.laws._asdict().items()
        return ks.Laws(**{f: seal(law[draws], law.dtype) if law.ndim == 2 else law for f, law in fields})

    return Block(work.people, laws, newcomers=False, renewing=False)


def main(rounds: int = 6) -> str:
    if (os.cpu_count() or 1) < 2:
        return "two threads against one: skipped, one core only"
    work = Work(DRAWS)
    setting = setting_of(work)
    block = block_of(work)

    def run(threads: int) -> tuple[Raw, float]:
        raw = engine.empty_raw(setting, NOTHING, MONTHS, 1, 1)
        start = time.perf_counter()
        engine.run_block(block, [engine.make_job(setting, NOTHING, raw)], setting, threads)
        return raw, time.perf_counter() - start

    one, two = run(1)[0], run(2)[0]
    if not all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)):
        raise AssertionError("ledgers of one and two threads differ")
    times = np.array([[run(threads)[1] for threads in (1, 2)] for _ in range(rounds)]).min(axis=0)
    return (
        f"two threads against one: {times[0] / times[1]:.2f} x as fast (best of {rounds} each); equal to the last bit"
    )
