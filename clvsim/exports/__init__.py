"""Tables of a run that other tools read, beside what is simulated. docs/exports.md defines each."""

from clvsim.exports.newcomer_value import NewcomerValues, newcomer_values

__all__ = ["NewcomerValues", "newcomer_values"]
