"""Rows that do not wait for the night's build: read, checked, computed and handed to both stores."""
