"""Monte Carlo of customers under scenarios, on shared worlds."""

from clvsim.simulation.run import Simulation, simulate

__all__ = ["Simulation", "simulate"]
