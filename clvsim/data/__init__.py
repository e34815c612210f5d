"""The data layer: reads a transaction log or a table, and returns checked orders and a customer summary.

No other package imports DuckDB; it is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clvsim.data.config import DataConfig

if TYPE_CHECKING:
    from clvsim.data.checks import quality
    from clvsim.data.log import TransactionLog
    from clvsim.data.read import read_transactions
    from clvsim.data.summary import require_repeat_orders, summarize, weekly_repeat_orders

__all__ = [
    "DataConfig",
    "TransactionLog",
    "quality",
    "read_transactions",
    "require_repeat_orders",
    "summarize",
    "weekly_repeat_orders",
]

_HOMES = {
    "TransactionLog": "log",
    "require_repeat_orders": "summary",
    "quality": "checks",
    "read_transactions": "read",
    "summarize": "summary",
    "weekly_repeat_orders": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
