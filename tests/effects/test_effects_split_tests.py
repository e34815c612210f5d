"""Several tests shrunk together: brute force over μ, τ and the effects, coverage in simulated sets, and the file."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats
from scipy.special import logsumexp

from clvsim.effects import Effect, SplitTests, draw
from clvsim.effects.binomial import estimate, exact_log_likelihood
from clvsim.effects.scales import Scale
from clvsim.effects.split_tests import SplitTest

UNIFORMS = (np.arange(20_000) + 0.5) / 20_000
SETS = {
    "two": [((10_000, 10_000), (200, 230)), ((8_000, 8_000), (200, 190))],
    "eight": [((1000 * k, 1000 * k + 50), (50 * k, 50 * k + 10 * (k - 6))) for k in range(4, 12)],
    "large effects": [((10_000, 10_000), (1000, 1400)), ((10_000, 10_000), (900, 700)), ((9_000, 9_000), (900, 940))],
    "few": [((120, 130), (3, 9)), ((90, 90), (12, 11)), ((4_000, 4_000), (200, 260)), ((40, 40), (0, 0))],
}  # fmt: skip


def effect(tests: list[tuple], number: int, **more: object) -> SplitTests:
    listed = tuple(SplitTest(name=f"test {k}", n=n, x=x) for k, (n, x) in enumerate(tests))
    return SplitTests.model_validate({"tests": listed, "name": f"test {number}", **more})


def brute_force(tests: list[tuple], number: int, scale: Scale, *, all_listed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points and cdf of one effect: sums over plain grids of δ, μ and τ; each other test's effect is integrated out.

    Likelihoods of all tests are exact where a count is below 30, and normal elsewhere.
    """
    tau = (np.arange(200) + 0.5) * 0.4 / 200
    mu = np.linspace(-0.25, 0.25, 101) if all_listed else np.zeros(1)
    log_prior = -0.5 * (tau / 0.05) ** 2 - 0.5 * (mu[:, None] / 0.05) ** 2
    for k, (n, x) in enumerate(tests):
        if k == number:
            continue
        lift, variance = estimate(n, x, scale)
        if min(*x, n[0] - x[0], n[1] - x[1]) >= 30:
            log_prior = log_prior + stats.norm.logpdf(lift, mu[:, None], np.sqrt(tau**2 + variance))
        else:  # ∫ N(δ; μ, τ²) L(δ) dδ by Gauss and Hermite
            z, w = np.polynomial.hermite_e.hermegauss(24)
            points = np.linspace(-2.5, 2.5, 2001)
            exact = exact_log_likelihood(points, n, x, scale)
            at = mu[:, None, None] + tau[:, None] * z
            log_prior = log_prior + logsumexp(np.interp(at, points, exact) + np.log(w), axis=2)
    n, x = tests[number]
    edges = np.linspace(-0.8, 0.8, 1602)
    delta = (edges[1:] + edges[:-1]) / 2
    lift, variance = estimate(n, x, scale)
    small = min(*x, n[0] - x[0], n[1] - x[1]) < 30
    own = exact_log_likelihood(delta, n, x, scale) if small else -0.5 * (delta - lift) ** 2 / variance
    weight = np.exp(log_prior - log_prior.max())
    mass = np.zeros(delta.size)
    for t, w in zip(tau, weight.T, strict=True):  # of cells, since a density has a peak at no effect
        mass += w @ np.diff(stats.norm.cdf(edges, mu[:, None], t), axis=1)
    cdf = np.concatenate([[0.0], np.cumsum(mass * np.exp(own - own.max()))])
    return edges, cdf / cdf[-1]


