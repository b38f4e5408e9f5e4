"""One stream of the decision log, as its only consumer sees it: read from its start, removed once archived."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from credit.archive.chain import NewRecord, new_record
from credit.errors import DataError, StoreUnavailableError
from credit.schemas.decision import RECORD_FIELD, decision_index_key, decision_stream_key, event_stream_key
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import Exchange, open_exchange, packed_command
from monitoring.archiver.lock import LockLostError

#: Entries of one answer, and of one removal: keeps each well below a second of Redis's time.
_PAGE: Final = 200

# Removes archived entries with their indexes, for the holder of the lock only.
_REMOVE: Final = b"""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local entries, indexes = {}, {}
for at = 2, #ARGV do entries[#entries + 1] = ARGV[at] end
for at = 3, #KEYS do indexes[#indexes + 1] = KEYS[at] end
if #indexes > 0 then redis.call('DEL', unpack(indexes)) end
return redis.call('XDEL', KEYS[1], unpack(entries))
"""


@dataclass(frozen=True, slots=True)
class StreamKind:
    """What is told apart between streams.

    Attributes:
        name: of the stream's archive.
        key: the stream's key in a project.
        id_field: field of a record that holds its own id.
        index: the key that finds an entry by the record's id, if there is one.
    """

    name: str
    key: Callable[[str], str]
    id_field: str
    index: Callable[[str, str], str] | None = None


DECISIONS: Final = StreamKind("decisions", decision_stream_key, "decision_id", decision_index_key)
EVENTS: Final = StreamKind("events", event_stream_key, "event_id")
#: What the archiver drains; a further stream of records is one line here.
STREAMS: Final = (DECISIONS, EVENTS)


class Connection:
    """Asks the decision log's Redis; all keys of a project lie in one slot."""

    def __init__(self, settings: RedisSettings, project: str, exchange: Exchange | None = None) -> None:
        self.project = project
        self._exchange = exchange or open_exchange(settings)
        self._slot = decision_stream_key(project).encode()

    def told(self, *words: bytes) -> Any:
        """The answer to one command.

        Raises:
            StoreUnavailableError: Redis does not answer in time, or refuses.
        """
        try:
            return self._exchange.ask([packed_command(*words)], [self._slot])[0]
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"the decision log does not answer: {error}") from error

    def close(self) -> None:
        """Release connections."""
        self._exchange.close()


class Stream:
    """The entries of one stream that are not archived yet."""

    def __init__(self, connection: Connection, kind: StreamKind) -> None:
        self.kind = kind
        self._connection = connection
        self._key = kind.key(connection.project).encode()

    def length(self) -> int:
        """Number of entries.

        Raises:
            StoreUnavailableError: see `Connection.told`.
        """
        return int(self._connection.told(b"XLEN", self._key))

    def oldest(self) -> float | None:
        """When the oldest entry came, in seconds since 1970 by Redis's clock; None if there is none.

        Raises:
            StoreUnavailableError: see `Connection.told`.
        """
        entries = self._connection.told(b"XRANGE", self._key, b"-", b"+", b"COUNT", b"1")
        return int(entries[0][0].partition(b"-")[0]) / 1000 if entries else None

    def read(self, count: int) -> list[NewRecord]:
        """The oldest `count` entries, or fewer where the stream ends.

        Raises:
            StoreUnavailableError: see `Connection.told`.
            DataError: an entry holds no record.
        """
        found: list[NewRecord] = []
        start = b"-"
        while len(found) < count:
            wanted = min(_PAGE, count - len(found))
            page = self._connection.told(b"XRANGE", self._key, start, b"+", b"COUNT", b"%d" % wanted)
            found += [self._record(entry, fields) for entry, fields in page]
            if len(page) < wanted:
                break
            start = b"(" + page[-1][0]
        return found

    def entries(self) -> Iterator[NewRecord]:
        """All entries, oldest first, a page at a time.

        Raises:
            StoreUnavailableError: see `Connection.told`.
            DataError: an entry holds no record.
        """
        start = b"-"
        while page := self._connection.told(b"XRANGE", self._key, start, b"+", b"COUNT", b"%d" % _PAGE):
            yield from (self._record(entry, fields) for entry, fields in page)
            start = b"(" + page[-1][0]

    def remove(self, records: Sequence[NewRecord], lock_key: bytes, token: bytes) -> None:
        """Remove archived entries and their indexes.

        Raises:
            StoreUnavailableError: see `Connection.told`; some may be removed.
            LockLostError: another archiver may be at work.
        """
        for start in range(0, len(records), _PAGE):
            page = records[start : start + _PAGE]
            keys = [self._key, lock_key, *self._indexes(page)]
            arguments = [token, *(record.entry.encode() for record in page)]
            if int(self._connection.told(b"EVAL", _REMOVE, b"%d" % len(keys), *keys, *arguments)) < 0:
                raise LockLostError

    def _indexes(self, records: Sequence[NewRecord]) -> list[bytes]:
        index = self.kind.index
        if index is None:
            return []
        return [index(self._connection.project, record.record_id).encode() for record in records]

    def _record(self, entry: bytes, fields: Sequence[bytes]) -> NewRecord:
        name = entry.decode()
        held = dict(zip(fields[::2], fields[1::2], strict=True)).get(RECORD_FIELD.encode())
        if held is None:
            raise DataError(f"stream entry {name} of {self.kind.name} has no field {RECORD_FIELD}")
        return new_record(name, held, self.kind.id_field)
