"""Who simulates the ranges of a run: this process, or the workers of a cluster; and whether they are kept on disk."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.simulation.checkpoint import Checkpoint, checkpoint_in, require_checkpoint
from clvsim.simulation.config import ALONE, SimulationConfig
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import Progress, Range, Sums, Work, cut, divide, simulate_range
from clvsim.simulation.worlds import Worlds
from clvsim.types import CustomerSummary

if TYPE_CHECKING:
    from clvsim.simulation.cluster import Cluster

Note = Callable[[str], None]


@dataclass(frozen=True)
class Workers:
    """Without a cluster, this process on the threads that a plan says; without a checkpoint nothing is kept."""

    cluster: "Cluster | None" = None
    checkpoint: Checkpoint | None = None

    def below(self, name: str) -> "Workers":
        """The same for another simulation of the run, whose ranges are kept in a folder of their own."""
        return replace(self, checkpoint=self.checkpoint and self.checkpoint.below(name))

    def simulate(
        self,
        plan: RunPlan,
        fitted: FittedModels,
        summary: CustomerSummary,
        worlds: Worlds,
        progress: Progress | None = None,
    ) -> tuple[Work, Sums]:
        """All that a plan simulates on some worlds but for those who are referred: what it was made of, and its sums.

        Raises ConfigError for workers that are gone, and for a checkpoint that cannot be used.
        """
        slots = self.cluster.slots if self.cluster else 0
        division = divide(plan, len(summary.customers), slots, kept=self.checkpoint is not None)
        kept = self.checkpoint.of(plan, fitted, summary, worlds, division) if self.checkpoint else None
        division = kept.division if kept else division
        work = Work(plan, fitted, summary, worlds, division.block)
        parts = cut([block.people.key.size for block in work.blocks], division.tasks)
        total, by_customer, counted = None, {}, _Counted(len(work.blocks), progress)

        def add(part: Range, sums: Sums) -> None:
            nonlocal total
            by_customer[part] = sums.quantiles, sums.spread
            if total is None:
                total = sums
            else:
                total.add(sums)

        for part, sums in kept.read(work, parts) if kept else ():
            add(part, sums)
            counted.advance(part.high - part.low)
        left = [part for part in parts if part not in by_customer]
        for part, sums in self._simulated(work, left, counted.advance):
            if kept:
                kept.write(part, sums)
            add(part, sums)
        if total is None:
            return work, work.empty()
        quantiles, spreads = zip(*(own for _, own in sorted(by_customer.items())), strict=True)
        return work, total._replace(quantiles=np.concatenate(quantiles), spread=np.concatenate(spreads, axis=-1))

    def _simulated(
        self, work: Work, parts: Sequence[Range], advance: Callable[[int], None]
    ) -> Iterator[tuple[Range, Sums]]:
        if self.cluster:
            yield from self.cluster.simulate(work, parts, advance, apart=self.checkpoint is not None)
        else:
            for part in parts:
                yield part, simulate_range(work, part, work.plan.simulation.jobs, advance)


HERE = Workers()  # this process, nothing kept


@contextmanager
def workers_of(config: SimulationConfig, note: Note = warn) -> Generator[Workers]:
    """The workers that a configuration says, as long as what is inside takes; `note` is told what was done again.

    Raises ConfigError for a cluster that cannot be reached or differs from this process, and a folder that cannot be
    used.
    """
    with ExitStack() as stack:
        cluster = checkpoint = None
        if config.checkpoint is not None:
            checkpoint = stack.enter_context(checkpoint_in(config.checkpoint, note))
        if config.cluster != ALONE:
            from clvsim.simulation.cluster import connected

            cluster = stack.enter_context(connected(config.cluster, note))
        yield Workers(cluster, checkpoint)


def require_workers(config: SimulationConfig) -> None:
    """What `workers_of` would refuse, before anything is fitted; a local cluster is not started for it."""
    if config.checkpoint is not None:
        require_checkpoint(config.checkpoint)
    if config.cluster != ALONE:
        from clvsim.simulation.cluster import require_cluster

        require_cluster(config.cluster)


class _Counted:
    """How many blocks are done of all."""

    def __init__(self, blocks: int, progress: Progress | None) -> None:
        self.done, self.blocks, self.progress = 0, blocks, progress

    def advance(self, blocks: int = 1) -> None:
        self.done += blocks
        if self.progress:
            self.progress(self.done, self.blocks)
