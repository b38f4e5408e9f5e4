"""Redis Cluster below redis-py's cluster client, which waits and retries longer than a request may take."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError

from feature_repo.online.connection import RedisSettings, node_pool
from feature_repo.online.exchange import exchange, packed_command, scan

Node = tuple[str, int]

_SLOTS: Final = packed_command(b"CLUSTER", b"SLOTS")
_PING: Final = packed_command(b"PING")
_ASKING: Final = packed_command(b"ASKING")
#: Nodes asked for the map of slots before a call gives up: bounds its time while several nodes are away.
_NODES_ASKED: Final = 3


@dataclass(frozen=True, slots=True)
class _Range:
    """Neighbouring slots and the primary that holds them."""

    first: int
    last: int
    primary: Node


class ClusterExchange:
    """`Exchange` with a cluster: each key's commands go to the primary of its slot.

    A moved slot is followed at once. When a node does not answer, the call fails, and the next one first asks the other
    nodes who is primary now, so that a failover heals by itself.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._seeds = settings.address.nodes
        self._lock = threading.Lock()
        self._pools: dict[Node, redis.ConnectionPool] = {}
        self._slots: tuple[Node | None, ...] | None = None
        for host, port in self._seeds[:1]:  # a file for TLS that is missing shows now, not at the first request
            self._pool((host, port))

    def ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:
        """See `Exchange`."""
        try:
            return self._ask(commands, keys)
        except MovedError:
            self._slots = None
            return self._ask(commands, keys)

    def ping(self) -> None:
        """See `Exchange`; one silent node leaves the clients of the others, so that any answer is enough."""
        silent: Exception = redis.ConnectionError("no node of the cluster holds a slot")
        for node in self._primaries():
            try:
                self._ask_node(node, [_PING])
                return
            except (redis.RedisError, OSError) as error:
                silent = error
        raise silent

    def together(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """See `Exchange`."""
        groups = defaultdict(list)
        for position, key in enumerate(keys):
            groups[key_slot(key)].append(position)
        return [*groups.values()]

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """See `Exchange`."""
        for node in self._primaries():
            yield from scan(self._pool(node), pattern)

    def close(self) -> None:
        """See `Exchange`."""
        for pool in [*self._pools.values()]:
            pool.disconnect()

    def _ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:
        answers: list[Any] = [None] * len(commands)
        for node, positions in self._by_node(keys).items():
            found = self._ask_node(node, [commands[position] for position in positions])
            for position, answer in zip(positions, found, strict=True):
                answers[position] = answer
        return answers

    def _ask_node(self, node: Node, commands: Sequence[bytes]) -> list[Any]:
        pool = self._pool(node)
        try:
            return exchange(pool, commands)
        except MovedError:
            raise
        except AskError:  # a slot is on its way to another node: key by key
            return [self._ask_either(pool, command) for command in commands]
        except (redis.ConnectionError, redis.TimeoutError, ClusterDownError, OSError):
            self._slots = None  # perhaps another node is primary now
            raise

    def _ask_either(self, pool: redis.ConnectionPool, command: bytes) -> Any:
        try:
            return exchange(pool, [command])[0]
        except MovedError:
            raise
        except AskError as error:
            return exchange(self._pool((error.host, error.port)), [_ASKING, command])[1]

    def _by_node(self, keys: Sequence[bytes]) -> dict[Node, list[int]]:
        slots, positions = self._map(), defaultdict(list)
        for position, key in enumerate(keys):
            slot = key_slot(key)
            node = slots[slot]
            if node is None:
                self._slots = None
                raise redis.ConnectionError(f"no node of the cluster holds slot {slot}")
            positions[node].append(position)
        return positions

    def _primaries(self) -> list[Node]:
        return [node for node in dict.fromkeys(self._map()) if node is not None]

    def _map(self) -> tuple[Node | None, ...]:
        """The primary of each slot."""
        slots = self._slots
        if slots is None:
            with self._lock:
                slots = self._slots
                if slots is None:
                    slots = self._slots = self._asked_map()
        return slots

    def _asked_map(self) -> tuple[Node | None, ...]:
        causes = []
        for node in list(dict.fromkeys([*self._pools, *self._seeds]))[:_NODES_ASKED]:
            pool = self._pool(node)
            self._pools[node] = self._pools.pop(node)  # asked last the next time: it may be away, or know no better
            try:
                answer = exchange(pool, [_SLOTS])[0]
            except (redis.RedisError, OSError) as error:
                causes.append(f"{node[0]}:{node[1]}: {error}")
                continue
            ranges = [*_ranges(answer, node[0])]
            self._forget_all_but({each.primary for each in ranges})
            return _map_of(ranges)
        raise redis.ConnectionError(f"no node of the cluster answers: {'; '.join(causes)}")

    def _forget_all_but(self, primaries: set[Node]) -> None:
        for node in [*self._pools]:
            if node not in primaries and node not in self._seeds:
                self._pools.pop(node).disconnect(inuse_connections=False)

    def _pool(self, node: Node) -> redis.ConnectionPool:
        pool = self._pools.get(node)
        return pool or self._pools.setdefault(node, node_pool(self._settings, *node))


def _ranges(answer: Any, asked: str) -> Iterator[_Range]:
    """The ranges of CLUSTER SLOTS; a node that does not know its own name is the one that was asked."""
    for first, last, (host, port, *_), *_replicas in answer:
        yield _Range(first, last, (host.decode() if host else asked, port))


def _map_of(ranges: Sequence[_Range]) -> tuple[Node | None, ...]:
    slots: list[Node | None] = [None] * 16_384
    for each in ranges:
        slots[each.first : each.last + 1] = [each.primary] * (each.last + 1 - each.first)
    return tuple(slots)
