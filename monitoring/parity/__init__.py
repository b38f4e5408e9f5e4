"""Served features against the same features recomputed from history."""
