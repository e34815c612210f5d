"""Gate, cache and configuration of a fit. Draws are made up here; the real sampler runs once, in `posterior`."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models import RETENTION, SPEND, cache, inference, sampling
from clvsim.models import fit as fit_module
from clvsim.models.cache import cache_folder, read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.diagnostics import diagnose
from clvsim.models.fit import fit
from clvsim.models.priors import LogNormalPrior
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import Diagnostic
from tests.shipped import read

CONFIGS = Path(__file__).parents[2] / "configs"


class FakeSampler:
    """Lognormal draws, `shift` apart between chains, in place of PyMC's; records the settings it was called with."""

    def __init__(self):
        self.shift, self.divergences = 0.0, 0
        self.longer: list[int] = []  # by call: factor on the chains
        self.cure = 10**9  # factor from which chains agree
        self.calls: list[FitConfig] = []

    def __call__(self, model, config, longer=1):
        self.longer.append(longer)
        self.calls.append(config)
        rng = np.random.default_rng(config.seed)
        chain = np.repeat(np.arange(config.chains), config.draws // config.chains)
        normal = rng.standard_normal
        values = {
            n: 0.5 * np.exp(0.1 * normal(config.draws) + self.shift * chain * (longer < self.cure)) for n in model.names
        }
        return {n: v / (1 + v) if n == "dropout_mean" else v for n, v in values.items()}, self.divergences


@pytest.fixture
def draws(monkeypatch):
    fake = FakeSampler()
    monkeypatch.setattr(sampling, "sample", fake)
    return fake


@pytest.fixture
def run(cdnow, tmp_path, draws, monkeypatch):
    """`fit` into a cache of its own; keyword arguments replace parts. Returns the posterior and the notes.

    CDNOW counts as a small table, so that `auto` takes the fake sampler.
    """
    monkeypatch.setattr(fit_module, "LARGE_TABLE", 5000)

    def go(summary=cdnow, retention=None, spend=None, folder=tmp_path / "cache", **settings):
        notes = []
        config = FitConfig(**settings)
        found = fit(summary, retention or BgNbd(), spend or GammaGamma(), config, cache_dir=folder, log=notes.append)
        return found, notes

    return go


def test_cache_returns_the_same_posterior(run, draws, tmp_path):
    fresh, _ = run()
    hit, notes = run()
    assert (fresh.posterior.from_cache, hit.posterior.from_cache) == (False, True)
    assert len(draws.calls) == 2  # two models, once
    assert notes == []
    hit, fresh = hit.posterior, fresh.posterior
    assert replace(hit, retention={}, spend={}, from_cache=False) == replace(fresh, retention={}, spend={})
    for group in ("retention", "spend"):
        a, b = getattr(fresh, group), getattr(hit, group)
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".nc"]


def test_cache_ignores_what_a_posterior_does_not_follow_from(run, draws, cdnow):
    run()
    frame = cdnow.customers.sample(frac=1, random_state=1)
    frame = frame.assign(segment="gold", customer_id="x", holdout_frequency=0)
    assert run(summary=replace(cdnow, customers=frame, data_hash="other"))[0].posterior.from_cache
    assert run(allow_poor=True)[0].posterior.from_cache
    assert run(method="nuts")[0].posterior.from_cache


class FakeLaplace:
    """One point in place of weighted draws, with a Pareto k to choose; with None there is no mode."""

    def __init__(self):
        self.pareto_k: float | None = 0.1

    def __call__(self, model, kind, *numbers):
        k = self.pareto_k
        if k is None:
            raise DiagnosticsError([("fit", f"{kind}: no mode; use fit.method=nuts")])
        *_, draws, _ = numbers
        free = {name: np.full(draws, 0.25) for name in model.names}
        return free, (Diagnostic(kind, inference.PARETO_K, k, "< 0.7", k < 0.7),)


@pytest.fixture
def laplace(monkeypatch):
    fake = FakeLaplace()
    monkeypatch.setattr(inference, "laplace", fake)
    return fake


