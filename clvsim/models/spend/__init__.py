"""Spend models, a module each: what an order is worth."""
