"""What is striking about a log, against counts made here; and nothing where nothing is."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, quality, read_transactions, summarize
from clvsim.data.log import TransactionLog
from clvsim.data.looks import in_short, rate
from clvsim.data.material import material_of_log
from tests.data.madeup import as_log, shop

NOW = date(2030, 1, 1)


def read(frame: pd.DataFrame, **keys: object) -> TransactionLog:
    return read_transactions(frame, DataConfig.model_validate(keys), today_date=NOW)


def table(log: TransactionLog) -> dict[str, str]:
    return {line.key: f"{line.value} ({line.note})" for line in quality(log, summarize(log))}


@pytest.fixture(scope="module")
def ordinary() -> pd.DataFrame:
    return as_log(shop(1, 800))


def test_an_ordinary_shop_has_nothing_but_its_arrivals(ordinary) -> None:
    """As many newcomers in both years, 365 on average: within four standard errors."""
    found = table(read(ordinary))
    assert not {"weekday", "yearly", "whales", "prices"} & found.keys()
    assert found["arrivals"].startswith("steady, ")


def test_a_closed_day_and_a_busy_one_are_named(ordinary) -> None:
    day = pd.to_datetime(ordinary["date"])
    assert table(read(ordinary[day.dt.day_of_week != 6]))["weekday"].startswith("hardly any order on Sundays")
    both = table(read(ordinary[day.dt.day_of_week < 5]))["weekday"]
    assert both.startswith("hardly any order on Saturdays and Sundays")
    some = ordinary[(day.dt.day_of_week == 2) | (day.dt.day % 5 == 0)]
    counts = pd.to_datetime(some["date"]).dt.day_of_week.value_counts()
    times = counts.max() / (len(some) / 7)
    assert table(read(some))["weekday"].startswith(f"Wednesdays bring {times:.1f} times a mean day's orders")


def test_dates_of_weeks_are_no_opening_hours(ordinary) -> None:
    day = pd.to_datetime(ordinary["date"])
    weeks = ordinary.assign(date=day - pd.to_timedelta(day.dt.day_of_week, unit="D"))
    assert table(read(weeks))["weekday"].startswith("all orders on Mondays (dates seem to be those of weeks")


def test_payments_on_one_day_a_year_are_no_opening_hours() -> None:
    rows = [(f"c{n}", f"{year}-01-15", 60) for n in range(100) for year in range(2015, 2015 + 2 + n % 6)]
    found = table(read(pd.DataFrame(rows, columns=["customer_id", "date", "amount"])))
    assert "weekday" not in found
    assert found["yearly"].startswith("100% in January (")


def presents(seed: int, years: int, customers: int = 150) -> pd.DataFrame:
    """Orders of a shop of presents, each customer's at most one a year: six of seven in November or December."""
    draw, rows = np.random.default_rng(seed), []
    for c, chance in enumerate(draw.beta(1.5, 2.0, customers)):
        first = int(draw.integers(years))
        for year in range(first, years):
            if year == first or draw.random() < chance:
                day = int(draw.integers(304, 365) if draw.random() < 0.86 else draw.integers(304))
                rows.append((f"c{c}", str(date(2019 + year, 1, 1) + timedelta(day)), 25.0))
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def test_presents_of_a_season_of_two_months_are_one_chance_a_year() -> None:
    """Also where the log ends in September; not where the same season has several orders of a customer in a year, nor
    where orders once a year come in all months."""
    frame = presents(1, 5)
    for rows in (frame, frame[frame["date"] < "2023-10-01"]):
        line = table(read(rows))["yearly"]
        assert " in November to December (and hardly anybody orders twice in a year" in line
    again = frame.assign(date=(pd.to_datetime(frame["date"]) + pd.to_timedelta(9, unit="D")).astype(str))
    assert "yearly" not in table(read(pd.concat([frame, again])))
    day = np.random.default_rng(1).integers(365, size=len(frame))
    years = pd.to_datetime(frame["date"].str[:4] + "-01-01") + pd.to_timedelta(day, unit="D")
    assert "yearly" not in table(read(frame.assign(date=years.astype(str))))


@pytest.mark.parametrize(("second", "word"), [(2.0, "growing"), (0.5, "shrinking"), (1.0, "steady")])
def test_arrivals_of_a_year_are_held_against_the_year_before(second, word) -> None:
    """The last 365 days with today, and as many before."""
    frame = shop(2, 760, arrivals=lambda day: np.where(day < 395, 1.0, second))
    first = frame.groupby("customer_id")["day"].min()
    length = frame["day"].max() - frame["day"].min()
    born = first - frame["day"].min()
    last = int((born > length - 365).sum())
    before = int((born > length - 730).sum()) - last
    month = 365 / (365.25 / 12)
    value = f"{word}, {last / month:.3g} a month in the last twelve months, {before / month:.3g} in those before"
    assert table(read(as_log(frame)))["arrivals"].startswith(value)


