"""Posterior draws from Markov chains, by nutpie."""

import math
from typing import Any

import numpy as np

from clvsim.models.compiled import CompiledModel
from clvsim.models.config import FitConfig

_TARGET_ACCEPT = 0.9  # small steps: a log with hardly any dropout has a sharp corner at a = 0


def sample(compiled: CompiledModel, config: FitConfig, longer: int = 1) -> tuple[dict[str, np.ndarray], int]:
    """Draws of the free variables, chain after chain, each (draw, ...), and the number of divergent transitions.

    Chains that are `longer` by a factor are thinned by it, so that there are as many draws.
    """
    import nutpie

    chains, seed = config.chains, np.random.default_rng(config.seed).spawn(1)[0].integers(1 << 30)  # as PyMC seeds them
    tree: Any = nutpie.sample(
        compiled.chains(),
        draws=config.draws // chains * longer,
        tune=config.tune * longer,
        chains=chains,
        seed=int(seed),
        target_accept=_TARGET_ACCEPT,
        adaptation="low_rank",  # parameters are correlated in most models
        save_warmup=False,
        progress_bar=False,
    )
    by_chain = {name: tree["posterior"][name].to_numpy().astype(np.float64) for name in compiled.names}
    draws = {name: values[:, ::longer].reshape(-1, *values.shape[2:]) for name, values in by_chain.items()}
    return draws, int(tree["sample_stats"]["diverging"].to_numpy().sum())


_LAPLACE_ROWS, _NUTS_ROWS = 50_000, 1_000  # distinct histories that cost a second more on one core of a laptop
_NUTS_SECONDS, _NUTS_STEPS = 8.0, 2_000  # of few histories, and tuning and draws of a chain that they are for


def expected_seconds(way: str, rows: int, config: FitConfig) -> float:
    """What a method takes on an idle laptop, of which one digit can be relied on."""
    if way == "nuts":
        steps = (config.tune + config.draws / config.chains) / _NUTS_STEPS
        return (_NUTS_SECONDS + rows / _NUTS_ROWS) * steps
    return 1.0 + rows / _LAPLACE_ROWS


def in_seconds(way: str, rows: int, config: FitConfig) -> str:
    """`, about 9 s`: the same in words; "" where it is no time."""
    if way == "map":
        return ""
    seconds = expected_seconds(way, rows, config)
    place = 10 ** math.floor(math.log10(max(seconds, 1.0)))
    return f", about {max(round(seconds / place), 1) * place:,} s"
