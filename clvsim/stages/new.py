"""`clvsim new`: a scenario's file to fill in, in the current folder."""

import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from clvsim.errors import ConfigError
from clvsim.files import SHIPPED, yaml_files
from clvsim.runfolder import RunContext
from clvsim.scenario import BASELINE
from clvsim.schema import LONGEST_NAME, Frozen, Name

_TYPABLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_TEXT = ("null", "none", "true", "false", "yes", "no", "on", "off", "nan", "inf")
_OWN = "  # false as soon as the numbers are yours: examples lead no headline"
_QUESTIONS = """\
# Four questions before its figures count:
#   effect    What does it change, and by how much? At worst, most likely, at best:
#             {kind: expert, p10: 0.0, p50: 0.03, p90: 0.08}
#   evidence  How do you know? A test: {kind: experiment, n: [10000, 10000], x: [200, 230], prior_sd: 0.05}.
#             A judgement: source: "who said so, and from what". Without either it reads as an "if".
#   cost      What does it cost? {kind: cost, per: once, amount: 500}; per: month, order, customer, revenue
#   start     From when on? when: {start_month: 2} in a lever; without it, from tomorrow on.
# docs/interventions.md describes all kinds of levers, docs/effects.md all kinds of effects.
"""
_BLANK = """\
title: "{title}"  # may name its numbers: "{title}, {{{name}_effect.size:+.0%}}"
illustrative: true{own}
note: ""                  # what is known of it, and from where
{name}_effect:
  kind: shift             # or offer, contact, campaign, cost, ...: clvsim list
  target: rate            # rate: how often customers order; spend, hazard (of leaving), conversion, visitors, margin
  # effect: +3 % is 0.03. As it stands it is as likely to harm as to help.
  size: {{kind: expert, p10: -0.05, p50: 0.0, p90: 0.05, source: ""}}   # evidence: who says so, or a test
  # start: from tomorrow on; or in two months, growing for three:
  # when: {{start_month: 2, ramp_months: 3}}
{name}_cost:
  kind: cost
  per: once               # or month, order, customer, revenue
  amount: 0.0
"""


class Settings(Frozen):
    """The name of the scenario: of one that is shipped, a copy; of no other, one to fill in."""

    name: Annotated[Name, Field(max_length=LONGEST_NAME - len("_effect"))] | None = None


def new(config: Settings, ctx: RunContext) -> int:
    """Write `scenario/NAME.yaml`, and print how it is run.

    Raises ConfigError without a name, for the baseline's, and where the file or a link is there already.
    """
    name = config.name
    if name is None:
        raise ConfigError([("name", "what is it called? clvsim new NAME, e.g. clvsim new conversion_lift")])
    if name == BASELINE:
        raise ConfigError([("name", f"{BASELINE} is what all others are compared with; choose another name")])
    if not _TYPABLE.fullmatch(name) or name.lower() in _NO_TEXT:
        rule = "must be of a to z, digits, _ and -, begin with a letter, and be no word for true, false or nothing"
        raise ConfigError([("name", f"{rule}, got {name}: 'scenarios=[{name}]' would not be read as a name")])
    path = Path("scenario") / f"{name}.yaml"
    text = scenario_text(name)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file, _removed_unless_written(path):
            file.write(text)
            file.flush()
    except FileExistsError:
        there = path if path.exists() or path.is_symlink() else path.parent
        raise ConfigError([("name", f"{there} is there already, and nothing is overwritten")]) from None
    except OSError as error:
        raise ConfigError([("name", f"cannot write {path}: {error.strerror}")]) from None
    ctx.say(f"Written: {path}. Put in your numbers, then:\n  clvsim run orders.csv 'scenarios=[{name}]'")
    return 0


@contextmanager
def _removed_unless_written(path: Path) -> Generator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def scenario_text(name: str) -> str:
    """The commented file of a scenario: the shipped one with its questions, or a blank one."""
    shipped = yaml_files(SHIPPED["scenario"]).get(name)
    if shipped is None:
        title = name.replace("_", " ").capitalize()
        return f"# {title}: a scenario of your own.\n#\n{_QUESTIONS}{_BLANK.format(title=title, name=name, own=_OWN)}"
    text = shipped.read_text(encoding="utf-8")
    text = text.replace("\nillustrative: true\n", f"\nillustrative: true{_OWN}\n")
    head = f"# A copy of clvsim's {name}, which it takes the place of: its numbers are made up until you put in yours."
    return f"{head}\n#\n{_QUESTIONS}{text}"
