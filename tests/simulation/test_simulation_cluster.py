"""Ranges of customers on the workers of a cluster: the same bits as in this process, whoever is lost meanwhile."""

import os
import pickle
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import distributed
import numpy as np
import psutil
import pytest
from shop import MBG, assert_same, channels, posterior, scenarios, shop
from test_simulation_invariance import LIVES, PLAN, STORMY

from clvsim.errors import ConfigError
from clvsim.simulation import Simulation, cluster, ranges
from clvsim.simulation.cluster import Cluster, connected, fingerprint, require_alike, require_cluster
from clvsim.simulation.config import FinanceConfig, SimulationConfig
from clvsim.simulation.digest import key_of_run
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.ranges import Division, Progress, Sums, Work, cut, divide
from clvsim.simulation.replicates import add_replicates
from clvsim.simulation.run import simulate_plan
from clvsim.simulation.win_backs import with_answers
from clvsim.simulation.workers import HERE, Workers, require_workers, workers_of
from clvsim.simulation.worlds import make_worlds

FITTED = posterior(12, spread=0.1, model=MBG)
LIBRARY = scenarios(plan=PLAN, email={"email": PLAN["email"]}, lives=LIVES)


def planned(**config: object) -> RunPlan:
    """A plan whose customers fill nine blocks, and newcomers some more."""
    return make_plan(
        shop(),
        LIBRARY,
        list(LIBRARY),
        simulation=SimulationConfig.model_validate(
            {"draws": 10, "horizon_months": 12, "jobs": 1, "shard_customers": 7} | config
        ),
        finance=FinanceConfig(gross_margin=0.4, cost_per_order=1.5),
        acquisition=channels(),
        environment=STORMY,
        seed=3,
    )


def simulated(workers: Workers, progress: Progress | None = None, **config: object) -> Simulation:
    return simulate_plan(planned(**config), FITTED, shop(), progress, workers)


@pytest.fixture(scope="module")
def reference() -> Simulation:
    return simulated(HERE, shard_customers=4096)


@contextmanager
def local(number: int, note: Callable[[str], None] = print) -> Generator[Cluster]:
    with connected(f"local:{number}", note) as found:
        yield found


@pytest.fixture(scope="module")
def two() -> Generator[Cluster]:
    with local(2) as found:
        yield found


# --- how the work is cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("blocks", "tasks"), [(0, 4), (1, 4), (7, 7), (9, 4), (100, 16), (5, 1)])
def test_ranges_are_all_blocks_once(blocks: int, tasks: int) -> None:
    parts = cut([7] * blocks, tasks)
    assert [number for part in parts for number in range(*part)] == list(range(blocks))
    assert len(parts) == min(blocks, tasks)
    sizes = [part.high - part.low for part in parts]
    assert all(after <= before + 1 for before, after in pairwise(sizes))
    assert blocks < 100 or (sizes[0], sizes[-1]) == (12, 1)  # 31 and 1 of 256


@pytest.mark.parametrize("seed", range(20))
def test_ranges_grow_shorter(seed: int) -> None:
    """None begins further from its share than its largest block."""
    r = np.random.default_rng(seed)
    sizes = r.integers(1, 10 ** r.integers(1, 5), r.integers(1, 60)).tolist()
    tasks = int(r.integers(1, 20))
    parts = cut(sizes, tasks)
    assert [number for part in parts for number in range(*part)] == list(range(len(sizes)))
    assert len(parts) == min(len(sizes), tasks)
    assert all(part.low < part.high for part in parts)
    ends = np.cumsum([0, *sizes])
    if len(parts) < len(sizes):
        for number, part in enumerate(parts[1:], start=1):
            wanted = sum(sizes) * (1 - (1 - number / len(parts)) ** 2)
            forced = len(sizes) - part.low == len(parts) - number or part.low == number
            assert forced or abs(ends[part.low] - wanted) <= max(sizes)


def test_blocks_are_small_enough_for_all_workers_and_no_smaller_than_worth_it() -> None:
    plan = planned(shard_customers=4096)
    assert divide(plan, 100_000, 0, kept=False) == Division(4096, 1)
    assert divide(plan, 100_000, 0, kept=True) == Division(4096, ranges.TASKS_KEPT)
    assert divide(plan, 20_000, 2, kept=False) == Division(625, 8)
    assert divide(plan, 100, 2, kept=True) == Division(512, 8)
    assert divide(planned(), 20_000, 2, kept=False) == Division(7, 8)


def test_what_is_sent_arrives_as_it_was() -> None:
    plan = planned()
    worlds = make_worlds(3, 10, 1, plan.layout.months, STORMY)
    work = Work(plan, FITTED, shop(), worlds, 7)
    assert len(work.blocks) > 9  # made here, and not sent
    sent = pickle.loads(pickle.dumps(work))
    assert set(vars(sent)) == {"plan", "fitted", "summary", "worlds", "block"}
    assert key_of_run(sent.plan, sent.fitted, sent.summary) == key_of_run(plan, FITTED, shop())


