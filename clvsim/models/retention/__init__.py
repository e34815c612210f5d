"""Retention models, a module each: when customers order, and when they leave for good."""
