"""Progress bars on a terminal; nothing in pipes, logs and sweeps."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from clvsim.runfolder import Progress


def progress(interactive: bool) -> Progress:
    """The bar where `interactive` and stderr is a terminal."""
    return bar if interactive and sys.stderr.isatty() else silence


@contextmanager
def bar(label: str, total: int | None = None) -> Generator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(label, total=total)
        yield lambda steps: display.advance(task, steps)


@contextmanager
def silence(label: str, total: int | None = None) -> Generator[Callable[[int], None]]:
    yield lambda steps: None
