"""Draws from the mode against densities with known moments, against NUTS on CDNOW, and where they must refuse."""

import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from plainly import PLAIN
from scipy.special import digamma, expit, logit, polygamma
from scipy.stats import multivariate_normal
from test_models_bg_bb import ROWS as DONATIONS
from test_models_bg_bb import YEARLY
from test_models_contracts import cohort, repeated

from clvsim.errors import DiagnosticsError
from clvsim.models import RETENTION, inference
from clvsim.models.compiled import Density, compile_model
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.inference import find_mode, proposals, systematic, weighted
from clvsim.models.retention import bg_nbd
from clvsim.models.retention.bdw import Bdw
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.cnbd import BgCnbd, MbgCnbd
from clvsim.models.retention.contracts import ContractModel
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.sampling import sample
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal
from clvsim.types import DrawMethod


def made_up(log_density, start) -> Density:
    """A density given by a function of points (..., d); its gradient by central differences."""
    start = np.asarray(start, float)
    steps = 1e-6 * np.eye(start.size)

    def slope(at):
        gradient = (log_density(at + steps) - log_density(at - steps)) / 2e-6
        return float(log_density(at)), gradient

    return Density(start, log_density, slope, lambda points: {"v": points})


def log_gamma_variate(shape):
    """Density of log G, G ~ Gamma(shape): skewed, mode log(shape), mean digamma(shape), variance trigamma(shape)."""
    return lambda v: (shape * v - np.exp(v)).sum(axis=-1)


MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[1.0, 0.3, 0.0], [0.3, 0.02, 0.001], [0.0, 0.001, 9.0]]) + np.diag([0, 0.2, 0])


@pytest.fixture(scope="module")
def normal() -> Density:
    known = multivariate_normal(MEAN, COVARIANCE)
    return made_up(known.logpdf, np.zeros(3))


def test_the_mode_of_a_normal_and_its_precision(normal):
    mode = find_mode(normal, "m", np.random.default_rng(1))
    np.testing.assert_allclose(mode.point, MEAN, rtol=0, atol=1e-3 * np.sqrt(COVARIANCE[1, 1]))
    np.testing.assert_allclose(np.linalg.inv(mode.precision), COVARIANCE, rtol=0, atol=1e-3)
    assert mode.distance <= 1e-3


def test_a_normal_is_drawn_without_loss(normal):
    """Moments to 4 standard errors; a t with 5 degrees of freedom is worth 89 % of its draws at d = 3."""
    rng = np.random.default_rng(2)
    found = weighted(normal.values, find_mode(normal, "m", rng), 20_000, 20_000, rng)
    assert found.pareto_k < 0.5
    # Copies of kept points cost some more than the weights do.
    assert 0.6 * 20_000 < found.ess < 0.89 * 20_000
    sd = np.sqrt(np.diag(COVARIANCE))
    np.testing.assert_allclose((found.points.mean(axis=0) - MEAN) / sd, 0, atol=4 / np.sqrt(found.ess))
    np.testing.assert_allclose(found.points.std(axis=0) / sd, 1, atol=4 / np.sqrt(2 * found.ess))


def test_weights_correct_a_skewed_posterior():
    """Laplace's approximation alone would put the mean at log 3, 0.28 sd too high, and the sd 8 % too low."""
    rng = np.random.default_rng(3)
    target = made_up(log_gamma_variate(3.0), [0.0, 0.0])
    mode = find_mode(target, "m", rng)
    np.testing.assert_allclose(mode.point, np.log(3), atol=1e-3)
    found = weighted(target.values, mode, 20_000, 40_000, rng)
    sd = np.sqrt(polygamma(1, 3.0))
    np.testing.assert_allclose((found.points.mean(axis=0) - digamma(3.0)) / sd, 0, atol=4 / np.sqrt(found.ess))
    # Kurtosis 4.2 makes the sd's standard error sqrt(3.2 / 4 n).
    np.testing.assert_allclose(found.points.std(axis=0) / sd, 1, atol=4 * np.sqrt(0.8 / found.ess))


def test_tails_heavier_than_the_proposals_show_in_pareto_k():
    """Against a t with half a degree of freedom the weights of a t with 5 have tail shape 1 - 0.5 / 5 = 0.9."""
    rng = np.random.default_rng(4)
    target = made_up(lambda v: -0.75 * np.log1p(2 * (v**2).sum(axis=-1)), [0.1])
    found = weighted(target.values, find_mode(target, "m", rng), 4000, 8000, rng)
    assert found.pareto_k == pytest.approx(0.9, abs=0.15)
    assert not found.pareto_k < inference.MAX_PARETO_K


