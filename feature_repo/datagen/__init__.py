"""A synthetic portfolio in the Home Credit format."""
