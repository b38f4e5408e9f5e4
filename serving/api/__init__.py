"""The HTTP edge: authenticates and parses requests, calls the service, turns results and errors into answers."""
