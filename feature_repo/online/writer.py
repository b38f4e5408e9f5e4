"""Writes packed rows to Redis so that of two rows of one client and view the newer stays, whoever writes last."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import redis

from credit.errors import StoreUnavailableError
from feature_repo.online.codec import Rows, built_of, encode_rows
from feature_repo.online.exchange import Exchange, packed_command, packed_words
from feature_repo.online.keys import client_key, client_key_pattern, view_of_field
from feature_repo.online.layout import Layout

#: Clients written by one script call: bounds how long Redis serves nobody else (about a millisecond).
_CLIENTS_PER_CALL: Final = 500
_SILENT: Final = "the online store does not answer"

# Offsets follow `feature_repo.online.layout`: identity in bytes 1-12 (Lua counts from 1), then at 17 as_of and built.
# A field holds rows of one schema; what else lies there is no row and gives way.
# Lua numbers are doubles: microseconds since 1970 are exact until the year 2255.
_WRITE_NEWER: Final = b"""
local field, seconds, identity, written = ARGV[1], tonumber(ARGV[2]), ARGV[3], 0
local function stays(old, new)
  if not old or #old < 36 or string.sub(old, 1, 12) ~= identity then return false end
  local old_as_of, old_built = struct.unpack('<i8i8', old, 17)
  local as_of, built = struct.unpack('<i8i8', new, 17)
  if old_as_of ~= as_of then return old_as_of > as_of end
  return old_built > built
end
for index, key in ipairs(KEYS) do
  local new = ARGV[index + 3]
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
        exchange: with servers that fail rather than let wait for ever.
        project: Feast project.
        key_ttl_seconds: Redis drops a client not written for so long; 0 keeps all. Garbage collection, not freshness.
    """

    def __init__(self, exchange: Exchange, project: str, key_ttl_seconds: int = 0) -> None:
        self._exchange = exchange
        self._project = project
        self._head = (b"EVAL", _WRITE_NEWER)
        self._key_ttl = b"%d" % key_ttl_seconds

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
        written = 0
        for groups in _calls(self._exchange.together(keys)):
            commands = [self._write_command(layout, keys, packed, group) for group in groups]
            firsts = [keys[group[0]] for group in groups]
            written += sum(self._ask(commands, firsts, f"view {layout.spec.name}: Redis did not take the rows"))
        return written

    def read(self, layout: Layout, client_ids: Sequence[int]) -> list[bytes | None]:
        """The stored row of each client, in order.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        keys = [client_key(self._project, client_id) for client_id in client_ids]
        return self._ask([packed_command(b"HGET", key, layout.field) for key in keys], keys)

    def erase(self, client_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Remove clients with all their rows, of every view and schema.

        Returns:
            The views that each client had rows in; a client without any is left out.

        Raises:
            StoreUnavailableError: Redis did not answer; some clients may be removed.
        """
        keys = [client_key(self._project, client_id) for client_id in client_ids]
        names = self._ask([packed_command(b"HKEYS", key) for key in keys], keys)
        self._ask([packed_command(b"UNLINK", key) for key in keys], keys)
        views = [tuple(dict.fromkeys(view_of_field(name) for name in sorted(fields))) for fields in names]
        return {client_id: had for client_id, had in zip(client_ids, views, strict=True) if had}

    def remove_views(self, views: Sequence[str]) -> None:
        """Remove the rows of some views, of every schema, from every client."""
        for keys in self._key_parts():
            found = self._names(keys)
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
            found = self._names(keys)
            old = [(key, name) for key, names in found.items() for name in names if name not in kept]
            rows = self._ask([packed_command(b"HGET", key, name) for key, name in old], [key for key, _ in old])
            gone: dict[bytes, list[bytes]] = {}
            for (key, name), raw in zip(old, rows, strict=True):
                built = built_of(raw)
                if built is None or built < built_before_us:
                    gone.setdefault(key, []).append(name)
            removed += self._drop(gone)
        return removed

    def remove_all(self) -> None:
        """Remove every client of the project."""
        for keys in self._key_parts():
            self._ask([packed_command(b"UNLINK", key) for key in keys], keys)

    def _write_command(self, layout: Layout, keys: list[bytes], packed: list[bytes], group: Sequence[int]) -> bytes:
        named, rows = [keys[at] for at in group], [packed[at] for at in group]
        # The whole script each time: Redis knows it by its text, also right after a failover.
        head = packed_words([*self._head, b"%d" % len(group)])
        arguments = packed_words([layout.field, self._key_ttl, layout.identity])
        count = len(self._head) + 1 + len(named) + 3 + len(rows)
        return b"".join((b"*%d\r\n" % count, head, packed_words(named), arguments, packed_words(rows)))

    def _drop(self, names: Mapping[bytes, Sequence[bytes]]) -> int:
        gone = {key: fields for key, fields in names.items() if fields}
        return sum(self._ask([packed_command(b"HDEL", key, *fields) for key, fields in gone.items()], [*gone]))

    def _names(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        return dict(zip(keys, self._ask([packed_command(b"HKEYS", key) for key in keys], keys), strict=True))

    def _ask(self, commands: Sequence[bytes], keys: Sequence[bytes], failed: str = _SILENT) -> list[Any]:
        try:
            return self._exchange.ask(commands, keys)
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"{failed}: {error}") from error

    def _key_parts(self) -> Iterator[list[bytes]]:
        """The keys of all clients, some at a time."""
        try:
            yield from self._exchange.scan(client_key_pattern(self._project))
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"{_SILENT}: {error}") from error


def _calls(groups: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """The groups, cut to the size of a script call; as many in one list as make up that size together."""
    call: list[Sequence[int]] = []
    size = 0
    for group in groups:
        for start in range(0, len(group), _CLIENTS_PER_CALL):
            part = group[start : start + _CLIENTS_PER_CALL]
            if call and size + len(part) > _CLIENTS_PER_CALL:
                yield call
                call, size = [], 0
            call.append(part)
            size += len(part)
    if call:
        yield call
