"""A study executes nothing and reads nothing of the machine: each way in is tried with a canary that would be seen."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from clvsim.errors import ConfigError
from clvsim.files import CONFIGS, ROOT
from clvsim.rim import source
from clvsim.rim.allowed import MAX_BYTES, close_resolvers, require_allowed_file, require_allowed_words
from clvsim.rim.arguments import hydra_words
from clvsim.rim.explain import compose_stage
from tests.cli.shell import ORDERS, assert_refused, tree

SECRET = "swordfish"
EXECUTED = "canary"
TOUCH = "{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [canary]}}"
LOGGING = """title: x
version: 1
handlers: {c: {class: logging.FileHandler, filename: canary, mode: w}}
root: {handlers: [c]}
"""

# A study's file, and a text of the one line that refuses it.
STUDIES = {
    "a callback": (f"hydra: {{callbacks: {{x: {TOUCH}}}}}", "hydra.callbacks is not available"),
    "logging": ("hydra: {job_logging: {handlers: {f: {class: logging.FileHandler, filename: canary}}}}", "job_logging"),
    "Hydra's own logging": ("hydra: {hydra_logging: {version: 1}}", "hydra.hydra_logging is not available"),
    "a launcher's class": (f"hydra: {{launcher: {TOUCH}}}", "hydra.launcher is not available"),
    "a launcher's set-up": ("hydra: {launcher: {setup: [touch canary]}}", "hydra.launcher is not available"),
    "a sweeper's class": (f"hydra: {{sweeper: {TOUCH}}}", "hydra.sweeper is not available"),
    "environment": ("hydra: {job: {env_set: {PATH: .}}}", "hydra.job is not available"),
    "a search path": ("hydra: {searchpath: ['pkg://evil']}", "hydra.searchpath is not available"),
    "a swept callback": (
        "hydra: {sweeper: {params: {+hydra.callbacks.x._target_: os.abort}}}",
        "hydra.sweeper.params.+hydra.callbacks.x._target_: is not available",
    ),
    "another folder": ("defaults: [/data/../../evil]", "is no group of ours"),
    "another folder by name": ("defaults: [{/data: ../../evil}]", "is no group of ours"),
    "a group of Hydra": ("defaults: [{override /hydra/job_logging: default}]", "is not available"),
    "a launcher of the machine": ("defaults: [{override /hydra/launcher: evil}]", "is not available"),
    "the environment's secret": ("title: ${oc.env:SECRET}", "${oc.env:...} is not available"),
    "the same inside a text": ("question: 'Is it ${ oc.env:SECRET }?'", "${oc.env:...} is not available"),
    "the same as a default": ("title: '${oc.select:x,${oc.env:SECRET}}'", "is not available"),
    "the secret behind a backslash": (r"title: '\\${oc.env:SECRET}'", "${oc.env:...} is not available"),
    "the secret behind three": (r"title: '\\\${oc.env:SECRET}'", "${oc.env:...} is not available"),
    "a resolver's name in parts": ("question: env\ntitle: '${oc.${question}:SECRET}'", "${ stands before no key"),
    "a key in brackets": ("title: '${finance[currency]}'", "title: ${ stands before no key"),
    "a reference that never ends": ("title: '${question'", "title: ${ stands before no key"),
    "the secret in parts, swept": (
        "question: $\nhydra: {mode: MULTIRUN, sweeper: {params: {title: '${question}{oc.env:SECRET}'}}}",
        "hydra.sweeper.params.title: holds ${; write the values out",
    ),
    "a scenario as logging": ("defaults: [{/scenarios@hydra.job_logging: evil}, _self_]", "without @"),
    "the same by its file": ("defaults: [/scenarios/evil@hydra.job_logging, _self_]", "without @"),
    "the same as an override": ("defaults: [{override /scenarios@hydra.job_logging: evil}]", "without @"),
    "the same, swept": (
        "hydra: {mode: MULTIRUN, sweeper: {params: {+scenarios@hydra.job_logging: evil}}}",
        "hydra.sweeper.params.+scenarios@hydra.job_logging: is not available: a file goes where its kind belongs",
    ),
    "a callback by a package": ("defaults: [{/scenarios@hydra.callbacks.x: evil}]", "without @"),
    "a package in a list": ("defaults: [{override /scenarios: ['evil@hydra.job_logging']}]", "without @"),
    "a scenario that is Hydra's by its name": (
        "defaults: [{override /scenarios: [_global_.hydra.job_logging.x]}]",
        "scenario/_global_.hydra.job_logging.x.yaml: a name has letters",
    ),
    "a header": ("# @package hydra.job_logging\ntitle: x", "# @package hydra.job_logging: is not available"),
    "another folder, swept": ("hydra: {mode: MULTIRUN, sweeper: {params: {data: ../../evil}}}", "is no name of a file"),
    "another folder, swept by reference": (
        "question: ../../evil\nhydra: {mode: MULTIRUN, sweeper: {params: {data: '${question}'}}}",
        "is no name of a file",
    ),
    "a class by a longer key": (
        "hydra: {mode: MULTIRUN, sweeper: {params: {+finance._target_=os.abort: x}}}",
        "chooses code",
    ),
    "a class": (f"finance: {TOUCH}", "chooses code, which a study does not"),
    "an alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\ntitle: *b", "holds an anchor or an alias"),
    "a recursive anchor": ("a: &a {b: *a}", "holds an anchor or an alias"),
    "a program by its tag": (
        f"title: !!python/object/apply:os.system [touch {EXECUTED}]",
        "holds a tag (tag:yaml.org,2002:pyt",
    ),
    "a set": ("title: !!set [a]", "holds a tag (tag:yaml.org,2002:set)"),
    "a time that is none": ("title: !!timestamp x", "holds a tag (tag:yaml.org,2002:timestamp)"),
    "a list for a group": ("title: x\ndefaults: [[a]]", "is no group of ours"),
    "deep nesting": ("title: " + "[" * 500 + "]" * 500, "is deeper than 20 levels"),
    "many entries": ("title: [" + "1," * 21_000 + "]", "more than 20,000 entries"),
    "defaults in a word": ("title: x\ndefaults: x", "defaults must be a list"),
    "a text": ("API_TOKEN=abcd", "experiments/study.yaml: holds no keys"),
    "Hydra's own values": ("title: ${hydra.runtime.cwd}", "${hydra.runtime.cwd} is not available"),
    "a group of 300 letters": ("defaults: [{/" + "a" * 300 + ": x}]", "has 304 characters, at most 200"),
    "a book": ("title: " + "x" * MAX_BYTES, "has more than 256 KB"),
}


@pytest.fixture
def evil(here):
    """What the canaries would find."""
    (here / "orders.csv").write_text(ORDERS)
    (here / "evil.yaml").write_text(f"# @package _global_\nhydra: {{callbacks: {{x: {TOUCH}}}}}\n")
    (here / "evil.py").write_text("open('canary', 'w')\n")
    for folder in ("experiments", "scenario"):
        (here / folder).mkdir()
    for name in ("evil", "_global_.hydra.job_logging.x", "_global_"):
        (here / "scenario" / f"{name}.yaml").write_text(LOGGING)
    (here / "logging.yaml").write_text(f"# @package hydra.job_logging\n{LOGGING}")
    return here


@pytest.mark.parametrize(("content", "line"), STUDIES.values(), ids=STUDIES)
def test_a_study_does_nothing_but_choose(clvsim, evil, content, line):
    (evil / "experiments" / "study.yaml").write_text(f"{content}\n")
    before = tree(evil)
    done = clvsim("check", "orders.csv", "experiment=study", SECRET=SECRET, PYTHONPATH=str(evil))
    assert_refused(done, 2, line)
    assert "experiments/study.yaml" in done.stderr or "scenario/" in done.stderr
    assert len(done.stderr) < 400
    assert SECRET not in done.stderr
    assert tree(evil) == before


@pytest.mark.parametrize(
    "content", ["title: ${oc.env:SECRET}", "title: x\na: &a {kind: shift}\nb: *a", f"title: x\nlever: {TOUCH}"]
)
@pytest.mark.parametrize("combined", [False, True])
def test_nor_does_a_scenario(clvsim, evil, content, combined):
    (evil / "scenario" / "own.yaml").write_text(f"{content}\n")
    (evil / "scenario" / "both.yaml").write_text("title: Both\ncombine: [own]\n")
    before = tree(evil)
    done = clvsim("check", "orders.csv", f"scenarios=[{'both' if combined else 'own'}]", SECRET=SECRET)
    assert_refused(done, 2, "scenario/own.yaml: ")
    assert tree(evil) == before


WORDS = {
    "a callback": (["+hydra.callbacks.x._target_=os.abort"], "hydra.callbacks.x._target_: is not available"),
    "a launcher's class": (["hydra.launcher._target_=os.abort"], "hydra.launcher._target_: is not available"),
    "a launcher's set-up": (["+hydra.launcher.setup=[id]"], "hydra.launcher.setup: is not available; a launcher has"),
    "a launcher of the machine": (["hydra/launcher=evil"], "hydra/launcher: must be one of basic, joblib"),
    "100,000 workers": (["hydra.launcher.n_jobs=100000"], "n_jobs: must be a whole number from 1 to 256 or -1, got"),
    "no worker": (["hydra.launcher.n_jobs=0"], "n_jobs: must be a whole number from 1 to 256 or -1, got '0'"),
    "workers in words": (
        ["hydra.launcher.n_jobs=abc"],
        "from 1 to 256 or -1, got 'abc'",
    ),
    "a partition that is none": (["hydra.launcher.partition=a b"], "partition: must be the name of a partition"),
    "a long key": (["a" * 256 + "=1"], "is a key of 256 characters, at most 200"),
    "a list of numbers for a group": (["finance=[1]"], "finance: '1' is no name of a file"),
    "a list of nothing for a group": (["finance=[null]"], "finance: 'null' is no name of a file"),
    "a number for a group": (["trace=1.5"], "trace: '1.5' is no name of a file"),
    "many levels": ([".".join("a" * 300) + "=1"], "is a key of 599 characters, at most 200"),
    "a folder of Hydra's": (["out=${hydra:runtime.cwd}"], "out: ${hydra:...} is not available"),
    "a sweeper": (["hydra/sweeper=evil"], "hydra/sweeper: is not available"),
    "a search path": (["hydra.searchpath=[pkg://evil]"], "hydra.searchpath: is not available"),
    "environment": (["+hydra.job.env_set.PATH=."], "hydra.job.env_set.PATH: is not available"),
    "Hydra as a whole": (["~hydra"], "hydra: is not available"),
    "a package of its own": (["+evil@hydra.callbacks=x"], "evil"),
    "a scenario as logging": (["+scenarios@hydra.job_logging=evil"], "without @"),
    "the same, swept": (["-m", "+scenarios@hydra.job_logging=evil"], "scenarios@hydra.job_logging: is not available"),
    "a scenario as a callback": (
        ["+scenarios@hydra.callbacks.x=evil"],
        "scenarios@hydra.callbacks.x: is not available",
    ),
    "a scenario's package changed": (["scenarios@scenario:hydra.job_logging=evil"], "without @"),
    "a scenario that is Hydra's by its name": (["scenarios=[_global_.hydra.job_logging.x]"], "a name has letters"),
    "a scenario at the root": (["scenarios=[_global_]"], "and not _ at both ends"),
    "a file of the machine": (["data={up}logging"], "is no name of a file of its folder"),
    "the same in a list": (["+fit=['{up}logging']"], "is no name of a file of its folder"),
    "the same by reference": (["data=${title}", "title={up}logging"], "is no name of a file of its folder"),
    "a pickle": (["--experimental-rerun=evil.pickle"], "--experimental-rerun=evil.pickle: is not available"),
    "a folder": (["--config-dir", "."], "--config-dir: is not available"),
    "another configuration": (["-cn", "evil"], "-cn: is not available"),
    "the environment": (["title=${oc.env:SECRET}"], "title: ${oc.env:...} is not available"),
    "the environment behind a backslash": ([r"title=\\${oc.env:SECRET}"], "title: ${oc.env:...} is not available"),
    "the same, escaped once": ([r"title=\${oc.env:SECRET}"], "title: ${oc.env:...} is not available"),
    "the same as text": ([r'data.only={A: ["\\${oc.env:SECRET}"]}'], r"data.only: holds \\${"),
    "a resolver's name in parts": (
        ["question=env", "title=${oc.${question}:SECRET}"],
        "title: ${ stands before no key",
    ),
    "the environment in a folder's name": (["out=${now:${oc.env:SECRET}}"], "out: ${now:...} is not available"),
    "the clock in a title": (["title=${now:%Y}"], "title: ${now:...} is not available"),
    "a class": (["+finance._target_=os.abort"], "finance._target_: chooses code"),
    "the environment in a file's name, behind a backslash": (
        [r"\\${oc.env:SECRET}.csv"],
        r"data.path: no such file: \\${oc.env:SECRET}.csv",
    ),
    "the environment in a file's name": (["${oc.env:SECRET}.csv"], "data.path: no such file: ${oc.env:SECRET}.csv"),
}


@pytest.mark.parametrize(("words", "line"), WORDS.values(), ids=WORDS)
def test_nor_does_a_command(clvsim, evil, words, line):
    before = tree(evil)
    up = os.path.relpath(evil, CONFIGS / "data") + os.sep
    done = clvsim("check", "orders.csv", *(word.replace("{up}", up) for word in words), SECRET=SECRET)
    assert_refused(done, 2, line)
    assert SECRET not in done.stderr
    assert tree(evil) == before


SECRETS = {
    "an object": ("data.path", ["s3://AKIA0000:swordfish@shop/o.csv"]),
    "an object of each job": ("data.path", ["-m", "data.path=s3://shop/o.csv,s3://k:swordfish@shop/o.csv"]),
    "a signed link": ("data.path", ["s3://shop/o.csv?X-Amz-Signature=swordfish", "-m", "seed=1,2"]),
    "half a list": ("data.path", ["data=csv", "data.path=[s3://AKIA0000:swordfish@shop/o.csv"]),
    "another key": ("data.rates", ["data.rates=s3://AKIA0000:swordfish@shop/o.csv"]),
    "a server": ("data.url", ["-m", "data=sql", "data.url=postgresql://me:swordfish@host/x", "seed=1,2"]),
    "a server, behind": ("data.url", ["data=sql", "data.url=postgresql://host/x?user=me&password=swordfish"]),
    "a scheduler": ("simulation.cluster", ["simulation.cluster=tcp://me:swordfish@127.0.0.1:8786"]),
}


@pytest.mark.parametrize(("key", "words"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_refused_before_any_job_and_not_repeated(key, words):
    with pytest.raises(ConfigError) as error:
        hydra_words("run", words)
    (problem,) = error.value.problems
    assert problem.where == key
    assert "password" in problem.what or "secret" in problem.what
    assert "swordfish" not in str(error.value)


@pytest.mark.parametrize(
    "word",
    [
        *("data.url=postgresql://me@host:5432/x?sslmode=require", "data.path=s3://shop/2024/o@1:2.csv", "title=a: b@c"),
        *("simulation.cluster=tcp://[::1]:8786", "data.url=sqlite:////srv/shop.db", "s3://shop/ü #1.csv"),
    ],
)
def test_an_address_without_one_passes(word):
    assert hydra_words("run", [word])


@pytest.mark.parametrize("part", ["s3://", "a", "x:", "s3://a?b", "a://b:", "?a&"])
def test_long_words_are_searched_for_one_quickly(part):
    start = time.perf_counter()
    with contextlib.suppress(ConfigError):
        hydra_words("run", [part * 20_000])
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("key", ["out", "simulation.checkpoint", "fit.posterior"])
def test_nothing_is_written_to_an_address(key):
    with pytest.raises(ConfigError, match="is a path of this machine"):
        hydra_words("run", [f"{key}=s3://shop/x"])
    assert hydra_words("run", [f"{key}=shop/x"])


TOO_MUCH = {
    "a list of 2 MB": (["data.covariates=[" + "1," * 1_000_000 + "1]"], "has 2,000,003 characters, at most 100,000"),
    "a long list": (["fit.posterior=[" + "a," * 900 + "a]"], "is a list of 901 values, at most 500"),
    "a title of 2 MB": (["title=" + "x" * 2_000_000], "title: has 2,000,000 characters"),
    "many settings": ([f"+a.k{n}=1" for n in range(1001)], "has 1,001 settings, at most 1,000; write an experiment"),
    "deep nesting": (["data.rates=" + "{a:" * 21 + "1" + "}" * 21], "data.rates: is deeper than 20 levels"),
    "many digits": (["simulation.draws=" + "9" * 5000], "simulation.draws: holds a number of more than 100 digits"),
    "many files": ([f"{n}.csv" for n in range(2001)], "2,001 files, at most 2,000; a pattern in quotes takes more"),
    "a sweep": (["-m", "seed=range(1,1000000000)"], "seed: makes a sweep of more than 10,000 jobs"),
    "a sweep that stands": (["-m", "seed=range(1,5,step=0)"], "seed: makes a sweep of more than 10,000 jobs"),
    "a product": (
        ["-m", *(f"{key}=range(0,30)" for key in ("seed", "fit.seed", "simulation.jobs"))],
        "simulation.jobs: makes a sweep of more than 10,000 jobs",
    ),
}


@pytest.mark.parametrize(("words", "line"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_is_told_before_it_is_read(words, line):
    start = time.perf_counter()
    with pytest.raises(ConfigError) as error:
        hydra_words("check", words)
    assert time.perf_counter() - start < 0.5
    (problem,) = error.value.problems
    assert line in f"{problem.where}: {problem.what}"
    assert len(problem.what) < 200


def test_a_study_sweeps_as_far_as_somebody_reads(clvsim, evil):
    study = evil / "experiments" / "study.yaml"
    study.write_text("hydra: {mode: MULTIRUN, sweeper: {params: {seed: 'range(0,100000)'}}}\n")
    assert_refused(clvsim("check", "orders.csv", "experiment=study"), 2, "seed: makes a sweep of more than 10,000 jobs")


def test_what_a_study_may_say(tmp_path):
    require_allowed_words(
        ["-m"],
        ["seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.mode=MULTIRUN", "out=x/${now:%Y}",
         "title=${question}", "data.only={A: [${oc.env:X}]}", "scenario.a.b.size=1", "~scenario.a"],
    )  # fmt: skip
    path = tmp_path / "study.yaml"
    path.write_text(
        "defaults: [{/data: csv}, {override /retention: bg_nbd}, {override /hydra/launcher: joblib}, _self_]\n"
        "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '5,6'}}}\n"
        "title: '${question} and more'\nquestion: Why?\nscenario: {a: {b: {size: 1}}}\n"
    )
    require_allowed_file(path, "study")


@pytest.mark.parametrize("package", ["hydra_plugins/evil", "hydra"])
def test_nor_does_a_folder_of_python(command, evil, package):
    """Hydra imports all plugins that it finds, and Python what lies in the current folder."""
    (evil / package).mkdir(parents=True)
    (evil / package / "__init__.py").write_text("open('canary', 'w')\n")
    before = tree(evil)
    done = command("check", "orders.csv", "seed=x", PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    assert_refused(done, 2, "seed: ")
    assert tree(evil) == before


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("scenarios@hydra.job_logging=evil", "hydra.job_logging"),
        ("scenarios@hydra.hydra_logging=evil", "hydra.hydra_logging"),
        ("scenarios@hydra.callbacks.x=evil", "hydra.callbacks"),
        ("hydra.job.env_set.PATH=.", "hydra.job"),
        ("hydra.launcher.setup=[id]", "hydra.launcher"),
        ("hydra.sweeper._target_=os.abort", "hydra.sweeper"),
    ],
)
def test_should_a_word_pass_hydra_is_looked_at_once_more(evil, word, key):
    source.register()
    with pytest.raises(ConfigError) as error:
        compose_stage("check", [f"++{word}" if word.startswith("hydra") else f"+{word}"])
    assert [problem.where for problem in error.value.problems] == [key]


def test_should_a_reference_pass_there_is_nobody_to_ask():
    close_resolvers()
    for name in ("oc.env", "oc.decode", "oc.create", "oc.dict.keys", "oc.dict.values"):
        assert not OmegaConf.has_resolver(name)


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("hydra: {callbacks: {}, job: {}}\ntitle: ${oc.env:X}\n")
    with pytest.raises(ConfigError) as error:
        require_allowed_file(path, "study")
    assert len(error.value.problems) == 3


MODULES = ("numpy", "joblib", "logging", "hashlib", "tempfile")


def test_modules_beside_a_study_are_not_imported_by_workers(evil):
    """joblib starts its workers with the current folder on their path. The command is the installed one: `python -m`
    searches that folder before any of our code runs."""
    for name in MODULES:
        (evil / f"{name}.py").write_text(f"open('{EXECUTED}-{name}', 'w')\n")
    words = ("retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=map", "fit.draws=8")
    more = ("simulation.draws=8", "simulation.horizon_months=1", "scenarios=[]", "out=r", "fit.allow_poor=true")
    program = (Path(sys.executable).with_name("clvsim"), "run", "orders.csv", "-m", "seed=1,2", "hydra/launcher=joblib")
    done = subprocess.run([*program, *words, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [path.name for path in evil.iterdir() if path.name.startswith(EXECUTED)]


def test_settings_of_libraries_beside_a_study_are_not_read(command, evil):
    """A pipe without a writer would be waited for."""
    (evil / ".numba_config.yaml").write_text("- 1\n")
    for name in ("matplotlibrc", "arvizrc"):
        os.mkfifo(evil / name)
    words = ("retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=map", "fit.draws=8")
    more = ("simulation.draws=8", "simulation.horizon_months=1", "scenarios=[]", "out=r", "fit.allow_poor=true")
    done = command("run", "orders.csv", *words, *more)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("clvsim: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("named", [":/nonexist", "."])
def test_nor_by_a_path_that_means_the_current_folder(evil, named):
    """As `export PYTHONPATH=$PYTHONPATH:/opt/x` leaves it where there was none; libraries' processes inherit it."""
    (evil / "numpy.py").write_text(f"open('{EXECUTED}', 'w')\n")
    words = ("retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=map", "fit.draws=8")
    more = ("simulation.draws=8", "simulation.horizon_months=1", "scenarios=[]", "out=r", "fit.allow_poor=true")
    program = (Path(sys.executable).with_name("clvsim"), "run", "orders.csv", "-m", "seed=1,2", "hydra/launcher=joblib")
    env = {**os.environ, "PYTHONPATH": named}
    done = subprocess.run([*program, *words, *more], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (evil / EXECUTED).exists()


def test_a_folder_that_was_removed(here):
    (here / "gone").mkdir()
    shell = f"cd gone && rmdir ../gone && {sys.executable} -m clvsim.cli list"
    done = subprocess.run(["/bin/sh", "-c", shell], cwd=here, capture_output=True, text=True, check=False)
    assert_refused(done, 2, "folder: the current one cannot be used (No such file or directory)")
