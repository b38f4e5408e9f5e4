"""Point-in-time aggregates: one SQL per group, one parameter: the spine."""