def test_auto_is_nuts_on_small_tables(run, laplace):
    """CDNOW has 1,016 distinct purchase histories and fewer than 1,000 of spend."""
    found, notes = run()
    assert found.method == "nuts"
    assert notes[0] == "fitting bg_nbd on 1,016 distinct histories by nuts, about 9 s"


def test_auto_is_laplace_on_large_tables(run, draws, laplace, monkeypatch):
    monkeypatch.setattr(fit_module, "LARGE_TABLE", 1000)
    found, notes = run()
    assert found.method == "laplace (bg_nbd), nuts (gamma_gamma)"
    assert [note.split(" by ")[-1] for note in notes] == ["nuts, about 9 s"]  # a second is nothing to wait for
    assert len(draws.calls) == 1
    assert {d.model: d.name for d in found.posterior.diagnostics}["bg_nbd"] == "Pareto k"


@pytest.mark.parametrize(
    ("pareto_k", "reason"), [(0.9, "bg_nbd: Pareto k is 0.9, must be < 0.7"), (None, "bg_nbd: no mode")]
)
def test_auto_falls_back_to_nuts_and_says_why(run, draws, laplace, monkeypatch, pareto_k, reason):
    monkeypatch.setattr(fit_module, "LARGE_TABLE", 1)
    laplace.pareto_k = pareto_k
    found, notes = run()
    assert found.method == "nuts"
    assert notes[0] == f"{reason}: sampling by nuts instead, about 9 s"
    assert len(draws.calls) == 2


@pytest.mark.parametrize(
    ("way", "rows", "settings", "words"),
    [
        ("laplace", 300, {}, ", about 1 s"),
        ("laplace", 1_000_000, {}, ", about 20 s"),
        ("nuts", 300, {}, ", about 8 s"),
        ("nuts", 12_000, {}, ", about 20 s"),
        ("nuts", 300, {"draws": 16_000, "tune": 4_000}, ", about 30 s"),
        ("map", 1_000_000, {}, ""),
    ],
)
def test_a_fit_says_about_how_long_it_takes(way, rows, settings, words):
    assert sampling.in_seconds(way, rows, FitConfig(**settings)) == words


def test_laplace_is_held_to_its_pareto_k(run, laplace):
    laplace.pareto_k = 0.7
    with pytest.raises(DiagnosticsError) as stopped:
        run(method="laplace")
    assert len(stopped.value.problems) == 2
    where, what = stopped.value.problems[0]
    assert f"{where}: {what}" == (
        "fit: bg_nbd: Pareto k is 0.7, must be < 0.7; use fit.method=nuts, or go on regardless with fit.allow_poor=true"
    )
    found, _ = run(method="laplace", allow_poor=True)
    assert sum(w.startswith("Poor fit") for w in found.posterior.warnings) == 2


def test_laplace_without_a_mode_cannot_be_allowed(run, laplace):
    laplace.pareto_k = None
    with pytest.raises(DiagnosticsError, match="no mode"):
        run(method="laplace", allow_poor=True)


def changed(summary, column, row=0):
    frame = summary.customers.copy()
    frame.loc[row, column] += 1
    return replace(summary, customers=frame)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"summary": changed(s, "recency_days")},
        lambda s: {"summary": changed(s, "T_days", 5)},
        lambda s: {"summary": changed(s, "repeat_amount")},
        lambda s: {"summary": changed(s, "first_amount")},
        lambda s: {"summary": replace(s, time_unit="day")},
        lambda s: {"retention": BgNbd(r={"median": 1.1, "sd_log": 1.5})},
        lambda s: {"spend": GammaGamma(p={"median": 2.1, "sd_log": 1.5})},
        lambda s: {"seed": 2},
        lambda s: {"draws": 4400},
        lambda s: {"tune": 1001},
        lambda s: {"chains": 2},
    ],
)
def test_cache_key_changes_with(run, cdnow, change):
    run()
    assert not run(**change(cdnow))[0].posterior.from_cache


