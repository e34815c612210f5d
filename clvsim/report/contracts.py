"""The contracts' own figures in words: the same lines and tables for the terminal and the page."""

import math
from typing import NamedTuple

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.display import Cell
from clvsim.types import ContractFigures, Counted, PlanFigures, Range, RunResult

_FEW = 10  # due for a renewal, below which its share is not shown
_AGES = 8  # renewals in a table
_YEAR = 12  # months
HEADINGS = ("Active", "MRR", "ARPA", "Churn, next month", "Churn, next 12 months", "Net expansion")


class Line(NamedTuple):
    """A figure with its name, and what it is to be read with."""

    label: str
    cell: Cell
    note: str = ""


class AgeTable(NamedTuple):
    """Renewals of one plan ("" where it is the only one): per row its number, how many were due, what share renewed,
    and the model's."""

    plan: str
    rows: tuple[tuple[str, str, str, Cell], ...]


def lines(result: RunResult) -> list[Line]:
    """The figures of all contracts together; empty where customers hold none."""
    if result.contracts is None:
        return []
    total, currency = result.contracts.total, result.currency
    arpa = f"ARPA {_money(total.arpa, currency).value}, the mean of the {fmt.number(total.active)} active"
    found = [
        Line("Contracts", _count(total.contracts), _standing(total)),
        Line("MRR, monthly recurring revenue", _money(total.mrr, currency), arpa if total.active else ""),
    ]
    if total.active:
        found += [
            Line("Churn, next month", chance(total.churn_month, due=total.due), _seen_by_month(total)),
            Line("Churn, next 12 months", chance(total.churn_year), _seen_in_year(total)),
        ]
    if total.mrr_year_ago:
        kept = f"of {_money(total.mrr_year_ago, currency).value} a month a year ago, what is paid by who is left"
        found.append(Line("Net revenue retention, 12 months", Cell(fmt.percent(total.retention, -2), ""), kept))
    if total.stayed:
        found.append(Line("Net expansion, 12 months", expansion(total), _stayed(total, currency)))
    return found + _trials(result.contracts)


def plans(result: RunResult) -> list[tuple[str, tuple[Cell, ...]]]:
    """Each plan and its row below `HEADINGS`; empty where there is only one."""
    figures = result.contracts.plans if result.contracts else ()
    return [
        (
            one.plan,
            (
                _count(one.active),
                _money(one.mrr, result.currency),
                _money(one.arpa, result.currency),
                chance(one.churn_month, due=one.due),
                chance(one.churn_year),
                expansion(one),
            ),
        )
        for one in figures
    ]


def ages(result: RunResult) -> list[AgeTable]:
    """Renewals by age, of each plan: those for which enough were due."""
    if result.contracts is None:
        return []
    tables = []
    for one in result.contracts.plans or (result.contracts.total,):
        shown = [r for r in one.renewals if r.renewed.of >= _FEW][:_AGES]
        rows = tuple(
            (fmt.ordinal(r.number), fmt.number(r.renewed.of), _share(r.renewed), chance(r.expected)) for r in shown
        )
        if rows:
            tables.append(AgeTable(one.plan, rows))
    return tables


def ages_in_short(result: RunResult) -> list[Line]:
    """The first three renewals of each plan in a line."""
    return [
        Line(
            f"Renewed{f', {table.plan}' if table.plan else ''}",
            Cell(", ".join(f"{number} {share} of {due}" for number, due, share, _ in table.rows[:3]), ""),
            f"the model: {', '.join(expected.value for *_, expected in table.rows[:3])}",
        )
        for table in ages(result)
    ]


def notes(result: RunResult) -> list[str]:
    """What churn is, what its interval contains, and what is not counted: trials that are open."""
    found = []
    if result.contracts and result.contracts.total.active:
        found.append("Churn: the chance that a contract that is active today ends by then, the mean over all of them.")
        if "parameter" in result.layers:
            found.append(display.layer_note("expected", ("parameter",)))
    if result.contracts and result.contracts.trials and result.contracts.trials.running:
        trials = result.contracts.trials
        number, to_pay = fmt.number(trials.running), fmt.number(trials.to_pay, 0)
        verb, pronoun = ("is", "it is no customer") if trials.running == 1 else ("are", "they are no customers")
        found.append(
            f"Trials: {number} {verb} open today, of which about {to_pay} will pay; {pronoun} yet, and in no figure of "
            "today’s customers."
        )
    return found


