"""The page's knobs: what the template shows, the numbers that the script reads, and the script's arithmetic in Python.

The script (`knobs.js`) repeats `position` operation by operation, so that both print the same digits.
"""

import base64
import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from clvsim.console import shell_line
from clvsim.knobs import Knobs, Lines
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.answers import IF_IT_HAPPENS, NO_CHANCE
from clvsim.types import Assumption, RunResult, ScenarioDescription

MOST = 1e6  # of an amount that may be typed
_BEYOND = 0.15  # of the width of what was simulated, to either side of a slider's end
_LEVELS = {
    "plan_value": "The whole plan, as things are",
    "rlv_per_customer": "A customer of today",
    "pav_per_newcomer": "A new customer, before the cost of winning one",
    "visitor_value": "May pay per visitor, at most",
}
_WORDS = {  # of prices that are no assumption of their own
    "finance.gross_margin": "Gross margin, as a share",
    "finance.cost_per_order": "Cost per order",
    "cost": "Cost of a message",
}


class PriceInput(NamedTuple):
    """A number that may be typed, with the value of the run."""

    number: int
    key: str
    label: str
    value: str
    most: str


class EffectInput(NamedTuple):
    """A slider: ends, step and value as text; where what was simulated begins and ends, in percent of its length."""

    number: int
    label: str
    low: str
    high: str
    step: str
    value: str
    now: str
    begins: str
    ends: str
    error: str


class Row(NamedTuple):
    """A line of a table as it stands at rest: the cells of a level, or of a lever."""

    label: str
    example: bool
    cells: tuple[str, ...]


class Panel(NamedTuple):
    """Everything that `knobs.html.j2` shows; `data` and `script` are safe inside their elements."""

    prices: tuple[PriceInput, ...]
    effects: tuple[EffectInput, ...]
    levels: tuple[Row, ...]
    levers: tuple[Row, ...]
    today: str
    regret: str
    command: str
    data: Markup
    script: Markup


@cache
def script() -> str:
    return files("clvsim.report").joinpath("knobs.js").read_text(encoding="utf-8")


def policy() -> str:
    """What the page's security policy says of scripts: this one and no other."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return f"script-src 'sha256-{digest}'"


def panel(result: RunResult) -> Panel | None:
    """The knobs of a run; None where it has none."""
    knobs = result.knobs
    if knobs is None or not knobs.keys:
        return None
    data, effects = page_data(result, knobs), effect_inputs(result, knobs)
    rest = {name: display.figures(result)[display.baseline(result).name, name] for name in knobs.levels.names}
    levels = [
        Row(
            _LEVELS[name],
            False,
            (
                fmt.money(figure.best.mean, row["place"], result.currency),
                _between(figure.best.p05, figure.best.p95, row["place"]),
            ),
        )
        for (name, figure), row in zip(rest.items(), data["levels"], strict=True)
    ]
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return Panel(
        prices=price_inputs(result, knobs),
        effects=effects,
        levels=tuple(levels),
        levers=tuple(_lever_row(result, s, row) for s, row in zip(shown(result), data["levers"], strict=True)),
        today=display.baseline(result).title,
        regret=_regret(display.decisive(result)[display.baseline(result).name].best.expected_loss, data),
        command=data["command"],
        data=Markup(text),
        script=Markup(script()),
    )


def shown(result: RunResult) -> list[ScenarioDescription]:
    """Levers in the order of the page."""
    table = display.decisive(result)
    levers = [s for s in display.levers(result) if result.knobs and s.name in result.knobs.deltas.names]
    return sorted(levers, key=lambda s: (s.illustrative, -table[s.name].best.delta_mean))


def _lever_row(result: RunResult, scenario: ScenarioDescription, row: Mapping[str, Any]) -> Row:
    best = display.decisive(result)[scenario.name].best
    amount = fmt.money(best.delta_mean, row["place"], result.currency, signed=True)
    if not row["contest"]:
        return Row(scenario.title, scenario.illustrative, (amount, IF_IT_HAPPENS, NO_CHANCE, NO_CHANCE))
    interval = _between(best.delta_p05, best.delta_p95, row["place"], signed=True)
    sure = NO_CHANCE if math.isnan(best.p_better) else fmt.share(best.p_better, best.p_better_mcse)
    loss = _regret(best.expected_loss, {"place": _loss_place(result), "currency": _currency(result)})
    return Row(scenario.title, scenario.illustrative, (amount, interval, sure, loss))


def _between(low: float, high: float, place: int, *, signed: bool = False) -> str:
    return f"[{fmt.number(low, place, signed=signed)}, {fmt.number(high, place, signed=signed)}]"


def _loss_place(result: RunResult) -> int:
    """Of the last digit of a regret: as sure as the least sure difference."""
    rows = [figure.best for figure in display.decisive(result).values()]
    mcse = max((row.delta_mcse for row in rows if row.delta_mcse >= 0), default=math.nan)
    return max(-2, fmt.last_place([row.expected_loss for row in rows], mcse))


def _currency(result: RunResult) -> list[Any]:
    """Its sign, and whether it stands before the digits."""
    label = fmt.CURRENCY_SIGNS.get(result.currency.upper(), result.currency.strip())
    return [label, len(label) == 1 and not label.isalnum()]


def command(result: RunResult) -> str:
    """The run's command, quoted anew: what is copied from a page of somebody else must hold no other command."""
    try:
        words = shlex.split(result.command)
    except ValueError:
        words = []
    return shell_line(words) if words[:2] == ["clvsim", "run"] else "clvsim run"