@pytest.mark.parametrize("way", ["laplace", "map"])
def test_cache_key_changes_with_the_method(run, laplace, monkeypatch, way):
    monkeypatch.setattr(inference, "mode_only", laplace)
    run()
    assert not run(method=way)[0].posterior.from_cache
    assert run(method=way)[0].posterior.from_cache
    assert run(method="nuts")[0].posterior.from_cache


def test_cache_keeps_auto_apart_from_laplace_on_large_tables(run, laplace, monkeypatch):
    """Where `auto` may end in either, its posterior is neither's."""
    monkeypatch.setattr(fit_module, "LARGE_TABLE", 1)
    run(method="laplace")
    assert not run()[0].posterior.from_cache
    assert run()[0].posterior.from_cache


def test_sources_are_those_of_all_models_and_their_kernels():
    sources = [text.decode() for text in cache.model_sources()]
    for line in ("class BgNbd(", "class LogNormalPrior(", "def laplace(", "def discounted_orders("):
        assert sum(line in text for text in sources) == 1, line


def test_sources_are_all_files_of_the_models():
    sources, folder = cache.model_sources(), Path(cache.__file__).parent
    assert {"retention", "around", "spend"} <= {path.name for path in folder.iterdir()}
    for path in folder.rglob("*.py"):
        assert path.read_bytes() in sources, path


def imported_kernels(text: str) -> set[str]:
    """Modules of `clvsim.kernels` that a module imports, at its top or in its functions."""
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {f"{getattr(node, 'module', '')}.{alias.name}" for node in imports for alias in node.names}
    return {parts[3] for name in names if (parts := f".{name}".split("."))[1:3] == ["clvsim", "kernels"]}


def test_sources_are_all_kernels_that_models_import():
    sources, models = cache.model_sources(), Path(cache.__file__).parent
    left = set().union(*(imported_kernels(path.read_text()) for path in models.rglob("*.py")))
    assert {"dropout", "seasons", "silence"} <= left
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        path = models.parent / "kernels" / f"{name}.py"
        assert path.read_bytes() in sources, name
        left |= imported_kernels(path.read_text()) - seen
    assert len(sources) == len([*models.rglob("*.py")]) + len(seen)


def test_cache_key_changes_with_source_and_versions(monkeypatch, run):
    run()
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", lambda name: "0")
        assert not run()[0].posterior.from_cache
    with monkeypatch.context() as patch:
        patch.setattr(cache, "model_sources", lambda: [b"edited"])
        assert not run()[0].posterior.from_cache
    assert run()[0].posterior.from_cache


@pytest.mark.parametrize("damage", [b"", b"not a posterior", None])
def test_unreadable_cache_is_fitted_again(run, tmp_path, damage):
    run()
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(entry.read_bytes()[:5000] if damage is None else damage)
    found, notes = run()
    assert not found.posterior.from_cache
    assert "unreadable" in notes[0]
    assert "\n" not in notes[0]
    assert run()[0].posterior.from_cache  # replaced


