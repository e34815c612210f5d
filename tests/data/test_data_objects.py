"""Objects in a store, which is in memory here: read as files are, or refused in a line. A server is asked by
tests/cli/test_cli_objects.py."""

import gzip
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from clvsim.data import read_transactions
from clvsim.data.config import DataConfig, SummaryConfig
from clvsim.data.database import connect
from clvsim.data.objects import libraries, store
from clvsim.data.objects.addresses import is_address, place_of
from clvsim.data.raw import BUNDLED
from clvsim.data.readers import read_material
from clvsim.errors import ClvsimError, ConfigError, DataError
from tests.cli.shell import ORDERS

SECRET = "swordfish"
CDNOW = BUNDLED["cdnow_sample"]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A filesystem in memory instead of S3: by the name that only Python can reach."""
    made = fsspec.filesystem("memory", skip_instance_cache=True)
    made.store.clear()
    made.pseudo_dirs[:] = [""]
    monkeypatch.setattr(libraries, "filesystem", lambda: made)
    yield made
    made.store.clear()


def refused(path: object, kind: type[ClvsimError] = ConfigError) -> str:
    with pytest.raises(kind) as raised:
        read_transactions(path)  # ty: ignore[invalid-argument-type]
    assert SECRET not in str(raised.value)
    return str(raised.value)


# --- the same as of files ---------------------------------------------------------------------------------------------


def test_parquet_is_what_the_local_file_is_bit_by_bit(memory):
    memory.pipe_file("/shop/orders.parquet", CDNOW.read_bytes())
    there, here = read_material(DataConfig(path="s3://shop/orders.parquet")), read_material(DataConfig(path=str(CDNOW)))
    pd.testing.assert_frame_equal(there.summary.customers, here.summary.customers, check_exact=True)
    assert there.summary.data_hash == here.summary.data_hash
    assert there.weekly is not None
    assert here.weekly is not None
    pd.testing.assert_frame_equal(there.weekly, here.weekly, check_exact=True)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.encode("utf-16"),
        lambda text: ("exported by a shop\n" + text).encode(),
    ],
    ids=["csv", "gz", "utf-16", "with a line above"],
)
def test_text_is_what_the_local_file_is(memory, tmp_path: Path, written: Callable[[str], bytes]):
    content = written(ORDERS)
    memory.pipe_file("/shop/a b/orders [1].csv", content)
    (tmp_path / "orders.csv").write_bytes(content)
    there, here = read_transactions("s3://shop/a b/orders [1].csv"), read_transactions(str(tmp_path / "orders.csv"))
    assert there.data_hash == here.data_hash
    assert there.label == "s3://shop/a b/orders [1].csv"
    assert there.facts == here.facts


def test_a_workbook_and_a_table_of_counts(memory, tmp_path: Path):
    frame = pd.DataFrame({"customer_id": list("abc"), "date": pd.to_datetime(["2024-01-01"] * 3), "amount": [1, 2, 3]})
    frame.to_excel(tmp_path / "o.xlsx", index=False, engine="xlsxwriter")
    memory.put_file(str(tmp_path / "o.xlsx"), "/shop/o.xlsx")
    assert read_transactions("s3://shop/o.xlsx").data_hash == read_transactions(frame).data_hash
    memory.pipe_file("/shop/counts.csv", b"customer_id,frequency,recency,T,monetary_value\na,1,2,30,5\nb,0,0,20,0\n")
    config = SummaryConfig.model_validate({"path": "s3://shop/counts.csv", "today": "2024-06-30", "time_unit": "week"})
    assert len(read_material(config).summary.customers) == 2


def test_a_glob_a_list_and_files_together(memory, tmp_path: Path):
    head, *rows = ORDERS.splitlines(keepends=True)
    for number, name in enumerate(("2024/01/x.csv", "2024/02/x.csv", "y.csv")):
        memory.pipe_file(f"/shop/{name}", (head + "".join(rows[number::3])).encode())
    (tmp_path / "z.csv").write_text(head + "".join(rows[2::3]))
    whole = read_transactions_text(tmp_path, ORDERS)
    assert read_transactions(["s3://shop/2024/*/x.csv", "s3://shop/y.csv"]).data_hash == whole
    assert read_transactions("s3://shop/**/*.csv").data_hash == whole
    assert "** stands for folders, between slashes" in refused("s3://shop/**.csv")
    twice = read_transactions(["s3://shop/2024/01/x.csv", "s3://shop/2024/**/*.csv", str(tmp_path / "z.csv")])
    assert twice.data_hash == whole
    assert [line.note for line in twice.facts.readings if line.key == "twice"] == ["read once: s3://shop/2024/01/x.csv"]


def read_transactions_text(folder: Path, text: str) -> str:
    (folder / "whole.csv").write_text(text)
    return read_transactions(str(folder / "whole.csv")).data_hash


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gs://shop/o.csv", r"gs:// is not read, only s3:// and files; copy it"),
        ("az://shop/o.csv", "az:// is not read"),
        ("https://shop.example/o.csv", "download it"),
        ("file:///etc/passwd", "type the path of the file itself"),
        ("memory://shop/o.csv", "memory:// is not read"),
        ("clvsimobject://0", "clvsimobject:// is not read"),
        ("s3a://shop/o.csv", "type s3://"),
        ("S3://shop/o.csv", "S3:// is not read, only s3:// and files; type s3://"),
        (f"s3://AKIA0000:{SECRET}@shop/o.csv", "holds what may be a key or a secret"),
        (f"s3://AKIA0000:{SECRET}/x@shop/o.csv", "holds what may be a key or a secret"),
        (f"s3://{SECRET}@shop/o.csv", "holds what may be a key or a secret"),
        (f"s3://shop/o.csv?X-Amz-Signature={SECRET}", "holds what may be a key or a secret"),
        (f"s3://shop/o.csv?aws_secret_access_key={SECRET}", "holds what may be a key or a secret"),
        ("s3://", "is no address of an object"),
        ("s3:///o.csv", "is no address of an object"),
        ("s3://-/o.csv", "is no address of an object"),
        ("s3://shop", "s3://shop is a bucket; name an object or a glob: s3://shop/\\*.csv"),
        ("s3://shop/", "is a bucket"),
        ("s3://shop/" + "x" * 1025, "a key has at most 1,024 bytes"),
        ("s3://shop/o\n.csv", "no control characters"),
    ],
)
def test_an_address_that_is_none_is_a_line(address, said):
    assert is_address(address)
    with pytest.raises(ConfigError, match=said) as raised:
        place_of(address)
    ((where, what),) = raised.value.problems
    assert where == "data.path"
    assert SECRET not in what


def test_what_is_not_there_is_a_line(memory):
    memory.pipe_file("/shop/orders/o.csv", ORDERS.encode())
    memory.pipe_file("/shop/empty.csv", b"")
    assert refused("s3://shop/no.csv") == "data.path: no such object: s3://shop/no.csv"
    assert refused("s3://none/no.csv") == "data.path: s3://none/no.csv: there is no such bucket"
    assert refused("s3://shop/*.parquet") == "data.path: no object matches: s3://shop/*.parquet"
    for folder in ("s3://shop/orders", "s3://shop/orders/"):
        assert "is a folder; several objects are read with a glob such as s3://shop/orders/*.csv" in refused(folder)
    assert refused("s3://shop/empty.csv", DataError) == "s3://shop/empty.csv: the object is empty"
    both = refused(["s3://shop/no.csv", "s3://shop/nothing.csv"])
    assert "no.csv" in both
    assert "nothing.csv" in both


def test_what_is_no_table_is_told_by_its_address(memory):
    memory.pipe_file("/shop/a.pdf", b"%PDF-1.7")
    memory.pipe_file("/shop/bad.parquet", b"PAR1" + b"x" * 100)
    memory.pipe_file("/shop/nul.csv", b"a,b\n1\0,2\n")
    memory.pipe_file("/shop/bad.xlsx", b"PK\x03\x04" + b"x" * 100)
    memory.pipe_file("/shop/cut.csv.gz", gzip.compress(ORDERS.encode())[:-20])
    assert refused("s3://shop/a.pdf") == "data.path: s3://shop/a.pdf is a PDF; export the table as CSV"
    assert refused("s3://shop/bad.parquet", DataError).startswith("s3://shop/bad.parquet: not a readable Parquet file")
    assert refused("s3://shop/nul.csv", DataError).startswith("s3://shop/nul.csv: it holds NUL characters")
    assert "object-" not in refused("s3://shop/bad.xlsx", ClvsimError)
    assert refused("s3://shop/cut.csv.gz", DataError).startswith("s3://shop/cut.csv.gz: cannot be unpacked")
    memory.pipe_file("/shop/wrong.csv", b"customer_id,date,amount\na,never,1\nb,2024-01-01,2\n")
    assert "object-" not in refused("s3://shop/wrong.csv", DataError)


def test_what_is_too_large_is_refused_before_it_is_copied(memory, monkeypatch):
    memory.pipe_file("/shop/o.csv", ORDERS.encode())
    memory.pipe_file("/shop/o.xlsx", b"PK\x03\x04" + b"x" * 100)
    monkeypatch.setattr(store, "MOST_OF_A_WORKBOOK", 50)
    assert "a workbook of more than 1 GB" in refused("s3://shop/o.xlsx", DataError)
    monkeypatch.setattr(store, "MOST_OBJECTS", 1)
    assert "s3://shop/* matches 2 objects, at most 1" in refused("s3://shop/*")
    free = store.shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: free)
    assert "bytes do not fit on the disk with the temporary files" in refused("s3://shop/o.csv", DataError)


@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_an_object_that_changes_while_it_is_read_is_refused(memory, monkeypatch, name):
    memory.pipe_file(f"/shop/{name}", ORDERS.encode() if name == "o.csv" else CDNOW.read_bytes())
    before = store.Files.kind_of

    def after_a_write(files: store.Files, path: str) -> object:
        memory.pipe_file(f"/shop/{name}", memory.cat_file(f"/shop/{name}"))  # the same bytes, written once more
        return before(files, path)

    monkeypatch.setattr(store.Files, "kind_of", after_a_write)
    assert refused(f"s3://shop/{name}", DataError) == f"s3://shop/{name}: {libraries.CHANGED}"
    monkeypatch.setattr(store.Files, "kind_of", lambda files, path: (memory.rm(f"/shop/{name}"), "text")[1])
    assert refused(f"s3://shop/{name}", DataError) == f"s3://shop/{name}: {libraries.GONE}"


# --- what libraries say -----------------------------------------------------------------------------------------------


def error(name: str, base: type[Exception] = Exception, **fields: object) -> Exception:
    made = type(name, (base,), {})(f"AKIA {SECRET} http://10.0.0.1/secret")
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def answer(code: str, base: type[Exception] = OSError) -> Exception:
    outer = base("Forbidden")
    outer.__cause__ = error("ClientError", response={"Error": {"Code": code}})
    return outer


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (PermissionError("Forbidden"), "no access"),
        (answer("403", PermissionError), "no access"),
        (answer("InvalidAccessKeyId", PermissionError), "the store refuses the credentials"),
        (answer("ExpiredToken", PermissionError), "the credentials have expired"),
        (answer("400", OSError), "have the credentials expired"),  # as a HEAD answers, without a body
        (answer("PermanentRedirect"), "the bucket is in another region"),
        (answer("PreconditionFailed"), "it has changed while it was read"),
        (answer("InternalError"), "the store has failed"),
        (error("NoCredentialsError"), "no credentials: set AWS_PROFILE"),
        (error("ProfileNotFound"), "AWS_PROFILE names a profile that is not there"),
        (error("PartialCredentialsError"), "are incomplete"),
        (error("EndpointConnectionError"), "nobody answers"),
        (error("FSTimeoutError"), "does not answer in time"),
        (TimeoutError(SECRET), "does not answer in time"),
        (error("SSLError"), "no agreement on encryption"),
        (ValueError("Invalid endpoint: " + SECRET), "AWS_ENDPOINT_URL is no address"),
        (RuntimeError(SECRET), "the store has failed"),
    ],
)
@pytest.mark.parametrize("at", ["info", "open", "read"])
def test_whatever_a_library_raises_is_a_line_of_ours(memory, monkeypatch, raised, said, at):
    def fail(*words: object, **settings: object) -> None:
        raise raised

    memory.pipe_file("/shop/o.parquet", CDNOW.read_bytes())
    if at == "read":
        opened = memory.open
        calls = iter(range(100))

        def after_the_first(*words: Any, **settings: Any) -> Any:
            file = opened(*words, **settings)
            if next(calls):  # the first is asked what it is
                file = type("File", (), {"seek": file.seek, "read": fail, "close": file.close})()
            return file

        monkeypatch.setattr(memory, "open", after_the_first)
    else:
        monkeypatch.setattr(memory, at, fail)
    with pytest.raises(ClvsimError) as found:
        read_transactions("s3://shop/o.parquet")
    ((where, what),) = found.value.problems
    assert said in what
    assert "s3://shop/o.parquet" in where + what
    assert not any(word in where + what for word in (SECRET, "AKIA", "10.0.0.1"))


def test_settings_that_may_be_wrong_are_named_and_not_shown(memory, monkeypatch):
    def fail(*words: object, **settings: object) -> None:
        raise TypeError(SECRET)

    memory.pipe_file("/shop/o.parquet", CDNOW.read_bytes())
    monkeypatch.setattr(memory, "info", fail)
    assert refused("s3://shop/o.parquet").endswith("what answers is none; is AWS_ENDPOINT_URL right?")
    monkeypatch.setenv("FSSPEC_S3_CLIENT_KWARGS", SECRET)
    assert refused("s3://shop/o.parquet").endswith("are AWS_ENDPOINT_URL and FSSPEC_S3_CLIENT_KWARGS right?")


def test_nothing_is_left_behind(memory):
    memory.pipe_file("/shop/o.parquet", CDNOW.read_bytes())
    levels = {name: logging.getLogger(name).level for name in libraries._LOGGERS}
    con = connect()
    with store.reading(con, "") as files:
        assert files.find("s3://shop/o.parquet") == ("s3://shop/o.parquet",)
        assert files.table("s3://shop/o.parquet") == f"{libraries.PROTOCOL}://0"
        assert con.filesystem_is_registered(libraries.PROTOCOL)
    assert not con.filesystem_is_registered(libraries.PROTOCOL)
    assert {name: logging.getLogger(name).level for name in libraries._LOGGERS} == levels


def test_no_byte_is_fetched_twice(memory, tmp_path, monkeypatch):
    """A Parquet object of many row groups, of which DuckDB asks for headers and pages one by one."""
    path, rows = tmp_path / "o.parquet", 200_000
    columns = "'c' || (i * 7919 % 5003) AS customer_id, DATE '2024-01-01' + (i % 300)::INT AS date, random() AS amount"
    copied = f"COPY (SELECT {columns} FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 10_000)"
    connect().execute(copied)
    memory.pipe_file("/shop/o.parquet", path.read_bytes())
    fetched: list[tuple[int, int]] = []
    plain = libraries.Blocks.__init__

    def counting(self, read, size):
        def counted(start, end):
            fetched.append((start, end))
            return read(start, end)

        plain(self, counted, size)

    monkeypatch.setattr(libraries.Blocks, "__init__", counting)
    there = read_transactions("s3://shop/o.parquet")
    assert there.facts.rows == rows
    assert there.data_hash == read_transactions(str(path)).data_hash
    size = path.stat().st_size
    assert size <= sum(end - start for start, end in fetched) <= size + 1


def test_a_glob_is_listed_where_a_key_may_not_be_asked_about(memory, monkeypatch):
    memory.pipe_file("/shop/a.csv", ORDERS.encode())
    plain = type(memory).info

    def forbidding(self, path, **more):
        if "*" in path:
            raise PermissionError("Forbidden")
        return plain(self, path, **more)

    monkeypatch.setattr(type(memory), "info", forbidding)
    assert read_transactions("s3://shop/*.csv").facts.rows > 0
    assert "there is no such bucket" in refused("s3://other/*.csv")


def test_threads_share_a_file_and_read_their_own():
    content = bytes(range(256)) * 16_384  # more than a block
    file = libraries.Opened(libraries.Blocks(lambda start, end: content[start:end], len(content)))
    assert (file.seek(10), file.read(3), file.tell()) == (10, content[10:13], 13)
    assert (file.seek(-2, 2), file.read(), file.read(1)) == (len(content) - 2, content[-2:], b"")
    assert (file.seek(5), file.seek(5, 1), file.read(2 << 20)) == (5, 10, content[10 : 10 + (2 << 20)])
    assert file.seekable()
    files = libraries.served(lambda name: file, lambda name: len(content))
    with pytest.raises(OSError, match="read only"):
        files.open(f"{libraries.PROTOCOL}://0", "wb")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.ini", "[s3]\nkey AKIA0000 swordfish\n"), ("a.json", '{"s3": {"key": swordfish'), ("a.json", '["swordfish"]')],
)
def test_settings_of_fsspec_that_cannot_be_read_are_a_line(tmp_path, name, content):
    """They are read when it is imported, in a process of its own."""
    (tmp_path / name).write_text(content)
    code = "from clvsim.data import read_transactions; read_transactions('s3://shop/o.csv')"
    own = {**os.environ, "FSSPEC_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False)
    assert "ConfigError: data.path: s3:// cannot be read, for fsspec's own settings cannot" in done.stderr
    assert "swordfish" not in done.stderr
