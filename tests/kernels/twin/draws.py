"""Random numbers of one customer in one world, by decision: the kernel's uniforms."""

import numpy as np

from clvsim.kernels import variates

NO_SALT = np.uint64(0)


class Draws:
    def __init__(self, key: np.uint64, world: np.uint64) -> None:
        self.base = np.uint64(variates.mix(np.uint64(int(key) ^ int(world))))

    def uniform(self, stream: int, event: int, salt: np.uint64 = NO_SALT) -> float:
        return variates.uniform(np.uint64(int(self.base) ^ int(salt)), stream, event)

    def exponential(self, stream: int, event: int) -> float:
        return variates.exponential(self.base, stream, event)

    def normal(self, stream: int, event: int) -> float:
        return variates.normal(np.uint64(variates.address(self.base, stream, event)))[0]

    def gamma(self, stream: int, event: int, shape: float) -> float:
        return variates.gamma(np.uint64(variates.address(self.base, stream, event)), shape)
