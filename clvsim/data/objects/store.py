"""Objects as files: found, pinned to the content that they had, and read as a local file is.

Text and workbooks are read from a copy in a private folder, as text that is not UTF-8 is anyway. DuckDB reads of
Parquet only what it needs. Whatever an object holds when it is looked at first is what is read, or nothing.
"""

import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from clvsim.data.files import Kind, find_files, kind_by_start, kind_of
from clvsim.data.objects import libraries
from clvsim.data.objects.addresses import Place, is_address, place_of
from clvsim.errors import ClvsimError, ConfigError, DataError, Problem

MOST_OBJECTS = 1000  # that a glob may match
MOST_OF_A_WORKBOOK = 1 << 30  # bytes: what a workbook may be unpacked
_CHUNK = 1 << 23


class Pinned(NamedTuple):
    """An object, and what its content is known by."""

    place: Place
    size: int
    mark: str


class Files:
    """Files of this machine and objects, for one reading of a source; nothing is imported or asked before an address is
    met."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: str) -> None:
        self._con, self._folder = con, folder
        self._store: Any = None
        self._pinned: dict[str, Pinned] = {}
        self._blocks: dict[str, libraries.Blocks] = {}  # of the object that DuckDB reads, so that memory is bounded
        self.copies: dict[str, str] = {}  # an object's address by its copy
        self.problem: ClvsimError | None = None  # what went wrong while DuckDB was reading

    # --- looked at

    def find(self, path: str) -> tuple[str, ...]:
        """As `find_files`; of an address the object, or those that it matches as a glob."""
        if not is_address(path):
            return find_files(path)
        place = place_of(path)
        self._filesystem()  # whose packages may be missing, which no glob makes up for
        try:
            found = self._info(place)
        except ConfigError:  # whoever may list a bucket need not be allowed to ask about each key
            if not place.is_pattern:
                raise
            found = None
        if found is None and place.is_pattern:
            return self._matches(place)
        if found is None:
            raise ConfigError([("data.path", self._missing(place))])
        if found.get("type") != "file" or place.key.endswith("/"):
            glob = f"{place.address.rstrip('/')}/*.csv"
            what = f"{place.address} is a folder; several objects are read with a glob such as {glob}"
            raise ConfigError([("data.path", what)])
        self._pin(place, found)
        return (place.address,)

    def kind_of(self, path: str) -> Kind:
        """As `clvsim.data.files.kind_of`."""
        if path not in self._pinned:
            return kind_of(path)
        pinned = self._pinned[path]
        with self._open(pinned) as file:
            start = self._tried(pinned, lambda: file.read(64))
        return kind_by_start(start, path)

    def _info(self, place: Place) -> dict[str, Any] | None:
        try:
            return libraries.ask(self._filesystem(), "info", place.name)
        except FileNotFoundError:
            return None
        except ClvsimError:
            raise
        except Exception as error:
            raise ConfigError([("data.path", f"{place.address}: {libraries.why(error)}")]) from None

    def _matches(self, place: Place) -> tuple[str, ...]:
        if any("**" in part and part != "**" for part in place.key.split("/")):
            what = f"{place.address}: ** stands for folders, between slashes: **/*.csv"
            raise ConfigError([("data.path", what)])
        try:
            listed = libraries.ask(self._filesystem(), "glob", place.name, detail=True)
        except FileNotFoundError:
            listed = {}
        except Exception as error:
            raise ConfigError([("data.path", f"{place.address}: {libraries.why(error)}")]) from None
        there = {name.lstrip("/"): one for name, one in listed.items() if one.get("type") == "file" and name[-1] != "/"}
        if not there:
            raise ConfigError([("data.path", self._missing(place, "no object matches"))])
        if len(there) > MOST_OBJECTS:
            what = f"{place.address} matches {len(there):,} objects, at most {MOST_OBJECTS:,}; join them"
            raise ConfigError([("data.path", what)])
        found = []
        for name in sorted(there):
            bucket, _, key = name.partition("/")
            one = Place(f"s3://{name}", bucket, key)
            self._pin(one, there[name] if "ETag" in there[name] else self._info(one) or there[name])
            found.append(one.address)
        return tuple(found)

    def _missing(self, place: Place, what: str = "no such object") -> str:
        try:
            known = libraries.ask(self._filesystem(), "exists", place.bucket)
        except Exception:  # whoever may read an object need not be allowed to look at its bucket
            known = True
        return f"{what}: {place.address}" if known else f"{place.address}: there is no such bucket"

    def _pin(self, place: Place, info: dict[str, Any]) -> None:
        size = int(info.get("size") or 0)
        if not size:
            raise DataError([(place.address, "the object is empty")])
        self._pinned[place.address] = Pinned(place, size, _mark(info))

    def _filesystem(self) -> Any:
        if self._store is None:
            self._store = libraries.filesystem()
        return self._store

    # --- read

    def local(self, path: str, kind: Kind) -> str:
        """The file itself, or of an object that is no Parquet a copy in the folder. Raises DataError."""
        if path not in self._pinned:
            return path
        pinned = self._pinned[path]
        if kind == "workbook" and pinned.size > MOST_OF_A_WORKBOOK:
            raise DataError([(path, "a workbook of more than 1 GB; export the sheet as CSV or Parquet")])
        if pinned.size > shutil.disk_usage(self._folder).free:
            what = f"{pinned.size:,} bytes do not fit on the disk with the temporary files; set TMPDIR to another one"
            raise DataError([(path, what)])
        copy = Path(self._folder) / f"object-{len(self.copies)}"
        with self._open(pinned) as file, copy.open("wb") as out:
            while chunk := self._tried(pinned, lambda: file.read(_CHUNK)):
                try:
                    out.write(chunk)
                except OSError as error:
                    raise DataError([(path, f"cannot be copied to {self._folder}: {error.strerror}")]) from None
            if out.tell() != pinned.size:
                raise DataError([(path, libraries.CHANGED)])
        self.copies[str(copy)] = path
        return str(copy)

    def table(self, path: str) -> str:
        """What DuckDB calls an object of Parquet."""
        if not self._con.filesystem_is_registered(libraries.PROTOCOL):
            self._con.register_filesystem(libraries.served(self._serve, lambda name: self._numbered(name).size))
        return f"{libraries.PROTOCOL}://{list(self._pinned).index(path)}"

    def holds(self, path: str) -> bool:
        """Whether a path is that of an object."""
        return path in self._pinned

    def _numbered(self, name: str) -> Pinned:
        return list(self._pinned.values())[int(name)]

    def _serve(self, name: str) -> libraries.Opened:
        pinned = self._numbered(name)
        try:
            if name not in self._blocks:
                file = self._opened(pinned)

                def read(start: int, end: int) -> bytes:
                    file.seek(start)
                    content = self._tried(pinned, lambda: file.read(end - start))
                    if len(content) != end - start:
                        raise DataError([(pinned.place.address, libraries.CHANGED)])
                    return content

                self._blocks = {name: libraries.Blocks(self._noted(read), pinned.size)}
            return libraries.Opened(self._blocks[name])
        except ClvsimError as error:
            self.problem = self.problem or error
            raise

    def _noted(self, read: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
        def noted(start: int, end: int) -> bytes:
            try:
                return read(start, end)
            except ClvsimError as error:  # of which DuckDB would make an error of its own
                self.problem = self.problem or error
                raise

        return noted

    def _opened(self, pinned: Pinned) -> Any:
        """An object, opened; s3fs asks for each range only if the content is still the same."""
        file = self._tried(pinned, lambda: self._store.open(pinned.place.name, "rb", cache_type="none"))
        details = getattr(file, "details", None)
        if isinstance(details, dict) and _mark(details) != pinned.mark:
            raise DataError([(pinned.place.address, libraries.CHANGED)])
        return file

    @contextmanager
    def _open(self, pinned: Pinned) -> Generator[Any]:
        file = self._opened(pinned)
        try:
            yield file
        finally:
            file.close()

    def _tried(self, pinned: Pinned, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except ClvsimError:
            raise
        except Exception as error:
            raise DataError([(pinned.place.address, libraries.why(error))]) from None

    # --- at the end

    def require_unchanged(self) -> None:
        """Raises DataError for each object that holds something else than it did."""
        problems = []
        for pinned in self._pinned.values():
            info = self._info(pinned.place)
            if info is None or _mark(info) != pinned.mark:
                problems.append((pinned.place.address, libraries.GONE if info is None else libraries.CHANGED))
        if problems:
            raise DataError(problems)

    def renamed(self, problems: Sequence[Problem]) -> list[Problem]:
        """Problems in which copies have the addresses of their objects."""
        for copy, path in self.copies.items():
            problems = [Problem(one.where.replace(copy, path), one.what.replace(copy, path)) for one in problems]
        return list(problems)

    def close(self) -> None:
        if self._con.filesystem_is_registered(libraries.PROTOCOL):
            self._con.unregister_filesystem(libraries.PROTOCOL)
        if self._store is not None:
            libraries.close(self._store)


def _mark(info: dict[str, Any]) -> str:
    """What tells contents of an object apart: the store's own hash, or when it was written, and its size."""
    own = info.get("ETag") or info.get("LastModified") or info.get("created")
    return f"{own} {info.get('size')}"


@contextmanager
def reading(con: duckdb.DuckDBPyConnection, folder: str) -> Generator[Files]:
    """Files and objects; whatever is raised is ours and names addresses, and at the end no object has changed.

    Copies are made in `folder`.
    """
    files = Files(con, folder)
    with libraries.unheard():
        try:
            yield files
            files.require_unchanged()
        except (ConfigError, DataError) as error:
            if files.problem is not None:
                raise files.problem from None
            if not files.copies:
                raise
            raise type(error)(files.renamed(error.problems), error.choice) from error
        finally:
            files.close()
