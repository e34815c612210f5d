"""CDNOW as the models see it, and its one posterior, fitted once whatever the number of test processes."""

import fcntl
from pathlib import Path

import numpy as np
import pytest

from clvsim.data import DataConfig, TransactionLog, read_transactions, summarize
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import CustomerSummary, Posterior
from tests.shipped import read


@pytest.fixture(scope="session")
def cdnow_log() -> TransactionLog:
    """As of the end of September 1997, with the published hold-out after it."""
    settings = read("data", "cdnow")
    settings |= {"today": "1998-06-30", "calibration_end": settings["today"]}
    return read_transactions(None, DataConfig.model_validate(settings))


@pytest.fixture(scope="session")
def cdnow(cdnow_log: TransactionLog) -> CustomerSummary:
    return summarize(cdnow_log)


@pytest.fixture(scope="session")
def histories(cdnow: CustomerSummary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x, T of all customers, in weeks."""
    frame = cdnow.customers
    return tuple(frame[c].to_numpy(float) / u for c, u in (("frequency", 1), ("recency_days", 7), ("T_days", 7)))


@pytest.fixture(scope="session")
def fitted_models(cdnow: CustomerSummary, posterior_cache: Path) -> FittedModels:
    """The shipped configuration fitted to CDNOW; the second test process waits for the first."""
    posterior_cache.mkdir(exist_ok=True)
    with (posterior_cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return fit(cdnow, BgNbd(), GammaGamma(), FitConfig())


@pytest.fixture(scope="session")
def posterior(fitted_models: FittedModels) -> Posterior:
    """The draws of the shipped configuration on CDNOW."""
    return fitted_models.posterior
