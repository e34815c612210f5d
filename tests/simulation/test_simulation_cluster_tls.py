"""A cluster over TLS: reached with certificates of Dask's own configuration, refused in a line without."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed
import pytest
from shop import assert_same
from test_simulation_cluster import simulated

from clvsim.errors import ConfigError
from clvsim.simulation import cluster
from clvsim.simulation.cluster import require_cluster
from clvsim.simulation.config import SimulationConfig
from clvsim.simulation.workers import HERE, workers_of

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An authority of our own, and a key with a certificate that it signed; another key that it did not sign."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def authority(name: str) -> None:
        subject = ("-subj", f"/CN={name}", "-days", "2")
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", *subject
        )

    authority("ours")
    authority("foreign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "asked.pem", "-subj", "/CN=127.0.0.1")
    signed = ("-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", "asked.pem", "-out", "certificate.pem", *signed)
    names = {"ca": "ours.pem", "cert": "certificate.pem", "key": "key.pem"}
    foreign = {"foreign_cert": "foreign.pem", "foreign_key": "foreign.key"}
    return {what: folder / name for what, name in (names | foreign).items()}


@pytest.fixture(scope="module")
def address(certificates: dict[str, Path]) -> Generator[str]:
    own = {
        f"tls_{role}_{part}": str(certificates[part])
        for role in ("scheduler", "worker", "client")
        for part in ("cert", "key")
    }
    security = distributed.Security(tls_ca_file=str(certificates["ca"]), require_encryption=True, **own)
    quiet = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", protocol="tls://", security=security, **quiet
    ) as found:
        yield found.scheduler_address


@contextmanager
def configured(ca: Path, cert: Path, key: Path) -> Generator[None]:
    """Certificates of this process, as its configuration of Dask names them."""
    settings = {"ca-file": ca, "client.cert": cert, "client.key": key}
    with dask.config.set({f"distributed.comm.tls.{name}": str(path) for name, path in settings.items()}):
        yield


def test_workers_behind_tls_give_the_same_bits(address: str, certificates: dict[str, Path]) -> None:
    assert address.startswith("tls://127.0.0.1:")
    with (
        configured(*(certificates[part] for part in ("ca", "cert", "key"))),
        workers_of(SimulationConfig(cluster=address)) as workers,
    ):
        assert_same(simulated(workers), simulated(HERE, shard_customers=4096))


@pytest.mark.parametrize("cert", ["", "foreign_"])
def test_without_a_certificate_that_the_authority_signed(
    address: str, certificates: dict[str, Path], cert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 1.0)
    refused = pytest.raises(ConfigError, match=rf"^simulation\.cluster: {address} has no scheduler that answers \(")
    if not cert:
        with refused as found:
            require_cluster(address)
    else:
        keys = (certificates["ca"], certificates["foreign_cert"], certificates["foreign_key"])
        with configured(*keys), refused as found:
            require_cluster(address)
    assert "\n" not in str(found.value)
