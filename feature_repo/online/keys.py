"""Names in Redis: one hash per client, one field per feature view and schema."""

from typing import Final
from zlib import crc32

#: The Feast project: feature_store.yaml says the same, and a test holds them equal.
PROJECT: Final = "credit_scoring"


def client_key(project: str, client_id: int) -> bytes:
    """The hash of one client: `features:{project}:{client_id}`."""
    return b"features:%b:%d" % (project.encode(), client_id)


def client_key_pattern(project: str) -> bytes:
    """A SCAN pattern that matches the hashes of all clients (Feast allows only letters, digits, - and _ in names)."""
    return b"features:%b:*" % project.encode()


def client_of_key(project: str, key: bytes) -> int | None:
    """The client of a hash that `client_key` named; None for a key that only looks like one."""
    digits = key.rpartition(b":")[2]
    client_id = int(digits) if digits.isdigit() else None
    return client_id if client_id is not None and client_key(project, client_id) == key else None


def view_field(view: str, identity: bytes) -> bytes:
    """The field of one view in one schema: `{view}:{8 hex digits}`.

    Rows of two schemas (or codec versions) of a view lie side by side, so that during a rollout the replicas of the
    old and of the new model each find theirs. `identity` is what every row of the schema starts with.
    """
    return b"%b:%08x" % (view.encode(), crc32(identity))


def view_of_field(field: bytes) -> str:
    """The view of a field that `view_field` named."""
    return field.rpartition(b":")[0].decode()
