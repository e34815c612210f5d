"""Sources without orders: tables of customers, or of the number of customers left."""
