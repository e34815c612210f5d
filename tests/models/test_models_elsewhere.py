"""Posteriors out of files: PyMC-Marketing's layout, our own, and everything that is neither."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import clvsim
from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.elsewhere import merged, permuted, read_parts
from clvsim.models.fit import fit
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.spend import gamma_gamma
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import DrawMethod
from tests.simulation.shop import posterior, with_draws

BG = {"r": 0.24, "alpha": 4.41, "a": 0.79, "b": 2.43}
PARETO = {"r": 0.55, "alpha": 10.6, "s": 0.61, "beta": 11.7}
GG = {"p": 6.25, "q": 3.74, "v": 15.44}
SHAPE = (4, 500)
SAVED = Path(__file__).parent / "pymc_marketing"  # `posteriors` of benchmarks/peer_pymc_marketing.py


@pytest.fixture
def save(tmp_path: Path):
    """`save(centre, **changes)` writes draws around the centre as PyMC-Marketing does, and returns the path."""

    def write(centre: dict[str, float], name="model.nc", model_type="", shape=SHAPE, diverging=0, **changes) -> Path:
        rng = np.random.default_rng(4)
        draws = {k: v * np.exp(0.05 * rng.standard_normal(shape)) for k, v in centre.items()} | changes
        coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
        posterior = xr.Dataset({k: (("chain", "draw"), v) for k, v in draws.items()}, coords=coords)
        stats = np.zeros(shape, bool)
        stats[0, :diverging] = True
        customers = xr.Dataset({"frequency": ("index", np.arange(3.0))})
        groups = {
            "/": xr.Dataset(attrs={"model_type": model_type, "version": "0.1", "id": "f00"}),
            "posterior": posterior,
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), stats)}, coords=coords),
            "fit_data": customers,
        }
        path = tmp_path / name
        xr.DataTree.from_dict(groups).to_netcdf(path, engine="h5netcdf")
        return path

    return write


@pytest.mark.parametrize(
    ("centre", "asked", "model_type", "part", "kind"),
    [
        (BG, "bg_nbd", "", "retention", "bg_nbd"),
        (BG, "mbg_nbd", "", "retention", "mbg_nbd"),
        (BG, "mbg_nbd", "MBG/NBD", "retention", "mbg_nbd"),
        (PARETO, "pareto_nbd", "Pareto/NBD", "retention", "pareto_nbd"),
        (GG, "bg_nbd", "Gamma-Gamma Model (Mean Transactions)", "spend", "gamma_gamma"),
    ],
)
def test_models_are_known_by_their_variables(save, centre, asked, model_type, part, kind) -> None:
    parts = read_parts(save(centre, model_type=model_type, phi_dropout=np.ones(SHAPE)), asked)
    assert list(parts) == [part]
    found = parts[part]
    assert (found.kind, found.draws, found.time_unit) == (kind, 2000, None)
    assert set(found.params) == {"gamma" if k == "v" else k for k in centre}
    for key, value in centre.items():
        draws = found.params["gamma" if key == "v" else key]
        assert np.log(draws).mean() == pytest.approx(np.log(value), abs=5 * 0.05 / np.sqrt(2000))
    assert all(d.ok for d in found.diagnostics)
    assert [d.name.split(" (")[0] for d in found.diagnostics] == ["R-hat", "bulk ESS", "tail ESS", "divergences"]


def test_chains_are_mixed_by_one_permutation_for_all_parameters(save) -> None:
    by_chain = np.repeat(np.arange(1.0, 5.0), 500).reshape(SHAPE)
    part = read_parts(save(BG, r=by_chain, a=by_chain * 2), "bg_nbd")["retention"]
    np.testing.assert_array_equal(part.params["r"], by_chain.reshape(-1))
    mixed, more = permuted(part.params, 100, 1), permuted(part.params, 200, 1)
    assert set(mixed["r"]) == {1.0, 2.0, 3.0, 4.0}
    np.testing.assert_array_equal(mixed["a"], 2 * mixed["r"])
    np.testing.assert_array_equal(more["r"][:100], mixed["r"])  # more draws extend a run


def test_the_python_interface_reads_both_models(save, tmp_path: Path) -> None:
    files = save(BG), save(GG, name="spend.nc", shape=(2, 300))
    found = clvsim.read_posterior(*files, time_unit="day")
    assert (found.retention, found.spend, found.draws) == (BgNbd(), GammaGamma(), 600)
    assert found.posterior.time_unit == "day"
    assert set(found.posterior.spend) == {"p", "q", "gamma", "first_order_factor"}
    write_posterior(found, tmp_path / "own.nc")
    again = clvsim.read_posterior(tmp_path / "own.nc")
    assert (again.posterior.time_unit, again.draws) == ("day", 600)
    assert again.posterior.diagnostics == found.posterior.diagnostics
    for name, values in found.posterior.retention.items():
        assert sorted(again.posterior.retention[name]) == sorted(values)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (BgNbd(season="month"), r"asks for in retention\.season and retention\.promotions, or not"),
        (BgNbd(pool="segment"), r"asks for in retention\.pool and retention\.covariates, or not to these data"),
    ],
)
def test_draws_of_a_simpler_model_than_asked_for_are_refused(save, cdnow, model, what) -> None:
    config = FitConfig(posterior=(str(save(BG)),), posterior_time_unit="week")
    two = cdnow.customers.assign(segment=np.where(np.arange(len(cdnow.customers)) % 2, "a", "b"))
    with pytest.raises(ConfigError, match=what):
        fit(replace(cdnow, customers=two), model, GammaGamma(), config)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"r": np.full(SHAPE, np.nan)}, "2,000 of 2,000 draws of r are not finite"),
        (
            {"alpha": np.full(SHAPE, -1.0)},
            "alpha must be above 0: from 1e-9 to 1e9, and 2,000 of 2,000 draws are not",
        ),
        ({"purchase_coefficient": np.ones(SHAPE)}, "holds r, alpha, a, b, purchase_coefficient; what can be read is"),
        (
            {"model_type": "MBG/NBD"},
            "holds a posterior of mbg_nbd, and the run asks for bg_nbd; type retention=mbg_nbd",
        ),
        ({"shape": (1, 1)}, "holds 1 draw; a posterior has many"),
    ],
)
def test_files_that_cannot_be_used(save, change, what) -> None:
    path = save(BG, **change)
    with pytest.raises(ConfigError) as error:
        read_parts(path, "bg_nbd")
    (problem,) = error.value.problems
    assert problem.where == "fit.posterior"
    assert str(path) in problem.what
    assert what in problem.what


def test_a_mean_spend_that_does_not_exist(save) -> None:
    q = np.full(SHAPE, 2.0)
    q[1, :7] = 1.0
    with pytest.raises(ConfigError, match=r"q must be above 1, where the mean exists, .* 7 of 2,000 draws"):
        read_parts(save(GG, q=q), "bg_nbd")


def test_parts_and_units_that_nobody_gave(save, tmp_path: Path) -> None:
    bg, pareto = save(BG), save(PARETO, name="pareto.nc")
    with pytest.raises(ConfigError, match=r"fit\.posterior: no spend posterior in .*model\.nc"):
        clvsim.read_posterior(bg, time_unit="week")
    with pytest.raises(ConfigError, match="holds a retention posterior, and so does a file before it"):
        merged([bg, bg], "bg_nbd")
    with pytest.raises(ConfigError, match="holds a posterior of pareto_nbd, and the run asks for bg_nbd"):
        merged([pareto], "bg_nbd")
    with pytest.raises(ConfigError, match=r"fit\.posterior_time_unit: is needed: the unit of recency and T"):
        clvsim.read_posterior(bg, save(GG, name="spend.nc"))
    with pytest.raises(ConfigError, match=r"fit\.posterior: no such file: .*nowhere\.nc"):
        merged([tmp_path / "nowhere.nc"], "bg_nbd")
    (tmp_path / "text.nc").write_text("not HDF5")
    with pytest.raises(ConfigError, match=r"text\.nc cannot be read as a posterior"):
        merged([tmp_path / "text.nc"], "bg_nbd")


def test_a_run_uses_the_file_and_fits_what_is_missing(save, cdnow) -> None:
    config = FitConfig(
        posterior=(str(save(BG)),), posterior_time_unit="week", method="laplace", draws=1000, cache=False
    )
    said: list[str] = []
    found = fit(cdnow, BgNbd(), GammaGamma(), config, log=said.append)
    assert said == []  # nothing that takes long
    assert found.draws == found.posterior.spend["p"].size == 1000
    assert found.method == "read from a file (bg_nbd), laplace (gamma_gamma)"
    assert found.posterior.retention["alpha"].mean() == pytest.approx(4.41, rel=0.01)
    assert {d.model for d in found.posterior.diagnostics} == {"bg_nbd", "gamma_gamma"}


def test_first_orders_of_a_foreign_spend_model_are_the_logs(save, cdnow) -> None:
    files = (str(save(BG)), str(save(GG, name="spend.nc")))
    config = FitConfig(posterior=files, posterior_time_unit="week", draws=2000)
    found = fit(cdnow, BgNbd(), GammaGamma(), config)
    spend = found.posterior.spend
    first = spend["first_order_factor"] * gamma_gamma.expected_spend_new(spend)[:, 0]
    assert first.mean() == pytest.approx(cdnow.customers["first_amount"].loc[lambda v: v > 0].mean(), abs=0.2)


def test_the_gate_holds_files_to_the_limits(save, cdnow) -> None:
    apart = 0.24 + np.arange(4.0)[:, None] + 0.01 * np.random.default_rng(1).standard_normal(SHAPE)
    files = (str(save(BG, r=apart, diverging=3)), str(save(GG, name="spend.nc")))
    config = FitConfig(posterior=files, posterior_time_unit="week", draws=2000)
    with pytest.raises(DiagnosticsError) as error:
        fit(cdnow, BgNbd(), GammaGamma(), config)
    said = " ".join(p.what for p in error.value.problems)
    assert "bg_nbd: R-hat (r) is" in said
    assert "bg_nbd: divergences is 3" in said
    poor = fit(cdnow, BgNbd(), GammaGamma(), config.model_copy(update={"allow_poor": True}))
    assert sum(text.startswith("Poor fit") for text in poor.posterior.warnings) >= 2


def test_wrong_kinds_are_refused_in_a_run(save, cdnow) -> None:
    config = FitConfig(posterior=(str(save(PARETO)),), posterior_time_unit="week")
    with pytest.raises(ConfigError, match="type retention=pareto_nbd"):
        fit(cdnow, MbgNbd(), GammaGamma(), config)


@pytest.mark.parametrize(
    ("name", "part", "params"),
    [
        ("bg_nbd", "retention", {"r", "alpha", "a", "b"}),
        ("pareto_nbd", "retention", {"r", "alpha", "s", "beta"}),
        ("gamma_gamma", "spend", {"p", "q", "gamma"}),
    ],
)
def test_files_that_pymc_marketing_saved(name, part, params) -> None:
    (found,) = read_parts(SAVED / f"{name}.nc", name).values()
    assert list(read_parts(SAVED / f"{name}.nc", name)) == [part]
    assert (found.kind, found.draws, set(found.params)) == (name, 100, params)
    chains = xr.open_dataset(SAVED / f"{name}.nc", group="posterior", engine="h5netcdf")
    for key, values in found.params.items():
        np.testing.assert_array_equal(values, chains["v" if key == "gamma" else key].to_numpy().reshape(-1))
    if name == "bg_nbd":  # it draws the mean of the dropout and its concentration
        phi, kappa = (chains[f"{which}_dropout"].to_numpy().reshape(-1) for which in ("phi", "kappa"))
        np.testing.assert_allclose(found.params["a"] / found.params["b"], phi / (1 - phi), rtol=1e-12)
        np.testing.assert_allclose(found.params["a"] + found.params["b"], kappa, rtol=1e-12)
    assert not any("(v)" in d.name for d in found.diagnostics)


def test_a_run_on_files_that_pymc_marketing_saved(cdnow) -> None:
    """A hundred draws are too few for the limits, and enough to go on with where that is allowed."""
    files = tuple(str(SAVED / f"{name}.nc") for name in ("bg_nbd", "gamma_gamma"))
    config = FitConfig(posterior=files, posterior_time_unit="week", draws=100)
    with pytest.raises(DiagnosticsError, match="bg_nbd: bulk ESS"):
        fit(cdnow, BgNbd(), GammaGamma(), config)
    found = fit(cdnow, BgNbd(), GammaGamma(), config.model_copy(update={"allow_poor": True}))
    assert (found.method, found.draws, found.posterior.time_unit) == ("read from a file", 100, "week")
    # The customers they were fitted to, one in twenty, are of this log, whose published estimate is .246.
    a, b = (found.posterior.retention[name] for name in ("a", "b"))
    assert (a / (a + b)).mean() == pytest.approx(0.25, abs=0.15)


def test_a_draft_remains_one_however_often_it_is_written_and_read(cdnow, tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    drawn = with_draws(posterior(2), retention_method=DrawMethod("map"), spend_method=DrawMethod("map"))
    for _ in range(2):
        write_posterior(drawn, path)
        assert clvsim.read_posterior(path).posterior.is_draft
        drawn = fit(cdnow, BgNbd(), GammaGamma(), FitConfig(posterior=(str(path),), draws=2, chains=2))
        assert drawn.method == "map, read from a file"
        assert drawn.posterior.warnings[0].startswith("Draft, fitted by fit.method=map")


METHODS = [
    (DrawMethod("", True), DrawMethod("", True), "read from a file", "read from a file", False),
    (
        DrawMethod("laplace"),
        DrawMethod("nuts"),
        "laplace (bg_nbd), nuts (gamma_gamma)",
        "laplace, read from a file (bg_nbd), nuts, read from a file (gamma_gamma)",
        False,
    ),
    (
        DrawMethod("", True),
        DrawMethod("map"),
        "read from a file (bg_nbd), map (gamma_gamma)",
        "read from a file (bg_nbd), map, read from a file (gamma_gamma)",
        True,
    ),
]


@pytest.mark.parametrize(("retention", "spend", "method", "again", "draft"), METHODS)
def test_a_file_says_how_each_model_was_drawn(retention, spend, method, again, draft, tmp_path: Path) -> None:
    fitted = with_draws(posterior(2, spread=0.1), retention_method=retention, spend_method=spend)
    for path in (tmp_path / "first.nc", tmp_path / "second.nc"):
        assert fitted.method == method
        write_posterior(fitted, path)
        fitted = clvsim.read_posterior(path)
        assert fitted.method == again
        assert fitted.posterior.is_draft is draft
        method = again


@pytest.mark.parametrize(("retention", "spend", "method", "again", "draft"), METHODS)
def test_files_of_the_format_before_say_it_too(retention, spend, method, again, draft, tmp_path: Path) -> None:
    """They have one sentence for both models."""
    path = tmp_path / "posterior.nc"
    write_posterior(posterior(2, spread=0.1), path)
    with h5py.File(path, "a") as file:
        del file.attrs["retention_method"], file.attrs["spend_method"]
        file.attrs["format"], file.attrs["method"] = 2, method
    stored = read_posterior(path)
    assert (stored.posterior.retention_method, stored.posterior.spend_method) == (retention, spend)
    assert stored.method == method
    found = clvsim.read_posterior(path)
    assert found.method == again
    assert found.posterior.is_draft is draft


def test_pymc_marketing_on_single_orders(tmp_path: Path) -> None:
    """Its Gamma-Gamma of single orders keeps every customer's nu, which nobody needs."""
    tree = xr.open_datatree(SAVED / "gamma_gamma.nc", engine="h5netcdf").load()
    values = tree["posterior"].to_dataset()
    tree["posterior"] = values.assign(nu=(("chain", "draw", "customer_id"), np.ones((2, 50, 3))))
    tree.to_netcdf(tmp_path / "single.nc", engine="h5netcdf")
    found, again = (read_parts(path, "bg_nbd") for path in (tmp_path / "single.nc", SAVED / "gamma_gamma.nc"))
    np.testing.assert_array_equal(found["spend"].params["q"], again["spend"].params["q"])
