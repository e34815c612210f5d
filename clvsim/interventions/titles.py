"""Titles that name numbers of their scenario: `Follow-up, {email.per_month:g} messages a month`."""

import re
from collections.abc import Mapping
from string import Formatter

from clvsim.files import did_you_mean
from clvsim.texts import short_repr

DIGITS = 10  # of a number whose format says nothing
_FORMAT = re.compile(r"\+?,?(\.[0-6])?[fg%]?")  # signs, thousands, decimals; a share as per cent
_PLACE = re.compile(r"\w+(\.\w+)+")
RULE = "{LEVER.FIELD} or {LEVER.FIELD:FORMAT} with a format such as g, .2f, .0% or +.0%; {{ for a brace"


def fill(title: str, numbers: Mapping[str, float]) -> str:
    """The title with that number in place of each `{LEVER.FIELD:FORMAT}`. Nothing else is read: no attribute, no index,
    no nested field.

    Raises ValueError, saying what is wrong, for a place that is none and for a number that there is not.
    """
    try:
        pieces = list(Formatter().parse(title))
    except ValueError:
        raise ValueError(f"holds a brace that is no place for a number: {RULE}") from None
    return "".join(text + _number(place, spec, conversion, numbers) for text, place, spec, conversion in pieces)


def _number(place: str | None, spec: str | None, conversion: str | None, numbers: Mapping[str, float]) -> str:
    if place is None:
        return ""
    if conversion or not _PLACE.fullmatch(place) or not _FORMAT.fullmatch(spec or ""):
        written = f"{place}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
        raise ValueError(f"{short_repr(f'{{{written}}}')} is no place for a number: {RULE}")
    if place not in numbers:
        hint = did_you_mean(place, numbers) or f"; there is {', '.join(numbers) or 'none'}"
        raise ValueError(f"the scenario has no number {short_repr(place)}{hint}")
    return format(numbers[place] + 0.0, spec or f",.{DIGITS}g").replace("-", "−").replace("%", "\u00a0%")
