"""A company's value in words: tables of the page, and the sentences that say what they rest on."""

import math
from collections.abc import Callable

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.display import Cell
from clvsim.report.over_time import Table
from clvsim.types import RunResult
from clvsim.valuation import STEP, Amount, Block, Ending, Part, Valuation

PARTS: dict[Part, str] = {
    "existing": "Today’s customers bring",
    "newcomers": "New customers bring, before their cost",
    "acquisition": "What acquiring them costs",
    "fixed": "Fixed costs",
    "tax": "Tax",
    "capex": "Investment",
    "working_capital": "Working capital tied up",
}
BLOCKS: dict[Block, str] = {
    "retention": "How often customers order and how long they stay",
    "spend": "What they spend",
    "acquisition": "How many new customers come",
    "finance": "Costs, stated as uncertain",
    "levers": "What levers of the baseline do",
    "environment": "Shocks common to all",
    "luck": "Luck of single customers, and what no line explains",
}
NOTHING = {
    "tax_rate": "tax",
    "working_capital": "working capital",
    "net_debt": "net debt",
    "non_operating_assets": "assets that no customer needs",
    "capex": "investment",
    "fixed_costs": "fixed costs",
}
HEADINGS = ("Run-off", "Steady year")
_NOT_STEADY = 0.05  # by which a year's growth may differ from g
STOPS_AT_CUSTOMERS = (
    "Customers, not the company",
    "Figures end at customer equity. What the company is worth to its owners depends on its cost of capital, tax, "
    "investment and debt too: state finance.valuation.wacc, and of the others what is known.",
)


def in_short(result: RunResult) -> tuple[str, ...]:
    """Two lines on what the company is worth to its owners, one for each way to see the time after the horizon."""
    found = result.valuation
    if found is None:
        return ()
    span = fmt.months(found.horizon_months)
    off, steady = found.endings
    premise = f"If its capital costs {_rate(found.wacc)} a year (stated), the company is worth"
    return (
        f"{premise} {_both(result, off.shareholders)} to its owners when nobody new comes after {span}: "
        f"{_beyond(off)} of its value before debt lies beyond them.",
        f"It is worth {_both(result, steady.shareholders)} when the last of these years goes on for ever, growing by "
        f"{_rate(found.terminal_growth)} a year (stated): {_beyond(steady)} lies beyond.",
    )


def _both(result: RunResult, amount: Amount) -> str:
    cell = money_cell(result, amount)
    if not cell.interval:
        return cell.value
    return f"{cell.value} (90{fmt.NBSP}% interval {cell.interval[1:-1].replace(', ', ' to ')})"


def layers(result: RunResult) -> str:
    """What intervals of the valuation hold, and what they do not; "" without one."""
    if result.valuation is None:
        return ""
    note = display.layer_note("realised", result.valuation.layers, stated=bool(result.no_data))
    return f"{note} WACC, growth, tax, investment and debt are stated: no interval contains them."


def _beyond(ending: Ending) -> str:
    return fmt.percent(ending.terminal_share) if math.isfinite(ending.terminal_share) else "an unknown part"


def _rate(value: float) -> str:
    return fmt.percent(value, min(fmt.own_place(round(value, 6)), -2))


def money_cell(result: RunResult, amount: Amount) -> Cell:
    """Mean and interval with the digits that the Monte Carlo error supports; no interval where nothing varies."""
    cell = display.format_cell("money", amount.mean, amount.p05, amount.p95, amount.mcse, result.currency)
    return cell if amount.p95 - amount.p05 > 1e-9 * abs(amount.mean) else Cell(cell.value, "")


def bridge(result: RunResult) -> Table | None:
    """From customers to shareholders, for both endings; None without a valuation."""
    found = result.valuation
    if found is None:
        return None
    span = fmt.months(found.horizon_months)

    def both(amount_of: Callable[[Ending], Amount]) -> tuple[Cell, ...]:
        return tuple(money_cell(result, amount_of(ending)) for ending in found.endings)

    rows = [
        (f"{PARTS[line.part]}, {span}", (money_cell(result, line.amount),) * 2)
        for line in found.bridge
        if line.amount.p05 or line.amount.mean or line.amount.p95
    ]
    rows.append((f"After {span}", both(lambda ending: ending.terminal)))
    rows.append(("Value of the company before debt", both(lambda ending: ending.enterprise)))
    for label, value in (
        ("Assets that no customer needs", found.non_operating_assets),
        ("Net debt", -found.net_debt),
    ):
        if value:
            rows.append((label, (Cell(fmt.money(value, fmt.own_place(value), result.currency), ""),) * 2))
    rows.append(("Value to its owners", both(lambda ending: ending.shareholders)))
    if all(ending.per_share for ending in found.endings):
        rows.append(("A share", both(lambda ending: ending.per_share or ending.shareholders)))
    beyond = tuple(Cell(_beyond(ending), "") for ending in found.endings)
    rows.append((f"Part of the value before debt that lies beyond {span}", beyond))
    return Table(HEADINGS, tuple(rows), tuple(_notes(result, found)))


