"""`simulation.cluster` and `simulation.checkpoint` as typed: what they refuse, and that they change no byte."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cli.shell import INTERRUPTIBLE, ORDERS, assert_refused, tree
from tests.cli.test_cli_sweep import SMALL, shop

TINY = (
    *("run", "orders.csv", "retention=bg_nbd", "spend=fixed_price", "data.calibration_end=none", "fit.method=laplace"),
    *("fit.draws=500", "simulation.draws=20", "simulation.horizon_months=1", "scenarios=[]", "out=r"),
)
FORMS = "must be none, local:N with N from 1 to 256, tcp://HOST:PORT or tls://HOST:PORT, got"
GUESSED = "columns guessed"
AWAY = "tcp://192.0.2.1:8786"

REFUSED = {
    "no number of workers": (["simulation.cluster=local:0"], [f"simulation.cluster: {FORMS} 'local:0'"]),
    "no address": (["simulation.cluster=tcp://host"], [f"simulation.cluster: {FORMS} 'tcp://host'"]),
    "a file for a folder": (
        ["simulation.checkpoint=orders.csv"],
        [GUESSED, "simulation.checkpoint: orders.csv is no folder"],
    ),
    "a folder of others": (
        ["simulation.checkpoint=experiments"],
        [GUESSED, "simulation.checkpoint: experiments holds other files; choose a folder that is new or empty"],
    ),
    "an experiment's address": (
        ["experiment=away"],
        [f"simulation.cluster: an address is typed, and not taken from a file: '{AWAY}'"],
    ),
    "an address by reference": (
        ["experiment=by_reference"],
        [f"simulation.cluster: an address is typed, and not taken from a file: '{AWAY}'"],
    ),
    "a sweep's address": (
        ["experiment=swept"],
        ["hydra.sweeper.params.simulation.cluster: is an address, which is typed and not taken from a file"],
    ),
}


@pytest.fixture
def written(here: Path) -> None:
    (here / "orders.csv").write_text(ORDERS)
    (here / "experiments").mkdir()
    files = {
        "away": f'simulation: {{cluster: "{AWAY}"}}',
        "by_reference": f'question: "{AWAY}"\nsimulation: {{cluster: "${{question}}"}}',
        "swept": f'hydra: {{mode: MULTIRUN, sweeper: {{params: {{simulation.cluster: "{AWAY},none"}}}}}}',
    }
    for name, text in files.items():
        (here / "experiments" / f"{name}.yaml").write_text(text)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_fit(clvsim, here: Path, written: None, case: str) -> None:
    words, expected = REFUSED[case]
    before = tree(here)
    assert_refused(clvsim(*TINY, *words), 2, *expected)
    assert tree(here) == before


@pytest.mark.slow
def test_nobody_at_a_typed_address(command, here: Path, written: None) -> None:
    done = command(*TINY, "simulation.cluster=tcp://127.0.0.1:1")
    assert_refused(done, 2, GUESSED, "simulation.cluster: tcp://127.0.0.1:1 has no scheduler that answers (")


LONG = (
    *("run", "orders.csv", *SMALL, "scenarios=[follow_up]", "simulation.shard_customers=5"),
    *("simulation.replicates=4", "simulation.max_replicates=4", "simulation.horizon_months=36"),
)
TABLES = ("comparison.csv", "customers.csv", "books.csv")


@pytest.mark.slow
def test_killed_in_the_middle_and_the_same_command_again(command, here: Path) -> None:
    """With a cluster and without, in turn; nothing but ranges is left, and no process."""
    (here / "orders.csv").write_text(shop())
    assert command(*LONG, "out=plain").returncode == 0
    kept = ("simulation.checkpoint=kept", "out=r")
    for number, cluster in enumerate(("simulation.cluster=local:2", "simulation.cluster=none"), start=1):
        words = (sys.executable, "-m", "clvsim.cli", *LONG, *kept, cluster)
        process = subprocess.Popen(words, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list(here.glob("kept/worlds-*/blocks-*"))) < 2 * number and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(below, timeout=20)
        assert not [one for one in below if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    done = command(*LONG, *kept, "simulation.cluster=local:2")
    assert done.returncode == 0, done.stderr
    for name in TABLES:
        assert (here / "r" / name).read_bytes() == (here / "plain" / name).read_bytes()
    shutil.rmtree(here / "kept")
    assert sorted(path.name for path in here.iterdir()) == ["orders.csv", "plain", "r"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_them_in_a_line(here: Path, number: int) -> None:
    """As a terminal sends it."""
    (here / "orders.csv").write_text(shop())
    words = (*INTERRUPTIBLE, *LONG, "out=r", "simulation.cluster=local:2")
    process = subprocess.Popen(words, cwd=here, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    me = psutil.Process(process.pid)
    while len(below := me.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    os.killpg(process.pid, number)
    err = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number
    assert all(line.startswith("clvsim: ") for line in err.splitlines()), err
    psutil.wait_procs(below, timeout=20)
    assert not [one for one in below if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert sorted(path.name for path in here.iterdir()) == ["orders.csv"]
