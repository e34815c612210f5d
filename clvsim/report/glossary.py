"""Label and definition of every figure, in two wordings: with a known margin, and as revenue.

Without `finance.gross_margin` all money is revenue, and no label may promise more than that.
"""

import re
import warnings
from typing import NamedTuple

# Headings of a decision's columns: how sure it is that a lever is better than today on average, or the best; and what
# a choice loses on average against the best option.
SURE, BEST, REGRET = "chance", "best in", "regret if wrong"


class Metric(NamedTuple):
    """Words for one metric. `{h}` is the horizon and `{arrivals}` the months of acquisition; `unit` names a format."""

    label: str
    short: str  # ≤ 20 characters: the terminal's row label
    unit: str  # money | ratio | share (of customers) | chance (share of draws) | months | count
    meaning: str
    revenue_label: str = ""  # "" where the wording does not depend on the margin
    revenue_short: str = ""
    revenue_meaning: str = ""
    newcomers: bool = False  # needs acquisition channels
    symbol: str = ""


GLOSSARY: dict[str, Metric] = {
    "plan_value": Metric(
        "Plan value",
        "Plan value",
        "money",
        "Customer equity minus the discounted fixed costs of the plan.",
        "Plan revenue",
        "Plan revenue",
        "Revenue from all customers followed; no cost is taken off.",
    ),
    "customer_equity": Metric(
        "Customer equity",
        "Customer equity",
        "money",
        "Residual value of all customers of today plus, where acquisition is known, each future cohort’s value after "
        "acquisition cost, discounted to today.",
        "Revenue of all customers",
        "All customers",
        "Revenue of all customers of today and, where acquisition is known, of those still to come.",
        symbol="CE",
    ),
    "rlv_total": Metric(
        "Value of today’s customers",
        "Today’s customers",
        "money",
        "Contribution of all customers of today over the next {h} months; history and sunk acquisition cost excluded.",
        "Revenue of today’s customers",
        "Today’s customers",
        "Revenue of all customers of today over the next {h} months; past orders excluded.",
        symbol="RLV({h}m), summed",
    ),
    "rlv_per_customer": Metric(
        "Value per customer of today",
        "Per today’s customer",
        "money",
        "Residual lifetime value: contribution of one customer of today over the next {h} months, the mean over all "
        "of them.",
        "Revenue per customer of today",
        "Per today’s customer",
        "Revenue of one customer of today over the next {h} months, the mean over all of them.",
        symbol="RLV({h}m)",
    ),
    "newcomers_total": Metric(
        "Value of newcomers after their cost",
        "Newcomers after cost",
        "money",
        "Future cohorts’ value after acquisition cost, discounted to today: the part of customer equity that is not "
        "here yet.",
        "Revenue of newcomers after their cost",
        "Newcomers after cost",
        "Future cohorts’ revenue less acquisition cost, discounted to today.",
        newcomers=True,
    ),
    "pav_per_newcomer": Metric(
        "Value per newcomer before acquisition cost",
        "Value per newcomer",
        "money",
        "Post-acquisition value: contribution from the first order inclusive over {h} months of the newcomer’s own "
        "life, discounted to that order, the mean over the plan’s newcomers; acquisition cost not deducted.",
        "Revenue per newcomer",
        "Revenue per newcomer",
        "Revenue from the first order inclusive over {h} months of the newcomer’s own life, discounted to that order, "
        "the mean over the plan’s newcomers.",
        newcomers=True,
        symbol="PAV({h}m)",
    ),
    "clv_per_newcomer": Metric(
        "Lifetime value per newcomer",
        "CLV per newcomer",
        "money",
        "Post-acquisition value minus the cost of acquiring the customer, over {h} months.",
        "Revenue per newcomer less acquisition cost",
        "… less CAC",
        "Revenue of a newcomer over {h} months minus the cost of acquiring them.",
        newcomers=True,
        symbol="CLV({h}m)",
    ),
    "cac": Metric(
        "Acquisition cost per newcomer",
        "CAC",
        "money",
        "Cost of the channels divided by the customers they bring.",
        newcomers=True,
        symbol="CAC",
    ),
    "marginal_cac": Metric(
        "Cost of one more newcomer",
        "Marginal CAC",
        "money",
        "What the channels cost more than in the baseline, per additional customer. Where the number of customers is "
        "the baseline’s: what one more costs in visitors, who convert as the present ones do. Costs per month and of "
        "the lever itself are left out.",
        newcomers=True,
        symbol="dC/dN",
    ),
    "ltv_cac": Metric(
        "Lifetime value to acquisition cost",
        "LTV:CAC",
        "ratio",
        "Mean post-acquisition value over mean acquisition cost, in each simulated future; never the mean of "
        "customers’ ratios.",
        "Revenue to acquisition cost",
        "Revenue:CAC",
        "Mean revenue of a newcomer over mean acquisition cost, in each simulated future; never the mean of customers’ "
        "ratios.",
        newcomers=True,
        symbol="LTV:CAC",
    ),
    "payback_months": Metric(
        "Payback in months (median)",
        "Payback (months)",
        "months",
        "First month of a customer’s age from which the expected cumulative contribution per acquired customer, lost "
        "ones counted as zero, stays at or above the acquisition cost; 0 where the first order repays it.",
        "Months until revenue covers acquisition cost (median)",
        "Cost covered, months",
        "First month of a customer’s age from which the expected cumulative revenue per acquired customer, lost ones "
        "counted as zero, stays at or above the acquisition cost.",
        newcomers=True,
    ),
    "payback_undiscounted_months": Metric(
        "Payback in months, undiscounted (median)",
        "Undiscounted",
        "months",
        "The same when later months count as much as early ones: what a cash plan calls payback.",
        "Months until undiscounted revenue covers acquisition cost (median)",
        "Undiscounted",
        "The same when later months count as much as early ones.",
        newcomers=True,
    ),
    "p_payback_12_months": Metric(
        "Sure of payback within 12 months",
        "P(payback ≤ 12 m)",
        "chance",
        "How sure it is that payback comes on average within 12 months of the first order.",
        "Sure that cost is covered within 12 months",
        "P(covered ≤ 12 m)",
        "How sure it is that revenue covers acquisition cost on average within 12 months of the first order.",
        newcomers=True,
    ),
    "p_payback_never": Metric(
        "Sure of no payback within {h} months",
        "P(no payback)",
        "chance",
        "How sure it is that there is no payback on average within the horizon.",
        "Sure that cost is not covered within {h} months",
        "P(never covered)",
        "How sure it is that revenue does not cover acquisition cost on average within the horizon.",
        newcomers=True,
    ),
    "share_repaying": Metric(
        "Share of newcomers who repay their cost",
        "Share repaying",
        "share",
        "Share of simulated newcomers who ever bring in their own acquisition cost, after goods, contacts and costs of "
        "the plan per customer, per order and of revenue; not the payback time.",
        "Share of newcomers whose revenue covers their cost",
        "Share covering cost",
        "Share of simulated newcomers whose own revenue ever covers their acquisition cost.",
        newcomers=True,
    ),
    "visitor_value": Metric(
        "Value of a visitor",
        "Value per visitor",
        "money",
        "Conversion × post-acquisition value: what one more visitor is worth before paying for the visit.",
        "Revenue per visitor",
        "Revenue per visitor",
        "Conversion × revenue per newcomer, before paying for the visit.",
        newcomers=True,
    ),
    "newcomers": Metric(
        "Newcomers",
        "Newcomers",
        "count",
        "Customers whose first order falls in the {arrivals} months of acquisition.",
        newcomers=True,
    ),
    "referred": Metric(
        "Customers referred",
        "Referred",
        "count",
        "Customers whom customers bring, and whom those bring in turn. They are not among newcomers.",
    ),
    "orders": Metric("Orders", "Orders", "count", "Orders of all customers followed, each over {h} months."),
    "contacts": Metric(
        "Contacts sent", "Contacts", "count", "Messages of contact programmes and campaigns sent within the horizon."
    ),
    "opt_outs": Metric("Opt-outs", "Opt-outs", "count", "Customers who end all contact within the horizon."),
}


class Words(NamedTuple):
    """The wording of one metric that a given run may use."""

    label: str
    short: str
    unit: str
    meaning: str
    symbol: str


def words(metric: str, *, margin_known: bool, horizon_months: int, arrival_months: int) -> Words:
    """Labels of `metric` for a run. An unknown one is shown by its bare name, with a warning: add it to `GLOSSARY`."""
    entry = GLOSSARY.get(metric)
    if entry is None:
        warnings.warn(f"clvsim.report.glossary has no entry for the metric {metric!r}", UserWarning, stacklevel=2)
        entry = Metric(metric.replace("_", " "), metric[:20], "ratio", "No definition on file.")
    fill = {"h": horizon_months, "arrivals": arrival_months}
    if margin_known:
        wording = (entry.label, entry.short, entry.meaning)
    else:
        wording = (
            entry.revenue_label or entry.label,
            entry.revenue_short or entry.short,
            entry.revenue_meaning or entry.meaning,
        )
    label, short, meaning = (re.sub(r"\b1 months\b", "1 month", text.format(**fill)) for text in wording)
    # The papers' symbols stand for contribution, so a revenue page does without them.
    return Words(label, short, entry.unit, meaning, entry.symbol.format(**fill) if margin_known else "")
