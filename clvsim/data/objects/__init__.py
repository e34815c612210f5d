"""Objects in stores (s3://bucket/orders.parquet), read as files are: docs/object-stores.md."""
