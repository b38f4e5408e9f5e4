"""Raw tables to typed events, aggregates, Feast objects and the online store."""
