"""Decision ids: UUID version 7, so that ids sort by the time of the decision."""

import secrets
import time
import uuid
from collections.abc import Callable


def decision_id(now_ns: Callable[[], int] = time.time_ns) -> str:
    """A new UUIDv7 with sub-millisecond order (RFC 9562, section 6.2, method 3)."""
    milliseconds, nanoseconds = divmod(now_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
