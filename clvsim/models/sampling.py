"""Posterior draws from Markov chains, by nutpie."""

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
