"""Feast's protobuf rows to rows ready to be packed, and back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import numpy as np
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto

from credit.errors import FeatureError
from credit.schemas.features import ViewColumn, ViewSpec
from feature_repo.online.codec import Rows, StoredRow
from feature_repo.online.layout import BLOCK_TYPES
from feature_repo.online.specs import JOIN_KEY, PROTO_FIELDS

#: Entity key, values, event timestamp, created timestamp: what Feast hands to an online store.
ProtoRow = tuple[EntityKey, dict[str, ValueProto], datetime, datetime | None]

#: How Feast writes a time that is not there (pandas' NaT) into an integer.
_NO_TIME: Final = -(2**63)


def client_id_of(key: EntityKey) -> int:
    """The client of an entity key.

    Raises:
        FeatureError: the key is anything but one 64-bit integer SK_ID_CURR.
    """
    if list(key.join_keys) != [JOIN_KEY] or key.entity_values[0].WhichOneof("val") != "int64_val":
        given = ", ".join(
            f"{name}: {value.WhichOneof('val')}" for name, value in zip(key.join_keys, key.entity_values, strict=True)
        )
        raise FeatureError(f"the packed online store is keyed by {JOIN_KEY} (int64) alone, not by {given}")
    return int(key.entity_values[0].int64_val)


def rows_of_protobuf(spec: ViewSpec, data: Sequence[ProtoRow], now_us: int) -> Rows:
    """Rows in order; a row without created timestamp is built now.

    Raises:
        FeatureError: a row lacks a feature of the view, or holds another type.
    """
    columns = {column.name: [_value(spec, column, row[1]) for row in data] for column in spec.columns}
    types = {column.name: column.type for column in spec.columns}
    numeric = {
        name: np.array([0 if value is None else value for value in columns[name]], dtype=BLOCK_TYPES[types[name]])
        for name in spec.numeric
    }
    return Rows(
        client_ids=np.array([client_id_of(row[0]) for row in data], dtype=np.int64),
        as_of_us=np.array([to_us(row[2]) for row in data], dtype=np.int64),
        built_us=np.array([now_us if row[3] is None else to_us(row[3]) for row in data], dtype=np.int64),
        numeric=numeric,
        strings={name: [None if value is None else value.encode() for value in columns[name]] for name in spec.strings},
        nulls={name: np.array([value is None for value in columns[name]], dtype=np.bool_) for name in spec.numeric},
    )


def protobuf_of_row(spec: ViewSpec, row: StoredRow, features: Sequence[str]) -> tuple[datetime, dict[str, ValueProto]]:
    """The event timestamp and the wanted values of a stored row; a null is an empty value."""
    types = {column.name: column.type for column in spec.columns}
    values = {}
    for name in features:
        value = row.values[name]
        values[name] = ValueProto() if value is None else ValueProto(**{PROTO_FIELDS[types[name]]: cast(Any, value)})
    return from_us(row.as_of_us), values


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch; a moment without time zone is UTC, as Feast has it."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime.fromtimestamp(0, UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(microseconds: int) -> datetime:
    """The UTC moment, exact to the microsecond."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction)


def _value(spec: ViewSpec, column: ViewColumn, values: dict[str, ValueProto]) -> Any:
    if column.name not in values:
        raise FeatureError(f"view {spec.name}: feature {column.name} is missing; the packed store takes whole rows")
    held = values[column.name].WhichOneof("val")
    if held is None or held == "null_val":
        return None
    if held != PROTO_FIELDS[column.type]:
        raise FeatureError(f"view {spec.name}, {column.name}: got {held}, the view says {column.type}")
    value = getattr(values[column.name], held)
    return None if column.type == "unix_timestamp" and value == _NO_TIME else value
