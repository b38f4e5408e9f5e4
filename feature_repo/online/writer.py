"""Writes packed rows to Redis so that of two rows of one client and view the newer stays, whoever writes last."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import redis

from credit.errors import StoreUnavailableError
from feature_repo.online.codec import Rows, built_of, encode_rows
from feature_repo.online.keys import client_key, client_key_pattern, view_of_field
from feature_repo.online.layout import Layout

#: Clients written by one script call: bounds how long Redis serves nobody else (about a millisecond).
_CLIENTS_PER_CALL: Final = 500
_KEYS_PER_SCAN: Final = 1000

# Offsets follow `feature_repo.online.layout`: identity in bytes 1-12 (Lua counts from 1), then at 17 as_of and built.
# A field holds rows of one schema; what else lies there is no row and gives way.
# Lua numbers are doubles: microseconds since 1970 are exact until the year 2255.
_WRITE_NEWER: Final = """
local function stays(old, new)
  if not old or #old < 36 or string.sub(old, 1, 12) ~= string.sub(new, 1, 12) then return false end
  local old_as_of, old_built = struct.unpack('<i8i8', old, 17)
  local as_of, built = struct.unpack('<i8i8', new, 17)
  if old_as_of ~= as_of then return old_as_of > as_of end
  return old_built > built
end
local field, seconds, written = ARGV[1], tonumber(ARGV[2]), 0
for index, key in ipairs(KEYS) do
  local new = ARGV[index + 2]
  if not stays(redis.call('HGET', key, field), new) then
    redis.call('HSET', key, field, new)
    written = written + 1
  end
  if seconds > 0 then redis.call('EXPIRE', key, seconds) end
end
return written
"""


class PackedWriter:
    """Writes and removes the rows of one project.

    Args:
        client: a connection that fails rather than waits for ever.
        project: Feast project.
        key_ttl_seconds: Redis drops a client not written for so long; 0 keeps all. Garbage collection, not freshness.
    """

    def __init__(self, client: redis.Redis, project: str, key_ttl_seconds: int = 0) -> None:
        self._client = client
        self._project = project
        self._key_ttl_seconds = key_ttl_seconds
        self._script = client.register_script(_WRITE_NEWER)

    def write(self, layout: Layout, rows: Rows) -> int:
        """Write rows; of rows of equal as_of the newest build stays, an older as_of never replaces a newer one.

        Returns:
            How many rows were newer than what was there.

        Raises:
            StoreUnavailableError: Redis did not take the rows.
            FeatureError: rows do not fit the view.
        """
        packed = encode_rows(layout, rows)
        keys = [client_key(self._project, client_id) for client_id in rows.client_ids.tolist()]
        try:
            return sum(
                int(self._script(keys=keys[part], args=[layout.field, self._key_ttl_seconds, *packed[part]]))
                for part in _parts(len(keys))
            )
        except redis.RedisError as error:
            raise StoreUnavailableError(f"view {layout.spec.name}: Redis did not take the rows: {error}") from error

    def read(self, layout: Layout, client_ids: Sequence[int]) -> list[bytes | None]:
        """The stored row of each client, in order.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        return self._piped([("HGET", client_key(self._project, client_id), layout.field) for client_id in client_ids])

    def remove_views(self, views: Sequence[str]) -> None:
        """Remove the rows of some views, of every schema, from every client."""
        for keys in self._key_parts():
            found = self._asked("HKEYS", keys)
            self._drop({key: [one for one in names if view_of_field(one) in views] for key, names in found.items()})

    def prune(self, current: Sequence[Layout], built_before_us: int) -> int:
        """Remove rows of other schemas than `current` that were built before a moment (microseconds since the epoch).

        Returns:
            How many rows were removed.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        kept, removed = {layout.field for layout in current}, 0
        for keys in self._key_parts():
            found = self._asked("HKEYS", keys)
            old = [(key, name) for key, names in found.items() for name in names if name not in kept]
            built = [built_of(raw) for raw in self._piped([("HGET", key, name) for key, name in old])]
            gone: dict[bytes, list[bytes]] = {}
            for (key, name), moment in zip(old, built, strict=True):
                if moment is None or moment < built_before_us:
                    gone.setdefault(key, []).append(name)
            removed += self._drop(gone)
        return removed

    def remove_all(self) -> None:
        """Remove every client of the project."""
        for keys in self._key_parts():
            self._piped([("UNLINK", key) for key in keys])

    def _drop(self, names: Mapping[bytes, Sequence[bytes]]) -> int:
        return sum(self._piped([("HDEL", key, *fields) for key, fields in names.items() if fields]))

    def _asked(self, command: str, keys: Sequence[bytes]) -> dict[bytes, Any]:
        return dict(zip(keys, self._piped([(command, key) for key in keys]), strict=True))

    def _piped(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        try:
            return list(pipe.execute())
        except redis.RedisError as error:
            raise StoreUnavailableError(f"Redis does not answer: {error}") from error

    def _key_parts(self) -> Iterator[list[bytes]]:
        """The keys of all clients, some at a time."""
        scan = self._client.scan_iter(client_key_pattern(self._project), count=_KEYS_PER_SCAN)
        try:
            while keys := list(islice(scan, _KEYS_PER_SCAN)):
                yield keys
        except redis.RedisError as error:
            raise StoreUnavailableError(f"Redis does not answer: {error}") from error


def _parts(size: int) -> Iterator[slice]:
    for start in range(0, size, _CLIENTS_PER_CALL):
        yield slice(start, start + _CLIENTS_PER_CALL)
