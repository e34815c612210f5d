"""The one door to fsspec and s3fs, which only the extra `s3` installs; each is imported when needed.

Their own messages may hold credentials or hosts, so errors are told by what they are and never shown.
"""

import errno
import importlib
import logging
import os
import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from clvsim.errors import ConfigError

MISSING = "s3:// needs packages that are not installed; type pip install 'clvsim[s3]'"
UNREADABLE = (
    "s3:// cannot be read, for fsspec's own settings cannot: files in ~/.config/fsspec or FSSPEC_CONFIG_DIR, FSSPEC_…"
)
SECONDS = 15  # for an answer about an object, or a list
_CONNECT, _READ = 3, 6  # seconds; each request is tried twice
PROTOCOL = "clvsimobject"  # under which DuckDB is served what is pinned; no address can name it
_BLOCK, _MOST_BLOCKS = 1 << 20, 32  # bytes that are read at least, and how often that is kept
_LOGGERS = ("fsspec", "s3fs", "botocore", "aiobotocore", "aiohttp", "asyncio", "urllib3")


def library(name: str) -> Any:
    """One of the packages of the extra. Raises ConfigError where it is not installed, or where settings that fsspec
    reads when it is imported cannot be read."""
    if name in sys.modules:  # asked for with each request, from several threads, which share what warnings do
        return sys.modules[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings that it leaves out
            return importlib.import_module(name)
    except ImportError:
        raise ConfigError([("data.path", MISSING)]) from None
    except Exception:
        raise ConfigError([("data.path", UNREADABLE)]) from None


def filesystem() -> Any:
    """S3 as its own means say: credentials, region and endpoint of the environment, a profile, or fsspec's settings."""
    fsspec, _ = library("fsspec"), library("s3fs")
    store = fsspec.filesystem(
        "s3",
        config_kwargs={"connect_timeout": _CONNECT, "read_timeout": _READ, "retries": {"max_attempts": 1}},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    store.retries = 1  # s3fs tries again itself, and once more around that
    return store


def ask(store: Any, method: str, *words: Any, **settings: Any) -> Any:
    """What a filesystem answers, within SECONDS where it can be waited for."""
    if not getattr(store, "async_impl", False):
        return getattr(store, method)(*words, **settings)
    asyn = library("fsspec.asyn")
    return asyn.sync(store.loop, getattr(store, f"_{method}"), *words, timeout=SECONDS, **settings)


def close(store: Any) -> None:
    """End the connections of a filesystem, which would otherwise complain when it is collected."""
    creator = getattr(store, "_s3creator", None)
    if creator is not None:
        store.close_session(store.loop, creator)


@contextmanager
def unheard() -> Generator[None]:
    """Nothing of what the libraries log, which they would print."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# --- for DuckDB -------------------------------------------------------------------------------------------------------


class Blocks:
    """Parts of an object that were read last, for all that have it open: DuckDB opens it more than once, and asks for
    headers of pages one by one. Reading is one at a time."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self.size, self._lock = read, size, threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()  # by number

    def between(self, start: int, end: int) -> bytes:
        """Bytes of a range; what is not there is asked for at once, from its first block to its last."""
        if end <= start:
            return b""
        first = start // _BLOCK
        wanted = range(first, (end - 1) // _BLOCK + 1)
        with self._lock:
            if missing := [number for number in wanted if number not in self._kept]:
                begins = missing[0] * _BLOCK
                content = self._read(begins, min((missing[-1] + 1) * _BLOCK, self.size))
                for at, number in enumerate(range(missing[0], missing[-1] + 1)):
                    self._kept[number] = content[at * _BLOCK : (at + 1) * _BLOCK]
            for number in wanted:
                self._kept.move_to_end(number)
            blocks = [self._kept[number] for number in wanted]
            while len(self._kept) > _MOST_BLOCKS:
                self._kept.popitem(last=False)
        return b"".join(blocks)[start - first * _BLOCK : end - first * _BLOCK]


class Opened:
    """A file of DuckDB's, whose threads may share it: each has a place of its own."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks, self._own = blocks, threading.local()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._own.at = offset + (0, self.tell(), self._blocks.size)[whence]
        return self._own.at

    def tell(self) -> int:
        return getattr(self._own, "at", 0)

    def read(self, length: int = -1) -> bytes:
        start = self.tell()
        end = self._blocks.size if length < 0 else min(start + length, self._blocks.size)
        self._own.at = max(start, end)
        return self._blocks.between(start, end)

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._own = threading.local()


def served(opened: Callable[[str], Opened], sizes: Callable[[str], int]) -> Any:
    """A filesystem for `register_filesystem`, whose files are `PROTOCOL://NAME`; it reads, and does nothing else."""
    spec = library("fsspec.spec")

    class Served(spec.AbstractFileSystem):
        protocol = PROTOCOL
        cachable = False

        def open(self, path: str, mode: str = "rb", **_: Any) -> Opened:
            if mode != "rb":
                raise OSError(errno.EROFS, "read only")
            return opened(self._strip_protocol(path))

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            name = self._strip_protocol(path)
            return {"name": name, "size": sizes(name), "type": "file"}

        def exists(self, path: str, **_: Any) -> bool:
            return True

        def glob(self, path: str, **_: Any) -> list[str]:
            return [self._strip_protocol(path)]

        def modified(self, path: str) -> datetime:
            return datetime(1970, 1, 1, tzinfo=UTC)  # what is pinned does not change

    return Served()


# --- what went wrong --------------------------------------------------------------------------------------------------

CHANGED = "it has changed while it was read; try again when it is no longer being written"
GONE = "it is not there any more"
_CODES = {  # of the store's answers
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"),
        "the store refuses the credentials",
    ),
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "TokenRefreshRequired"), "the credentials have expired"),
    "400": "the store refuses the request; have the credentials expired, or is AWS_DEFAULT_REGION another one?",
    "RequestTimeTooSkewed": "the clock of this machine is wrong, and the store refuses it",
    "NoSuchBucket": "there is no such bucket",
    **dict.fromkeys(
        ("PermanentRedirect", "301", "307", "IllegalLocationConstraintException"),
        "the bucket is in another region; set AWS_DEFAULT_REGION",
    ),
    "InvalidObjectState": "it is in an archive of the store; restore it first",
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "503"), "the store is too busy; try again later"),
}
NO_ACCESS = "no access: these credentials may not read it, or it is not there"
_NOBODY = "nobody answers; is there a network, and is AWS_ENDPOINT_URL right?"
_SLOW = "the store does not answer in time; is there a network, and is AWS_ENDPOINT_URL right?"
_KINDS = {  # names of types of the libraries' errors
    "NoCredentialsError": (
        "no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; of a public bucket "
        "FSSPEC_S3_ANON=true"
    ),
    **dict.fromkeys(
        ("PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError", "UnauthorizedSSOTokenError")
        + ("SSOTokenLoadError", "SSOError", "InvalidConfigError", "LoginError"),
        "the credentials of the environment or the profile are incomplete, or cannot be fetched",
    ),
    "ProfileNotFound": "AWS_PROFILE names a profile that is not there",
    "ConfigParseError": "the store's file of profiles cannot be read",
    "ConfigNotFound": "the store's file of profiles is not there",
    **dict.fromkeys(("SSLError", "ClientSSLError", "SSLCertVerificationError"), "no agreement on encryption"),
    **dict.fromkeys(("FSTimeoutError", "ReadTimeoutError", "ConnectTimeoutError", "TimeoutError"), _SLOW),
    **dict.fromkeys(("EndpointConnectionError", "ConnectionError", "ConnectionClosedError", "gaierror"), _NOBODY),
    **dict.fromkeys(("ClientConnectorError", "ConnectionRefusedError", "ProxyConnectionError"), _NOBODY),
    "FileExpired": CHANGED,
    "ParamValidationError": "is no name of a bucket or an object",
    "InvalidRegionError": "AWS_DEFAULT_REGION is no region",
}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def why(error: BaseException) -> str:
    """Why an object cannot be had, in our words."""
    chain = list(_chain(error))
    for one in chain:
        response = getattr(one, "response", None)
        code = str((response.get("Error") or {}).get("Code")) if isinstance(response, dict) else ""
        if code in ("PreconditionFailed", "412"):
            return CHANGED
        if code in _CODES:
            return _CODES[code]
    for one in chain:
        kind = next((kind.__name__ for kind in type(one).__mro__ if kind.__name__ in _KINDS), None)
        if kind:
            return _KINDS[kind]
    for one in chain:
        if isinstance(one, FileNotFoundError):
            return GONE
        if isinstance(one, PermissionError):
            return NO_ACCESS
        if isinstance(one, ValueError) and "endpoint" in str(one).casefold():
            return "AWS_ENDPOINT_URL is no address"
    settings = sorted(name for name in os.environ if name.startswith("FSSPEC_S3_"))
    asked = " and ".join(["AWS_ENDPOINT_URL", *settings[:3]])
    return f"the store has failed, or what answers is none; {'are' if settings else 'is'} {asked} right?"
