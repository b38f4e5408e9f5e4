"""Feast compute engines: the offline store to the online store."""