# --- inputs -----------------------------------------------------------------------------------------------------------


def price_inputs(result: RunResult, knobs: Knobs) -> tuple[PriceInput, ...]:
    known = {a.path: a for s in result.scenarios for a in s.assumptions} | {a.path: a for a in result.assumptions}
    titles = {s.name: s.title for s in result.scenarios}
    inputs, sign = [], _currency(result)[0]
    for number, (key, value) in enumerate(zip(knobs.keys, knobs.values, strict=True)):
        one = known.get(key)
        label = _WORDS.get(key) or (one.label if one else _WORDS.get(key.rpartition(".")[2], key))
        is_share = key == "finance.gross_margin" or (one is not None and one.unit in ("probability", "relative"))
        if key.startswith("scenario."):
            origin, lever = key.split(".")[1:3]
            label = f"{titles.get(origin, origin)} ({lever.replace('_', ' ')}): {label[0].lower()}{label[1:]}"
            label += ", whatever it is as many take it" if key.endswith(".price") else ""
        label += f" ({sign})" if sign and not is_share else ""
        inputs.append(PriceInput(number, key, label, _plain(float(value)), "1" if is_share else _plain(MOST)))
    return tuple(inputs)


def _plain(value: float) -> str:
    """A number as a command and an input take it: 0.35, 12, 1e-07."""
    return str(int(value)) if value == int(value) else repr(value)


def effect_inputs(result: RunResult, knobs: Knobs) -> tuple[EffectInput, ...]:
    titles = {s.name: s for s in result.scenarios}
    inputs = []
    for number, (key, rows) in enumerate(_by_path(knobs).items()):
        effects = knobs.effects
        scenario = titles[effects.scenarios[rows[0]]]
        one = next(a for a in scenario.assumptions if a.path == key)
        begin, end = float(effects.at[rows[0], 0]), float(effects.at[rows[0], -1])
        low, high, step, value = _ends(begin, end, one)
        own = titles.get(key.split(".")[1], scenario)
        label = one.label.partition(":")[0]
        error = 1.645 * float(effects.mcse[rows].max())
        inputs.append(
            EffectInput(
                number,
                f"{own.title}: {label[0].lower()}{label[1:]}",
                *(_plain(x) for x in (low, high, step, value)),
                _now(one),
                *(f"{100 * min(max((x - low) / (high - low), 0), 1):.1f}%" for x in (begin, end)),
                "±" + fmt.money(error, max(-2, fmt.last_place((error,), digits=2)), result.currency),
            )
        )
    return tuple(inputs)


