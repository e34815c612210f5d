"""Books on where newcomers come from, in words: channels side by side, and the e-mails of a funnel."""

from clvsim.report import evidence, over_time
from clvsim.report import format as fmt
from clvsim.report.display import Cell
from clvsim.report.over_time import Table, book
from clvsim.types import RunResult, ScenarioDescription

_MOST_FUNNELS = 2  # scenarios whose e-mails have a table
_FIGURES = {  # heading: metric and unit
    "Customers": ("customers", "count"),
    "Cost of one": ("cac", "money"),
    "Cost of one more": ("marginal_cac", "money"),
    "Brings": ("pav", "money"),
    "Brings less cost": ("clv", "money"),
    "LTV:CAC": ("ltv_cac", "ratio"),
}
_CREDIT = {
    "Customers after it": ("customers_after", "count"),
    "Customers, as credit": ("customers", "count"),
    "Value, as credit": ("value", "money"),
}


def channels(result: RunResult) -> Table | None:
    """Channels side by side under the baseline, all together last; None where there are not two of them."""
    table = book(result, "channels")
    groups = [group for group in dict.fromkeys(table["group"]) if group != "all"] if len(table) else []
    if len(groups) < 2:
        return None
    keyed = table.set_index(["metric", "group"])
    shown = {
        heading: figure
        for heading, figure in _FIGURES.items()
        if any((figure[0], one) in keyed.index for one in groups)
    }
    lines = tuple(
        (
            "all together" if group == "all" else group.removeprefix("channel "),
            tuple(
                over_time.cell(result, unit, keyed.loc[(metric, group)])
                if (metric, group) in keyed.index
                else Cell("", "")
                for metric, unit in shown.values()
            ),
        )
        for group in (*groups, "all")
    )
    money = "contribution" if result.margin_known else "revenue"
    notes = (
        f"Of the new customers of all months in which they come. Brings: {money} of one within "
        f"{fmt.months(result.horizon_months)} of the own first order, discounted to it, those who never come back "
        "included. Cost of one: all that is spent on the channel, over its customers; of one more: what the next one "
        "costs, which is more where a channel saturates.",
        "A customer counts for the channel that you typed; what other channels did before is not known here. Unless "
        "the models tell channels apart (retention.pool=channel), customers of all channels are alike, and what they "
        "bring differs by luck and levers alone.",
        over_time.layers_of(result, table),
    )
    return Table(tuple(shown), lines, notes)


def emails(result: RunResult) -> tuple[tuple[str, Table], ...]:
    """By the scenario's title what each e-mail of its funnels brings, of the first scenarios that have any."""
    if result.books is None:
        return ()
    rows = result.books[result.books["book"] == "email_credit"]
    scenarios = {scenario.name: scenario for scenario in result.scenarios}
    names = [name for name in dict.fromkeys(rows["scenario"]) if name in scenarios][:_MOST_FUNNELS]
    found = []
    for name in names:
        own = rows[rows["scenario"] == name]
        keyed = own.set_index(["metric", "group"])
        groups = list(dict.fromkeys(own["group"]))
        several = len({_lever(group) for group in groups}) > 1
        lines = tuple(
            (
                _email(group, float(keyed.loc[("customers", group), "at"]), several),
                tuple(over_time.cell(result, unit, keyed.loc[(metric, group)]) for metric, unit in _CREDIT.values()),
            )
            for group in groups
        )
        notes = (
            f"With this scenario, {_rests_on(scenarios[name])}.",
            "After it: leads who buy after that e-mail and before the next. The first one finds most, for nobody was "
            "asked before. As credit: what an e-mail adds, averaged over all orders in which e-mails could be added to "
            "none at all (Shapley’s value): of those whom a later one would have won, the first has only a part.",
            "Value: what these customers bring, the cost of leads not taken off. Both columns add up to the whole "
            "sequence.",
            over_time.layers_of(result, own),
        )
        found.append((scenarios[name].title, Table(tuple(_CREDIT), lines, notes)))
    return tuple(found)


def _rests_on(scenario: ScenarioDescription) -> str:
    if scenario.illustrative:
        return "whose chances to buy are an example and nobody’s result"
    return f"whose chances to buy rest on: {evidence.beside(scenario)}"


def _lever(group: str) -> str:
    return group.rpartition(" ")[0]


def _email(group: str, days: float, several: bool) -> str:
    """`mails first` reads "first e-mail, after 3 days"; with its lever where there are several."""
    lever, _, which = group.rpartition(" ")
    prefix = f"{lever}: " if several else ""
    if which == "sequence":
        return f"{prefix}the whole sequence"
    after = "at once" if days == 0 else f"after {days:g} day{'' if days == 1 else 's'}"
    return f"{prefix}{which} e-mail, {after}"


def terms(result: RunResult) -> list[tuple[str, str]]:
    """Words of these tables, with one line each."""
    found = []
    if channels(result):
        found.append(
            ("Channel", "Where new customers come from, as typed: an advertisement, a search engine, letters.")
        )
    if emails(result):
        found.append(
            (
                "Credit of an e-mail",
                "Its share of the customers whom a sequence brings, by what it adds to every subset of the others.",
            )
        )
    return found
