"""Random numbers of one customer in one world, by decision: the kernel's uniforms."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from clvsim.kernels import variates
from clvsim.kernels.compiler import njit


@cache
def from_python(helper: Any) -> Any:
    """What calls a helper that compiled code alone can enter."""

    @njit
    def call(*values):
        return helper(*values)

    return call


NAMES = ("mix", "address", "uniform", "exponential", "normal", "gamma")
compiled = SimpleNamespace(**{name: from_python(getattr(variates, name)) for name in NAMES})
NO_SALT = np.uint64(0)


class Draws:
    def __init__(self, key: np.uint64, world: np.uint64) -> None:
        self.base = np.uint64(compiled.mix(np.uint64(int(key) ^ int(world))))

    def uniform(self, stream: int, event: int, salt: np.uint64 = NO_SALT) -> float:
        return compiled.uniform(np.uint64(int(self.base) ^ int(salt)), stream, event)

    def exponential(self, stream: int, event: int) -> float:
        return compiled.exponential(self.base, stream, event)

    def normal(self, stream: int, event: int) -> float:
        return compiled.normal(np.uint64(compiled.address(self.base, stream, event)))[0]

    def gamma(self, stream: int, event: int, shape: float, salt: np.uint64 = NO_SALT) -> float:
        base = np.uint64(int(self.base) ^ int(salt))
        return compiled.gamma(np.uint64(compiled.address(base, stream, event)), shape)
