"""Labels and historical features to a signed model bundle in the registry."""
