"""MBG/NBD against published numbers and its relation to BG/NBD; see also the contract suite.

BDF: Batislam, Denizel & Filiztekin 2007. On CDNOW: r .525 alpha 6.183 a .891 b 1.614, log-likelihood -9582.1357.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import hyp2f1

from clvsim.models.compiled import compile_model
from clvsim.models.config import FitConfig
from clvsim.models.diagnostics import diagnose
from clvsim.models.laws import Customers
from clvsim.models.retention import bg_nbd, mbg_nbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.sampling import sample


def params(r, alpha, a, b):
    return {"r": np.array([r]), "alpha": np.array([alpha]), "a": np.array([a]), "b": np.array([b])}


PRINTED = params(0.525, 6.183, 0.891, 1.614)


@pytest.fixture(scope="module")
def mle(histories):
    rows, count = np.unique(np.column_stack(histories), axis=0, return_counts=True)

    def loss(log_params):
        return -(count * mbg_nbd.log_likelihood(params(*np.exp(log_params)), *rows.T)[0]).sum()

    found = minimize(
        loss, np.log([0.5, 5, 1, 3]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-9, "maxiter": 5000}
    )
    return params(*np.exp(found.x)), -found.fun


def test_maximum_likelihood_is_the_published_one(mle):
    found, value = mle
    assert value == pytest.approx(-9582.1357, abs=1e-3)
    for name, expected in {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}.items():
        assert found[name][0] == pytest.approx(expected, abs=1e-3), name


def test_expected_orders_equal_the_papers_forms():
    """E[X(t)] and the conditional expectation by Gauss's series, where a is not 1."""
    r, alpha, a, b = 0.525, 6.183, 0.891, 1.614
    x, t_x, T, t = 3.0, 20.0, 30.0, 39.0
    new = b / (a - 1) * (1 - (alpha / (alpha + t)) ** r * hyp2f1(r, b + 1, a + b, t / (alpha + t)))
    assert mbg_nbd.expected_orders_new(PRINTED, t)[0, 0] == pytest.approx(new, rel=1e-10)
    series = hyp2f1(r + x, b + x + 1, a + b + x, t / (alpha + T + t))
    later = (a + b + x) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * series)
    later /= 1 + a / (b + x) * ((alpha + T) / (alpha + t_x)) ** (r + x)
    found = mbg_nbd.expected_orders(PRINTED, *(np.array([v]) for v in (x, t_x, T)), t)
    assert found[0, 0] == pytest.approx(later, rel=1e-10)


def test_one_time_buyers_may_be_gone():
    """Right after the first order a share a/(a+b) is; silence raises it. Under BG/NBD it is nobody."""
    age = np.array([0.0, 10.0, 39.0, 400.0])
    alive = mbg_nbd.probability_alive(PRINTED, np.zeros(4), np.zeros(4), age)[0]
    assert alive[0] == pytest.approx(1.614 / (0.891 + 1.614), rel=1e-12)
    assert (np.diff(alive) < 0).all()
    assert (bg_nbd.probability_alive(PRINTED, np.zeros(4), np.zeros(4), age) == 1).all()


def test_nobody_leaves_where_dropout_is_rare():
    """With p near 0 both models are the negative binomial: same density, all alive."""
    rare = params(0.5, 6.0, 1e-9, 5.0)
    x, t_x, T = (np.array(v) for v in ([0.0, 2.0, 9.0], [0.0, 10.0, 30.0], [39.0, 30.0, 31.0]))
    same = bg_nbd.log_likelihood(rare, x, t_x, T)
    np.testing.assert_allclose(mbg_nbd.log_likelihood(rare, x, t_x, T), same, atol=1e-6)
    np.testing.assert_allclose(mbg_nbd.probability_alive(rare, x, t_x, T), 1.0, atol=1e-4)


def test_newcomers_are_charged_at_their_first_order():
    """Their law is that before the first order; existing customers have survived x + 1 of them."""
    new = mbg_nbd.newcomer_laws(PRINTED, 7.0)
    got = [v[0, 0] for v in (new.p_alive, new.rate_shape, new.rate_rate, new.drop_a, new.drop_b)]
    assert got == pytest.approx([1.0, 0.525, 6.183 * 7, 0.891, 1.614], rel=1e-14)
    assert (new.birth_charges, new.regularity) == (1, 1)
    old = mbg_nbd.laws(PRINTED, Customers(*(np.array([v]) for v in (2.0, 200.0, 270.0))), 7.0)
    got = [v[0, 0] for v in (old.rate_shape, old.rate_rate, old.drop_a, old.drop_b)]
    assert got == pytest.approx([2.525, 6.183 * 7 + 270, 0.891, 1.614 + 3], rel=1e-14)
    assert not old.mu_shape.any()


def test_holdout_sum_is_near_the_actual(mle, histories, cdnow):
    """No published sum; below 1,882 actual orders, as with the other two models (1,653.4 and 1,665.5)."""
    found = mbg_nbd.expected_orders(mle[0], *histories, 39.0)[0]
    assert 0.8 < found.sum() / cdnow.customers["holdout_frequency"].sum() < 0.9


@pytest.fixture(scope="module")
def fitted(cdnow):
    """One fit of CDNOW; less than the default, as the gate's figures are looked at below."""
    model, config = MbgNbd(), FitConfig(draws=3000, chains=3)
    rows = model.sufficient(cdnow)
    free, divergences = sample(compile_model(model.build(rows)), config)
    life = model.natural(free, rows, 7.0)
    return life, diagnose(model.kind, life, divergences, config.chains)


@pytest.mark.slow
def test_the_sampler_passes_the_gate(fitted):
    assert all(d.ok for d in fitted[1]), fitted[1]


@pytest.mark.slow
def test_posterior_is_around_the_maximum(fitted):
    """No standard errors are published: within half a posterior sd, which is mostly that of the likelihood."""
    found, _ = fitted
    for name, expected in {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}.items():
        assert abs(found[name].mean() - expected) < 0.5 * found[name].std(), name
        assert found[name].std() < 0.5 * expected, name
