"""Comparison of scenarios: expected values per draw, paired differences, payback, and the table of all figures."""

from clvsim.comparison.expected import has_common_shocks
from clvsim.comparison.replicates import simulate_and_compare
from clvsim.comparison.table import COLUMNS, Comparison, compare, has_sampled_parameters

__all__ = ["COLUMNS", "Comparison", "compare", "has_common_shocks", "has_sampled_parameters", "simulate_and_compare"]