def test_an_error_arrives_with_its_problems() -> None:
    error = pickle.loads(pickle.dumps(ConfigError([("a", "b"), ("c", "d")], ["e"])))
    assert (error.problems, error.choice, str(error)) == ((("a", "b"), ("c", "d")), ("e",), "a: b; c: d")


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tasks", [1, 7])
def test_in_this_process(reference: Simulation, tasks: int, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(ranges, "TASKS_KEPT", tasks)
    with workers_of(SimulationConfig(checkpoint=str(tmp_path / "kept"))) as workers:
        assert_same(simulated(workers), reference)


@pytest.mark.parametrize("tasks", [1, 7])  # of which two workers get half each, or 14
def test_two_workers(reference: Simulation, two: Cluster, tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "TASKS_PER_WORKER", tasks)
    told: list[tuple[int, int]] = []
    assert_same(simulated(Workers(two), lambda *done: told.append(done)), reference)
    blocks = told[-1][1]
    assert told[-1] == (blocks, blocks)
    assert len(told) == min(blocks, 2 * tasks)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("kept", [False, True])
def test_what_travels_here(reference: Simulation, two: Cluster, kept: bool, monkeypatch, tmp_path) -> None:
    """What the workers added up themselves; of a run that can go on after a kill each range."""
    arrived: list[Sums | None] = []
    result_of = cluster.result_of
    monkeypatch.setattr(cluster, "result_of", lambda future: (arrived.append(result_of(future)), arrived[-1])[1])
    monkeypatch.setattr(ranges, "TASKS_PER_WORKER", 7)
    with workers_of(SimulationConfig(checkpoint=str(tmp_path / "kept") if kept else None)) as workers:
        found = replace(workers, cluster=two)
        assert_same(simulated(found), reference)
    assert len(arrived) == (14 if kept else 1)


def test_more_replicates_of_two_workers(two: Cluster) -> None:
    plan, workers = with_answers(planned(), FITTED, shop()), Workers(two)
    grown, here = (
        add_replicates(simulate_plan(plan, FITTED, shop(), None, who), 2, plan, FITTED, shop(), None, who)
        for who in (workers, HERE)
    )
    assert_same(grown, here)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 4])
def test_other_numbers_of_workers(reference: Simulation, number: int) -> None:
    with local(number) as found:
        assert_same(simulated(Workers(found)), reference)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_a_worker_that_is_killed_costs_its_ranges(reference: Simulation, number: int, monkeypatch) -> None:
    """With one worker what was sent is lost, too."""
    notes: list[str] = []
    monkeypatch.setattr(ranges, "TASKS_PER_WORKER", 14)
    with local(number, notes.append) as found:
        pids = list(found.client.run(os.getpid).values())

        def progress(done: int, blocks: int) -> None:
            if pids and done < blocks:
                os.kill(pids.pop(), signal.SIGKILL)
                del pids[:]

        assert_same(simulated(Workers(found), progress), reference)
    assert not pids
    assert bool(notes) == (number == 1), notes


# --- where it runs ---------------------------------------------------------------------------------------------------


def test_local_workers_are_processes_that_listen_on_this_machine_alone(two: Cluster) -> None:
    pids = list(two.client.run(os.getpid).values())
    assert len({os.getpid(), *pids}) == 3
    for pid in (os.getpid(), *pids):
        listening = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert set(listening) == {"127.0.0.1"}


def test_a_worker_has_one_thread(two: Cluster) -> None:
    assert set(two.client.nthreads().values()) == {1}
    names = set(cluster.ONE_THREAD)
    for found in two.client.run(lambda: dict(os.environ)).values():
        assert {name: found.get(name) for name in names} == cluster.ONE_THREAD


def test_an_address_reaches_the_same_workers(reference: Simulation, two: Cluster) -> None:
    where = two.client.scheduler.address
    require_workers(SimulationConfig(cluster=where))
    with workers_of(SimulationConfig(cluster=where)) as workers:
        assert_same(simulated(workers), reference)
    assert two.client.nthreads()  # still there


# --- refusals --------------------------------------------------------------------------------------------------------


def test_workers_that_differ_are_refused_in_a_line(two: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "source_hash", lambda: "0123")
    told = r"^simulation\.cluster: worker tcp://\S+ has kernels \w{16} instead of 0123: its results could differ$"
    with pytest.raises(ConfigError, match=told):
        require_cluster(two.client.scheduler.address)
    with pytest.raises(ConfigError, match=r"has kernels \w{16} instead of 0123"):  # as one that came later
        simulated(Workers(two))


def test_what_a_worker_may_answer() -> None:
    require_alike({"a": fingerprint()}, fingerprint())
    with pytest.raises(ConfigError, match=r"worker a cannot simulate \(No module named 'clvsim'\); is clvsim there\?"):
        require_alike({"a": ModuleNotFoundError("No module named 'clvsim'")}, fingerprint())


def test_nobody_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(ConfigError, match=r"cluster: tcp://127\.0\.0\.1:1 has no scheduler that answers \("):
        require_cluster("tcp://127.0.0.1:1")


def test_a_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.5)
    alone = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": None}
    with (
        distributed.LocalCluster(**alone, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}) as found,
        pytest.raises(ConfigError, match=r"the scheduler at tcp://\S+ has no workers"),
    ):
        require_cluster(found.scheduler_address)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"cluster: local:2 needs Dask: pip install 'clvsim\[cluster\]'$"):
        require_cluster("local:2")


GOOD = ["none", "local:1", "local:256", "tcp://10.0.0.1:8786", "tls://scheduler.example-1.org:65535", "tcp://[::1]:1"]
BAD = ["", "local", "local:", "local:0", "local:257", "local:2 ", "local:-1", "local:٣", "tcp://", "tcp://host", "None"]
BAD += [
    "tcp://host:0",
    "tcp://host:65536",
    "http://host:1",
    "tcp://host:1/x",
    "tcp://a b:1",
    "tcp://h:1\n",
    "ucx://h:1",
]


@pytest.mark.parametrize("where", GOOD)
def test_clusters(where: str) -> None:
    assert SimulationConfig(cluster=where).cluster == where


@pytest.mark.parametrize("where", BAD)
def test_no_clusters(where: str) -> None:
    with pytest.raises(ValueError, match=r"must be none, local:N with N from 1 to 256, tcp://HOST:PORT or|control"):
        SimulationConfig(cluster=where)
