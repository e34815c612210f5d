"""A battery on numbers as the simulator addresses them: lattices of (entity, world), stream and event.

What follows one another is read along each axis of a lattice: a run of customers, of decisions, of events. Tests and
their laws: Knuth, TAOCP 2, 3.3.2; birthday spacings and ranks of binary matrices: Marsaglia & Tsang 2002, J. Stat.
Softw. 7(3). Numbers are fixed, so a p-value is: of 96, none below 1e-5 or above 1 − 1e-5.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from twin.draws import Draws

from clvsim.kernels import rng

ENTITIES, STREAMS, EVENTS = 512, 26, 320  # 4 million numbers
TINY = 1e-5


def lattice(entities: np.ndarray, world: int) -> np.ndarray:
    """The 64 bits behind each uniform, (entity, stream, event)."""
    with np.errstate(over="ignore"):
        base = rng.mix_array(entities ^ rng.world_keys(7, np.array([world]), 0))
        streams = np.arange(1, STREAMS + 1, dtype=np.uint64) * rng.STREAM
        events = np.arange(EVENTS, dtype=np.uint64) * rng.GOLDEN
        return rng.mix_array(base[:, None, None] + streams[None, :, None] + events[None, None, :])


def names() -> np.ndarray:
    """Customers as an export numbers them."""
    return rng.text_keys([f"customer {i:05d}" for i in range(ENTITIES)])


def newcomers() -> np.ndarray:
    """Ordinals of one cell."""
    with np.errstate(over="ignore"):
        return rng.mix_array(rng.text_key("newcomer ads 3") + np.arange(1, ENTITIES + 1, dtype=np.uint64) * rng.GOLDEN)


def counters() -> np.ndarray:
    """Keys that differ in their lowest bits only, as no entity's do."""
    return np.arange(ENTITIES, dtype=np.uint64)


def worlds() -> np.ndarray:
    """One customer in many worlds: the two keys are exclusive-ors of each other."""
    return rng.text_key("customer 1") ^ rng.world_keys(7, np.arange(ENTITIES), 0)


KINDS: dict[str, Callable[[], np.ndarray]] = {
    "names": names, "newcomers": newcomers, "counters": counters, "worlds": worlds
}  # fmt: skip
AXES = {"customers": (1, 2, 0), "decisions": (0, 2, 1), "events": (0, 1, 2)}  # the last one runs fastest


def uniforms(bits: np.ndarray) -> np.ndarray:
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def equal_cells(bits: np.ndarray) -> float:
    """Numbers spread evenly over 4,096 cells."""
    counts = np.bincount((uniforms(bits) * 4096).astype(int), minlength=4096)
    return float(stats.chisquare(counts).pvalue)


def low_bits(bits: np.ndarray) -> float:
    """The lowest bits that count, 12 to 23, do so too."""
    counts = np.bincount(((bits >> np.uint64(11)) & np.uint64(4095)).astype(int), minlength=4096)
    return float(stats.chisquare(counts).pvalue)


