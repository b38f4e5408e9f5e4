"""Measurements of the platform against what it builds on; each module runs with `python -m`."""
