"""Who calls: credentials, the keys and tokens that they are checked against, and how much a caller may ask."""
