"""A table of orders in a database: what the models need is counted there, and no order leaves it. docs/sql.md."""
