"""YAML that somebody sent, looked at before anything is made of it: events cost nothing, where a few lines of aliases
make a tree of any size."""

from collections.abc import Iterator
from typing import Any

import yaml

MAX_BYTES, MAX_DEPTH = 1 << 18, 20  # of a file of a study
SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def events_with_depth(content: str | bytes, loader: Any = SAFE_LOADER) -> Iterator[tuple[Any, int]]:
    """Each event and the number of mappings and lists that are open after it. Raises yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(content, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        yield event, depth
