"""Composition of configurations by Hydra, which only this package imports; stages receive plain values."""
