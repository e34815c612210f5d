"""`clvsim STAGE [key=value ...]`: dispatch, help, signals, exit codes."""

import gc
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clvsim import __version__
from clvsim.console import flush_streams, note, open_streams, print_internal_error, say
from clvsim.errors import ClvsimError, ConfigError
from clvsim.files import CONFIGS, PACKAGE, choices, did_you_mean, leading_comment
from clvsim.interruption import Interrupted, interruptible, leave, outside
from clvsim.rim.answers import answer_internal_error, refuse
from clvsim.rim.arguments import COMPLETION_FLAGS, JSON, hydra_words, sort_words
from clvsim.secluded import seclude
from clvsim.stages import STAGES as CONFIGURED_STAGES

UNCONFIGURED = ("list", "schema")  # that read no study
STAGES = (*CONFIGURED_STAGES, *UNCONFIGURED)
GROUPS = (
    *("data", "retention", "spend", "business", "fit", "simulation", "finance", "acquisition"),
    *("environment", "trace", "report"),
)
USAGE = "usage: clvsim STAGE [FILE] [key=value ...]"


def start() -> int:
    """Run `clvsim` as a process of its own, with rare garbage collection, which speeds up imports.

    BLAS gets one thread: our systems are small, idle BLAS threads spin, and sums over several threads differ in their
    last bits.
    """
    outside()
    open_streams()
    close_search_path()
    seclude()
    gc.set_threshold(100_000, 50, 100)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = main()
    flush_streams()
    return leave(code)


def close_search_path() -> None:
    """Take the current folder, which `python -m` searches first, from Python's path, unless clvsim itself lies there:
    Hydra imports each package `hydra_plugins` that it finds, and libraries what they can do without. Processes that
    libraries start, such as a launcher's workers, do not search it either."""
    os.environ["PYTHONSAFEPATH"] = "1"
    if named := os.environ.pop("PYTHONPATH", ""):
        absolute = [path for path in named.split(os.pathsep) if os.path.isabs(path)]  # "" and "." are where one stands
        if absolute:
            os.environ["PYTHONPATH"] = os.pathsep.join(absolute)
    with suppress(OSError):  # a folder that was removed
        here = Path.cwd()
        if here != PACKAGE.parent:
            sys.path[:] = [path for path in sys.path if Path(path).absolute() != here]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 2 to 4 for a user's error (`clvsim.errors`), 130 or 143 for a signal, 1 for a bug."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with interruptible():
            return dispatch(words)
    except ClvsimError as error:
        refuse(error.problems, error.code, words)
        return error.code
    except Interrupted as stop:
        note(f"interrupted; {stop.outcome}")
        return int(stop.code or 0)
    except KeyboardInterrupt:
        note(f"interrupted; {Interrupted.outcome}")
        return 128 + signal.SIGINT
    except Exception:
        print_internal_error()
        answer_internal_error(words)
        return 1


def dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        say(overview())
        return 0
    if words[0] == "--version":
        say(f"clvsim {__version__}")
        return 0
    if words[0] in COMPLETION_FLAGS:
        return complete(words)
    require_here()
    name, *rest = words
    if name not in STAGES:
        hint = did_you_mean(name, STAGES) or f"; one of {', '.join(STAGES)}"
        raise ConfigError([("stage", f"no stage {name!r}{hint}")])
    return run_stage(name, rest)


def require_here() -> None:
    """Raises ConfigError in a folder that was removed."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(
            [("folder", f"the current one cannot be used ({error.strerror}); change to another")]
        ) from None


def run_stage(name: str, words: list[str]) -> int:
    if "-h" in words or "--help" in words:
        if JSON in words:
            raise ConfigError([(JSON, "is one answer to one question, got --help")])
        say(stage_help(name))
        return 0
    if name == "list":
        return show_list(words)
    if name == "schema":
        return show_schema(words)
    from clvsim.rim.stages import stage

    return stage(name, words)


def show_list(words: list[str]) -> int:
    from clvsim.listing import listing

    flags, files, overrides = sort_words(words)
    if unexpected := [*flags, *files, *overrides]:
        raise ConfigError([(word, "list takes no keys") for word in unexpected])
    say("\n".join(listing()).rstrip())
    return 0


def show_schema(words: list[str]) -> int:
    from clvsim.stages.schema import write_schemas

    flags, names, overrides = sort_words(words)
    text = write_schemas(flags, names, overrides)
    if text:
        say(text)
    return 0


def overview() -> str:
    """The stages, each with the first line of its help."""
    lines = [f"  {name:<8} {stage_text(name).splitlines()[0]}" for name in STAGES]
    hint = "clvsim STAGE --help describes a stage and its choices; clvsim list shows every name that can be used."
    return "\n".join([USAGE, "", *lines, "", hint, 'Completion: eval "$(clvsim -sc install=bash)"'])


def stage_help(name: str) -> str:
    """The comment at the head of the stage's primary configuration, and the choices of every group."""
    lines = (f"  {group:<12} {' | '.join(names)}" for group in GROUPS if (names := choices(group)))
    groups = [textwrap.fill(line, 100, subsequent_indent=" " * 15, break_on_hyphens=False) for line in lines]
    group_lines = [] if name in UNCONFIGURED else ["", "Groups:", *groups]
    return "\n".join([stage_text(name), *group_lines])


def stage_text(name: str) -> str:
    return leading_comment(CONFIGS / f"{name}.yaml")


def complete(words: list[str]) -> int:
    """Shell completion: `clvsim -sc query=bash`, with the typed line, stage included, in COMP_LINE."""
    line = os.environ.get("COMP_LINE", "")
    typed = line.split()[1:]
    if "query=bash" in words and (not typed or (len(typed) == 1 and not line.endswith(" "))):
        say(" ".join(STAGES))
        return 0
    name = typed[0] if typed and typed[0] in STAGES else "run"
    if typed and "query=bash" in words:
        with suppress(ClvsimError):
            os.environ["COMP_LINE"] = completion_line(name, typed[1:], line.endswith(" "))
    from clvsim.rim.stages import stage

    with suppress(ClvsimError):  # an unfinished command line is no error to report
        return stage(name, words)
    return 0


def completion_line(name: str, typed: list[str], ends_with_blank: bool) -> str:
    """The line without the stage, in Hydra's grammar; the word under the cursor stays as typed."""
    finished_words, current_word = (typed, "") if ends_with_blank else (typed[:-1], typed[-1])
    return " ".join(["clvsim", *hydra_words(name, finished_words), current_word])


if __name__ == "__main__":
    sys.exit(start())
