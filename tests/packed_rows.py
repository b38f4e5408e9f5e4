"""Packed rows from plain Python values, and a Redis that holds them."""

from collections.abc import Mapping, Sequence

import numpy as np
import redis

from credit.schemas.features import ValueType, ViewColumn, ViewSpec
from feature_repo.online.codec import Rows, Value, encode_rows
from feature_repo.online.keys import client_key, view_field
from feature_repo.online.layout import BLOCK_TYPES, IDENTITY_BYTES, layout_of

CLIENT, AS_OF, BUILT = 100_002, 1_700_000_000_000_001, 1_760_000_000_000_002


def spec_of_types(types: Sequence[ValueType], ttl_seconds: int = 60, name: str = "view") -> ViewSpec:
    """A view of columns f0, f1, ... of these types."""
    columns = tuple(ViewColumn(name=f"f{index}", type=kind) for index, kind in enumerate(types))
    return ViewSpec(name=name, columns=columns, ttl_seconds=ttl_seconds)


def rows_of(
    spec: ViewSpec,
    rows: Sequence[Sequence[Value]],
    clients: Sequence[int] | None = None,
    as_of: int = AS_OF,
    built: int = BUILT,
) -> Rows:
    """Rows in column order, None for null; clients count up from CLIENT unless given."""
    columns = {column.name: [row[index] for row in rows] for index, column in enumerate(spec.columns)}
    types = {column.name: column.type for column in spec.columns}
    size = len(rows)
    return Rows(
        client_ids=np.array(clients or range(CLIENT, CLIENT + size), dtype=np.int64),
        as_of_us=np.full(size, as_of),
        built_us=np.full(size, built),
        numeric={
            name: np.array([value or 0 for value in columns[name]], dtype=BLOCK_TYPES[types[name]])
            for name in spec.numeric
        },
        strings={
            name: [value.encode() if isinstance(value, str) else None for value in columns[name]]
            for name in spec.strings
        },
        nulls={name: np.array([value is None for value in columns[name]]) for name in spec.numeric},
    )


def pack(
    spec: ViewSpec,
    rows: Sequence[Sequence[Value]],
    clients: Sequence[int] | None = None,
    as_of: int = AS_OF,
    built: int = BUILT,
) -> list[bytes]:
    """`rows_of`, packed."""
    return encode_rows(layout_of(spec), rows_of(spec, rows, clients, as_of, built))


def put(client: redis.Redis, project: str, client_id: int, views: Mapping[str, bytes]) -> None:
    """Store packed rows of one client by view, past the writer's rules."""
    fields = {view_field(view, raw[:IDENTITY_BYTES]): raw for view, raw in views.items()}
    client.hset(client_key(project, client_id).decode(), mapping=fields)


def random_value(rng: np.random.Generator, kind: ValueType) -> Value:
    """A value of one type, of any size that it can hold."""
    if kind == "string":
        return "".join(map(chr, rng.integers(1, 0x7FF, rng.integers(0, 8)).tolist()))
    if kind == "bool":
        return bool(rng.integers(0, 2))
    if kind == "float32":
        return float(np.float32(rng.standard_normal() * 1e6))
    if kind == "float64":
        return float(rng.standard_normal() * 1e6)
    bound = 2**31 if kind == "int32" else 2**62
    return int(rng.integers(-bound, bound))