def test_arrivals_of_less_than_two_years_are_not_compared() -> None:
    assert "arrivals" not in table(read(as_log(shop(1, 700))))


def test_a_few_customers_with_much_of_the_sales_are_counted(ordinary) -> None:
    """Of n customers the best n/100, whose amounts are a hundred times those of others."""
    ids = ordinary["customer_id"].unique()
    top = round(0.01 * ids.size)
    frame = ordinary.assign(amount=np.where(ordinary["customer_id"].isin(ids[:top]), 1000.0, 10.0))
    paid = frame.groupby("customer_id")["amount"].sum().sort_values(ascending=False)
    share = paid.head(top).sum() / paid.sum()
    assert share > 0.2
    assert table(read(frame))["whales"].startswith(f"{top} of {ids.size} customers brought {share:.0%} of the sales (")


def test_few_prices_are_listed_by_how_often_they_are_paid(ordinary) -> None:
    price = np.array([29.0, 99.0, 290.0])[np.arange(len(ordinary)) % 7 % 3]
    counts = pd.Series(price).value_counts(normalize=True)
    shares = ", ".join(f"{value:.2f} ({counts[value]:.0%})" for value in counts.index)
    assert table(read(ordinary.assign(amount=price)))["prices"].startswith(f"{shares} (")


def test_changes_of_price_are_counted_by_contract() -> None:
    rows = [(f"c{n}", f"2024-{m:02}-03", 10 + (n < 3 and m > 4)) for n in range(20) for m in range(1, 9)]
    rows += [(f"once{n}", "2024-02-03", 11) for n in range(5)]
    log = read(pd.DataFrame(rows, columns=["customer_id", "date", "amount"]))
    lines = {line.key: line.value for line in material_of_log(log, interval_days=30.4375).quality}
    assert lines["price_changes"] == "3 of 20 contracts paid more than once"
    assert "price_changes" not in {line.key for line in material_of_log(log).quality}


def test_a_log_in_short() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "c"],
            "date": ["2024-01-01", "2024-01-01", "2024-03-01", "2024-02-01", "2024-06-29"],
            "amount": [1, 2, 3, 4, 5],
        }
    )
    short = in_short(log := read(frame, today="2024-07-31"), summarize(log))
    assert (short.rows, short.orders, short.customers, short.ordered_once) == (5, 4, 3, 2)
    assert (short.first_day, short.last_day, short.today) == (date(2024, 1, 1), date(2024, 6, 29), date(2024, 7, 31))
    assert short.months == pytest.approx(181 / 30.4375)
    assert (short.read_as, short.label) == ("", "data frame")
    assert dict(short.columns) == {"customer_id": "customer_id", "date": "date", "amount": "amount"}


@pytest.mark.parametrize(("number", "text"), [(0.0123, "0.0123"), (9.999, "10"), (99.94, "99.9"), (1356.4, "1,356")])
def test_rates_have_three_digits(number, text) -> None:
    assert rate(number) == text


def test_brief_material_has_the_same_lines(ordinary) -> None:
    """What `check` reads, without what is held back and without the hash: the same table and the same customers."""
    refunds = pd.concat([ordinary, ordinary.tail(40).assign(amount=-3.0)])
    for frame in (ordinary, refunds):
        log = read(frame)
        whole, brief = material_of_log(log), material_of_log(log, brief=True)
        assert whole.check is not None
        assert brief.quality == whole.quality
        pd.testing.assert_frame_equal(brief.summary.customers, whole.summary.customers)
        assert (whole.summary.data_hash, brief.summary.data_hash) == (log.data_hash, "")


def test_customers_are_numbered_by_their_ids_in_any_order(ordinary) -> None:
    """Numbers stand for ids in the order of their text; a log cut earlier has the same ones."""
    log = read(ordinary.sample(frac=1, random_state=3))
    ids = log.connection.execute("SELECT customer_id FROM customers ORDER BY customer").fetchall()
    assert [who for (who,) in ids] == sorted({*ordinary["customer_id"].astype(str)})
    assert log.data_hash == read(ordinary).data_hash
    counts = log.connection.execute("SELECT count(*) FROM orders").fetchall()[0][0]
    assert counts == len(ordinary.drop_duplicates(["customer_id", "date"]))
