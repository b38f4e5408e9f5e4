"""Decision log to drift, parity, performance."""
