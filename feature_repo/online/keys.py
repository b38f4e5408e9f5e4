"""Names in Redis: one hash per client, one field per feature view."""


def client_key(project: str, client_id: int) -> bytes:
    """The hash of one client: `features:{project}:{client_id}`."""
    return b"features:%b:%d" % (project.encode(), client_id)


def client_key_pattern(project: str) -> bytes:
    """A SCAN pattern that matches the hashes of all clients (Feast allows only letters, digits, - and _ in names)."""
    return b"features:%b:*" % project.encode()
