"""Predictions of the held-back orders against what came: per customer, per group, in total, beside simple rules."""
