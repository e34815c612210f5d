"""Dask, and the only module that imports it: ranges of a simulation on the workers of a cluster.

A cluster is either of processes on this machine, which end with the run, or reached by the address of its scheduler.
What a simulation is made of is sent once to every worker; a worker that is lost costs the ranges that it had.
"""

import logging
import platform
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from clvsim import __version__
from clvsim.errors import ConfigError
from clvsim.private import source_hash
from clvsim.secluded import seclude
from clvsim.simulation.config import LOCAL
from clvsim.simulation.ranges import Range, Sums, Work, joined, simulate_range

KEY = "simulation.cluster"
PATIENCE_SECONDS = 10.0  # for a scheduler to answer, and for its first worker
LONELY_SECONDS = 60.0  # without any worker, in the middle of the work
ATTEMPTS = 4  # at a range whose workers are lost
_GLANCE_SECONDS = 2.0  # between looks at whether there is anybody left
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
_SETTINGS = {
    "distributed.nanny.pre-spawn-environ": ONE_THREAD,
    "distributed.logging": {"distributed": "critical"},  # of workers; what matters is said in a line of ours
    "distributed.admin.log-format": "%(message)s",
    "distributed.worker.daemon": True,
}

Fingerprint = Mapping[str, str]


def fingerprint() -> dict[str, str]:
    """What must be the same wherever a simulation is computed, for the same bits."""
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "clvsim": __version__,
        "kernels": source_hash(),
    }


def require_cluster(where: str) -> None:
    """Raises ConfigError where Dask is missing, nobody answers at an address, or a worker there differs from this
    process. Local workers are not started for it."""
    _require_dask(where)
    if not where.startswith(LOCAL):
        with connected(where):
            pass


@dataclass(frozen=True)
class Cluster:
    """Workers that were compared with this process."""

    client: Any
    where: str
    slots: int  # ranges at the same time
    note: Callable[[str], None]

    def simulate(
        self, work: Work, parts: Sequence[Range], advance: Callable[[int], None], *, apart: bool
    ) -> Iterator[tuple[Range, Sums]]:
        """Ranges with their sums: `apart` each as soon as it is done; else what workers have added up themselves, so
        that one result travels here. `advance` is told of blocks that are done.

        Raises ConfigError where workers are lost again and again, none is left, or one differs that came later.
        """
        left, told = list(parts), set()

        def tell(part: Range) -> None:
            if part not in told:
                told.add(part)
                advance(part.high - part.low)

        for attempt in range(ATTEMPTS):
            if not left:
                return
            if attempt:
                self.note(f"{KEY}: workers were lost; {len(left)} of {len(parts)} ranges are simulated again")
            for part, sums in self._once(work, left, tell, apart=apart):
                left = [other for other in left if not part.low <= other.low < part.high]
                yield part, sums
        if left:
            what = f"workers of {self.where} are lost again and again; do they have enough memory?"
            raise ConfigError([(KEY, what)])

    def _once(
        self, work: Work, parts: Sequence[Range], tell: Callable[[Range], None], *, apart: bool
    ) -> Iterator[tuple[Range, Sums]]:
        """The same, without the ranges that are lost with their workers."""
        self._await_workers()
        scattered = self.client.scatter(work, broadcast=True, hash=False)
        own = fingerprint()
        longest_first = sorted(parts, key=lambda part: part.low - part.high)  # so that the last ones wait least
        single = {
            self.client.submit(simulate_for, scattered, part, own, pure=False, retries=0): part
            for part in longest_first
        }
        wanted = single if apart else self._added_up(single)
        waiting = single | wanted
        try:
            while waiting:
                for future in self._done(list(waiting)):
                    part = waiting.pop(future)
                    if future in single and future.status == "finished":
                        tell(part)
                    sums = result_of(future) if future in wanted else None
                    future.release()
                    if sums is not None:
                        yield part, sums
        finally:
            for future in waiting:
                with suppress(Exception):  # the scheduler may be gone
                    future.cancel()

    def _added_up(self, single: Mapping[Any, Range]) -> dict[Any, Range]:
        """A tree over the results of neighbouring ranges, added up before another range is begun: its root."""
        level = sorted(single.items(), key=lambda pair: pair[1])
        while len(level) > 1:
            above = [
                (
                    self.client.submit(joined, left, right, pure=False, priority=1, retries=0),
                    Range(low.low, high.high),
                )
                for (left, low), (right, high) in zip(level[::2], level[1::2], strict=False)
            ]
            level = [*above, *level[2 * len(above) :]]
        return dict(level)

    def _done(self, futures: list[Any]) -> list[Any]:
        """Those that are done, well or badly, at least one."""
        from distributed import wait

        while not (done := [future for future in futures if future.done()]):
            # Lost ones are looked at like the others; and what takes longer is not late.
            with suppress(TimeoutError, *_lost()), self.client.as_current():
                wait(futures, timeout=_GLANCE_SECONDS, return_when="FIRST_COMPLETED")
            self._await_workers()
        return done

    def _await_workers(self) -> None:
        if not workers_at(self.client, LONELY_SECONDS):
            raise ConfigError([(KEY, f"{self.where} has no workers any more")])


