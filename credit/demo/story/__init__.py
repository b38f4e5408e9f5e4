"""The loop from a quiet week over a shock to a better champion, and a worse one that is taken back, on one machine."""
