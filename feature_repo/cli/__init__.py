"""Command lines of the feature repository."""
