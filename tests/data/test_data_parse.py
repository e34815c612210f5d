"""Amounts and dates as files write them: found where they have one reading, asked where they have two."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize
from clvsim.data.database import connect
from clvsim.data.parse import Rules, choose_rules
from clvsim.data.raw import Loaded
from clvsim.errors import ConfigError, DataError, Problem

Read = Callable[..., TransactionLog]
HEADER = "customer_id,date,amount\n"
NOW = date(2025, 1, 1)
LOADED = Loaded("orders.csv", ("orders.csv",), (1,), (), (), False, False, (), 0)


def parsed(
    dates: Sequence[str | None] = (),
    amounts: Sequence[str | None] = (),
    more: Sequence[str | None] = (),
    **keys: object,
) -> tuple[list[date | None], list[Decimal | None], Rules, list[Problem]]:
    """What becomes of the texts of a column, the other being plain. `more` is a second column of amounts."""
    rows = max(len(dates), len(amounts))
    frame = pd.DataFrame(
        {
            "file": 0,
            "row": range(1, rows + 1),
            "date": pd.Series(dates or ["2024-01-01"] * rows, dtype="string"),
            "amount": pd.Series(amounts or ["1"] * rows, dtype="string"),
        }
    )
    if more:
        frame["amount_2"] = pd.Series(more, dtype="string")
    con = connect()
    con.register("frame", frame)
    con.execute("CREATE TABLE raw AS SELECT * FROM frame")
    rules, problems = choose_rules(con, LOADED, DataConfig.model_validate(keys), NOW)
    read = con.execute(f"SELECT {rules.day}, {rules.amount} FROM raw ORDER BY row").fetchall()
    return [day for day, _ in read], [amount for _, amount in read], rules, problems


def lines(rules: Rules) -> dict[str, str]:
    return {line.key: f"{line.value}; {line.note}" for line in rules.readings}


# --- amounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$5", "5"),
        ("5 €", "5"),
        ("€5.50", "5.50"),
        ("US$ 5.50", "5.50"),
        ("$12.50 USD", "12.50"),
        ("EUR 5.50", "5.50"),
        ("5.50eur", "5.50"),
        ("5.50\u00a0€", "5.50"),
        ("Fr. 5.50", "5.50"),
        ("R$ 5.50", "5.50"),
        ("12.5 zł", "12.5"),
        ("Rs.1,23,456.50", "123456.50"),
        ("1,234.50", "1234.50"),
        ("1,234,567", "1234567"),
        ("1'234.50", "1234.50"),
        ("1’234’567.50", "1234567.50"),
        ("1 234.50", "1234.50"),
        ("1\u202f234\u202f567.50", "1234567.50"),
        ("1\u2009234.50", "1234.50"),
        ("(12.50)", "-12.50"),
        ("($1,234.50)", "-1234.50"),
        ("$(12.50)", "-12.50"),
        ("12.50-", "-12.50"),
        ("12.50- €", "-12.50"),
        ("12.50 €-", "-12.50"),
        ("-$12.50", "-12.50"),
        ("$-12.50", "-12.50"),
        ("- 12.50 €", "-12.50"),
        ("\u221212.50", "-12.50"),
        ("+12.50", "12.50"),
        ("0.123", "0.123"),
        ("1.5e3", "1500"),
    ],
)
def test_amounts_with_a_decimal_point(text: str, value: str) -> None:
    _, amounts, _, problems = parsed(amounts=[text, "7.25", None])
    assert (amounts, problems) == ([Decimal(value), Decimal("7.25"), None], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56 €", "1234.56"),
        ("12,5", "12.5"),
        ("1.234", "1234"),
        ("1 234,5 kr", "1234.5"),
        ("12,50-", "-12.50"),
        ("CHF 1'234,50", "1234.50"),
        ("1.234.567", "1234567"),
        ("kr. 1.234,50", "1234.50"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"decimal": ","}])
def test_amounts_with_a_decimal_comma(text: str, value: str, keys: dict[str, str]) -> None:
    _, amounts, _, problems = parsed(amounts=[text, "687,83", "7"], **keys)
    assert (amounts, problems) == ([Decimal(value), Decimal("687.83"), Decimal(7)], [])


def test_one_value_in_a_long_file_decides() -> None:
    many = ["1.234"] * 40_000
    _, amounts, rules, problems = parsed(amounts=[*many, "2.500,50"])
    assert set(amounts) == {Decimal(1234), Decimal("2500.5")}
    assert problems == []
    assert lines(rules)["amounts"] == "read as 1.234,56; e.g. row 40002: '2.500,50' is 2500.5"
    assert set(parsed(amounts=[*many, "2.50"])[1]) == {Decimal("1.234"), Decimal("2.5")}


@pytest.mark.parametrize(
    ("text", "as_point", "as_comma"),
    [("1,234", "1234", "1.234"), ("1.234", "1.234", "1234"), ("$12,500", "12500", "12.5")],
)
def test_thousands_or_decimals_are_asked_for(text: str, as_point: str, as_comma: str) -> None:
    *_, problems = parsed(amounts=["12", text, "7"])
    assert [p.where for p in problems] == ["data.amount"]
    what = problems[0].what
    assert f"{text!r} is {as_point} with data.decimal=. and {as_comma} with data.decimal=,;" in what
    assert f"row 3: {text!r}" in what
    for sign, value in ((".", as_point), (",", as_comma)):
        _, amounts, _, problems = parsed(amounts=["12", text, "7"], decimal=sign)
        assert (amounts[1], problems) == (Decimal(value), [])


def test_the_question_stops_the_reading(read: Read) -> None:
    with pytest.raises(DataError, match=r"data\.amount: thousands or decimals, no value says which"):
        read(HEADER + 'a,2024-01-01,"1,234"\nb,2024-01-01,5\n')


def test_both_signs_in_one_file() -> None:
    *_, problems = parsed(amounts=["12", "12.50", "12,5", "1,50"])
    assert [p.where for p in problems] == ["data.amount"]
    assert "row 3: '12.50' (1 in all), but row 4: '12,5'; row 5: '1,50' (2 in all)" in problems[0].what
    _, amounts, _, problems = parsed(amounts=["12.50", "12,5", "1,234.00"], decimal=".")
    assert (amounts, problems) == ([Decimal("12.5"), None, Decimal(1234)], [])


def test_all_columns_of_amounts_share_their_evidence() -> None:
    _, amounts, rules, problems = parsed(amounts=["1.234", "2.000"], more=["0,5", None])
    assert (amounts, problems) == ([Decimal(617), None], [])
    assert "replace" in rules.amounts.sql("amount_2")
    *_, problems = parsed(amounts=["1.234", "2.000"], more=["5", "6"])
    assert "thousands or decimals" in problems[0].what
    *_, problems = parsed(amounts=["$5", "$6"], more=["€1", None])
    assert "2 currencies: 2 in $, 1 in EUR; e.g. row 2: '$5', but row 2: '€1'" in problems[0].what


def test_plain_amounts_are_read_in_silence() -> None:
    for amounts in (["5", "7.25", "-1"], ["5", "6", None], ["1.2345", "2.5"]):
        assert parsed(amounts=amounts)[2].readings == ()
    assert lines(parsed(amounts=["5", "7,25"])[2]) == {"amounts": "read as 1234,56; "}
    assert parsed(amounts=["5", "7,25"], decimal=",")[2].readings == ()


def test_what_is_not_plain_is_named() -> None:
    amounts = ["$5.00", "(1,012.50)", "3.00-", "$7.00", "12"]
    found = lines(parsed(amounts=amounts)[2])["amounts"]
    assert (
        found == "read as $1,234.56; e.g. row 2: '$5.00' is 5; 2 in brackets or with a minus behind them are negative"
    )
    assert lines(parsed(amounts=["1 012,50 kr"])[2])["amounts"].startswith(
        "read as 1 234,56 kr; e.g. row 2: '1 012,50 kr'"
    )


def test_an_example_that_cannot_be_read() -> None:
    _, amounts, rules, _ = parsed(amounts=["$5", "$99999999999999999999"])
    assert amounts == [Decimal(5), None]
    assert lines(rules)["amounts"].endswith("is too large")
    _, _, rules, _ = parsed(dates=["31 Feb 2024", "1 Mar 2024"])
    assert lines(rules)["dates"].endswith("e.g. row 3: '1 Mar 2024' is 2024-03-01")
    assert "dates" not in lines(parsed(dates=["03/04/24", "05/06/24"])[2])  # it is asked


def test_several_currencies_are_never_added() -> None:
    amounts = ["$5", "€6", "7 EUR", "8", "$9", "$10"]
    *_, problems = parsed(amounts=amounts)
    assert [p.where for p in problems] == ["data.amount"]
    assert "amounts in 2 currencies: 3 in $, 2 in EUR; e.g. row 2: '$5', but row 3: '€6'" in problems[0].what
    assert "data.currency=COLUMN" in problems[0].what
    assert parsed(amounts=amounts, currency="Currency")[3] == []  # the column says which
    assert parsed(amounts=["€6", "7 EUR", "8 eur"])[3] == []
    *_, problems = parsed(
        amounts=[f"{code} 5" for code in ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF")]
    )
    assert "10 currencies" in problems[0].what
    assert len(problems[0].what) < 500


def test_numbers_need_no_evidence() -> None:
    frame = pd.DataFrame({"customer": ["a", "b"], "date": ["2024-03-04", "2024-03-05"], "amount": [1.234, 2.125]})
    assert summarize(read_transactions(frame)).customers["first_amount"].tolist() == [1.234, 2.125]


def test_a_german_file(read: Read) -> None:
    text = "Kunde;Tag;Betrag\na;23.04.2024;1.687,83 €\nb;26.04.2024;-8,69 €\nb;25.04.2024;9,00 €\n"
    log = read(text, customer_id="Kunde", date="Tag", amount="Betrag")
    assert summarize(log).customers["first_amount"].tolist() == [1687.83, 0.31]
    shown = {line.key: line for line in quality(log, summarize(log))}
    assert (shown["amounts"].value, shown["amounts"].level) == ("read as 1.234,56 €", "info")


MONEY = st.decimals("-9999999.99", "9999999.99", places=2)
STYLES = st.tuples(
    st.sampled_from([(".", ","), (",", "."), (".", "'"), (",", " "), (".", "\u202f"), (".", ""), (",", "")]),
    st.sampled_from(["{}", "${}", "€ {}", "{} €", "{}\u00a0EUR", "CHF {}"]),
    st.sampled_from(["-{}", "({})", "{}-", "\u2212{}"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(MONEY, min_size=1, max_size=30), STYLES)
def test_written_amounts_come_back(values: list[Decimal], style: tuple[tuple[str, str], str, str]) -> None:
    (decimal, thousands), currency, negative = style
    texts = []
    for value in values:
        digits = f"{abs(value):,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))
        texts.append(negative.format(currency.format(digits)) if value < 0 else currency.format(digits))
    _, amounts, _, problems = parsed(amounts=texts)
    assert (amounts, problems) == (values, [])


# --- dates -----------------------------------------------------------------------------------------------------------

# Written by hand, beside the list of the code: 1 January to 1 December.
BY_NAME = {
    "{d} {m} 2024": (
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Januari Februari Maart April Mei Juni Juli Augustus September Oktober November December",
        "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
    ),
    "{d}. {m} 2024": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan. Feb. Mär. Apr. Mai Jun. Jul. Aug. Sept. Okt. Nov. Dez.",
        "Jänner Feber Mrz. April Mai Juni Juli Aug. Sep. Okt. Nov. Dez.",
    ),
    "{d} de {m} de 2024": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene. feb. mar. abr. may. jun. jul. ago. sept. oct. nov. dic.",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
    ),
}


@pytest.mark.parametrize(
    ("form", "months"), [(form, names) for form, languages in BY_NAME.items() for names in languages]
)
def test_names_of_months(form: str, months: str) -> None:
    texts = [form.format(d=1, m=name) for name in months.split()]
    days, _, rules, problems = parsed(dates=texts)
    assert (days, problems) == ([date(2024, month, 1) for month in range(1, 13)], [])
    assert lines(rules)["dates"] == f"read as day, month by name, year; e.g. row 2: {texts[0]!r} is 2024-01-01"


@pytest.mark.parametrize(
    "text",
    [
        "Mar 4, 2024 5:00:16 PM PST",
        "Mar 4, 2024, 11:59\u202fPM",
        "March 4th, 2024 at 10:30 a.m.",
        "Monday, March 4, 2024",
        "Mon, 04 Mar 2024 23:10:00 +0100",
        "Mon Mar 04 2024 10:00:00 GMT+0100 (Central European Standard Time)",
        "04-Mar-2024",
        "04-MAR-24",
        "04mar2024",
        "4/Mar/2024:10:30"[:10],
        "2024-Mar-04",
        "2024 March 4",
        "Montag, 4. März 2024 um 10:30 Uhr",
        "mar. 4 mars 2024",
        "le 4 mars 2024"[3:],
        "lunes, 4 de marzo de 2024 10:30 p. m.",
        "4 marzo 2024 alle 10:30",
        "segunda-feira, 4 de março de 2024",
        "4.3.2024 und"[:8],
        "4. 3. 2024 ",
        "2024-03-04T10:30:15.123456+01:00",
        "2024-03-04 10:30 CET",
        "2024/3/4 1:05:59,5 p.m. EST",
    ],
)
def test_ways_to_write_a_day(text: str) -> None:
    days, _, _, problems = parsed(dates=[text.strip(), "31/12/2023", "2024-05-06", "20240507", "7 May 2024"])
    later = [date(2023, 12, 31), date(2024, 5, 6), date(2024, 5, 7), date(2024, 5, 7)]
    assert (days, problems) == ([date(2024, 3, 4), *later], [])


@pytest.mark.parametrize(
    "text", ["32 Jan 2024", "Jan 2024", "1 Foo 2024", "before 1 Jan 2024", "1 Jan 2024 soon", "31 de abril de 2024"]
)
def test_what_is_no_day_with_a_name(text: str) -> None:
    assert parsed(dates=[text, "1 Jan 2024"])[0] == [None, date(2024, 1, 1)]


@pytest.mark.parametrize(
    ("texts", "days", "reading"),
    [
        (["16/01/24", "30/06/24"], [date(2024, 1, 16), date(2024, 6, 30)], "day/month/year"),
        (["01/16/24 10:00", "06/30/24 1:00 PM"], [date(2024, 1, 16), date(2024, 6, 30)], "month/day/year"),
        (["24-01-16", "23-06-30"], [date(2024, 1, 16), date(2023, 6, 30)], "year/month/day"),
        (["13.12.99", "31.01.00"], [date(1999, 12, 13), date(2000, 1, 31)], "day/month/year"),
        (["01/02/24", "25/12/2023"], [date(2024, 2, 1), date(2023, 12, 25)], "day/month/year"),
    ],
)
def test_years_of_two_digits(texts: list[str], days: list[date], reading: str) -> None:
    found, _, rules, problems = parsed(dates=texts)
    assert (found, rules.date_reading, problems) == (days, reading, [])
    assert lines(rules)["dates"].startswith(f"read as {reading}; e.g. row 2: {texts[0]!r} is {days[0]}")


@pytest.mark.parametrize(
    ("texts", "said", "formats"),
    [
        (
            ["03/04/24", "05/06/24"],
            "day/month/year and month/day/year and year/month/day are possible",
            "%d/%m/%y or %m/%d/%y or %y/%m/%d",
        ),
        (["16/01/24", "11/02/24"], "day/month/year and year/month/day are possible", "%d/%m/%y or %y/%m/%d"),
        (["03/04/99", "05/06/98"], "day/month and month/day are both possible", "%d/%m/%y or %m/%d/%y"),
        (["03/04/24", "05/06/2023"], "day/month and month/day are both possible", "%d/%m/%Y or %m/%d/%Y"),
    ],
)
def test_years_of_two_digits_that_are_asked_for(texts: list[str], said: str, formats: str) -> None:
    *_, problems = parsed(dates=texts)
    assert [p.where for p in problems] == ["data.date"]
    assert problems[0].what.startswith(f"{said}, e.g. row 2: {texts[0]!r}")
    assert f"type data.date_format={formats} (" in problems[0].what


def test_years_of_two_digits_under_which_no_order_fits() -> None:
    *_, problems = parsed(dates=["25/04/24", "05/26/24"])
    assert "day and month change places: row 2: '25/04/24', but row 3: '05/26/24'" in problems[0].what


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["45378", "45379.75"], [date(2024, 3, 27), date(2024, 3, 28)]),
        (["1711497600", "1711583999.5"], [date(2024, 3, 27), date(2024, 3, 27)]),
        (["1711497600000", "1711584000000"], [date(2024, 3, 27), date(2024, 3, 28)]),
    ],
)
def test_numbers_that_are_dates(texts: list[str], days: list[date]) -> None:
    found, _, rules, problems = parsed(dates=[*texts, None])
    assert (found, problems) == ([*days, None], [])
    assert lines(rules)["dates"].endswith(f"e.g. row 2: {texts[0]!r} is {days[0]}")
    form = "serial" if len(texts[0]) == 5 else "epoch"
    found, _, rules, problems = parsed(dates=texts, date_format=form)
    assert (found, problems, rules.readings) == (days, [], ())


@pytest.mark.parametrize(
    "texts",
    [
        ["45378", "2024-01-01"],  # one kind does not decide for the other
        ["45378", "60000"],  # in the future
        ["45378", "24001"],  # may be the first day of 2024
        ["1711497600", "45378"],
        ["1711497600", "2401011030"],  # 1 January 2024, 10:30
        ["12345", "99999"],
    ],
)
def test_numbers_that_may_be_something_else(read: Read, texts: list[str]) -> None:
    with pytest.raises(DataError, match=r"not a date, e\.g\. row 2: .*data\.date_format=(serial|epoch)"):
        read(HEADER + f"a,{texts[0]},1\nb,{texts[1]},1\n")


def test_typed_whole_numbers_are_dates_too() -> None:
    frame = pd.DataFrame({"customer": ["a", "b"], "date": [45378, 45379.25], "amount": [1.5, 2]})
    assert read_transactions(frame).first_date == date(2024, 3, 27)


def test_the_reading_is_said_once(read: Read) -> None:
    for text, form, said in (
        ("03/04/24", "%d/%m/%y", "dates read as %d/%m/%y"),
        ("45378", "serial", "dates read as day numbers of a spreadsheet"),
        ("45378", None, "dates read as day numbers of a spreadsheet"),
        ("1 Apr 2024", None, "dates read as day, month by name, year"),
    ):
        log = read(HEADER + f"a,{text},1\nb,{text},1\n", date_format=form)
        period = {line.key: line for line in quality(log, summarize(log))}["span"]
        assert period.note.endswith(said)
        assert "as as" not in period.note


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2024, 12, 31)), min_size=1, max_size=20),
    st.sampled_from(
        [
            "%Y-%m-%d",
            "%Y-%m-%dT%H:%M:%S",
            "%Y/%m/%d %H:%M",
            "%Y%m%d",
            "%b %d, %Y %I:%M:%S %p PST",
            "%d. %B %Y",
            "%d-%b-%Y",
        ]
    ),
)
def test_written_dates_come_back(moments: list[datetime], form: str) -> None:
    days, _, _, problems = parsed(dates=[f"{moment:{form}}" for moment in moments])
    assert (days, problems) == ([moment.date() for moment in moments], [])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.dates(date(1990, 1, 1), date(2024, 12, 31)), min_size=1, max_size=20), st.sampled_from("dm"))
def test_local_dates_come_back_or_are_asked_for(wanted: list[date], first: str) -> None:
    form = "%d.%m.%Y" if first == "d" else "%m.%d.%Y"
    days, _, _, problems = parsed(dates=[f"{day:{form}}" for day in wanted])
    if any(day.day > 12 for day in wanted) or all(day.day == day.month for day in wanted):
        assert (days, problems) == (wanted, [])
    else:
        assert [p.where for p in problems] == ["data.date"]


# --- time zones ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-03-05T03:59:00Z", date(2024, 3, 4)),
        ("2024-03-05T05:00:00Z", date(2024, 3, 5)),
        ("2024-07-05T03:59:00Z", date(2024, 7, 4)),  # in summer four hours
        ("2024-07-05T04:00:00Z", date(2024, 7, 5)),
        ("2024-03-05 03:00", date(2024, 3, 4)),  # without an offset: UTC
        ("2024-03-05", date(2024, 3, 5)),  # without a time
        ("2024-03-05T99:00:00Z", date(2024, 3, 5)),
        ("2024-03-05 03:61", date(2024, 3, 5)),
        ("2024-03-05 03:00 +0100", date(2024, 3, 4)),
        ("2024-03-04 22:00:00-07:00", date(2024, 3, 5)),
        ("2024-03-04 22:00:00.5 -07", date(2024, 3, 5)),
        ("Mar 4, 2024 9:30:16 PM PST", date(2024, 3, 5)),
        ("Mar 5, 2024 12:30 AM EST", date(2024, 3, 5)),
        ("Mar 5, 2024 12:30 PM", date(2024, 3, 5)),
        ("Tue, 5 Mar 2024 06:29:00 GMT+0130", date(2024, 3, 4)),
        ("25.03.2024 03:30 CET", date(2024, 3, 24)),
        ("24-Mar-2024 5:30 am MESZ", date(2024, 3, 23)),
    ],
)
def test_the_day_of_the_shop(text: str, day: date) -> None:
    days, _, _, problems = parsed(dates=[text, "2024-01-01 12:00"], time_zone="America/New_York")
    assert (days, problems) == ([day, date(2024, 1, 1)], [])


def test_moments_without_a_zone_of_their_own() -> None:
    zone = {"time_zone": "America/New_York"}
    assert parsed(dates=["1711508399", "1711512000"], **zone)[0] == [date(2024, 3, 26), date(2024, 3, 27)]
    assert parsed(dates=["45378.1", "45378.25"], **zone)[0] == [date(2024, 3, 26), date(2024, 3, 27)]
    assert parsed(dates=["45378", "45378.25"], **zone)[0] == [date(2024, 3, 27)] * 2
    form = "%d/%m/%Y %H.%M"
    assert parsed(dates=["27/03/2024 03.00"], date_format=form, **zone)[0] == [date(2024, 3, 26)]
    assert parsed(dates=["27/03/2024"], date_format="%d/%m/%Y", **zone)[0] == [date(2024, 3, 27)]


def test_frames_keep_their_zone() -> None:
    """As written, the day is that of the frame's zone; the shop's may be another."""
    moments = pd.to_datetime(["2024-03-05 03:00", "2024-03-06 12:00"]).tz_localize("Europe/Berlin")
    frame = pd.DataFrame({"customer": ["a", "b"], "date": moments, "amount": [1.5, 2]})
    assert read_transactions(frame).first_date == date(2024, 3, 5)
    assert read_transactions(frame, DataConfig(time_zone="America/New_York")).first_date == date(2024, 3, 4)


def test_midnight_everywhere_is_no_time() -> None:
    days, _, rules, _ = parsed(dates=["2024-03-05 00:00:00", "2024-03-06 00:00:00"], time_zone="America/New_York")
    assert days == [date(2024, 3, 5), date(2024, 3, 6)]
    assert "no date has a time of day" in lines(rules)["time_zone"]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2024, 12, 30)), min_size=1, max_size=20),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%d %b %Y %I:%M %p"]),
)
def test_days_are_those_of_the_zone(moments: list[datetime], zone: str, form: str) -> None:
    utc = ZoneInfo("UTC")
    days, _, _, _ = parsed(dates=["2024-01-01 12:00", *(f"{m:{form}}" for m in moments)], time_zone=zone)
    assert days[1:] == [m.replace(second=0, tzinfo=utc).astimezone(ZoneInfo(zone)).date() for m in moments]


@pytest.mark.parametrize(
    ("zone", "near"),
    [
        ("New York", "America/New_York"),
        ("europe/berlin", "Europe/Berlin"),
        ("America/NewYork", "America/New_York"),
        ("Paris", "Europe/Paris"),
    ],
)
def test_a_zone_that_does_not_exist(read: Read, zone: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.time_zone: no time zone is called '{zone}' \(did you mean .*{near}"):
        read(HEADER + "a,2024-01-01,1\nb,2024-01-01,1\n", time_zone=zone)
    with pytest.raises(ConfigError) as error:
        read(HEADER + "a,2024-01-01,1\n", time_zone="qqqqqq", date_format="%Q")
    assert [p.where for p in error.value.problems] == ["data.date_format", "data.time_zone"]


def times(hours: Sequence[int], number: int = 300) -> list[str]:
    start = datetime(2024, 1, 1, 0, 7)
    return [f"{start + timedelta(days=i % 300, hours=hours[i % len(hours)]):%Y-%m-%dT%H:%M:%SZ}" for i in range(number)]


@pytest.mark.parametrize(
    ("hours", "warned"),
    [
        ([22, 23, 0, 1, 2, 3], True),  # an evening in New York, in UTC
        ([19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6], True),
        ([8, 10, 12, 14, 16, 18, 20, 21, 22], False),
        ([17, 18, 19, 20, 21], False),
        (list(range(24)), False),
        ([0], False),  # midnight is no time
    ],
)
def test_a_day_whose_low_lies_at_midday(hours: list[int], warned: bool) -> None:
    texts = [text.replace("00:07", "00:00") for text in times(hours)]
    _, _, rules, _ = parsed(dates=texts)
    assert ("time_zone" in lines(rules)) == warned
    by_name = [f"{datetime.fromisoformat(text):%b %d, %Y %I:%M %p}" for text in texts]
    assert ("time_zone" in lines(parsed(dates=by_name)[2])) == warned
    assert "time_zone" not in lines(parsed(dates=texts[:99])[2])  # too few to say
    if warned:
        assert next(line for line in rules.readings if line.key == "time_zone").level == "warning"


@pytest.mark.parametrize("zone", [{}, {"time_zone": "Europe/Berlin"}])
@pytest.mark.parametrize("text", ["abc", "2024", "2024-01", "10:30"])
def test_a_column_without_any_date(read: Read, text: str, zone: dict[str, str]) -> None:
    with pytest.raises(DataError, match=rf"data\.date: 2 of 2 rows: not a date, e\.g\. row 2: '{text}'"):
        read(HEADER + f"a,{text},5\nb,{text},6\n", **zone)
    with pytest.raises(DataError, match=r"data\.date: 2 of 2 rows: date is missing"):
        read(HEADER + "a,,5\nb,,6\n", **zone)
