"""`clvsim decide`: questions asked of a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING

from clvsim.config import RunConfig
from clvsim.errors import ConfigError
from clvsim.questions import QUESTIONS, load_question
from clvsim.questions.settings import Settings
from clvsim.runfolder import RunContext, writing
from clvsim.stages.steps import output_folder

if TYPE_CHECKING:
    from clvsim.questions.answer import Answer, Finished

__all__ = ["Settings", "decide"]

FOLDER, SIMULATING = "answers", "targets"


def decide(config: RunConfig, ctx: RunContext) -> int:
    """Print the answers, and write each as a table and a picture; without a question, print what may be asked.

    All questions are answered before anything is printed. Raises ConfigError with what each lacks.
    """
    settings: Settings = ctx.settings
    if settings.ask is None:
        width = max(map(len, QUESTIONS))
        ctx.say("\n".join(f"  ask={name:<{width}}  {question.asks}" for name, question in QUESTIONS.items()))
        return 0
    if unknown := [name for name in settings.ask if name not in QUESTIONS]:
        raise ConfigError([("ask", f"must be of {', '.join(QUESTIONS)}, got {name}") for name in unknown])
    from clvsim.archive import read_result
    from clvsim.draws_file import read_draws
    from clvsim.questions.answer import Finished
    from clvsim.questions.output import answer_text, write_answer

    folder = output_folder(ctx)
    if (folder / FOLDER).is_symlink():
        raise ConfigError([("run", f"{folder / FOLDER} is a link, and must be a folder of the run's own")])
    with ctx.progress("Reading the run"):
        run = Finished(config, read_result(folder, knobs=False), read_draws(folder), folder)
    problems, answers = [], {}
    for name in dict.fromkeys(settings.ask):
        try:
            with ctx.progress(f"Answering {name}"):
                answers[name] = _answer(name, run, settings, folder)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    for name, found in answers.items():
        with writing(folder, "cannot write", "run"):
            files = write_answer(found, name, folder / FOLDER)
        ctx.say(f"{QUESTIONS[name].asks}\n\n{answer_text(found)}\n\n{_named(files, ctx.final)}\n")
    return 0


def _answer(name: str, run: "Finished", settings: Settings, folder: Path) -> "Answer":
    """By the run's draws alone, but for the question that simulates."""
    if name != SIMULATING:
        return load_question(name)(run, settings)
    from clvsim.questions.targets import answer
    from clvsim.stages.targets import simulate_targets

    return answer(run, simulate_targets(folder, settings))


def _named(files: list[Path], folder: Path) -> str:
    return f"{' · '.join(path.name for path in files)} in {folder / FOLDER}"
