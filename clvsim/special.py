"""SciPy's special functions, loaded by the first call: a configuration is read, and refused, without them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _later(name: str) -> Callable[..., Any]:
    def function(*args: Any, **options: Any) -> Any:
        return getattr(import_module("scipy.special"), name)(*args, **options)

    return function


betainc = _later("betainc")
betaincinv = _later("betaincinv")
betaln = _later("betaln")
digamma = _later("digamma")
expit = _later("expit")
exprel = _later("exprel")
gammaincinv = _later("gammaincinv")
gammaln = _later("gammaln")
log_expit = _later("log_expit")
log_ndtr = _later("log_ndtr")
logit = _later("logit")
logsumexp = _later("logsumexp")
ndtr = _later("ndtr")
ndtri = _later("ndtri")
pdtrik = _later("pdtrik")
polygamma = _later("polygamma")
xlogy = _later("xlogy")
