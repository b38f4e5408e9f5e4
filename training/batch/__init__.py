"""Batch scoring: every client of the offline store, with one model version, into Parquet."""