@pytest.mark.parametrize("all_listed", [False, True])
@pytest.mark.parametrize(
    ("name", "number", "scale"),
    [("two", 0, "relative"), ("eight", 7, "odds"), ("eight", 0, "relative"), ("large effects", 0, "relative")],
)
def test_equals_brute_force(name: str, number: int, scale: Scale, all_listed: bool) -> None:
    points, cdf = brute_force(SETS[name], number, scale, all_listed=all_listed)
    values = draw(effect(SETS[name], number, all=all_listed), UNIFORMS, scale, path="p").values
    for u in (0.05, 0.25, 0.5, 0.75, 0.95):
        np.testing.assert_allclose(np.interp(np.quantile(values, u), points, cdf), u, atol=2e-3)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_small_counts_of_others_as_normal_move_no_quantile_by_a_point(number: int, scale: Scale) -> None:
    """The test's own small counts are exact (number 0); those of the others have wide errors and say little."""
    points, cdf = brute_force(SETS["few"], number, scale, all_listed=True)
    values = draw(effect(SETS["few"], number, all=True), UNIFORMS, scale, path="p").values
    for u in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(np.interp(np.quantile(values, u), points, cdf), u, atol=1e-2)


def test_losers_pull_a_winner_down_and_winners_pull_it_up() -> None:
    """The same winner among flat tests, and among winners; with a mean that is learnt the latter pull further."""
    winner, flat = ((10_000, 10_000), (200, 240)), ((10_000, 10_000), (200, 201))

    def mean(others: tuple, **more: object) -> float:
        return float(draw(effect([winner, *[others] * 9], 0, **more), UNIFORMS, "relative", path="p").values.mean())

    assert mean(flat) < 0.6 * mean(winner) < 0.6 * mean(winner, all=True)
    assert mean(flat, all=True) < 0.6 * mean(winner, all=True)


def test_the_order_of_the_list_does_not_matter() -> None:
    forth = effect(SETS["eight"], 3, all=True)
    back = forth.model_copy(update={"tests": forth.tests[::-1]})
    np.testing.assert_allclose(
        *(draw(e, UNIFORMS[::100], "odds", path="p").values for e in (forth, back)), rtol=1e-9, atol=1e-12
    )


def test_five_hundred_tests_and_enormous_ones_stay_finite() -> None:
    rng = np.random.default_rng(8)
    many = [((9_000, 9_000), tuple(int(x) for x in rng.binomial(9_000, 0.05, 2))) for _ in range(500)]
    huge = [((10**12, 10**12), (10**11, 10**11 + k)) for k in (0, 10, 10**9)]
    for tests in (many, huge, [((1, 1), (0, 1)), ((1, 1), (1, 0))]):
        for all_listed in (False, True):
            values = draw(effect(tests, 0, all=all_listed), UNIFORMS[::50], "relative", path="p").values
            assert np.isfinite(values).all()
            assert (np.diff(values) >= 0).all()
    assert values.std() < 0.15


@pytest.mark.parametrize("all_listed", [False, True])
def test_intervals_cover_in_sets_of_tests(all_listed: bool) -> None:
    """Sets of ten tests from the prior, a random one of each looked at, then the best-looking one of each: 90 %
    intervals hold 90 % of the true effects either way, since nothing but the list decides."""
    rng, size, scale = np.random.default_rng(31), 300, "odds"
    outside = {"any": [0, 0], "best": [0, 0]}
    for _ in range(size):
        mu, tau = (rng.normal(0, 0.05) if all_listed else 0.0), abs(rng.normal(0, 0.05))
        truth = rng.normal(mu, tau, 10)
        p0 = rng.uniform(0.02, 0.2, 10)
        p1 = 1 / (1 + (1 - p0) / p0 * np.exp(-truth))
        counts = rng.binomial(8_000, np.column_stack([p0, p1]))
        tests = [((8_000, 8_000), (int(before), int(after))) for before, after in counts]
        lifts = [estimate(n, x, scale)[0] for n, x in tests]
        for which, number in (("any", 0), ("best", int(np.argmax(lifts)))):
            ends = draw(effect(tests, number, all=all_listed), np.array([0.05, 0.95]), scale, path="p").values
            outside[which][0] += truth[number] < ends[0]
            outside[which][1] += truth[number] > ends[1]
    for below, above in outside.values():
        for count, share in ((below, 0.05), (above, 0.05), (below + above, 0.10)):
            low, high = stats.binom.ppf([0.0005, 0.9995], size, share)
            assert low <= count <= high, outside


# --- the file --------------------------------------------------------------------------------------------------------

