"""Names in Redis: one hash per client, one field per feature view."""

from typing import Final

#: The Feast project: feature_store.yaml says the same, and a test holds them equal.
PROJECT: Final = "credit_scoring"


def client_key(project: str, client_id: int) -> bytes:
    """The hash of one client: `features:{project}:{client_id}`."""
    return b"features:%b:%d" % (project.encode(), client_id)


def client_key_pattern(project: str) -> bytes:
    """A SCAN pattern that matches the hashes of all clients (Feast allows only letters, digits, - and _ in names)."""
    return b"features:%b:*" % project.encode()
