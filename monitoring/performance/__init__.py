"""How good decisions were, and how good they are expected to be."""
