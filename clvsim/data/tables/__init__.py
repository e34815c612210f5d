"""Tables that hold customers, or how many of them are left, in place of orders."""
