"""Records for tests of the archive: small, of any moment, in the order given."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from credit.archive.chain import NewRecord, new_record

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 3, tzinfo=UTC)


def id_at(moment: datetime, salt: int = 0) -> str:
    """A UUIDv7 of that millisecond; other salts are other ids."""
    milliseconds = int(moment.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | salt))


def record(salt: int, moment: datetime = NOON, **fields: object) -> NewRecord:
    """Record number `salt`."""
    content = {"decision_id": id_at(moment, salt), "client_id": 100_000 + salt, "value": salt / 7} | fields
    return new_record(f"{salt}-0", json.dumps(content).encode(), "decision_id")


def series(count: int, start: datetime = NOON, step: timedelta = timedelta(milliseconds=1)) -> list[NewRecord]:
    """Records 1 to `count`, one every `step`."""
    return [record(at, start + (at - 1) * step) for at in range(1, count + 1)]
