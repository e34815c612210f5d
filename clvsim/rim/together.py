"""What the jobs of one command say together: a line each, and whether one sweep could say more."""

from collections.abc import Sequence
from pathlib import Path

from clvsim.console import note, say, shell_line
from clvsim.errors import ClvsimError
from clvsim.rim.arguments import points_in, sort_words, split_override
from clvsim.rim.folders import relative_to_here
from clvsim.rim.jobs import Job

MULTIRUN = ("-m", "--multirun")


def show_together(jobs: Sequence[Job], words: Sequence[str]) -> None:
    """Print a table of a command's jobs, where there are several, and the sweep that would compare them on one fit."""
    if len(jobs) < 2 or all(job.code for job in jobs):
        return
    from clvsim.archive import read_result
    from clvsim.report.together import Line, together

    common = set(jobs[0].words).intersection(*(job.words for job in jobs[1:]))
    lines = []
    for job in jobs:
        own = " ".join(word.lstrip("+") for word in job.words if word not in common)
        folder = relative_to_here(Path(job.folder))
        try:
            result = read_result(folder) if job.code == 0 else None
        except ClvsimError:  # somebody moved it meanwhile
            result = None
        lines.append(Line(own or f"job {job.number}", result, str(folder)))
    if not any(line.result for line in lines):
        return
    say(f"\n{together(lines)}")
    if sweep := sweep_instead(words):
        note(f"one fit and one table with the best value: {shell_line(sweep)}")


def sweep_instead(words: Sequence[str]) -> list[str]:
    """The sweep of the same words; empty where `clvsim sweep` does not take them."""
    flags, files, overrides = sort_words(words)
    kept = [word for word in overrides if split_override(word)[1] != "out" and not word.startswith("hydra")]
    if any(flag not in MULTIRUN for flag in flags):
        return []
    try:
        swept = points_in("sweep", kept)[2]
    except ClvsimError:
        return []
    return ["clvsim", "sweep", *files, *kept] if swept else []