def pairs(bits: np.ndarray) -> float:
    """Pairs that follow one another, each number in one pair."""
    cells = (uniforms(bits[: bits.size // 2 * 2]) * 64).astype(int).reshape(-1, 2)
    return float(stats.chisquare(np.bincount(cells[:, 0] * 64 + cells[:, 1], minlength=4096)).pvalue)


def triples(bits: np.ndarray) -> float:
    cells = (uniforms(bits[: bits.size // 3 * 3]) * 16).astype(int).reshape(-1, 3)
    return float(stats.chisquare(np.bincount(cells @ (256, 16, 1), minlength=4096)).pvalue)


def gaps(bits: np.ndarray) -> float:
    """How long until a number below 1/16 comes again."""
    length = np.minimum(np.diff(np.flatnonzero(uniforms(bits) < 1 / 16)), 80)
    law = 1 / 16 * (15 / 16) ** np.arange(79)
    counts = np.bincount(length, minlength=81)[1:]
    return float(stats.chisquare(counts, np.append(law, 1 - law.sum()) * length.size).pvalue)


def spacings(bits: np.ndarray) -> float:
    """Birthdays on a year of 2³² days: among the spacings of 4,096, equal ones are Poisson of mean 4."""
    birthdays = np.sort((bits[: bits.size // 4096 * 4096] >> np.uint64(32)).reshape(-1, 4096).astype(np.int64), axis=1)
    between = np.sort(np.diff(birthdays, axis=1), axis=1)
    equal = (np.diff(between, axis=1) == 0).sum(axis=1)
    mean = 4096**3 / 2.0**34
    law = np.append(stats.poisson.pmf(np.arange(12), mean), stats.poisson.sf(11, mean))
    return float(stats.chisquare(np.bincount(np.minimum(equal, 12), minlength=13), law * equal.size).pvalue)


def ranks(bits: np.ndarray) -> float:
    """Of 32 × 32 binary matrices: 32, 31, and less."""
    rows = (bits[: bits.size // 32 * 32] >> np.uint64(32)).astype(np.uint64).reshape(-1, 32)[:20_000].copy()
    rank, free = np.zeros(len(rows), int), np.ones(rows.shape, bool)
    for bit in range(32):
        has = ((rows >> np.uint64(bit)) & np.uint64(1)).astype(bool)
        pivot = np.argmax(has & free, axis=1)
        found = np.take_along_axis(has & free, pivot[:, None], 1)[:, 0]
        row = np.take_along_axis(rows, pivot[:, None], 1)
        others = has.copy()
        np.put_along_axis(others, pivot[:, None], False, 1)
        rows = np.where(others & found[:, None], rows ^ row, rows)
        free[np.flatnonzero(found), pivot[found]] = False
        rank += found
    law = np.array([0.2887880951, 0.5775761902, 0.1336357147])
    counts = np.array([(rank == 32).sum(), (rank == 31).sum(), (rank < 31).sum()])
    return float(stats.chisquare(counts, law / law.sum() * rank.size).pvalue)


def runs(bits: np.ndarray) -> float:
    """Ups and downs: their number is normal."""
    up = np.diff(uniforms(bits)) > 0
    number, n = 1 + np.count_nonzero(up[1:] != up[:-1]), bits.size
    z = (number - (2 * n - 1) / 3) / np.sqrt((16 * n - 29) / 90)
    return float(stats.norm.sf(z))


def test_the_lattice_is_what_the_simulator_draws() -> None:
    drawn = uniforms(lattice(names(), world=3))
    world = rng.world_keys(7, np.array([3]), 0)[0]
    for entity, stream, event in ((0, 1, 0), (17, 9, 5), (511, 26, 319)):
        assert drawn[entity, stream - 1, event] == Draws(names()[entity], world).uniform(stream, event)


TESTS = (equal_cells, low_bits, pairs, triples, gaps, spacings, ranks, runs)


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_numbers_along_a_lattice(kind: Callable[[], np.ndarray], axis: tuple[int, int, int]) -> None:
    bits = lattice(kind(), world=3).transpose(axis).reshape(-1)
    found = {test.__name__: test(bits) for test in TESTS}
    assert all(TINY < p < 1 - TINY for p in found.values()), found


@pytest.mark.slow
def test_the_battery_finds_what_is_not_random() -> None:
    """Each of its tests fails for a sequence made to break it."""
    good = lattice(names(), world=3).reshape(-1)
    shift = np.uint64(32)
    bad = {
        equal_cells: good >> np.uint64(1),
        low_bits: good & ~np.uint64(4096),
        pairs: np.repeat(good[::2], 2),
        triples: np.repeat(good[::3], 3)[: good.size],
        gaps: np.sort(good.reshape(-1, 64), axis=1).reshape(-1),
        spacings: (good >> np.uint64(60) << np.uint64(60)) + (good & np.uint64(0xFFFFFFFF00000)),
        ranks: np.repeat(good[::2] >> shift << shift, 2),
        runs: np.sort(good.reshape(-1, 8), axis=1).reshape(-1),
    }
    passed = {test.__name__: p for test, sequence in bad.items() if TINY < (p := test(sequence)) < 1 - TINY}
    assert not passed
