"""Expected values of the baseline in closed form: today's customers, and newcomers, per draw. docs/expected.md."""

from clvsim.simulation.expected.customers import customer_values, value_quantiles
from clvsim.simulation.expected.newcomers import newcomer_levels
from clvsim.simulation.expected.values import ExpectedLevels

__all__ = ["ExpectedLevels", "customer_values", "newcomer_levels", "value_quantiles"]