def _notes(result: RunResult, found: Valuation) -> list[str]:
    """What the figures hold, what both endings are, and what speaks against them."""
    span, growth = fmt.months(found.horizon_months), _rate(found.terminal_growth)
    notes = [
        f"All money is discounted at the WACC of {_rate(found.wacc)} a year, and everybody is followed by the calendar "
        "up to the same day; so the lines are not those of customer equity, which follows each customer for the same "
        f"time and is discounted at {_rate(result.annual_discount_rate)}.",
        f"Run-off: those who are customers after {span} are followed for {fmt.months(found.run_off_months)} more, "
        "and nobody new comes. Fixed costs and investment shrink with their revenue, and profit is taxed."
        + _left_over(found),
        f"Steady year: the last twelve months go on for ever and grow by {growth} a year. Their profit is taxed in "
        "full, and costs that come once are left out." + _unsteady(found),
    ]
    if found.losing > 0:
        notes.append(
            f"In {fmt.frequency(found.losing)} simulated futures the last year loses money, and the steady year loses "
            "it for ever, which no owner would wait for."
        )
    if any(ending.below_zero > 0 for ending in found.endings):
        chances = " and ".join(fmt.frequency(ending.below_zero) for ending in found.endings)
        notes.append(
            f"Less than nothing is left for owners in {chances} simulated futures, by run-off and steady year."
        )
    if found.unstated:
        named = ", ".join(NOTHING[key] for key in found.unstated)
        notes.append(f"Taken as 0, because nothing was stated: {named}. What a company has of it changes its value.")
    return notes


def _left_over(found: Valuation) -> str:
    if not math.isfinite(found.left_over):
        return ""
    share = fmt.share(found.left_over)
    return f" Their last year still brings {share} of all that they bring then: what comes later is left out."


def _unsteady(found: Valuation) -> str:
    """How far the last year is from a steady one, where that is known."""
    if not math.isfinite(found.growth):
        return ""
    grows = f" Revenue of that year is {fmt.percent(found.growth, signed=True)} against the year before"
    if abs(found.growth - found.terminal_growth) <= _NOT_STEADY:
        return f"{grows}."
    return (
        f"{grows}: it is not steady yet, and this value takes that change to stop at once. A longer "
        "simulation.horizon_months says what comes of it."
    )


def years(result: RunResult) -> Table | None:
    """Free cash flow by year; None without a valuation."""
    found = result.valuation
    if found is None:
        return None
    rows = []
    for number, amount in enumerate(found.years):
        first, last = 12 * number + 1, min(12 * number + 12, found.horizon_months)
        label = f"Months {first}–{last}" if first < last else f"Month {first}"
        rows.append((label, (money_cell(result, amount),)))
    note = "What is left of contribution after acquisition, fixed costs, tax, investment and working capital."
    return Table(("Free cash flow",), tuple(rows), (note + " Not discounted.",))


def sensitivity(result: RunResult) -> Table | None:
    """Mean values to owners with other stated numbers; None without a valuation."""
    found = result.valuation
    if found is None:
        return None
    rows = []
    for other in found.sensitivity:
        label = f"WACC {_rate(other.wacc)}, growth {_rate(other.growth)}"
        means = zip((other.run_off, other.steady), found.endings, strict=True)
        cells = (money_cell(result, ending.shareholders._replace(mean=m, p05=m, p95=m)) for m, ending in means)
        rows.append((label, tuple(cells)))
    points = fmt.number(100 * STEP)
    note = (
        f"Means, with the stated numbers and each {points} percentage point lower and higher. Growth counts in the "
        "steady year only."
    )
    return Table(HEADINGS, tuple(rows), (note,))


def uncertainty(result: RunResult) -> Table | None:
    """Shares of the variance of the value to owners; None where there are none."""
    found = result.valuation
    if found is None or not any(ending.uncertainty for ending in found.endings):
        return None
    shares = [dict(ending.uncertainty) for ending in found.endings]
    rows = [
        (BLOCKS[block], tuple(Cell(fmt.share(one[block]) if block in one else fmt.MISSING, "") for one in shares))
        for block in BLOCKS
        if any(block in one for one in shares)
    ]
    note = (
        "Shares of the variance over simulated futures, each line beyond those above it: what two lines move together "
        "counts for the upper one. What is stated as certain, such as the WACC, has no share."
    )
    return Table(HEADINGS, tuple(rows), (note,))
