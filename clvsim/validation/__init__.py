"""Predicted against actual orders of the hold-out: per customer, per group and in total; and simple rules."""
