"""From a transaction log to a decision about customers, with honest uncertainty.

The shell is `clvsim STAGE`; the same stages are plain functions here, loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from clvsim.comparison import compare
    from clvsim.data import read_transactions, summarize
    from clvsim.data.tables.frequencies import read_summary
    from clvsim.loaded import load
    from clvsim.models.elsewhere import read_posterior
    from clvsim.models.fit import fit
    from clvsim.quantities import (
        expected_discounted_orders,
        expected_orders,
        expected_rlv,
        expected_spend,
        probability_active,
        probability_alive,
        reduce_draws,
    )
    from clvsim.report import write_report
    from clvsim.simulation import simulate

HOMES = {
    "compare": "clvsim.comparison",
    "expected_discounted_orders": "clvsim.quantities",
    "expected_orders": "clvsim.quantities",
    "expected_rlv": "clvsim.quantities",
    "expected_spend": "clvsim.quantities",
    "fit": "clvsim.models.fit",
    "load": "clvsim.loaded",
    "probability_active": "clvsim.quantities",
    "probability_alive": "clvsim.quantities",
    "read_posterior": "clvsim.models.elsewhere",
    "read_summary": "clvsim.data.tables.frequencies",
    "read_transactions": "clvsim.data",
    "reduce_draws": "clvsim.quantities",
    "simulate": "clvsim.simulation",
    "summarize": "clvsim.data",
    "write_report": "clvsim.report",
}

__all__ = [
    "__version__",
    "compare",
    "expected_discounted_orders",
    "expected_orders",
    "expected_rlv",
    "expected_spend",
    "fit",
    "load",
    "probability_active",
    "probability_alive",
    "read_posterior",
    "read_summary",
    "read_transactions",
    "reduce_draws",
    "simulate",
    "summarize",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """PEP 562: `import clvsim` stays instant, PyMC and DuckDB load with the function that needs them."""
    if name not in HOMES:
        raise AttributeError(f"module 'clvsim' has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