def test_cached_nan_is_not_used(run, tmp_path):
    fresh, _ = run()
    (entry,) = (tmp_path / "cache").iterdir()
    spend = {**fresh.posterior.spend, "p": np.full(4000, np.nan)}
    write_posterior(replace(fresh, posterior=replace(fresh.posterior, spend=spend)), entry)
    cache.seal(entry, entry.stem)
    found, notes = run()
    assert not found.posterior.from_cache
    assert "p must be above 0: from 1e-9 to 1e9, and 4,000 of 4,000 draws are not (nan)" in notes[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"time_unit": "month"}, "another unit of time than is asked for"),
        (
            {"retention_model": "mbg_nbd", "retention_config": MbgNbd().model_dump_json()},
            "another retention model than",
        ),
        (
            {"retention_config": BgNbd(r=LogNormalPrior(median=2.0, sd_log=1.0)).model_dump_json()},
            "retention model than",
        ),
        ({"spend_config": GammaGamma(trend=True).model_dump_json()}, "another spend model than is asked for"),
        ({"retention_method": '{"name": "map"}'}, "another method than is asked for"),
        ({"spend_method": '{"name": "nuts", "from_file": true}'}, "another method than is asked for"),
        ({"diagnostics": '[{"model": "bg_nbd", "name": "x", "value": "a", "limit": "0", "ok": true}]'}, "unreadable"),
        ({"warnings": "{}"}, "unreadable"),
        ({"log": '{"customers": "many"}'}, "unreadable"),
    ],
)
def test_an_entry_that_is_not_what_its_key_asks_for_is_fitted_again(run, tmp_path, changed, said):
    fresh, _ = run()
    (entry,) = (tmp_path / "cache").iterdir()
    write_posterior(fresh, entry)
    with h5py.File(entry, "a") as tree:
        tree.attrs.update(changed)
    cache.seal(entry, entry.stem)
    found, notes = run()
    assert not found.posterior.from_cache
    assert said in notes[0]
    assert sum("will be fitted again" in note for note in notes) == 1
    assert run()[0].posterior.from_cache  # replaced


def test_an_entry_with_fewer_draws_or_of_another_seed_is_fitted_again(run, tmp_path):
    fresh, _ = run()
    (entry,) = (tmp_path / "cache").iterdir()
    write_posterior(fresh.first(100), entry)
    cache.seal(entry, entry.stem)
    assert "another number of draws than is asked for" in run()[1][0]
    run(seed=2)
    (other,) = set((tmp_path / "cache").iterdir()) - {entry}
    entry.write_bytes(other.read_bytes())
    found, notes = run()
    assert not found.posterior.from_cache
    assert "is not as it was written" in notes[0]


