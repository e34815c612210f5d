"""Random numbers as a function of what they decide: known values, distributions, independence."""

from functools import cache

import numpy as np
import pytest
from numba import njit
from scipy import stats
from twin import draws

from clvsim.kernels import rng, variates

U64 = np.uint64


@njit
def many_uniforms(base, stream, event, out):
    for i in range(out.size):
        out[i] = variates.uniform(base[i], stream, event[i])


@njit
def many_gammas(base, shape, out):
    for i in range(out.size):
        out[i] = variates.gamma(variates.address(base[i], rng.RATE, 0), shape)


@njit
def many_normals(base, out):
    for i in range(out.size):
        out[i], _ = variates.normal(base[i])


@cache
def bases(n: int, seed: int = 1) -> np.ndarray:
    """Customers' keys in one world."""
    keys = rng.text_keys([str(i) for i in range(n)])
    return rng.mix_array(keys ^ rng.world_keys(seed, np.zeros(1), 0)[0])


def uniforms(base: np.ndarray, stream: int, event: int = 0) -> np.ndarray:
    out = np.empty(base.size)
    many_uniforms(base, stream, np.full(base.size, event), out)
    return out


def test_finaliser_of_splitmix64() -> None:
    """First outputs of SplitMix64 from seed 1234567, mix(seed + i·γ), as Vigna's splitmix64.c prints them."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    state = (1234567 + np.arange(1, 6, dtype=object) * int(rng.GOLDEN)) % 2**64
    assert [int(draws.compiled.mix(U64(int(s)))) for s in state] == expected
    assert rng.mix_array(state.astype(U64)).tolist() == expected


def test_keys_of_texts_never_change() -> None:
    """BLAKE2b-64, little endian, of the UTF-8 text: another machine or version must find the same customers."""
    # printf 0001 | b2sum -l 64
    known = {
        "": "e4a6a0577479b2b4",
        "0001": "220f2ba5e26b4694",
        "1": "f6fc42039fba3776",
        "1 ": "6394e94656ac0e1b",
        "Zoë": "789fb70695ef899a",
    }
    found = {text: int(rng.text_key(text)).to_bytes(8, "little").hex() for text in known}
    assert found == known
    assert rng.text_keys(list(known)).tolist() == [int(rng.text_key(text)) for text in known]
    assert len(set(rng.text_keys([str(i) for i in range(20_000)]).tolist())) == 20_000


def test_uniforms_are_uniform() -> None:
    """Kolmogorov-Smirnov at fixed seeds: neither too far from uniform nor too even (p within .001 and .999)."""
    n = 50_000
    for stream in range(1, 17):
        u = uniforms(bases(n), stream)
        assert 0 < u.min() < 4e-4
        assert 1 - 4e-4 < u.max() < 1
        assert 0.001 < stats.kstest(u, "uniform").pvalue < 0.999, stream


def test_uniforms_by_event_are_uniform() -> None:
    """Events of one customer, as gaps and amounts use them."""
    event = np.arange(200_000)
    u = np.empty(event.size)
    many_uniforms(np.full(event.size, bases(1)[0]), rng.GAP, event, u)
    assert 0.001 < stats.kstest(u, "uniform").pvalue < 0.999
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4.4 / np.sqrt(u.size)


@pytest.mark.parametrize("shape", [0.05, 0.2426, 0.8, 1.0, 2.5, 6.25, 40.0, 900.0])
def test_gamma_sampler_against_scipy(shape: float) -> None:
    x = np.empty(100_000)
    many_gammas(bases(x.size), shape, x)
    # probability transform on whichever tail keeps its digits: small shapes put much mass near 0
    assert 0.001 < stats.kstest(stats.gamma.cdf(x, shape), "uniform").pvalue < 0.999
    assert abs(x.mean() - shape) < 4.4 * np.sqrt(shape / x.size)


def test_normals() -> None:
    """The whole curve, and the tail beyond the last rectangle of the ziggurat, whose share is 2.58e-4."""
    x = np.empty(400_000)
    many_normals(bases(x.size), x)
    assert 0.001 < stats.kstest(x[:100_000], "norm").pvalue < 0.999
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - expected) < 4.4 * np.sqrt(variance / x.size)
    far = np.abs(x) - variates.ZIGGURAT_TAIL
    share = 2 * stats.norm.sf(variates.ZIGGURAT_TAIL)
    assert abs((far > 0).sum() - share * x.size) < 4.4 * np.sqrt(share * x.size)
    tail = stats.norm.sf(far[far > 0] + variates.ZIGGURAT_TAIL) / (share / 2)
    assert 0.001 < stats.kstest(tail, "uniform").pvalue < 0.999
    # edges of the layers are where a ziggurat goes wrong: 4,000 fine classes of equal probability
    observed = np.histogram(stats.norm.cdf(x), np.linspace(0, 1, 4001))[0]
    assert 0.001 < stats.chisquare(observed).pvalue < 0.999


def test_streams_events_and_neighbours_are_independent() -> None:
    """Correlations of 100,000 pairs stay below 4.4/√n (one in 10⁵ by chance; 300 pairs), also of squares."""
    n = 100_000
    base = bases(n)
    columns = [uniforms(base, stream, event) for stream in range(1, 17) for event in (0, 1)]
    columns += [uniforms(base ^ rng.text_key("an offer"), rng.OFFER), uniforms(bases(n, seed=2), rng.RATE)]
    u = np.array(columns) - 0.5
    for values in (u, u**2):
        c = np.corrcoef(values)
        off = np.abs(c[~np.eye(len(c), dtype=bool)])
        assert off.max() < 5.0 / np.sqrt(n)
        assert off.mean() == pytest.approx(np.sqrt(2 / np.pi / n), rel=0.15)  # half-normal: not suspiciously small
    lagged = [abs(np.corrcoef(v[1:], v[:-1])[0, 1]) for v in u]
    assert max(lagged) < 4.4 / np.sqrt(n)


def test_worlds() -> None:
    """More draws extend the worlds of a run; replicates, seeds and draws all have worlds of their own."""
    few, more = rng.world_keys(7, np.arange(10), 0), rng.world_keys(7, np.arange(1000), 0)
    np.testing.assert_array_equal(more[:10], few)
    everything = np.concatenate([rng.world_keys(s, np.arange(1000), r) for s in (7, 8) for r in range(3)])
    assert np.unique(everything).size == 6000


def test_world_uniforms_depend_on_the_name_only() -> None:
    keys = rng.world_keys(1, np.arange(50_000), 0)
    a, b = rng.world_uniforms(keys, "upsell.take"), rng.world_uniforms(keys, "upsell.price")
    assert 0.001 < stats.kstest(a, "uniform").pvalue < 0.999
    assert abs(np.corrcoef(a, b)[0, 1]) < 4.4 / np.sqrt(a.size)
    np.testing.assert_array_equal(rng.world_uniforms(keys[:5], "upsell.take"), a[:5])
