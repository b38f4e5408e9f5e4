"""Writes and reads audit events: a Redis stream that the archiver drains into a hash chain."""

import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from pydantic import ValidationError

from credit.errors import DataError
from credit.schemas.audit import AuditEvent, AuditKind, audit_stream_key
from credit.schemas.decision import RECORD_FIELD
from monitoring.archiver.stream import Connection


class AuditTrail(Protocol):
    """Port: where audit events are kept."""

    def append(self, event: AuditEvent) -> None:
        """Keep one for good.

        Raises:
            StoreUnavailableError: it was not taken.
        """
        ...

    def events(self) -> Sequence[AuditEvent]:
        """All of them, oldest first.

        Raises:
            StoreUnavailableError: they cannot be read.
            DataError: one is stored in a form that is not understood.
        """
        ...


def audit_event(
    kind: AuditKind,
    text: str,
    *,
    actor: str,
    case: str = "",
    model_version: str | None = None,
    details: dict[str, str | float | int | bool | None] | None = None,
) -> AuditEvent:
    """An event of now."""
    return AuditEvent(
        event_id=_event_id(),
        at=datetime.now(UTC),
        kind=kind,
        case=case,
        actor=actor,
        model_version=model_version,
        text=text,
        details=details or {},
    )


class RedisAuditTrail:
    """`AuditTrail` on a Redis stream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._key = audit_stream_key(connection.project).encode()

    def append(self, event: AuditEvent) -> None:
        """See `AuditTrail`."""
        self._connection.told(b"XADD", self._key, b"*", RECORD_FIELD.encode(), event.model_dump_json().encode())

    def events(self) -> Sequence[AuditEvent]:
        """See `AuditTrail`."""
        entries = self._connection.told(b"XRANGE", self._key, b"-", b"+")
        return [_event(fields[1]) for _, fields in entries]


def _event(stored: bytes) -> AuditEvent:
    try:
        return AuditEvent.model_validate_json(stored)
    except ValidationError as error:
        raise DataError("an audit event is stored in a form that is not understood") from error


def _event_id() -> str:
    """A new UUIDv7."""
    milliseconds = time.time_ns() // 1_000_000
    return str(
        uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62))
    )
