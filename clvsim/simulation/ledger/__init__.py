"""Ledgers: dated lines of money and counts, from the integer sums that the kernel posts.

`assemble` makes a scenario's ledger; it needs the whole plan of the run and is imported by its own name.
"""

from clvsim.simulation.ledger.contacts import age_contacts, calendar_contacts
from clvsim.simulation.ledger.lines import (
    DISCOUNTED,
    PLAIN,
    WITHHELD,
    Cohort,
    Economics,
    Ledger,
    Line,
    Raw,
    kernel_lines,
    money_scale,
    typical_amounts,
)

__all__ = [
    "DISCOUNTED",
    "PLAIN",
    "WITHHELD",
    "Cohort",
    "Economics",
    "Ledger",
    "Line",
    "Raw",
    "age_contacts",
    "calendar_contacts",
    "kernel_lines",
    "money_scale",
    "typical_amounts",
]
