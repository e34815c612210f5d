"""The options of a decision: today and the levers that have a chance."""

from typing import NamedTuple

import numpy as np

from clvsim.errors import ConfigError
from clvsim.questions.answer import Finished
from clvsim.report import display
from clvsim.report import format as fmt

FEWEST_WORLDS = 500


class Contest(NamedTuple):
    """Options by name and title, the baseline first, and expected differences to it, (draw, option), with the noise
    that is left out of each; `label`: the difference in words; `layers`: what an interval on average contains."""

    names: tuple[str, ...]
    titles: tuple[str, ...]
    values: np.ndarray
    noise: np.ndarray
    label: str
    layers: str


def contest(run: Finished, question: str, only: str | None = None, *, choosing: bool = False) -> Contest:
    """All options, or the baseline and one lever. Of somebody `choosing`, examples are none where there are others.

    Raises ConfigError where no lever has a chance: there is none, or all rest on stated numbers that nobody doubts; and
    with too few worlds for a probability.
    """
    if only is not None and only not in [one.name for one in run.levers]:
        have = ", ".join(one.name for one in run.levers) or "none"
        raise ConfigError([("lever", f"must be a lever of this run ({have}), got {only}")])
    worlds = run.draws.realised.shape[2]
    if worlds < FEWEST_WORLDS:
        what = f"{question} needs {FEWEST_WORLDS} simulated futures, and this run has {worlds}: raise simulation.draws"
        raise ConfigError([("ask", what)])
    levers = [one for one in run.levers if only in (None, one.name)]
    able = [one for one in levers if not one.is_what_if]
    if choosing and any(not one.illustrative for one in able):
        able = [one for one in able if not one.illustrative]
    if not able:
        why = (
            "all rest on stated numbers without any doubt: state one as {kind: expert, p10: …, p50: …, p90: …}"
            if levers
            else "this run has none: 'scenarios=[NAME]' picks some for clvsim run"
        )
        raise ConfigError([("ask", f"{question} needs a lever about which something is uncertain; {why}")])
    names = ("baseline", *(one.name for one in able))
    changes = [run.draws.change(name) for name in names[1:]]
    nothing = np.zeros(run.draws.delta.shape[1])
    return Contest(
        names,
        ("As today", *(one.title + (" (an example)" if one.illustrative else "") for one in able)),
        np.column_stack([nothing, *(change.values for change in changes)]),
        np.column_stack([nothing, *(change.noise for change in changes)]),
        difference_label(run),
        average_note(run),
    )


def average_note(run: Finished) -> str:
    """What a 90 % interval on average contains, in a sentence."""
    layers = [layer for layer in run.result.layers if layer in ("parameter", "assumption")]
    return display.layer_note("expected", layers, stated=bool(run.result.no_data))


def difference_label(run: Finished) -> str:
    """What a difference is of: extra value, or extra revenue, over the horizon; else the metric's name."""
    span = f"over {fmt.months(run.result.horizon_months)}"
    if run.draws.decided == "plan_value":
        return f"extra {'value' if run.result.margin_known else 'revenue'} {span}"
    return f"change of {display.wording(run.result, run.draws.decided).label.lower()}"
