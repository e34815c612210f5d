"""Where an object is: an address without credentials, which are the store's own means' to find.

An address is typed, shown and kept in the command of a run, so that a secret must never be in it.
"""

import re
from typing import NamedTuple

from clvsim.errors import ConfigError

MOST_BYTES = 1024  # of a key, by the store's own rule
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_QUERY = re.compile(r"\?[\w.%-]+=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INSTEAD = {
    "file": "type the path of the file itself",
    **dict.fromkeys(("s3", "s3a", "s3n"), "type s3://"),
    **dict.fromkeys(("http", "https", "ftp", "ftps"), "download it, and type the path of the file"),
    **dict.fromkeys(("postgresql", "postgres", "sqlite"), "a database is read by data=sql data.url=…"),
    **dict.fromkeys(
        ("gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs"),
        "copy it to a file or to an S3 store, whose protocol other stores speak, too",
    ),
}
SECRET = (
    "holds what may be a key or a secret, which would be shown and recorded; leave it out: credentials come from the "
    "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or from a profile (AWS_PROFILE)"
)


class Place(NamedTuple):
    """An object's address, and the name by which a store knows it."""

    address: str
    bucket: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.bucket}/{self.key}"

    @property
    def is_pattern(self) -> bool:
        return any(sign in self.key for sign in "*?[")


def is_address(path: object) -> bool:
    """Whether a path names no file of this machine."""
    return isinstance(path, str) and _SCHEME.match(path) is not None


def place_of(address: str) -> Place:
    """Raises ConfigError for a store that is not read, and for an address that is none; no message repeats a secret."""
    scheme, _, rest = address.partition("://")
    if scheme != "s3":
        instead = _INSTEAD.get(scheme.casefold(), "type the path of a file, or s3://BUCKET/KEY")
        raise ConfigError([("data.path", f"{scheme[:20]}:// is not read, only s3:// and files; {instead}")])
    bucket, _, key = rest.partition("/")
    if ":" in bucket or "@" in bucket or _QUERY.search(rest):
        raise ConfigError([("data.path", SECRET)])
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError([("data.path", "is no address of an object: s3://BUCKET/KEY, e.g. s3://shop/orders.parquet")])
    if _CONTROL.search(key) or len(key.encode(errors="replace")) > MOST_BYTES:
        what = f"is no address of an object: a key has at most {MOST_BYTES:,} bytes, and no control characters"
        raise ConfigError([("data.path", what)])
    if not key:
        raise ConfigError([("data.path", f"s3://{bucket} is a bucket; name an object or a glob: s3://{bucket}/*.csv")])
    return Place(f"s3://{bucket}/{key}", bucket, key)