@contextmanager
def connected(where: str, note: Callable[[str], None] = lambda text: None) -> Generator[Cluster]:
    """A cluster, as long as what is inside takes. Raises ConfigError where Dask is missing, nobody answers, or a worker
    differs from this process."""
    _require_dask(where)
    import dask
    import distributed

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        stack.enter_context(_quiet())
        try:
            address: Any = where
            if where.startswith(LOCAL):
                address = stack.enter_context(_local(distributed, int(where.removeprefix(LOCAL))))
            client = stack.enter_context(
                distributed.Client(
                    address,
                    timeout=PATIENCE_SECONDS,
                    set_as_default=False,
                    heartbeat_interval=5000,
                    direct_to_workers=where.startswith(LOCAL),  # a far one's workers may be beyond reach
                )
            )
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            what = "cannot be started" if where.startswith(LOCAL) else "has no scheduler that answers"
            raise ConfigError([(KEY, f"{where} {what} ({reason})")]) from None
        threads = workers_at(client, PATIENCE_SECONDS)
        if not threads:
            raise ConfigError([(KEY, f"the scheduler at {where} has no workers")])
        require_alike(client.run(fingerprint, on_error="return"), fingerprint())
        yield Cluster(client, where, sum(threads.values()), note)


def workers_at(client: Any, patience: float) -> dict[str, int]:
    """How many threads each worker has; empty where there is none after so many seconds."""
    from time import monotonic, sleep

    deadline = monotonic() + patience
    while not (found := client.nthreads()) and monotonic() < deadline:
        sleep(0.2)
    return dict(found)


def require_alike(found: Mapping[str, Any], own: Fingerprint) -> None:
    """Raises ConfigError, in one line, where a worker's fingerprint is not that of this process."""
    for worker, theirs in found.items():
        if not isinstance(theirs, Mapping):
            what = f"worker {worker} cannot simulate ({str(theirs) or type(theirs).__name__}); is clvsim there?"
            raise ConfigError([(KEY, what)])
        if differing := [
            f"{name} {theirs.get(name)} instead of {own[name]}" for name in own if theirs.get(name) != own[name]
        ]:
            raise ConfigError([(KEY, f"worker {worker} has {', '.join(differing)}: its results could differ")])


def simulate_for(work: Work, part: Range, asked_by: Fingerprint) -> Sums:
    """A task: runs on a worker, which may have come after the others were compared."""
    require_alike({platform.node(): fingerprint()}, asked_by)
    seclude()
    return simulate_range(work, part, threads=1)


def result_of(future: Any) -> Sums | None:
    """The sums of a task that is done; None where it was lost with its worker. Raises what the task raised."""
    from distributed import KilledWorker

    try:
        return future.result()
    except (KilledWorker, OSError, *_lost()):
        return None


def _lost() -> tuple[type[BaseException], ...]:
    """What Dask raises where a worker, and with it a result, has gone."""
    import asyncio
    from concurrent.futures import CancelledError

    return CancelledError, asyncio.CancelledError


def _require_dask(where: str) -> None:
    if find_spec("distributed") is None or find_spec("dask") is None:
        raise ConfigError([(KEY, f"{where} needs Dask: pip install 'clvsim[cluster]'")])


def _local(distributed: Any, number: int) -> Any:
    """Processes that end with this one, and not before: a terminal's signals are for this one, which ends them."""
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # which unblocks signals where it is started
    signals = (signal.SIGINT, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # as threads and processes that start here inherit it
    try:
        return distributed.LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # without a dashboard it still answers on some port
            worker_dashboard_address=None,
            memory_limit=0,  # as on threads: the machine's
            local_directory=tempfile.gettempdir(),
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _quiet() -> Generator[None]:
    """Dask logs what becomes of each connection; what matters is said in a line of ours."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