def terms(result: RunResult) -> list[tuple[str, str]]:
    """Entries of the glossary."""
    if result.contracts is None:
        return []
    return [
        (
            "MRR",
            "Monthly recurring revenue: what each active contract last paid for a period, divided by the months of the "
            "period, summed, before any cost. Charges between due days are left out.",
        ),
        ("ARPA", "Average revenue per account: MRR divided by the number of active contracts."),
        (
            "Active",
            "Has paid, and the last due day is paid or may still be. A contract begins with its first payment above 0: "
            "who is in a free trial, or never paid after it, is no customer.",
        ),
        (
            "Churn",
            "The chance that a contract that is active today ends within a month, or within 12; only those that fall "
            "due can end. Beside it how many of those active at the start of a past month, or a year ago, ended.",
        ),
        (
            "Net revenue retention",
            "What contracts that paid a year ago pay now, over what they paid then: those that ended count as 0, new "
            "ones are left out.",
        ),
        (
            "Net expansion",
            "By how much contracts that paid a year ago and are active today pay more now, or less: rises and upgrades "
            "less cuts. Those that ended are not in it.",
        ),
        (
            "Renewed, by age",
            "Of contracts due for their first, second, … renewal by today, the share that made it, and the model’s.",
        ),
    ]


# --- single figures ---------------------------------------------------------------------------------------------------


def chance(share: Range, due: int = 1) -> Cell:
    """A share and its interval; in words where nobody falls due, n/a where there is nobody."""
    if math.isnan(share.mean):
        return Cell(fmt.MISSING, "")
    if not due and not share.p95:
        return Cell("none due", "")
    place = min(max(fmt.last_place(share, digits=2), -4), -2)
    value, low, high = (fmt.percent(v, place) for v in share)
    return Cell(value, "" if share.p05 == share.p95 else f"[{low}, {high}]")


def expansion(one: PlanFigures) -> Cell:
    return Cell(fmt.percent(one.expansion, -3, signed=True), "")


def _count(number: int) -> Cell:
    return Cell(fmt.number(number), "")


def _money(value: float, currency: str) -> Cell:
    """An amount that was counted, in cents below 1,000."""
    return Cell(fmt.money(value, 0 if abs(value) >= 1000 else -2, currency), "")


def _share(counted: Counted) -> str:
    return fmt.percent(counted.count / counted.of, -3 if counted.count < 0.2 * counted.of else -2)


def _standing(total: PlanFigures) -> str:
    """How the contracts stand."""
    parts = [f"{fmt.number(total.active)} active"]
    if total.paused is None:
        parts.append(f"{fmt.number(total.unpaid)} lost" * bool(total.unpaid))
    elif total.unpaid:
        mean, low, high = (fmt.number(v, 0) for v in total.paused)
        parts.append(
            f"{fmt.number(total.unpaid)} that no longer pay: about {mean} [{low}, {high}] paused, the others lost"
        )
    return "; ".join(part for part in parts if part)


def _seen_by_month(total: PlanFigures) -> str:
    due = f"{fmt.number(total.due)} of {fmt.number(total.active)} fall due"
    count, of = total.ended_month
    if not of:
        return due
    span = "last month" if total.months_seen == 1 else f"last {total.months_seen} months"
    return f"{due}; {span}: {_share(total.ended_month)} a month, {fmt.number(count)} ended in {fmt.number(of)} months"


def _seen_in_year(total: PlanFigures) -> str:
    count, of = total.ended_year
    if not of:
        return ""
    return f"of {fmt.number(of)} that were active a year ago {fmt.number(count)} ended: {_share(total.ended_year)}"


def _stayed(total: PlanFigures, currency: str) -> str:
    then, now = (_money(value, currency).value for value in (total.mrr_then, total.mrr_now))
    return f"{fmt.number(total.stayed)} that stayed paid {then} a month a year ago and pay {now} now"


def _trials(figures: ContractFigures) -> list[Line]:
    trials = figures.trials
    if trials is None:
        return []
    counts = f"{fmt.number(trials.paid)} paid, {fmt.number(trials.over)} did not"
    running = f", {fmt.number(trials.running)} are open" * bool(trials.running)
    return [Line("Trials that pay", chance(trials.share), f"of {fmt.number(trials.contracts)}: {counts}{running}")]
