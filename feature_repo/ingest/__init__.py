"""Raw files to typed events, bucketed by client."""
