"""Numbers as text: digits, signs, separators, currencies."""

import math

import pytest

from clvsim.report import display
from clvsim.report import format as fmt

NBSP = fmt.NBSP


@pytest.mark.parametrize(
    ("values", "mcse", "place"),
    [
        ([104_230.0], math.nan, 3),  # three significant digits without an error
        ([104_230.0], 40.0, 3),  # the error would allow more, a reader does not need them
        ([12_340.0, 4_100.0, 21_000.0], 230.0, 2),
        ([12_340.0], 501.0, 3),
        ([12_340.0], 31_000.0, 4),
        ([0.828], 0.001, -3),
        ([0.0], math.nan, 0),
        ([math.nan, 50.0], 0.0, -1),
    ],
)
def test_last_digit_follows_the_monte_carlo_error(values: list[float], mcse: float, place: int) -> None:
    assert fmt.last_place(values, mcse) == place


@pytest.mark.parametrize("mcse", [0.004, 0.31, 2.0, 77.0, 950.0])
def test_last_digit_is_never_finer_than_a_third_of_the_error(mcse: float) -> None:
    place = fmt.last_place([1e6], mcse, digits=12)
    assert mcse / 10.0**place <= math.sqrt(10)
    assert mcse / 10.0**place >= 1 / math.sqrt(10)


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (1234.5, 0, "1,234"),  # Python rounds halves to even
        (-1234.56, -1, "−1,234.6"),
        (-4.0, 1, "0"),  # a rounded zero has no sign
        (math.nan, 0, "n/a"),
        (-math.inf, 0, "−∞"),
        (12_340.0, 2, "12,300"),
    ],
)
def test_number(value: float, place: int, text: str) -> None:
    assert fmt.number(value, place) == text


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        ("USD", "−$4,100"),
        ("eur", "−€4,100"),
        ("£", "−£4,100"),
        ("CHF", f"−4,100{NBSP}CHF"),
        ("", "−4,100"),
        ("  ", "−4,100"),
    ],
)
def test_money_carries_its_currency(currency: str, text: str) -> None:
    assert fmt.money(-4_123.0, 2, currency) == text


def test_money_signs_and_missing_values() -> None:
    assert fmt.money(12_340.0, 2, "USD", signed=True) == "+$12,300"
    assert fmt.money(0.0, 2, "USD", signed=True) == "$0"
    assert fmt.money(math.nan, 2, "USD") == "n/a"


@pytest.mark.parametrize(
    ("value", "place", "scale", "text"),
    [
        (104_230.0, 3, None, "$104k"),
        (104_230.0, 2, None, "$104.2k"),
        (9_100.0, 2, None, "$9,100"),
        (9_100.0, 2, 12_000.0, "$9.1k"),  # one unit for numbers that stand together
        (-300.0, 2, 12_000.0, "−$0.3k"),
        (0.0, 3, 12_000.0, "$0"),
        (2_345_678.0, 4, None, "$2.35M"),
        (3.2e9, 8, None, "$3.2 bn"),
        (math.nan, 0, None, "n/a"),
    ],
)
def test_compact(value: float, place: int, scale: float | None, text: str) -> None:
    assert fmt.compact(value, place, "USD", scale=scale) == text


@pytest.mark.parametrize(
    ("probability", "mcse", "words", "cell"),
    [
        (0.96, 0.006, "96 of 100", f"96{NBSP}%"),
        (0.765, 0.01, "76 of 100", f"76{NBSP}%"),  # sentence and table round alike
        (0.9996, 0.001, "more than 99 of 100", f">{NBSP}99{NBSP}%"),
        (1.0, 0.0, "more than 99 of 100", f">{NBSP}99{NBSP}%"),
        (0.0, 0.0, "fewer than 1 of 100", f"<{NBSP}1{NBSP}%"),
        (0.47, 0.05, "about 50 of 100", f"50{NBSP}%"),  # 100 draws do not support single percents
        (math.nan, math.nan, "n/a", "n/a"),
    ],
)
def test_frequencies_never_claim_certainty(probability: float, mcse: float, words: str, cell: str) -> None:
    assert fmt.frequency(probability, mcse) == words
    assert fmt.share(probability, mcse) == cell


@pytest.mark.parametrize(("value", "place"), [(0.3, -1), (100.0, 0), (0.125, -3), (1 / 3, -6)])
def test_typed_numbers_keep_their_own_digits(value: float, place: int) -> None:
    assert fmt.own_place(value) == place


def test_a_share_that_would_round_to_certainty_is_not_shown_as_such():
    assert [fmt.share(p) for p in (0.005, 0.995, 1.0)] == ["<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"] + [
        ">\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    ] * 2


@pytest.mark.parametrize(
    ("unit", "loss", "mcse", "text"),
    [
        ("money", 1234.0, 100.0, "$1,200"),  # as the error says
        ("money", 0.0, 800.0, "$0"),
        ("money", 14.3, 800.0, "$14"),  # which would leave nothing
        ("money", 0.3, 800.0, "less than $1"),
        ("money", 0.3, math.nan, "$0.30"),
        ("money", 0.003, math.nan, "less than $1"),
        ("share", 0.004, 0.1, f"0.4{NBSP}%"),
        ("share", 0.0002, 0.1, f"less than 0.1{NBSP}%"),
        ("count", 7.2, 50.0, "7"),
        ("count", 0.4, 50.0, "less than 1"),
        ("ratio", 0.0004, 0.1, "less than 0.01"),
        ("money", math.nan, 1.0, "n/a"),
    ],
)
@pytest.mark.parametrize("short", [False, True])
def test_a_loss_that_is_there_is_never_nothing(unit: str, loss: float, mcse: float, text: str, short: bool) -> None:
    assert display.loss_in_words(unit, loss, mcse, "$", short=short) == text