def test_unwritable_cache_is_done_without(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found, notes = run(folder=tmp_path / "file" / "cache")
    assert found.draws == 4000
    assert "not cached" in notes[-1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_cache_can_be_switched_off(run, tmp_path):
    run(cache=False)
    assert not (tmp_path / "cache").exists()


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CLVSIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "posteriors"
    assert cache_folder(tmp_path / "own") == tmp_path / "own"
    monkeypatch.delenv("CLVSIM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "clvsim" / "posteriors"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "clvsim" / "posteriors"


def test_a_hit_imports_no_sampler(posterior):
    """In a process of its own, on the summary of the bundled log."""
    code = f"""
import sys
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.models import RETENTION, SPEND
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
config = DataConfig.model_validate({read("data", "cdnow")!r})
found = fit(summarize(read_transactions(None, config)), RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), FitConfig())
heavy = [m for m in ("pymc", "pytensor", "nutpie", "arviz", "arviz_stats") if m in sys.modules]
print(found.posterior.from_cache, heavy, float(found.posterior.retention["r"].sum()).hex())
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert result.stderr == ""
    assert result.stdout.split("\n")[0] == f"True [] {float(posterior.retention['r'].sum()).hex()}"


def test_the_shipped_configuration_passes_the_gate(fitted_models):
    posterior = fitted_models.posterior
    assert all(d.ok for d in posterior.diagnostics)
    assert {d.model for d in posterior.diagnostics} == {"bg_nbd", "gamma_gamma"}
    assert (fitted_models.draws, fitted_models.method, posterior.time_unit) == (4000, "laplace", "week")


def test_chains_that_disagree_stop_the_run(run, draws, tmp_path):
    draws.shift, draws.divergences = 0.2, 3
    with pytest.raises(DiagnosticsError) as stopped:
        run()
    lines = [f"{where}: {what}" for where, what in stopped.value.problems]
    assert stopped.value.code == 3
    assert all("fit.allow_poor=true" in line for line in lines)
    for figure in ("bg_nbd: R-hat (", "gamma_gamma: bulk ESS (", "bg_nbd: divergences is 3, must be 0"):
        assert any(figure in line for line in lines), figure
    assert not list((tmp_path / "cache").glob("*"))


def test_chains_of_few_rows_that_have_not_mixed_are_sampled_again_for_longer(run, draws, monkeypatch):
    draws.shift, draws.cure = 0.2, 4
    with pytest.raises(DiagnosticsError, match="R-hat"):
        run()
    assert draws.longer == [1, 1]  # CDNOW has more rows than that
    monkeypatch.setattr(fit_module, "FEW_ROWS", 5000)
    found, notes = run()
    assert draws.longer[2:] == [1, 4, 1, 4]
    assert all(d.ok for d in found.posterior.diagnostics)
    assert found.draws == 4000
    assert "sampling 4 times as long" in " ".join(notes)
    draws.shift = 0.0
    run(seed=2)
    assert draws.longer[6:] == [1, 1]  # those that agree are not
    draws.shift = 0.2
    run(seed=3, allow_poor=True)
    assert draws.longer[8:] == [1, 1]


def test_few_draws_stop_the_run(run):
    with pytest.raises(DiagnosticsError, match="tail ESS"):
        run(draws=200)


def test_allow_poor_goes_on_with_a_warning_and_is_not_believed_later(run, draws):
    draws.shift = 0.2
    found, _ = run(allow_poor=True)
    poor = [w for w in found.posterior.warnings if w.startswith("Poor fit")]
    assert len(poor) == sum(not d.ok for d in found.posterior.diagnostics) > 0
    again, _ = run(allow_poor=True)
    assert again.posterior.from_cache
    assert again.posterior.warnings == found.posterior.warnings
    with pytest.raises(DiagnosticsError, match="R-hat"):
        run()


def test_constant_chains_do_not_pass():
    """R-hat of a constant is nan, which is not below a limit."""
    found = diagnose("m", {"a": np.ones(4000)}, 0, 4)
    assert not found[0].ok


def test_draws_are_permuted_once_for_both_models(run, cdnow, draws):
    """Draw i of every parameter comes from the same transition, and the first quarter from all chains."""
    draws.shift = 1.0
    found, _ = run(allow_poor=True)
    r = np.log(found.posterior.retention["r"] / 0.5)
    chain = np.rint(r)
    a, b = found.posterior.retention["a"], found.posterior.retention["b"]
    np.testing.assert_array_equal(chain, np.rint(np.log((a + b) / 0.5)))
    np.testing.assert_array_equal(chain, np.rint(np.log(found.posterior.spend["p"] / 0.5)))
    counts = np.bincount(chain[:1000].astype(int), minlength=4)
    assert (abs(counts - 250) < 5 * np.sqrt(1000 * 0.25 * 0.75 * 0.75)).all()  # hypergeometric


def test_time_unit_scales_alpha_only(run, cdnow):
    weeks, _ = run()
    days, _ = run(summary=replace(cdnow, time_unit="day"))
    np.testing.assert_allclose(days.posterior.retention["alpha"], 7 * weeks.posterior.retention["alpha"], rtol=1e-14)
    for name in ("r", "a", "b"):
        np.testing.assert_array_equal(days.posterior.retention[name], weeks.posterior.retention[name])


def test_nothing_to_learn_from_is_said_for_both_models_at_once(run, cdnow, draws):
    frame = cdnow.customers.assign(
        frequency=0, recency_days=0.0, repeat_positive=0, repeat_amount=0.0, repeat_log_amount=0.0
    )
    with pytest.raises(DiagnosticsError) as stopped:
        run(summary=replace(cdnow, customers=frame))
    assert [where for where, _ in stopped.value.problems] == ["retention", "spend"]
    assert draws.calls == []


def test_posterior_file_is_what_others_can_read(fitted_models, tmp_path):
    import xarray as xr

    path = tmp_path / "posterior.nc"
    write_posterior(fitted_models, path)
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert set(tree["retention"].data_vars) == {"r", "alpha", "a", "b"}
        assert set(tree["spend"].data_vars) == {"p", "q", "gamma", "first_order_factor", "paid.first"}
        assert tree["retention"].sizes == {"draw": 4000}
        assert len(json.loads(tree.attrs["diagnostics"])) == 4
    back = read_posterior(path)
    assert (back.retention, back.spend) == (fitted_models.retention, fitted_models.spend)
    assert back.posterior.warnings == fitted_models.posterior.warnings
    assert back.posterior.diagnostics == fitted_models.posterior.diagnostics


def test_a_foreign_file_is_refused_by_name(tmp_path):
    path = tmp_path / "posterior.nc"
    path.write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"posterior\.nc: cannot be read as a posterior"):
        read_posterior(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "vi"}, "'nuts', 'laplace', 'map' or 'auto'"),
        ({"draws": 0}, "greater than or equal to 1"),
        ({"draws": 1001}, "multiple of chains"),
        ({"method": "nuts", "draws": 1001}, "multiple of chains"),
        ({"chains": 1}, "greater than or equal to 2"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"drows": 5}, "Extra inputs"),
    ],
)
def test_fit_settings_are_checked(values, message):
    with pytest.raises(ValidationError, match=message):
        FitConfig(**values)


def test_chains_do_not_matter_without_nuts():
    assert FitConfig(method="laplace", draws=1001).draws == 1001


@pytest.mark.parametrize(
    ("file", "section"),
    [
        ("fit/default", FitConfig),
        *((f"retention/{k}", v) for k, v in RETENTION.items()),
        *((f"spend/{k}", v) for k, v in SPEND.items()),
    ],
)
def test_shipped_files_say_the_defaults(file, section):
    values = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text())
    assert section(**values) == section()
    assert set(values) == set(section.model_fields)


def test_priors_must_be_proper():
    with pytest.raises(ValidationError, match="greater than 0"):
        BgNbd(r={"median": 0, "sd_log": 1})
    with pytest.raises(ValidationError, match="greater than 0"):
        BgNbd(dropout_mean={"a": 0, "b": 1})


FIT = (
    "import os, sys, clvsim; from clvsim.models import RETENTION, SPEND; from clvsim.models.config import FitConfig; "
    "from clvsim.data.config import DataConfig; "
    "log = clvsim.read_transactions(config=DataConfig(kind='bundled', path='cdnow_sample', today='1997-09-30')); "
    "config = FitConfig(method='laplace', draws=400); "
    "fitted = clvsim.fit(clvsim.summarize(log), RETENTION['bg_nbd'](), SPEND['gamma_gamma'](), config); "
    "print(*(float(v.sum()).hex() for v in fitted.posterior.retention.values()))"
)


@pytest.mark.slow
def test_the_first_fit_on_a_machine_is_the_second_and_neither_leaves_anything(tmp_path):
    """Bit for bit, with nothing compiled before and with all; nothing in the home or the temporary folder."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()

    def fitted(cache_home: Path) -> str:
        environment = {**os.environ, "HOME": str(home), "TMPDIR": str(scratch), "CLVSIM_CACHE": str(cache_home)}
        environment.pop("PYTENSOR_FLAGS", None)
        done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True)
        for posterior in (cache_home / "posteriors").glob("*"):
            posterior.unlink()
        return done.stdout

    first, second = fitted(tmp_path / "cache"), fitted(tmp_path / "cache")
    assert first == second != ""
    assert [*home.iterdir(), *scratch.iterdir()] == []
    assert (tmp_path / "cache" / "pytensor").is_dir()


@pytest.mark.slow
def test_a_fit_needs_no_home_that_can_be_written(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    nowhere = {"HOME": "/proc/nowhere", "CLVSIM_CACHE": "/proc/nowhere/cache", "TMPDIR": str(scratch)}
    environment = {**os.environ, **nowhere}
    environment.pop("PYTENSOR_FLAGS", None)
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout
    assert list(scratch.iterdir()) == []
