"""`clvsim STAGE [key=value ...]`: dispatch, help, signals, exit codes."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from clvsim import __version__
from clvsim.console import complain, confess, note, say
from clvsim.errors import ClvsimError, ConfigError
from clvsim.files import CONFIGS, choices, did_you_mean, leading_comment
from clvsim.interruption import Interrupted, interruptible
from clvsim.rim.arguments import COMPLETION_FLAGS, hydra_words, sort_words
from clvsim.stages import STAGES as CONFIGURED_STAGES

STAGES = (*CONFIGURED_STAGES, "list")
GROUPS = ("data", "retention", "spend", "fit", "simulation", "finance", "acquisition", "environment", "report")
USAGE = "usage: clvsim STAGE [FILE] [key=value ...]"


def start() -> int:
    """`clvsim` as a process of its own: it ends soon, so cyclic garbage may wait, which speeds up imports.

    BLAS gets one thread: our systems are small, its threads wait by spinning, and sums of more threads differ in
    their last bits.
    """
    gc.set_threshold(100_000, 50, 100)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """The shell entry point. Returns 0, a user's error (2, 3, 4: `clvsim.errors`), 130, 143, or 1 for a bug of ours."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with interruptible():
            return dispatch(words)
    except ClvsimError as error:
        complain(error.problems)
        return error.code
    except Interrupted as stop:
        note("interrupted; nothing was written")
        return int(stop.code or 0)
    except KeyboardInterrupt:
        note("interrupted; nothing was written")
        return 128 + signal.SIGINT
    except Exception:
        confess()
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
    name, *rest = words
    if name not in STAGES:
        raise ConfigError([("stage", f"no stage {name!r}{did_you_mean(name, STAGES) or '; ' + one_of()}")])
    return perform(name, rest)


def perform(name: str, words: list[str]) -> int:
    if "-h" in words or "--help" in words:
        say(stage_help(name))
        return 0
    if name == "list":
        return show_list(words)
    from clvsim.rim.stages import stage

    return stage(name, words)


def show_list(words: list[str]) -> int:
    from clvsim.listing import listing

    flags, files, overrides = sort_words(words)
    if unexpected := [*flags, *files, *overrides]:
        raise ConfigError([(word, "list takes no keys") for word in unexpected])
    say("\n".join(listing()).rstrip())
    return 0


def one_of() -> str:
    return f"one of {', '.join(STAGES)}"


def overview() -> str:
    """The stages, each with the first line of its help."""
    lines = [f"  {name:<8} {stage_text(name).splitlines()[0]}" for name in STAGES]
    more = "clvsim STAGE --help tells what a stage takes, clvsim list what can be named."
    return "\n".join([USAGE, "", *lines, "", more, 'Completion: eval "$(clvsim -sc install=bash)"'])


def stage_help(name: str) -> str:
    """The comment at the head of the stage's primary configuration, and the choices of every group."""
    groups = [f"  {group:<12} {' | '.join(names)}" for group in GROUPS if (names := choices(group))]
    shown = [] if name == "list" else ["", "Groups:", *groups]
    return "\n".join([stage_text(name), *shown])


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

    with suppress(ClvsimError):  # nobody wants to read about mistakes at each press of a key
        return stage(name, words)
    return 0


def completion_line(name: str, typed: list[str], finished: bool) -> str:
    """The line without the stage, in Hydra's grammar; the word under the cursor stays as typed."""
    done, last = (typed, "") if finished else (typed[:-1], typed[-1])
    return " ".join(["clvsim", *hydra_words(name, done), last])


if __name__ == "__main__":
    sys.exit(start())
