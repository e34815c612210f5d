"""Files of draws are not believed: whatever is no posterior is refused in one bounded line, in bounded time."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from clvsim.errors import ConfigError
from clvsim.models import RETENTION, SPEND, cache, elsewhere, hdf5
from clvsim.models.around import several
from clvsim.models.domain import LOG_FACTOR, POSITIVE, PROBABILITY, Domain, joint_problems, problems, whole
from clvsim.models.elsewhere import read_parts
from clvsim.models.fitted import FittedModels, implausible, implausible_draws
from clvsim.scenario import Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import SimulationConfig
from clvsim.types import Diagnostic, Posterior

DRAWS = 40
LIFE = {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4}
ANYTHING: Any = SimpleNamespace(differences=lambda found: [])  # is what was asked for
MONEY = {"p": 6.2, "q": 3.7, "gamma": 15.0, "first_order_factor": 1.0}


def models(life=LIFE, money=MONEY, retention="bg_nbd", **changes) -> FittedModels:
    draws = ({k: np.full(DRAWS, v, float) for k, v in group.items()} for group in (life, money))
    return FittedModels(RETENTION[retention](), SPEND["gamma_gamma"](), Posterior(*draws, time_unit="week", **changes))


@pytest.fixture(autouse=True)
def here_at_once(monkeypatch):
    """Without the process that reads a file first, but in the tests that are about it: it takes half a second."""
    monkeypatch.setattr(elsewhere, "require_bearable", lambda path: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "posterior.nc"
    cache.write_posterior(models(), path)
    return path


def refusal(path: Path) -> str:
    """The one line that says what is wrong: by both ways in, the cache's and the user's."""
    with pytest.raises(ConfigError) as own:
        cache.read_posterior(path)
    with pytest.raises(ConfigError) as users:
        read_parts(path, "bg_nbd")
    (told,), (problem,) = own.value.problems, users.value.problems
    for text in (told.what, problem.what):
        assert len(text) < 600
        assert text.isprintable()
    assert str(path) in problem.what or path.name in told.where
    return problem.what


def test_a_posterior_is_read_as_it_was_written(file):
    found = cache.read_posterior(file)
    for name, value in (LIFE | MONEY).items():
        values = {**found.posterior.retention, **found.posterior.spend}[name]
        np.testing.assert_array_equal(values, np.full(DRAWS, value))


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("retention", "r", -0.24),
        ("retention", "alpha", 0.0),
        ("retention", "a", math.nan),
        ("retention", "b", math.inf),
        ("retention", "b", 1e300),
        ("spend", "q", 0.5),
        ("spend", "q", 1.0),
        ("spend", "p", -1.0),
        ("spend", "first_order_factor", -1.0),
    ],
)
def test_one_draw_that_a_parameter_cannot_have_is_enough(file, group, name, value):
    with h5py.File(file, "a") as tree:
        tree[group][name][7] = value
    assert f"{name} must be above" in (said := refusal(file))
    assert f"1 of {DRAWS} draws are not ({value:g})" in said


def test_a_missing_parameter(file):
    with h5py.File(file, "a") as tree:
        del tree["retention"]["a"], tree["spend"]["q"]
    assert "a is missing; q is missing" in refusal(file)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(DRAWS, 0.2 + 1j), "r must be real numbers, one per draw, and is complex128"),
        (np.full((DRAWS, 2), 0.2), r"of shape (40, 2)"),
        (np.float64(0.2), "of shape ()"),
        (np.array(["0.2"] * DRAWS, object), "r must be real numbers"),
        (np.full(DRAWS + 1, 0.2), "unequal length"),
        (np.full(0, 0.2), "r has 0 draws"),
    ],
)
def test_arrays_that_are_no_draws(file, values, said):
    with h5py.File(file, "a") as tree:
        del tree["retention"]["r"]
        tree["retention"]["r"] = values if values.dtype != object else values.astype(h5py.string_dtype())
    assert said in refusal(file)


def far_too_long(tree: Any) -> None:
    del tree["retention"]["r"]
    tree["retention"].create_dataset("r", (2 * 10**8,), "f8", chunks=(10**6,), fillvalue=0.2)


def a_little_too_long(tree: Any) -> None:
    del tree["retention"]["r"]
    tree["retention"].create_dataset("r", (2 * 10**6,), "f8", chunks=(10**6,), fillvalue=0.2)


def in_another_file(tree: Any) -> None:
    del tree["retention"]["r"]
    tree["retention"]["r"] = h5py.ExternalLink("/etc/passwd", "r")


def of_another_name(tree: Any) -> None:
    del tree["retention"]["r"]
    tree["retention"]["r"] = h5py.SoftLink("/spend/p")


def stored_elsewhere(tree: Any) -> None:
    del tree["retention"]["r"]
    tree["retention"].create_dataset("r", (DRAWS,), "f8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def computed_from_elsewhere(tree: Any) -> None:
    del tree["retention"]["r"]
    layout = h5py.VirtualLayout((DRAWS,), "f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "r", (DRAWS,))
    tree["retention"].create_virtual_dataset("r", layout)


def in_a_circle(tree: Any) -> None:
    tree["retention"]["again"] = tree["retention"]


def of_one_array(tree: Any) -> None:
    del tree["retention"]["a"]
    tree["retention"]["a"] = tree["retention"]["b"]


def twice(tree: Any) -> None:
    tree["retention"]["%72"] = np.full(DRAWS, 0.2)


def steering(tree: Any) -> None:
    tree["retention"]["x%1b[2J"] = np.full(DRAWS, 0.2)


def formats(tree: Any) -> None:
    tree.attrs["format"] = [3, 3]


def very_deep(tree: Any) -> None:
    group = tree["retention"]
    for _ in range(500):
        group = group.create_group("in")


def very_many(tree: Any) -> None:
    for number in range(21_000):
        tree["spend"].create_group(str(number))


def with_a_type(tree: Any) -> None:
    tree["retention"]["type"] = np.dtype("f8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (far_too_long, "holds more than 100,000,000 values, which draws are not"),
        (a_little_too_long, "r has 2,000,000 draws, and must have 1 to 1,000,000"),
        (in_another_file, "/retention/r is a link"),
        (of_another_name, "/retention/r is a link"),
        (stored_elsewhere, "the values of /retention/r are in another file"),
        (computed_from_elsewhere, "the values of /retention/r are in another file"),
        (in_a_circle, "/retention/again is another name of /retention"),
        (of_one_array, "is another name of /retention/"),
        (twice, "holds r twice"),
        (steering, "is no parameter's name"),
        (formats, "format [3, 3], not 3"),
        (very_deep, "is a group in more than 4 others"),
        (very_many, "holds more than 20,000 groups and arrays"),
        (with_a_type, "/retention/type is neither a group nor an array"),
    ],
)
def test_files_that_are_more_than_draws(file, change: Callable[[Any], None], said):
    with h5py.File(file, "a") as tree:
        change(tree)
    assert said in refusal(file)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("time_unit", "fortnight", "time_unit: should be 'day', 'week' or 'month'"),
        ("retention_model", "telepathy", "it has no telepathy"),
        (
            "retention_config",
            '{"r": {"median": -1, "sd_log": 1}}',
            "its settings are not a model's: r.median: should be greater than 0, got -1",
        ),
        ("retention_config", '{"oracle": true}', "its settings are not a model's: oracle: no such key"),
        ("spend_config", "{", "its settings are not JSON"),
        ("spend_config", '{"pool_sd": ' + "9" * 5000 + "}", "its settings are not JSON"),
        ("format", 99, "format 99, not 3"),
    ],
)
def test_settings_that_no_model_has(file, name, value, said):
    with h5py.File(file, "a") as tree:
        tree.attrs[name] = value
    assert said in refusal(file)


FIGURE = {"model": "bg_nbd", "name": "R-hat (r)", "value": 1.0, "limit": "<= 1.01", "ok": True}
SEEN = {"customers": 9, "repeat_orders": 20, "first_date": "2024-01-01", "today": "2024-12-31"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("diagnostics", [{**FIGURE, "value": "NaN"}] * 2000, "diagnostics.0.value: should be a valid number"),
        ("diagnostics", [{**FIGURE, "value": True}], "diagnostics.0.value: should be a valid number"),
        ("diagnostics", [{**FIGURE, "ok": "no"}], "diagnostics.0.ok: should be a valid boolean"),
        ("diagnostics", [{**FIGURE, "name": "\x1b[31m"}], "holds a control character"),
        ("diagnostics", [{**FIGURE, "model": "<script>"}], "diagnostics.0.model: a name has letters"),
        ("diagnostics", [{**FIGURE, "limit": "x" * 999}], "diagnostics.0.limit: should have at most 200"),
        ("diagnostics", [{**FIGURE, "more": 1}], "diagnostics.0.more: no such key"),
        ("diagnostics", [FIGURE] * 3000, "diagnostics: should have at most 2000 items"),
        ("diagnostics", 7, "diagnostics: should be a list"),
        ("warnings", {"a": 1}, "warnings: should be a list"),
        ("warnings", [1], "warnings.0: should be a valid string"),
        ("warnings", ["x" * 5000], "warnings.0: should have at most 2000"),
        ("warnings", ["x"] * 500, "warnings: should have at most 200 items"),
        ("retention_method", {"name": "telepathy"}, "retention_method.name: should be 'nuts'"),
        ("spend_method", {"name": "nuts", "from_file": "yes"}, "spend_method.from_file: should be a valid bool"),
        ("spend_method", [], "spend_method: should be a mapping of keys"),
        ("log", {**SEEN, "customers": -(10**400)}, "log.customers: should be greater than or equal to 0"),
        ("log", {**SEEN, "customers": 10**400}, "log.customers: should be less than or equal to 1"),
        ("log", {**SEEN, "customers": 9.0}, "log.customers: should be a valid integer"),
        ("log", {**SEEN, "today": "1990-01-01"}, "log: today (1990-01-01) must not be before first_date"),
        ("log", {**SEEN, "today": "9999-12-31"}, "log.today: should be less than"),
    ],
)
def test_what_a_file_says_of_its_draws_has_one_schema(file, name, value, said):
    with h5py.File(file, "a") as tree:
        tree.attrs[name] = json.dumps(value)
    assert said in refusal(file)


def calendar(**path: Any) -> dict[str, Any]:
    told = {"months": 3, "today": "2024-03-31", "autocorrelation": 0.5, **path}
    return {"first_date": "2024-01-01", "today": "2024-03-31", "monthly": False, "promotions": {}, "path": told}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"calendar": calendar(months=10**9)}, "path.months: should be less than or equal to 13200"),
        ({"calendar": calendar(months=1200)}, "path.months must be at most the 4 of the log, got 1200"),
        ({"calendar": calendar(months=0)}, "path.months: should be greater than or equal to 1"),
        ({"calendar": calendar(autocorrelation=1e300)}, "path.autocorrelation: should be less than 1"),
        ({"calendar": calendar(slope=1e300)}, "path.slope: should be less than or equal to 100"),
        ({"calendar": {**calendar(), "today": "9999-12-31"}}, "today: should be less than"),
        ({"calendar": {**calendar(), "first_date": "2025-01-01"}}, "must not be before first_date"),
        ({"calendar": {**calendar(), "codes": [99], "days": [9], "orders": [1]}}, "codes must be kinds of days"),
        ({"calendar": {**calendar(), "codes": [1] * 10**5}}, "codes, days and orders must be equally many"),
        ({"pace": {"months": 10**9, "today": "2024-01-01", "autocorrelation": 0.5}}, "months: should be less"),
        (
            {
                "design": {
                    "group": None,
                    "covariates": [],
                    "purchase": [],
                    "attrition": [],
                    "levels": [7],
                    "shares": [1],
                }
            },
            "levels must be below 1, got 7",
        ),
        ({"by_plan": {"column": "", "plans": [], "models": []}}, "plans: should have at least 1 item"),
    ],
)
def test_numbers_of_settings_have_bounds(file, more, said):
    with h5py.File(file, "a") as tree:
        tree.attrs["retention_config"] = json.dumps({**json.loads(tree.attrs["retention_config"]), **more})
    assert said in refusal(file)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([], "weights: should have at least 1 item"),
        ([-5.0, 6.0], "weights.0: should be greater than or equal to 0"),
        ([1.0], "must be different models and a weight for each, got 1 weights"),
        ([0.5, 0.2], "weights must sum to 1, got 0.7"),
        ([math.nan, 1.0], "weights.0: should be"),
    ],
)
def test_weights_of_several_models_are_shares(tmp_path, weights, said):
    both: Any = several.Several((RETENTION["bg_nbd"](), RETENTION["mbg_nbd"]()), (0.5, 0.5))
    own = {f"{kind}.{name}": np.full(DRAWS, value) for kind in both.kinds for name, value in LIFE.items()}
    life = {"model": np.arange(DRAWS) % 2.0, **own}
    path, good = tmp_path / "posterior.nc", models()
    cache.write_posterior(replace(good, retention=both, posterior=replace(good.posterior, retention=life)), path)
    assert cache.read_posterior(path).retention == both
    with h5py.File(path, "a") as tree:
        settings = json.loads(tree.attrs["retention_config"])
        tree.attrs["retention_config"] = json.dumps({**settings, "weights": weights})
    assert said in refusal(path)


def test_figures_that_could_not_be_computed_are_read_again(tmp_path):
    figures = tuple(Diagnostic("bg_nbd", "R-hat (r)", value, "<= 1.01", False) for value in (math.nan, math.inf))
    cache.write_posterior(models(diagnostics=figures), tmp_path / "posterior.nc")
    found = cache.read_posterior(tmp_path / "posterior.nc").posterior.diagnostics
    np.testing.assert_array_equal([figure.value for figure in found], [math.nan, math.inf])


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_files_that_are_something_else(tmp_path, content):
    path = tmp_path / "posterior.nc"
    path.write_bytes(content)
    assert "cannot be read as a posterior" in refusal(path)


def test_every_truncation_is_refused(file):
    whole_file = file.read_bytes()
    for size in range(0, len(whole_file) - 1, 997):
        file.write_bytes(whole_file[:size])
        refusal(file)


FALLS = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import time; time.sleep(60)", "reading it takes HDF5 more than 1 seconds: it is damaged"),
        (FALLS, "HDF5 falls over it (signal 11): it is damaged"),
    ],
)
def test_hdf5_that_never_ends_or_falls_does_so_elsewhere(file, tmp_path, monkeypatch, program, said):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(hdf5, "__file__", str(tmp_path / "program.py"))
    monkeypatch.setattr(hdf5, "_PATIENCE_SECONDS", 1)
    monkeypatch.setattr(elsewhere, "require_bearable", hdf5.require_bearable)
    with pytest.raises(ConfigError) as error:
        read_parts(file, "bg_nbd")
    assert said in error.value.problems[0].what


def test_what_reads_first_finds_nothing_wrong_with_a_good_file(file, monkeypatch):
    monkeypatch.setattr(elsewhere, "require_bearable", hdf5.require_bearable)
    assert set(read_parts(file, "bg_nbd")) == {"retention", "spend"}


def test_a_cached_posterior_is_believed_only_as_it_was_written(tmp_path):
    said: list[str] = []
    cache.store(models(), tmp_path, "key", said.append)
    assert cache.load(tmp_path, "key", ANYTHING, said.append) is not None
    assert said == []
    whole_file = (tmp_path / "key.nc").read_bytes()
    for place in range(0, len(whole_file), 4999):
        damaged = bytearray(whole_file)
        damaged[place] ^= 1
        (tmp_path / "key.nc").write_bytes(damaged)
        assert cache.load(tmp_path, "key", ANYTHING, said.append) is None
        assert "will be fitted again" in said.pop()
        assert not said


# --- the domains themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "good", "bad"),
    [
        (POSITIVE, [1e-9, 1.0, 1e9], [0.0, -1e-9, 1e-10, 1e10, math.inf, math.nan]),
        (PROBABILITY, [0.0, 0.5, 1.0], [-1e-9, 1.0001, math.nan]),
        (LOG_FACTOR, [-100.0, 0.0, 10.0], [-101.0, 10.1, math.inf]),
        (whole(1, 20), [1.0, 7.0, 20.0], [0.0, 1.5, 21.0]),
    ],
)
def test_domains_end_where_they_say(domain: Domain, good, bad):
    for value in good:
        assert domain.problem("x", np.array([1.0, value])) == ""
    for value in bad:
        assert "1 of 2 draws are not" in domain.problem("x", np.array([1.0, value]))


@pytest.mark.parametrize(
    ("life", "money", "said"),
    [
        ({"r": 1e9, "alpha": 1e-9}, {}, "r, alpha: mean order rate a day must be at most 1000"),
        ({"r": 7.1e3, "alpha": 1.0}, {}, "in 40 of 40 draws it is not (1014.29)"),
        ({"r": 6.9e3, "alpha": 1.0}, {}, ""),
        ({}, {"q": np.nextafter(1.0, 2.0)}, "p, gamma, q: mean amount p gamma / (q - 1) must be at most 1e+15"),
        ({}, {"gamma": 1e14, "p": 1e3}, "mean amount p gamma / (q - 1) must be at most 1e+15"),
        ({"a": 1e6}, {}, "a must be above 0: from 1e-9 to 100,000, and 40 of 40 draws are not (1e+06)"),
    ],
)
def test_parameters_mean_something_together(life, money, said):
    drawn = models(LIFE | life, MONEY | money)
    found = "; ".join(implausible_draws(drawn))
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize("prefix", ["", "bg_nbd.", "plan a."])
def test_months_ahead_count_for_the_order_rate(prefix):
    slow = {"r": 1.0, "alpha": 1.0, "path.shock": 0.0, "path.level": 0.0, "path.slope": 0.0, "path.sd": 0.2}
    for fast in ({"path.level": 10.0}, {"path.slope": 1.0}, {"path.sd": 5.0}):
        for more, wrong in (({}, False), (fast, True)):
            params = {prefix + name: np.full(3, value) for name, value in {**slow, **more}.items()}
            assert bool(joint_problems(params, 7.0)) == wrong


def test_what_must_be_the_same_in_every_draw():
    k = whole(1, 20, constant=True)
    assert k.problem("k", np.full(5, 3.0)) == ""
    assert k.problem("k", np.array([3.0, 4.0])) == "k must be the same in every draw, and runs from 3 to 4"


def test_of_many_problems_the_first_are_told():
    domains = dict.fromkeys("abcdefgh", POSITIVE)
    told = problems(domains, dict.fromkeys("abcdef", np.zeros(2)))
    assert told[0] == "g, h are missing"
    assert len(told) == 4
    assert told[-1] == "and 4 more"


def test_several_models_must_say_whose_draw_it_is():
    both: Any = several.Several((RETENTION["bg_nbd"](), RETENTION["mbg_nbd"]()), (0.5, 0.5))
    own = {f"{kind}.{name}": np.full(2, value) for kind in both.kinds for name, value in LIFE.items()}
    money = {name: np.full(2, value) for name, value in MONEY.items()}
    assert implausible(both, SPEND["gamma_gamma"](), {"model": np.array([0.0, 1.0]), **own}, money, 7.0) == []
    for wrong in ([0.0, 2.0], [-1.0, 0.0], [0.5, 0.0]):
        (said,) = implausible(both, SPEND["gamma_gamma"](), {"model": np.array(wrong), **own}, money, 7.0)
        assert said.startswith("model must be a whole number from 0 to 1")


def test_draws_of_ones_own_making_are_looked_at_too(cdnow):
    """`clvsim.simulate` is called with whatever Python made."""
    good = models()
    bad = replace(good, posterior=replace(good.posterior, retention={**good.posterior.retention, "r": -np.ones(DRAWS)}))
    scenarios = {"baseline": Scenario(title="As today")}
    with pytest.raises(ConfigError, match="r must be above 0"):
        simulate(bad, cdnow, scenarios, simulation=SimulationConfig(draws=10, horizon_months=1))


@pytest.mark.parametrize("damage", ["not HDF5", "an empty file", "another attribute", "no attribute", "no JSON"])
def test_no_refusal_speaks_python(file, damage):
    if damage in ("not HDF5", "an empty file"):
        file.write_bytes(b"" if damage == "an empty file" else b"x" * 999)
    else:
        with h5py.File(file, "r+") as root:
            for name in ("retention_config", "spend_config", "diagnostics"):
                if damage == "no attribute":
                    del root.attrs[name]
                else:
                    root.attrs[name] = "[1, 2]" if damage == "another attribute" else "{"
    said = refusal(file)
    assert not re.search(r"Error|Traceback|object has no|NoneType|synchronously|signature|expecting", said), said


@pytest.mark.parametrize("name", ["n" * 300, "folder", "a\0b"])
def test_a_file_of_draws_that_is_no_file(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"fit\.posterior: no such file: "):
        read_parts(tmp_path / name, "bg_nbd")


def test_a_file_that_says_no_model_is_no_posterior(file):
    with h5py.File(file, "a") as tree:
        del tree.attrs["retention_model"]
    with pytest.raises(ConfigError, match="cannot be read as a posterior") as refused:
        read_parts(file, "bg_nbd")
    assert len(str(refused.value)) < 400
