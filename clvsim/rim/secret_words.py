"""Addresses on a command line that hold a password or a key: words are shown, and kept with what they started."""

import re
from collections.abc import Sequence

from clvsim.errors import ConfigError, Problem

# Bounded and without a way back, so that a word of any length is read in one go.
_OF_A_STORE = re.compile(r"s3[an]?://", re.IGNORECASE)
_KEY_OF_A_STORE = re.compile(r"s3[an]?://[^/\s,:@\]]{0,200}+[:@]|\?[\w.%-]{1,100}+=", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^\s,:/@?]{0,200}+:[^\s,@?]{0,500}+@|[?&]password=", re.IGNORECASE)
_SOME_PASSWORD = "holds what may be a password, which would be shown and recorded; leave it out"
_KEY = re.compile(r"[+~]*([\w./]{1,80})=")


def require_no_secret(words: Sequence[str]) -> None:
    """Raises ConfigError for such an address, which is not repeated."""
    problems = []
    for word in (word for word in words if "://" in word):
        key = found[1] if (found := _KEY.match(word)) else "data.path"
        if _OF_A_STORE.search(word) and _KEY_OF_A_STORE.search(word):
            from clvsim.data.objects.addresses import SECRET

            problems.append(Problem(key, SECRET))
        elif _PASSWORD.search(word):
            from clvsim.data.sql.addresses import A_PASSWORD

            problems.append(Problem(key, A_PASSWORD if key == "data.url" else _SOME_PASSWORD))
    if problems:
        raise ConfigError(problems)
