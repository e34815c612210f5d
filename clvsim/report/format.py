"""Numbers as text: digits that the Monte Carlo error supports, thousands separators, a true minus sign, one currency.

Digits are given as a *place*: the power of ten of the last digit printed (2 prints hundreds, −1 prints tenths).
"""

import math
from collections.abc import Iterable
from datetime import date

MINUS = "−"
NBSP = "\u00a0"
MISSING = "n/a"
CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
_SCALES = ((1e9, " bn"), (1e6, "M"), (1e3, "k"))


def last_place(values: Iterable[float], mcse: float = math.nan, digits: int = 3) -> int:
    """Place of the last digit worth printing for numbers of one cell (a mean and its interval).

    The error's own order of magnitude decides (rounded on the log scale, so the last digit may be off by about three),
    and never more than `digits` significant digits of the largest number: more would not help a reader.
    """
    size = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    by_size = math.floor(math.log10(size)) - digits + 1 if size > 0 else 0
    if not math.isfinite(mcse) or mcse <= 0:
        return by_size
    return max(by_size, round(math.log10(mcse)))


def own_place(value: float) -> int:
    """Place of the last digit of a number that the user typed (0.3 → −1), at most six decimals."""
    return next((-k for k in range(7) if math.isclose(round(value, k), value, rel_tol=1e-12, abs_tol=1e-12)), -6)


def number(value: float, place: int = 0, *, signed: bool = False) -> str:
    """`value` rounded at `place`; NaN reads n/a, and a rounded zero carries no sign."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    rounded = round(value, -place)
    digits = f"{abs(rounded):,.{max(0, -place)}f}"
    return _sign(rounded, signed) + digits


def days(value: float) -> str:
    """A length of time, to a tenth of a day."""
    return f"{round(value, 1):g}"


def money(value: float, place: int = 0, currency: str = "", *, signed: bool = False) -> str:
    """An amount with its currency: a sign stands before the digits (−$4,100), other labels behind (4,100 CHF)."""
    return _with_currency(number(value, place, signed=signed), currency)


def compact(value: float, place: int, currency: str = "", *, scale: float | None = None, signed: bool = False) -> str:
    """Money for narrow columns: 104k instead of 104,000.

    `scale` sets the common unit of several numbers; by default it follows `value`. Below 10,000 nothing is
    shortened.
    """
    if not math.isfinite(value):
        return money(value, place, currency, signed=signed)
    largest = abs(value) if scale is None else abs(scale)
    unit, suffix = next(((u, s) for u, s in _SCALES if largest >= u and largest >= 1e4), (1.0, ""))
    rounded = round(value, -place) / unit
    if not rounded:
        return money(0.0, 0, currency)
    digits = f"{abs(rounded):,.{max(0, round(math.log10(unit)) - place)}f}"
    return _with_currency(_sign(rounded, signed) + digits + suffix, currency)


def percent(value: float, place: int = -2, *, signed: bool = False) -> str:
    """A share as a percentage. `place` counts on the share itself: −2 prints whole percents."""
    return number(value * 100, place + 2, signed=signed) + ("" if math.isnan(value) else NBSP + "%")


def frequency(probability: float, mcse: float = math.nan) -> str:
    """`96 of 100`, in words where rounding would claim certainty, which no finite number of draws gives."""
    if math.isnan(probability):
        return MISSING
    if probability <= 0.005:
        return "fewer than 1 of 100"
    if probability >= 0.995:
        return "more than 99 of 100"
    place = _share_place(probability, mcse)
    return ("about " if place > -2 else "") + f"{number(probability * 100, place + 2)} of 100"


def share(probability: float, mcse: float = math.nan) -> str:
    """A probability in whole percents (tens when that is all the error supports), never 0 or 100: draws are finite."""
    if probability <= 0.005:
        return f"<{NBSP}1{NBSP}%"
    if probability >= 0.995:
        return f">{NBSP}99{NBSP}%"
    return percent(probability, _share_place(probability, mcse))


def position(share: float) -> str:
    """Where a number lies among 100 simulated ones, sorted: `at the 95th of 100`; at an end, beyond the outermost."""
    if math.isnan(share):
        return MISSING
    place = round(100 * share)
    if place < 1:
        return "below the 1st of 100"
    if place > 99:
        return "above the 99th of 100"
    return f"at the {ordinal(place)} of 100"


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def sure(probability: float, mcse: float = math.nan) -> str:
    """A probability within a sentence: `more than 99 %` where `share` has a sign."""
    return share(probability, mcse).replace(f">{NBSP}", "more than ").replace(f"<{NBSP}", "less than ")


def _share_place(probability: float, mcse: float) -> int:
    place = max(-2, last_place([1.0], mcse))
    return -2 if round(probability, -place) in (0.0, 1.0) else place  # tens must not round to certainty either


def _sign(value: float, signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""


def _with_currency(digits: str, currency: str) -> str:
    label = CURRENCY_SIGNS.get(currency.upper(), currency.strip())
    if not label or digits == MISSING:
        return digits
    if len(label) == 1 and not label.isalnum():
        lead = digits[0] if digits[0] in "+" + MINUS else ""
        return f"{lead}{label}{digits[len(lead) :]}"
    return f"{digits}{NBSP}{label}"


def day(one: date) -> str:
    """30 Jun 1998."""
    return f"{one.day} {one:%b %Y}"


def months(count: int) -> str:
    return f"{count} month{'' if count == 1 else 's'}"