def _ends(begin: float, end: float, one: Assumption) -> tuple[float, float, float, float]:
    """Ends of a slider, its step and the number of the run on it: round numbers, a little beyond what was simulated."""
    width = end - begin
    place = math.floor(math.log10(width)) - 2
    times = next(t for t in (2, 5, 10) if width / (t * 10.0**place) <= 200)
    step = round(times * 10.0**place, -place)
    low, high = begin - _BEYOND * width, end + _BEYOND * width
    if one.unit == "probability":
        low, high = max(low, 0.0), min(high, 1.0)
    elif one.unit == "relative":
        low = max(low, -0.99)
    elif begin >= 0:
        low = max(low, 0.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    value = min(max(round(one.mean / step), first), last)
    return round(first * step, -place), round(last * step, -place), step, round(value * step, -place)


def _by_path(knobs: Knobs) -> dict[str, list[int]]:
    """Rows of the effects by configuration path: scenarios that are combined have effects in common."""
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(knobs.effects.given.names):
        rows.setdefault(path, []).append(row)
    return rows


def _is_log(one: Assumption) -> bool:
    """Whether a number is a log change of orders, which people read as a change."""
    return one.unit.startswith("log ")


def _in_percent(one: Assumption) -> bool:
    return one.unit in ("relative", "probability") or _is_log(one)


def _now(one: Assumption) -> str:
    """The number of the run, in words."""
    if _in_percent(one):
        value = math.expm1(one.mean) if _is_log(one) else one.mean
        place = min(-3, fmt.last_place((value,), digits=2))
        return f"{fmt.percent(value, place, signed=one.unit != 'probability')} on average"
    return f"{fmt.number(one.mean, fmt.last_place((one.mean,), digits=2))} on average"


# --- numbers ----------------------------------------------------------------------------------------------------------


def page_data(result: RunResult, knobs: Knobs) -> dict[str, Any]:
    """What the script reads: sizes as small integers, where the last digit of each figure stands, words."""
    table, base = display.figures(result), display.baseline(result).name
    levels = []
    for row, name in enumerate(knobs.levels.names):
        best = table[base, name].best
        place = max(-2, fmt.last_place((best.mean, best.p05, best.p95), best.mean_mcse))
        levels.append({"place": place, "lines": _stored(knobs.levels, row)})
    levers, numbers = [], {}
    for number, scenario in enumerate(shown(result)):
        best = table[scenario.name, "plan_value"].best
        numbers[scenario.name] = number
        levers.append(
            {
                "example": int(scenario.illustrative),
                "contest": math.isfinite(best.expected_loss),
                "place": max(-2, fmt.last_place((best.delta_mean, best.delta_p05, best.delta_p95), best.delta_mcse)),
                "share": max(-2, fmt.last_place([1.0], best.p_better_mcse)),
                "lines": _stored(knobs.deltas, knobs.deltas.names.index(scenario.name)),
            }
        )
    return {
        "draws": knobs.draws,
        "currency": _currency(result),
        "command": command(result),
        "place": _loss_place(result),
        "chances": not display.too_few_draws(result),
        "words": {"happens": IF_IT_HAPPENS, "none": NO_CHANCE},
        "prices": [{"key": k, "value": float(v)} for k, v in zip(knobs.keys, knobs.values, strict=True)],
        "terms": [list(term) for term in knobs.terms],
        "levels": levels,
        "levers": levers,
        "effects": [_effect(result, knobs, key, rows, numbers) for key, rows in _by_path(knobs).items()],
    }


def _effect(
    result: RunResult, knobs: Knobs, key: str, rows: Sequence[int], numbers: Mapping[str, int]
) -> dict[str, Any]:
    effects = knobs.effects
    scenario = next(s for s in result.scenarios if s.name == effects.scenarios[rows[0]])
    one = next(a for a in scenario.assumptions if a.path == key)
    _, _, step, _ = _ends(float(effects.at[rows[0], 0]), float(effects.at[rows[0], -1]), one)
    times = 100 if _in_percent(one) else 1
    return {
        "key": key,
        "times": times,
        "unit": f"{fmt.NBSP}%" if times == 100 else "",
        "signed": times == 100 and one.unit != "probability",
        "log": _is_log(one),
        "place": min(0, math.floor(math.log10(step * times) + 1e-9)),
        "now": _now(one),
        "curves": [
            {
                "lever": numbers[effects.scenarios[row]],
                "at": effects.at[row].tolist(),
                "mean": effects.mean[row].tolist(),
                "given": _stored(effects.given, row)[0] or [0.0],
            }
            for row in rows
        ],
    }


def _stored(lines: Lines, row: int) -> list[list[Any] | None]:
    """Lines of a row by term: None where there is nothing, one number where all draws are alike."""
    stored: list[list[Any] | None] = []
    for level, scale, steps in zip(lines.level[row], lines.scale[row], lines.steps[row], strict=True):
        if scale > 0:
            stored.append([0.0, float(scale), base64.b64encode(steps.astype("<i2").tobytes()).decode()])
        else:
            stored.append([float(level)] if level else None)
    return stored


# --- the script's arithmetic ------------------------------------------------------------------------------------------


class Position(NamedTuple):
    """What the page prints at a position: cells of levels and of levers, the regret of today, levers in their order."""

    levels: list[list[str]]
    levers: list[list[str]]
    today: str
    order: list[int]


def position(data: Mapping[str, Any], prices: Sequence[float], moved: tuple[int, float] | None = None) -> Position:
    """Figures at other `prices` (k,), from what is stored on the page; with `moved` one effect's number and value."""
    draws = data["draws"]
    coefficients = []
    for term in data["terms"]:
        product = 1.0
        for number in term:
            product *= prices[number]
        coefficients.append(product)
    levels = []
    for row in data["levels"]:
        mean, low, high = _summary(_total(row["lines"], coefficients, draws))
        place = row["place"]
        levels.append([_money(mean, place, data), f"[{_digits(low, place)}, {_digits(high, place)}]"])
    deltas = [_total(row["lines"], coefficients, draws) for row in data["levers"]]
    for curve in data["effects"][moved[0]]["curves"] if moved else ():
        assert moved is not None
        deltas[curve["lever"]] += _along(curve["at"], curve["mean"], moved[1]) - _line(curve["given"], draws)
    best = np.zeros(draws)
    for row, delta in zip(data["levers"], deltas, strict=True):
        best = np.maximum(best, delta) if row["contest"] else best
    levers, means = [], []
    for row, delta in zip(data["levers"], deltas, strict=True):
        mean, low, high = _summary(delta)
        means.append(mean)
        amount = _money(mean, row["place"], data, signed=True)
        if not row["contest"]:
            levers.append([amount, data["words"]["happens"], data["words"]["none"], data["words"]["none"]])
            continue
        better = (float((delta > 0).sum()) + 0.5 * float((delta == 0).sum())) / draws
        place = row["place"]
        levers.append(
            [
                amount,
                f"[{_digits(low, place, signed=True)}, {_digits(high, place, signed=True)}]",
                _share(better, row["share"]) if data["chances"] else data["words"]["none"],
                _regret(_mean(best - delta), data),
            ]
        )
    order = sorted(range(len(means)), key=lambda i: (data["levers"][i]["example"], -means[i], i))
    return Position(levels, levers, _regret(_mean(best), data), order)


def _line(line: Sequence[Any], draws: int) -> np.ndarray:
    if len(line) == 1:
        return np.full(draws, line[0])
    return line[0] + line[1] * np.frombuffer(base64.b64decode(line[2]), "<i2").astype(float)


def _total(lines: Sequence[Sequence[Any] | None], coefficients: Sequence[float], draws: int) -> np.ndarray:
    base = 0.0
    for line, coefficient in zip(lines, coefficients, strict=True):
        base += coefficient * line[0] if line else 0.0
    total = np.full(draws, base)
    for line, coefficient in zip(lines, coefficients, strict=True):
        if line and len(line) > 1:
            total += (coefficient * line[1]) * np.frombuffer(base64.b64decode(line[2]), "<i2").astype(float)
    return total


def _along(at: Sequence[float], values: Sequence[float], x: float) -> float:
    if x <= at[0]:
        return values[0]
    if x >= at[-1]:
        return values[-1]
    i = next(i for i in range(1, len(at)) if at[i] >= x)
    return values[i - 1] + (values[i] - values[i - 1]) * ((x - at[i - 1]) / (at[i] - at[i - 1]))


def _mean(values: np.ndarray) -> float:
    return float(np.add.accumulate(values)[-1]) / values.size  # one after the other, as the script adds


def _summary(values: np.ndarray) -> tuple[float, float, float]:
    ordered = np.sort(values)

    def quantile(q: float) -> float:
        h = (values.size - 1) * q
        k = math.floor(h)
        return float(ordered[k] + (ordered[min(k + 1, values.size - 1)] - ordered[k]) * (h - k))

    return _mean(values), quantile(0.05), quantile(0.95)


def _digits(value: float, place: int, *, signed: bool = False) -> str:
    """As `format.number`, with halves rounded away from zero."""
    power = float(f"1e{abs(place)}")
    scaled = math.floor(abs(value) * power + 0.5) if place < 0 else math.floor(abs(value) / power + 0.5) * power
    rounded = scaled / power if place < 0 else scaled
    return fmt.number(math.copysign(rounded, value) if rounded else 0.0, place, signed=signed)


def _money(value: float, place: int, data: Mapping[str, Any], *, signed: bool = False) -> str:
    digits, (label, before) = _digits(value, place, signed=signed), data["currency"]
    if not label:
        return digits
    if not before:
        return f"{digits}{fmt.NBSP}{label}"
    lead = digits[0] if digits[0] in "+" + fmt.MINUS else ""
    return f"{lead}{label}{digits[len(lead) :]}"


def _share(probability: float, place: int) -> str:
    if not 0.005 < probability < 0.995:
        return fmt.share(probability)
    place = -2 if place == -1 and math.floor(probability * 10 + 0.5) in (0, 10) else place
    return f"{_digits(probability * 100, place + 2)}{fmt.NBSP}%"


def _regret(loss: float, data: Mapping[str, Any]) -> str:
    if math.isnan(loss):
        return NO_CHANCE
    text = _money(loss, data["place"], data)
    is_zero = not any(sign in "123456789" for sign in text)
    return f"less than {_money(float(f'1e{data["place"]}'), data['place'], data)}" if loss > 0 and is_zero else text
