"""Drains the streams of the decision log into the archive."""
