"""`creditctl doctor`: looks at every part that the service needs; importing this package imports nothing."""