@pytest.mark.parametrize("seed", range(3))
def test_a_posterior_that_leans_far_to_one_side_is_proposed_anew(seed):
    """log of Gamma(0.1), which is nearly exponential to one side: kurtosis 9 makes the sd's standard error
    sqrt(8 / 4 n)."""
    target, sd, rng = made_up(log_gamma_variate(0.1), [0.0, 0.0]), np.sqrt(polygamma(1, 0.1)), rng_of(seed)
    first = weighted(target.values, find_mode(target, "m", rng), 4000, 8000, rng)
    free, (pareto_k, ess) = inference.laplace(ready(target), "m", 100, 4000, seed)
    assert first.pareto_k >= inference.MAX_PARETO_K
    assert pareto_k.ok
    assert ess.value > 2 * first.ess
    np.testing.assert_allclose((free["v"].mean(axis=0) - digamma(0.1)) / sd, 0, atol=4 / np.sqrt(ess.value))
    np.testing.assert_allclose(free["v"].std(axis=0) / sd, 1, atol=4 * np.sqrt(2 / ess.value))


def test_heavy_tails_are_refused_after_both_proposals():
    target = made_up(lambda v: -0.75 * np.log1p(2 * (v**2).sum(axis=-1)), [0.1])
    for seed in range(3):
        assert not inference.laplace(ready(target), "m", 100, 4000, seed)[1][0].ok


def rng_of(seed: int) -> np.random.Generator:
    """As `laplace` seeds the model "m"."""
    return np.random.default_rng([seed, 2, zlib.crc32(b"m")])


def two_peaks(v):
    return np.logaddexp(-8 * (v[..., 0] - 1.5) ** 2, -8 * (v[..., 0] + 1.5) ** 2)


@pytest.mark.parametrize(
    ("log_density", "message"),
    [
        (two_peaks, "m: the posterior has more than one maximum"),
        (lambda v: v.sum(axis=-1), "m: the search for the posterior's mode did not end in a maximum"),
        (lambda v: 0 * v.sum(axis=-1), "m: the search for the posterior's mode did not end in a maximum"),
        (lambda v: (v**2).sum(axis=-1), "m: the search for the posterior's mode did not end in a maximum"),
        (lambda v: np.nan * v.sum(axis=-1), "m: the search for the posterior's mode did not end in a maximum"),
    ],
    ids=["two peaks", "slope", "flat", "bowl", "nan"],
)
def test_no_single_mode_is_said_in_a_line(log_density, message):
    with pytest.raises(DiagnosticsError, match=r"fit\.method=nuts") as refused:
        find_mode(made_up(log_density, [0.2]), "m", np.random.default_rng(3))
    assert refused.value.code == 3
    assert refused.value.problems[0].what.startswith(message)


def test_a_negligible_second_mode_is_ignored():
    """The second peak is e^-30 as high."""
    target = made_up(lambda v: np.logaddexp(-8 * (v[..., 0] - 1.5) ** 2, -30 - 8 * (v[..., 0] + 1.5) ** 2), [0.2])
    assert find_mode(target, "m", np.random.default_rng(3)).point[0] == pytest.approx(1.5, abs=1e-3)


def test_systematic_resampling_is_fair():
    """Each entry occurs its share of times, rounded up or down; over all uniforms exactly its share."""
    weights = np.array([0.05, 0.5, 0.0, 0.249, 0.201])
    uniforms = (np.arange(1000) + 0.5) / 1000
    counts = np.array([np.bincount(systematic(weights, 10, u), minlength=5) for u in uniforms])
    assert (counts.sum(axis=1) == 10).all()
    assert (np.abs(counts - 10 * weights) < 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), 10 * weights, atol=2e-3)


def test_number_of_proposals_follows_rows_and_draws_alone():
    found = [proposals(4000, rows) for rows in (0, 1000, 5000, 10_000, 20_000, 265_000)]
    assert found == [8000, 8000, 8000, 4000, 2000, 1000]
    assert proposals(10, 1) == 1000
    assert proposals(40_000, 10_000_000) == 10_000


