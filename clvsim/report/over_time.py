"""The books over time in words: tables of the page, and the sentences that say what their figures are."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.display import Cell
from clvsim.types import RunResult

_AGES = (0, 1, 3, 6, 12, 24, 36, 60)  # months
_LATELY_AGES = (3, 6, 9, 12, 18, 24, 36, 48, 60)


class Table(NamedTuple):
    """Headings of the columns, and rows of a label and a cell for each of them."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


def book(result: RunResult, name: str, **chosen: str) -> pd.DataFrame:
    """The baseline's rows of a book with the `chosen` values of columns; empty where there are none."""
    books = result.books
    if books is None:
        return pd.DataFrame(columns=["group", "metric", "at", "mean"])
    fits = (books["book"] == name) & (books["scenario"] == display.baseline(result).name)
    for column, value in chosen.items():
        fits &= books[column] == value
    return books[fits].sort_values("at", kind="stable")


def money_cell(result: RunResult, row: pd.Series) -> Cell:
    return _cell(result, "money", row)


def layers_of(result: RunResult, table: pd.DataFrame) -> str:
    """What the intervals of a book allow for, in a sentence."""
    row, has_levers = table.iloc[0], bool(display.levers(result)) or result.acquisition_known
    present = [layer for layer in display.split_layers(row["layers"]) if has_levers or layer != "assumption"]
    return display.layer_note(row["basis"], present)


# --- by age ----------------------------------------------------------------------------------------------------------


def ages(result: RunResult) -> Table | None:
    """What a newcomer, and a visitor, has brought by some ages; None without newcomers."""
    found = {
        heading: book(result, "value_by_age", metric=metric, basis="realised").set_index("at")
        for heading, metric in (("A new customer", "newcomer_value"), ("A visitor", "visitor_value"))
    }
    found = {heading: table for heading, table in found.items() if len(table)}
    if not found:
        return None
    leads, has_visitors = values_of_leads(result), len(found) > 1
    found |= leads
    first = next(iter(found.values()))
    shown = [age for age in _AGES if age in first.index and age < first.index[-1]] + [int(first.index[-1])]
    lines = tuple((_age(age), tuple(money_cell(result, table.loc[age]) for table in found.values())) for age in shown)
    money = "Contribution" if result.margin_known else "Revenue"
    notes = (
        f"{money} so far, the mean over all new customers, those who never come back included; discounted to the first "
        "order, what acquiring them cost not taken off.",
        *(("A visitor brings the share of visitors who become customers times that.",) if has_visitors else ()),
        *((_OF_LEADS,) if leads else ()),
        layers_of(result, first),
    )
    return Table(tuple(found), lines, notes)


_OF_LEADS = (
    "A lead brings what those bring who become customers, shared out over all leads: who never buys counts as 0. What "
    "leads cost is not taken off."
)
_MOST_LEADS = 2  # scenarios with leads that have a column


def values_of_leads(result: RunResult) -> dict[str, pd.DataFrame]:
    """What a lead has brought by age, by heading, of the first scenarios that have leads; all are in books.csv."""
    books = result.books
    if books is None:
        return {}
    rows = books[(books["metric"] == "lead_value") & (books["basis"] == "realised")]
    titles = {scenario.name: scenario.title for scenario in result.scenarios}
    names = [name for name in dict.fromkeys(rows["scenario"]) if name in titles][:_MOST_LEADS]
    return {f"A lead, “{titles[name]}”": rows[rows["scenario"] == name].set_index("at") for name in names}


def _age(months: int) -> str:
    return f"after {fmt.months(months)}" if months else "with the first order"


# --- by calendar month -----------------------------------------------------------------------------------------------


def months_note(result: RunResult) -> str:
    """What stands below the figure of the months ahead."""
    total = book(result, "revenue_by_month", group="all")
    there = origins(result)
    today = ["today’s customers, a shade for each quarter in which they started"] * ("today’s customers" in there)
    new = ["new customers, by the quarter in which they arrive"] * ("newcomers" in there)
    who = ", and ".join([*today, *new])
    return (
        f"Revenue per month, before any cost and not discounted: {who}. Shades are means; the band is of their sum. "
        "Months are counted from today and end with the horizon, beyond which not everybody is followed. "
        + layers_of(result, total).replace("interval", "band")
    )


