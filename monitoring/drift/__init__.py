"""Served features against the champion's reference sample."""