def test_pymcs_density_on_many_points():
    """Scalars, vectors and transforms, against PyMC's own functions; threads do not matter to a bit."""
    import pymc as pm

    with pm.Model() as model:
        rate = pm.LogNormal("rate", mu=0.3, sigma=0.5)
        share = pm.Beta("share", alpha=2.0, beta=3.0, shape=2)
        pm.Potential("log_likelihood", -rate * (share**2).sum())
    target = compile_model(model).density()
    points = np.random.default_rng(5).normal(size=(7, 3))
    logp, dlogp = model.compile_logp(mode=PLAIN), model.compile_dlogp(mode=PLAIN)
    for i, value in enumerate(target.values(points)):
        at = points[i]
        point = {"rate_log__": at[0], "share_logodds__": at[1:]}
        assert value == pytest.approx(float(logp(point)), abs=1e-12)
        assert target.slope(at)[0] == pytest.approx(value, abs=1e-12)
        np.testing.assert_allclose(target.slope(at)[1], dlogp(point), atol=1e-12)
    np.testing.assert_array_equal([target.values(at[None])[0] for at in points], target.values(points))
    free = target.constrain(points)
    np.testing.assert_allclose(free["rate"], np.exp(points[:, 0]), rtol=1e-14)
    np.testing.assert_allclose(free["share"], expit(points[:, 1:]), rtol=1e-14)
    assert target.values(np.array([[800.0, 0.0, 0.0]]))[0] == -np.inf  # exp overflows


@pytest.fixture(scope="module")
def laplace_posterior(cdnow):
    fitted = fit(cdnow, BgNbd(), GammaGamma(), FitConfig(method="laplace", draws=8000))
    assert fitted.method == "laplace"
    return fitted.posterior


def unconstrained(posterior):
    """Up to constants, what the samplers see: logs and log-odds."""
    life, money = posterior.retention, posterior.spend
    return {
        "log r": np.log(life["r"]),
        "log rate": np.log(life["r"] / life["alpha"]),
        "logit mean dropout": logit(life["a"] / (life["a"] + life["b"])),
        "log concentration": np.log(life["a"] + life["b"]),
        "log p": np.log(money["p"]),
        "log mean spend": np.log(money["gamma"] * money["p"] / (money["q"] - 1)),
        "log (q - 1)": np.log(money["q"] - 1),
    }


def assert_agree(one, other):
    """Means within 0.1 posterior sd, sds within 10 %."""
    assert list(one) == list(other)
    for name in one:
        sd = one[name].std()
        assert abs(one[name].mean() - other[name].mean()) < 0.1 * sd, name
        assert other[name].std() / sd == pytest.approx(1, abs=0.1), name


def test_laplace_agrees_with_nuts_on_cdnow(laplace_posterior, posterior):
    """NUTS leaves 2,000 effective draws or more, so its means are good to 0.022 sd, its sds to about 2 %."""
    assert [d.name for d in laplace_posterior.diagnostics] == ["Pareto k", "effective draws"] * 2
    for d in laplace_posterior.diagnostics:
        assert d.ok
        assert d.value < 0.5 if d.name == "Pareto k" else d.value > 4000, d
    assert (laplace_posterior.retention_method, laplace_posterior.spend_method) == (DrawMethod("laplace"),) * 2
    assert_agree(unconstrained(posterior), unconstrained(laplace_posterior))


SHARES = ("dropout_mean", "purchase_mean", "churn_mean", "lost")
LONG_CHAINS: dict[str, Any] = {
    "bg_nbd": BgNbd(),
    "mbg_nbd": MbgNbd(),
    "pareto_nbd": ParetoNbd(),
    "bg_cnbd": BgCnbd(k=2),
    "mbg_cnbd": MbgCnbd(k=2),
    "bg_bb": YEARLY,  # on the papers' own data, as sBG and BdW
    "sbg": Sbg(),
    "bdw": Bdw(),
    "gamma_gamma": GammaGamma(),
    "lognormal": Lognormal(),
}


def unconstrain(name: str, values: np.ndarray) -> np.ndarray:
    """What the samplers see of a free variable."""
    if name.endswith("off_ridge"):
        return values
    return logit(values) if name in SHARES else np.log(values)


@pytest.mark.slow
@pytest.mark.parametrize("model", LONG_CHAINS.values(), ids=list(LONG_CHAINS))
def test_laplace_agrees_with_long_chains(model: Any, cdnow, record_property):
    """At least 4,000 effective draws each, on the unconstrained scale."""
    import arviz as az

    contracts = isinstance(model, ContractModel) and repeated(*cohort("regular"))
    rows = DONATIONS if model is YEARLY else model.sufficient(contracts or cdnow)
    built = compile_model(model.build(rows))
    free, (pareto_k, ess) = inference.laplace(built, model.kind, len(rows.count), 12_000, 7)
    chains, divergences = sample(built, FitConfig(draws=16_000, seed=7))
    one, other = ({name: unconstrain(name, values) for name, values in draws.items()} for draws in (chains, free))
    effective = min(az.ess(v.reshape(4, -1)) for v in one.values())
    sd = {name: values.std() for name, values in one.items()}
    record_property("Pareto k", f"{pareto_k.value:.2f}, effective draws {effective:.0f} (NUTS) and {ess.value:.0f}")
    record_property(
        "difference of means, in sds, and ratio of sds",
        ", ".join(f"{n} {(other[n].mean() - one[n].mean()) / sd[n]:+.3f} {other[n].std() / sd[n]:.3f}" for n in one),
    )
    assert pareto_k.ok
    assert divergences == 0
    assert effective > 4000
    assert ess.value > 4000
    assert_agree(one, other)