HEADER = "name,control_n,control_successes,variant_n,variant_successes\n"
TABLE = HEADER + "headline,10000,200,10000,230\nphoto,8000,200,8000,190\n"
ADAPTER: TypeAdapter = TypeAdapter(Effect)


def from_file(name: str = "tests.csv") -> SplitTests:
    return ADAPTER.validate_python({"kind": "split_tests", "tests": name, "name": "headline"})


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
        TABLE.replace(",", "\t").encode(),
        b"\n" + TABLE.replace("name", " Name ").encode() + b"\n,,,,\n",
        TABLE.replace("\n", ',"a note, of mine"\n').replace(',"a note, of mine"', ",note", 1).encode(),
    ],
)
def test_a_file_is_the_list_that_it_holds(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tests.csv").write_bytes(content)
    found = from_file()
    assert found == effect(SETS["two"], 0).model_copy(
        update={
            "tests": tuple(
                SplitTest(name=name, n=n, x=x) for name, (n, x) in zip(("headline", "photo"), SETS["two"], strict=True)
            ),
            "name": "headline",
        }
    )
    Path("tests.csv").unlink()
    assert ADAPTER.validate_python(found.model_dump(mode="json")) == found  # what is kept of a run needs no file


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no rows below a header"),
        (HEADER.encode(), "no rows below a header"),
        (b"a,b\n1,2\n", "has no column name; its columns are to be name, control_n"),
        (TABLE.replace("variant_n", "control_n").encode(), "has control_n twice"),
        (TABLE.replace("230", "2x").encode(), "row 2: variant_successes must be a whole number, as 10000, got '2x'"),
        (TABLE.replace("230", '"10,230"').encode(), "whole number, as 10000, got '10,230'"),
        (TABLE.replace("230", "10001").encode(), "row 2: variant_successes may not exceed variant_n, got 10,001 of"),
        (TABLE.replace("photo,8000,200", ",0,0").encode(), "row 3: a name of 1 to 200 letters is needed, got ''"),
        (TABLE.replace("photo,8000,200", ",0,0").encode(), "control_n must be at least 1, got 0"),
        (TABLE.replace("230", "٢٣٠").encode(), "whole number"),
        (TABLE.replace("photo", "x" * 201).encode(), "a name of 1 to 200"),
        (TABLE.replace("photo", "\x1b[2J").encode(), "a name of 1 to 200"),
        (TABLE.replace("photo", "headline").encode(), "'headline' is there more than once"),
        (TABLE.replace("headline", "header").encode(), "no test 'headline'"),
        ((HEADER + "headline,1,1,1,1\n").encode(), "at least 2 items"),
        ((HEADER + "headline,1,1\n").encode(), "row 2: variant_n must be a whole number"),
        ((HEADER + '"headline,1,1,1,1\n').encode(), "is no CSV file"),
        (TABLE.encode("utf-16"), "is no text in UTF-8"),
        (b"name,control_n\xff", "is no text in UTF-8"),
        (HEADER.encode() + b"t,1,1,1,1\n" * 501, "more than 500 rows"),
        (HEADER.encode() + b"t" + b",1" * 200, "or 100 columns"),
        (HEADER.encode() + b"t,1,1,1,1\n" * 30_000, "more than 256 KB"),
        (HEADER.encode() + b"t,a,b,c,d\n" * 9, "; and 31 more"),
    ],
)  # fmt: skip
def test_what_a_file_may_not_be(content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tests.csv").write_bytes(content)
    with pytest.raises(ValidationError) as caught:
        from_file()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.csv", "no file 'none.csv' in the current folder"),
        ("", "no file ''"),
        (".", "no file"),
        ("/etc/passwd", "a file of the current folder is needed"),
        ("../tests.csv", "a file of the current folder is needed"),
        ("a/../../tests.csv", "a file of the current folder is needed"),
        ("~/tests.csv", "a file of the current folder is needed"),
        ("x" * 3000, "cannot be read"),
        ("a\0b", "no file"),
    ],
)
def test_which_files_are_read(name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValidationError) as caught:
        from_file(name)
    assert said in str(caught.value)
