"""From an alarm to a better champion, with a way back."""
