"""Every feature with its name, meaning and window."""
