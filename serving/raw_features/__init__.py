"""Scores from features that the caller sends: nothing is read, and nothing is recorded."""
