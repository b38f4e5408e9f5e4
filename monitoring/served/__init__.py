"""What was decided in a window of time: from the archive, and from the stream where it is not archived yet."""
