"""Numba kernels: arrays in, preallocated arrays out; no labels, no validation, no randomness but `rng` and `variates`.

`rng` and `structs` are plain NumPy: keys and arguments are made without loading Numba.
"""