def origins(result: RunResult) -> Iterable[str]:
    """Who has revenue in the months ahead: `today’s customers`, `newcomers`."""
    groups = set(book(result, "revenue_by_month")["group"])
    words = {"existing": "today’s customers", "new": "newcomers", "referred": "those who are referred"}
    return [word for origin, word in words.items() if origin in groups]


def years(result: RunResult) -> Table | None:
    """Revenue of each cohort in the coming years of twelve months, means; None without books.

    Of means alone: intervals of months do not add up to that of a year.
    """
    table = book(result, "cohort_revenue")
    if not len(table):
        return None
    numbers = sorted({int(at // 12) for at in table["at"]})
    sums = table.assign(year=table["at"] // 12).groupby(["group", "year"], sort=False)["mean"].sum()
    lines = []
    for group in dict.fromkeys(table["group"][table["mean"] > 0]):  # as things are nobody may be referred
        values = [float(sums[group, year]) for year in numbers]
        place = fmt.last_place(values)
        lines.append((cohort_words(str(group)), tuple(Cell(fmt.money(v, place, result.currency), "") for v in values)))
    months = int(table["at"].max()) + 1
    headings = tuple(_span(12 * year + 1, min(12 * year + 12, months)) for year in numbers)
    notes = ("Mean over simulated futures; the interval of each single month is in books.csv.",)
    return Table(headings, tuple(lines), notes)


def _span(first: int, last: int) -> str:
    return f"months {first}–{last}" if first < last else f"month {first}"


def cohort_words(group: str) -> str:
    """A cohort's row label: `existing 2024Q3` reads "started in 2024 Q3"."""
    origin, _, start = group.partition(" ")
    if origin == "existing":
        before, start = (
            ("started until", start.removeprefix("until "))
            if start.startswith("until")
            else (
                "started in",
                start,
            )
        )
        return f"{before} {start.replace('Q', f'{fmt.NBSP}Q')}"
    words = start.removeprefix("arriving ")
    if words.startswith("from month "):
        return f"{origin}, from month {int(words.removeprefix('from month ').removesuffix(' on')) + 1} on"
    first, last = words.removeprefix("in months ").split("-")
    return f"{origin}, in months {int(first) + 1}–{int(last) + 1}"


# --- by quarter of the first order -----------------------------------------------------------------------------------

_EARLY = (3, 12)  # months of age


def quarters(result: RunResult) -> Table | None:
    """What customers of each quarter of first orders have brought, and are expected to; None without dated orders."""
    table = book(result, "cohort_value")
    groups = [group for group in dict.fromkeys(table["group"]) if str(group).startswith("log ")]
    if not groups:
        return None
    lines = [
        (str(group).removeprefix("log ").replace("Q", f"{fmt.NBSP}Q"), _quarter(result, table, group))
        for group in groups
    ]
    new = table[table["group"] == "newcomers"]
    if len(new) and result.acquisition_known:
        by_age = new.set_index("at")
        early = [money_cell(result, by_age.loc[age]) if age in by_age.index else Cell("", "") for age in _EARLY]
        lines.append(
            ("the model’s new customer", (Cell("", ""), *early, Cell("", ""), money_cell(result, new.iloc[-1])))
        )
    headings = ("Customers", *(f"in {age} months" for age in _EARLY), "So far", "Expected ahead")
    kind = "Contribution" if result.margin_known else "Revenue"
    notes = (
        f"{kind} per customer, not discounted, what contacts cost not taken off: counted up to an age that all of a "
        f"quarter have reached and up to today; expected over the next {fmt.months(result.horizon_months)}.",
    )
    return Table(headings, tuple(lines), notes)


def _quarter(result: RunResult, table: pd.DataFrame, group: str) -> tuple[Cell, ...]:
    rows = table[table["group"] == group]
    by_age = rows[rows["metric"] == "value_by_age"].set_index("at")
    figures = {metric: rows[rows["metric"] == metric] for metric in ("customers", "value_so_far", "value_to_come")}
    return (
        Cell(fmt.number(float(figures["customers"]["mean"].iloc[0])), ""),
        *(money_cell(result, by_age.loc[age]) if age in by_age.index else Cell("", "") for age in _EARLY),
        money_cell(result, figures["value_so_far"].iloc[0]),
        *(money_cell(result, row) for _, row in figures["value_to_come"].iterrows()),
        *([Cell("", "")] * (not len(figures["value_to_come"]))),
    )


# --- who still orders ------------------------------------------------------------------------------------------------

_LATELY = {  # heading of a column: metric and group
    "Ordering, in the log": ("share_ordering", "log"),
    "Ordering, new customers": ("share_ordering", "newcomers"),
    "Revenue, in the log": ("revenue_retention", "log"),
    "Revenue, new customers": ("revenue_retention", "newcomers"),
}
_FEW_COUNTED = 10  # customers, of whom a share says nothing


def still_ordering(result: RunResult) -> Table | None:
    """Who ordered lately by age, in the log and of newcomers; None where there is no such book, as of contracts."""
    followed = book(result, "order_retention", metric="customers", group="log").set_index("at")
    enough = followed.index[followed["mean"] >= _FEW_COUNTED] if len(followed) else []
    found = {}
    for heading, (metric, group) in _LATELY.items():
        table = book(result, "order_retention", metric=metric, group=group).set_index("at")
        found[heading] = table[table.index.isin(enough)] if group == "log" else table
    found = {heading: table for heading, table in found.items() if len(table)}
    if not found:
        return None
    known = sorted({int(age) for table in found.values() for age in table.index})
    ages = [age for age in _LATELY_AGES if age in known and age < known[-1]] + known[-1:]
    lines = tuple((_age(age), tuple(_share_at(result, table, age) for table in found.values())) for age in ages)
    return Table(tuple(found), lines, tuple(_lately_notes(result, found, known[0])))


def _share_at(result: RunResult, table: pd.DataFrame, age: int) -> Cell:
    return _cell(result, "share", table.loc[age]) if age in table.index else Cell("", "")


def _lately_notes(result: RunResult, found: Mapping[str, pd.DataFrame], window: int) -> Iterator[str]:
    yield (
        f"Ordering: the share of customers who ordered within the last {fmt.months(window)}, at that age. Revenue: "
        f"theirs in these months, relative to that of their own first {fmt.months(window)}, the first order included."
    )
    log = [table for heading, table in found.items() if heading.endswith("log")]
    new = [table for heading, table in found.items() if heading.endswith("new customers")]
    if log:
        yield (
            "The log: counted, of all customers whom it follows up to that age, so that later rows are of those who "
            "started earlier. Single quarters are in books.csv."
        )
    if new:
        who = "" if result.acquisition_known else " No new customers are planned: these are people who would come next."
        yield f"New customers: the model’s, the first order at age 0.{who} " + layers_of(result, new[0])


# --- contracts -------------------------------------------------------------------------------------------------------


def contracts_left(result: RunResult) -> Table | None:
    """What is left of today's contracts by month, and was of those of a year ago; None where there are none."""
    ahead = book(result, "contract_retention", group="existing")
    if not len(ahead):
        return None
    columns = {
        "Contracts": ("contracts_kept", "realised"),
        "Contracts, on average": ("contracts_kept", "expected"),
        "MRR kept (gross), on average": ("gross_revenue_retention", "expected"),
    }
    tables = [
        ahead[(ahead["metric"] == metric) & (ahead["basis"] == basis)].set_index("at")
        for metric, basis in columns.values()
    ]
    months = [int(month) for month in tables[0].index]
    lines = [
        (f"after {fmt.months(month)}", tuple(_cell(result, "share", table.loc[month]) for table in tables))
        for month in [m for m in _AGES[1:] if m < months[-1]] + months[-1:]
    ]
    notes = (
        *_year_ago(result),
        "Ahead every contract keeps the price that it has: what is lost are contracts that end. Contracts that begin "
        "later are not counted.",
        *(layers_of(result, table) for table in tables[:2]),
    )
    return Table(tuple(columns), tuple(lines), notes)


def _year_ago(result: RunResult) -> tuple[str, ...]:
    """Gross and net revenue retention of the last twelve months, as counted."""
    log = book(result, "contract_retention", group="log").set_index("metric")
    if not len(log):
        return ()
    kept, gross, net = (
        fmt.percent(float(log["mean"][name]), -3)
        for name in ("contracts_kept", "gross_revenue_retention", "net_revenue_retention")
    )
    return (
        f"Over the last 12 months, counted: of the contracts that paid a year ago {kept} still do. Of the MRR of then "
        f"they pay {gross}, increases left out (gross revenue retention), and {net} with increases (net revenue "
        "retention).",
    )


# --- concentration ---------------------------------------------------------------------------------------------------

_FEW = 10  # customers, of whom a tenth is one
_SPREAD = (
    ("Customers who pay anything", "buyers", 0.0, "count"),
    (f"The top 1{fmt.NBSP}% bring", "share_of_largest", 0.01, "share"),
    (f"The top 10{fmt.NBSP}% bring", "share_of_largest", 0.1, "share"),
    (f"The top 20{fmt.NBSP}% bring", "share_of_largest", 0.2, "share"),
    ("Gini coefficient", "gini", 0.0, "ratio"),
)


def spread(result: RunResult) -> Table | None:
    """How much of the revenue the largest customers bring; None where fewer than `_FEW` are expected to pay."""
    ahead, log = (book(result, "concentration", group=group) for group in ("existing", "log"))
    if not len(ahead) or ahead["mean"][ahead["metric"] == "buyers"].iloc[0] < _FEW:
        return None
    columns = {"In the log so far": log} if len(log) else {}
    columns["In the next month" if result.horizon_months == 1 else f"In the next {result.horizon_months} months"] = (
        ahead
    )
    lines = []
    for label, metric, at, unit in _SPREAD:
        rows = [table[(table["metric"] == metric) & (table["at"] == at)].iloc[0] for table in columns.values()]
        lines.append((label, tuple(_cell(result, unit, row) for row in rows)))
    notes = (
        "Revenue of those who pay anything in that time, of today’s customers only."
        + (
            " The log is another length of time than the months ahead, and everybody in it has bought: these are two "
            "looks at how even customers are, and no trend."
            if len(log)
            else ""
        ),
        "Gini: 0 where all bring the same, near 1 where few bring everything.",
        layers_of(result, ahead) + (" What the log holds was counted." if len(log) else ""),
    )
    return Table(tuple(columns), tuple(lines), notes)


def _cell(result: RunResult, unit: str, row: pd.Series) -> Cell:
    return display.format_cell(unit, row["mean"], row["p05"], row["p95"], float("nan"), result.currency)


# --- words -----------------------------------------------------------------------------------------------------------


def terms(result: RunResult) -> list[tuple[str, str]]:
    """Words of the books that stand on the page, with one line each."""
    found = []
    if len(book(result, "cohort_revenue")):
        found.append(("Cohort", "Customers who started, or will start, in the same quarter."))
    if ages(result):
        found.append(("Age", "Time since a customer’s own first order, not since today."))
    if values_of_leads(result):
        found.append(("Lead", "A visitor who did not buy and left an address; e-mails make some of them customers."))
    if still_ordering(result):
        found.append(
            (
                "Ordering",
                "Having ordered within the last months. Customers without a contract leave without a word: who has not "
                "ordered lately may still come back.",
            )
        )
    if spread(result):
        found.append(
            (
                "Gini coefficient",
                "Half of the mean difference between two customers’ revenue, over the mean revenue of one: 0 where all "
                "bring the same, near 1 where few bring everything.",
            )
        )
    if contracts_left(result):
        found.append(
            (
                "Gross and net revenue retention",
                "MRR of the same contracts at two times, the later over the earlier, contracts that began in between "
                "left out. Gross: of each contract at most what it paid before. Net: as it is, increases counted in.",
            )
        )
    return found
