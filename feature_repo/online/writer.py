"""Writes packed rows to Redis so that of two rows of one client and view the newer stays, whoever writes last."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import redis

from credit.errors import StoreUnavailableError
from feature_repo.online.codec import Rows, encode_rows
from feature_repo.online.keys import client_key, client_key_pattern
from feature_repo.online.layout import Layout

#: Clients written by one script call: bounds how long Redis serves nobody else (about a millisecond).
_CLIENTS_PER_CALL: Final = 500
_KEYS_PER_SCAN: Final = 1000

# Offsets follow `feature_repo.online.layout`: identity in bytes 1-12 (Lua counts from 1), then at 17 as_of and built.
# A row of another schema cannot be read by those who know the new one, so it gives way to any later build.
# Lua numbers are doubles: microseconds since 1970 are exact until the year 2255.
_WRITE_NEWER: Final = """
local function stays(old, new)
  if not old or #old < 36 or string.sub(old, 1, 2) ~= string.sub(new, 1, 2) then return false end
  local old_as_of, old_built = struct.unpack('<i8i8', old, 17)
  local as_of, built = struct.unpack('<i8i8', new, 17)
  if string.sub(old, 1, 12) ~= string.sub(new, 1, 12) then return old_built > built end
  if old_as_of ~= as_of then return old_as_of > as_of end
  return old_built > built
end
local view, seconds, written = ARGV[1], tonumber(ARGV[2]), 0
for index, key in ipairs(KEYS) do
  local new = ARGV[index + 2]
  if not stays(redis.call('HGET', key, view), new) then
    redis.call('HSET', key, view, new)
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
        view = layout.spec.name.encode()
        try:
            return sum(
                int(self._script(keys=keys[part], args=[view, self._key_ttl_seconds, *packed[part]]))
                for part in _parts(len(keys))
            )
        except redis.RedisError as error:
            raise StoreUnavailableError(f"view {layout.spec.name}: Redis did not take the rows: {error}") from error

    def read(self, view: str, client_ids: Sequence[int]) -> list[bytes | None]:
        """The stored row of each client, in order.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        pipe = self._client.pipeline(transaction=False)
        for client_id in client_ids:
            pipe.hget(client_key(self._project, client_id).decode(), view)
        try:
            return list(pipe.execute())
        except redis.RedisError as error:
            raise StoreUnavailableError(f"view {view}: Redis does not answer: {error}") from error

    def remove_views(self, views: Sequence[str]) -> None:
        """Remove the rows of some views from every client."""
        self._for_all_clients(lambda pipe, key: pipe.hdel(key, *views))

    def remove_all(self) -> None:
        """Remove every client of the project."""
        self._for_all_clients(lambda pipe, key: pipe.unlink(key))

    def _for_all_clients(self, queue: Any) -> None:
        try:
            pipe = self._client.pipeline(transaction=False)
            for key in self._client.scan_iter(client_key_pattern(self._project), count=_KEYS_PER_SCAN):
                queue(pipe, key)
                if len(pipe) >= _KEYS_PER_SCAN:
                    pipe.execute()
            pipe.execute()
        except redis.RedisError as error:
            raise StoreUnavailableError(f"Redis did not remove rows: {error}") from error


def _parts(size: int) -> Iterator[slice]:
    for start in range(0, size, _CLIENTS_PER_CALL):
        yield slice(start, start + _CLIENTS_PER_CALL)
