"""Objects in a store from the shell: what is refused before anything is asked, and a run against a server."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from clvsim.data.objects.libraries import SECONDS
from clvsim.data.raw import BUNDLED
from clvsim.stages.bridge import paths_again
from tests.cli.shell import ORDERS, assert_refused, tree
from tests.installs import beside, environment

SECRET = "swordfish"
MISSING = "data.path: s3:// needs packages that are not installed; type pip install 'clvsim[s3]'"
BRIEF = ("fit.method=map", "fit.draws=20", "simulation.draws=20", "simulation.horizon_months=6")


# --- without a store --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="the extra s3 is installed")
@pytest.mark.parametrize("word", ["s3://shop/orders.csv", "data.path=s3://shop/*.csv", "s3://shop/year=2024/o.csv"])
def test_a_missing_extra_is_named(clvsim, here, word):
    words = ("data=csv", word) if word.startswith("data.path") else (word,)
    assert_refused(clvsim("check", *words), 2, MISSING)
    assert_refused(clvsim("run", *words, "out=r"), 2, MISSING)
    assert tree(here) == {}


@pytest.mark.parametrize(
    "word",
    [
        f"s3://AKIA0000:{SECRET}@shop/orders.csv",
        f"data.path=s3://AKIA0000:{SECRET}@shop/orders.csv",
        f"data.path=[s3://AKIA0000:{SECRET}@shop/orders.csv,s3://shop/b.csv]",
        f"s3://shop/orders.csv?aws_secret_access_key={SECRET}",
        f"data.pth=s3://AKIA0000:{SECRET}@shop/orders.csv",
        f"scenario.x=s3://AKIA0000:{SECRET}@shop/orders.csv",
    ],
)
@pytest.mark.parametrize("stage", ["check", "run"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(clvsim, here, stage, word):
    done = clvsim(stage, *(() if word.startswith("s3") else ("data=csv",)), word)
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert tree(here) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {path: 's3://elsewhere/o.csv'}", "'s3://elsewhere/o.csv'"),
        ("data: {path: ['s3://elsewhere/o.csv']}", "'s3://elsewhere/o.csv'"),
        ("data: {path: 'gs://elsewhere/o.csv'}", "'gs://elsewhere/o.csv'"),
        (f"data: {{path: 's3://AKIA:{SECRET}@elsewhere/o.csv'}}", "'s3://…'"),
        ("question: 's3://elsewhere/o.csv'\ndata: {path: '${question}'}", "'s3://elsewhere/o.csv'"),
    ],
)
def test_an_address_of_a_study_is_not_asked(clvsim, here, text, said):
    (here / "experiments").mkdir()
    (here / "experiments" / "own.yaml").write_text(f"# @package _global_\ndefaults: [override /data: csv]\n{text}\n")
    before = tree(here)
    for stage in ("check", "run"):
        refused = clvsim(stage, "experiment=own")
        assert_refused(refused, 2, f"data.path: an address is typed, and not taken from a file: {said}")
        assert SECRET not in refused.stderr
    assert tree(here) == before


def test_an_address_of_a_studys_sweep_is_not_asked(clvsim, here):
    (here / "experiments").mkdir()
    sweep = "hydra: {mode: MULTIRUN, sweeper: {params: {data.path: 's3://elsewhere/o.csv,s3://elsewhere/p.csv'}}}"
    (here / "experiments" / "own.yaml").write_text(f"# @package _global_\ndefaults: [override /data: csv]\n{sweep}\n")
    done = clvsim("run", "experiment=own")
    assert_refused(done, 2, "hydra.sweeper.params.data.path: is an address, which is typed and not taken from a file")


def test_an_address_in_a_record_is_not_asked(here):
    """Neither one that somebody wrote there, nor that of the command."""
    local = {"folder": str(here), "command": "clvsim run s3://shop/o.csv"}
    for path in ("s3://shop/o.csv", "o.csv", ["s3://shop/o.csv", "s3://shop/*.csv"]):
        assert paths_again({"config": {"data": {"path": path}}, "local": local}) == ""
        assert paths_again({"config": {"data": {"path": path}}, "local": {**local, "folder": "."}}) == ""


# --- a server ---------------------------------------------------------------------------------------------------------


class Store(NamedTuple):
    """A server with a bucket `shop`, and what reaches it: packages in a folder of their own, and the environment."""

    url: str
    packages: str

    @property
    def env(self) -> dict[str, str]:
        return {
            "PYTHONPATH": self.packages,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIA0000",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def put(self, name: str, content: bytes) -> None:
        """Write an object, by a process of its own: the packages are not those of the tests."""
        code = "import sys, s3fs; s3fs.S3FileSystem().pipe_file(sys.argv[1], sys.stdin.buffer.read())"
        self.python(code, f"shop/{name}", content)

    def python(self, code: str, word: str = "", content: bytes = b"") -> None:
        env = {**os.environ, **self.env, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run([sys.executable, "-c", code, word], input=content, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    python = environment(folder / "moto", "moto[server]>=5")  # neither goes with what the tests have installed
    packages = beside(folder / "packages", "s3fs>=2025.2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
    )
    try:
        wait_for(port)
        store = Store(f"http://127.0.0.1:{port}", packages)
        store.python("import s3fs; s3fs.S3FileSystem().mkdir('shop')")
        yield store
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server of the tests does not answer")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_a_run_on_an_object_is_that_on_the_file(command, here, bucket, name):
    content = ORDERS.encode() if name == "o.csv" else BUNDLED["cdnow_sample"].read_bytes()
    bucket.put(f"exports/{name}", content)
    (here / name).write_bytes(content)
    there = command("run", f"s3://shop/exports/{name}", *BRIEF, "out=there", **bucket.env)
    assert there.returncode == 0, there.stderr
    at_hand = command("run", name, *BRIEF, "out=here", **bucket.env)
    assert at_hand.returncode == 0, at_hand.stderr
    for part in ("comparison.csv", "books.csv", "customers.parquet"):
        assert (here / "there" / part).read_bytes() == (here / "here" / part).read_bytes()
    of = [json.loads((here / folder / "run.json").read_text()) for folder in ("there", "here")]
    assert of[0]["data"]["sha256"] == of[1]["data"]["sha256"]
    assert of[0]["config"]["data"]["path"] == name
    kept = {path: text or b"" for path, text in tree(here).items()}
    assert not [path for path, text in kept.items() if SECRET.encode() in text or b"AKIA0000" in text]
    local = json.dumps(of[0].pop("local"))
    assert "s3://shop/exports/" in local  # the command, as it was typed
    assert "shop/exports" not in json.dumps(of[0])
    shown = [path for path, text in kept.items() if path.startswith("there/") and b"shop/exports" in text]
    assert shown == ["there/run.json"]


@pytest.mark.slow
def test_what_goes_wrong_at_a_store_is_a_line(command, here, bucket):
    bucket.put("o.csv", ORDERS.encode())
    bucket.put("empty.csv", b"")

    def refused(path: str, code: int, said: str, **env: str) -> None:
        started = time.monotonic()
        done = command("check", path, **{**bucket.env, **env})
        assert_refused(done, code, said)
        assert SECRET not in done.stderr
        assert "AKIA" not in done.stderr.replace("AWS_ACCESS_KEY_ID", "")
        assert time.monotonic() - started < SECONDS + 3 * usual + 5

    started = time.monotonic()
    assert command("check", "s3://shop/o.csv", **bucket.env).returncode == 0
    usual = time.monotonic() - started  # of a machine that may be busy
    assert command("check", "s3://shop/*.csv", FSSPEC_S3_ANON="true", **bucket.env).returncode == 4  # one is empty
    refused("s3://shop/no.csv", 2, "data.path: no such object: s3://shop/no.csv")
    refused("s3://none/no.csv", 2, "data.path: s3://none/no.csv: there is no such bucket")
    refused("s3://shop/empty.csv", 4, "s3://shop/empty.csv: the object is empty")
    nobody = "nobody answers; is there a network, and is AWS_ENDPOINT_URL right?"
    refused("s3://shop/o.csv", 2, nobody, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    refused("s3://shop/o.csv", 2, "AWS_ENDPOINT_URL is no address", AWS_ENDPOINT_URL="nonsense")
    refused("s3://shop/o.csv", 2, "AWS_PROFILE names a profile that is not there", AWS_PROFILE="nope")
    refused("s3://shop/o.csv", 2, "are incomplete", AWS_SECRET_ACCESS_KEY="")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused("s3://shop/o.csv", 2, "the store does not answer in time", AWS_ENDPOINT_URL=address)
    assert tree(here) == {}


CHANGING = """
import sys, s3fs
import clvsim
from clvsim.data.objects.store import Files
from clvsim.errors import DataError

name, before = sys.argv[1], Files.kind_of


def after_a_write(files, path):
    s3fs.S3FileSystem().pipe_file(name, s3fs.S3FileSystem().cat_file(name) + b"z,2024-05-01,1\\n")
    return before(files, path)


Files.kind_of = after_a_write
try:
    clvsim.read_transactions(f"s3://{name}")
except DataError as error:
    assert str(error) == f"s3://{name}: it has changed while it was read; try again when it is no longer being written"
else:
    raise AssertionError("it was read")
"""


@pytest.mark.slow
def test_an_object_that_is_written_while_it_is_read_is_refused(bucket):
    bucket.put("o.csv", ORDERS.encode())
    bucket.python(CHANGING, "shop/o.csv")
