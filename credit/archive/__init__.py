"""The archive of decisions: date-partitioned Parquet whose records are chained by hash, on disk or object storage."""
