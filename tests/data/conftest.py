"""Small logs as files. All of them are read as if today were 2025-01-01."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from clvsim.data import DataConfig, TransactionLog, read_transactions, summarize
from clvsim.types import CustomerSummary

NOW = date(2025, 1, 1)

Read = Callable[..., TransactionLog]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read(text, name="orders.csv", **config)` writes the text and reads it as a log."""

    def write_and_read(text: str | bytes, name: str = "orders.csv", **config: object) -> TransactionLog:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_transactions(path, DataConfig.model_validate(config), today_date=NOW)

    return write_and_read


@pytest.fixture(scope="session")
def cdnow() -> TransactionLog:
    return read_transactions(config=DataConfig(kind="bundled", calibration_end=date(1997, 9, 30)))


@pytest.fixture(scope="session")
def cdnow_summary(cdnow: TransactionLog) -> CustomerSummary:
    return summarize(cdnow)
