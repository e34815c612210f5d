from datetime import date

import pytest

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.types import CustomerSummary


@pytest.fixture(scope="session")
def cdnow() -> CustomerSummary:
    return summarize(read_transactions(config=DataConfig(kind="bundled", calibration_end=date(1997, 9, 30))))
