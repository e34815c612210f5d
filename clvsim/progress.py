"""Progress bars on a terminal; nothing in pipes, logs and sweeps."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from clvsim.runfolder import Progress


def progress(interactive: bool) -> Progress:
    """The bar where `interactive` and stderr is a terminal."""
    return bar if interactive and sys.stderr.isatty() else silence


@contextmanager
def bar(label: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Left(ProgressColumn):
        """The time that the rest takes at the pace so far."""

        def render(self, task: Task) -> Text:
            return Text(left(task.time_remaining) if task.total else "")

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), Left())
    with Bar(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(label, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


def left(seconds: float | None) -> str:
    """So many seconds or minutes in words; "" where it is not known yet."""
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


@contextmanager
def silence(label: str) -> Generator[Callable[[int, int], None]]:
    yield lambda done, total: None