def test_every_model_is_held_against_long_chains():
    assert {name: model.kind for name, model in LONG_CHAINS.items()} == {
        name: name for name in (*RETENTION, "gamma_gamma", "lognormal")
    }


def test_draws_of_the_two_models_are_independent(laplace_posterior):
    """Correlation over 8,000 draws within 4.5 standard errors of 0, for all 12 pairs."""
    columns = np.array([*unconstrained(laplace_posterior).values()])
    across = np.corrcoef(columns)[:4, 4:]
    assert abs(across).max() < 4.5 / np.sqrt(8000)
    # The other way round: within a model draws do depend on each other.
    assert np.corrcoef(columns)[2, 3] < -0.3


def ready(target: Density) -> Any:
    """In place of a compiled model."""
    return SimpleNamespace(density=lambda: target)


def test_laplace_follows_its_seed(normal):
    first, again, other = (inference.laplace(ready(normal), "bg_nbd", 1000, 500, seed)[0]["v"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=0).all()


def test_many_parameters_get_more_proposals():
    """With 16 of them, skewed, 2,000 proposals are worth some 340 draws; rows that leave no more are a reason to
    refuse."""
    target = made_up(log_gamma_variate(4.0), np.zeros(16))
    found, said = inference.laplace(ready(target), "m", 300, 1000, 1)
    assert [d.ok for d in said] == [True, True]
    ess, sd = said[1].value, np.sqrt(polygamma(1, 4.0))
    np.testing.assert_allclose((found["v"].mean(axis=0) - digamma(4.0)) / sd, 0, atol=4 / np.sqrt(ess))
    assert not inference.laplace(ready(target), "m", 20_000, 1000, 1)[1][1].ok


@pytest.mark.parametrize(("rows", "gradient_too"), [(10_000, True), (10_001, False)])
def test_many_rows_are_evaluated_without_gradient(normal, monkeypatch, rows, gradient_too):
    """For 1,000 proposals; else nothing without a gradient is compiled. Draws are the same."""
    asked = []
    watched = normal._replace(values=lambda points: asked.append(len(points)) or normal.values(points))
    found = inference.laplace(ready(watched), "m", rows, 400, 1)[0]["v"]
    assert asked == ([] if gradient_too else [1000])
    monkeypatch.setattr(inference, "_FEW_ROWS", 0)
    np.testing.assert_array_equal(inference.laplace(ready(watched), "m", rows, 400, 1)[0]["v"], found)


def test_map_is_one_point_without_spread(cdnow, laplace_posterior):
    fitted = fit(cdnow, BgNbd(), GammaGamma(), FitConfig(method="map", draws=10))
    assert fitted.method == "map"
    found = fitted.posterior
    assert all(d.ok for d in found.diagnostics)
    assert found.warnings[0].startswith("Draft, fitted by fit.method=map: parameter uncertainty is left out")
    for values in (*found.retention.values(), *found.spend.values()):
        assert values.shape == (10,)
        assert np.ptp(values) == 0
    point, draws = unconstrained(found), unconstrained(laplace_posterior)
    for name in point:  # mode and mean of a posterior that is nearly normal
        assert abs(point[name][0] - draws[name].mean()) < 0.4 * draws[name].std(), name


def test_pointwise_log_likelihood_adds_up_to_that_of_all_customers(cdnow, laplace_posterior, histories):
    chunks = list(inference.pointwise(laplace_posterior, cdnow, BgNbd(), chunk_cells=8000 * 100))
    assert max(values.shape[1] for values, _ in chunks) == 100
    assert all(values.shape == (8000, count.size) for values, count in chunks)
    assert sum(count.sum() for _, count in chunks) == 2357
    total = sum(values[:5] @ count for values, count in chunks)
    five = {name: values[:5] for name, values in laplace_posterior.retention.items()}
    np.testing.assert_allclose(total, bg_nbd.log_likelihood(five, *histories).sum(axis=1), rtol=1e-12)
