"""What callers send and get, by operation."""
