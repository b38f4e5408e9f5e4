"""Packs feature rows into bytes and reads them back; `feature_repo.online.layout` describes the bytes."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit.errors import CodecError, FeatureError
from credit.schemas.features import ViewBatch, ViewStatus
from feature_repo.online.layout import (
    CRC_BYTES,
    HEADER,
    NULL_FLAG,
    NULL_TEXT,
    RESIDUE,
    SEPARATOR,
    Block,
    Layout,
)

#: A stored value; unix_timestamp is whole seconds since the epoch.
Value = float | int | bool | str | None

_TEXT_SEPARATOR = SEPARATOR.decode("utf-8", "surrogateescape")
_TEXT_NULL = NULL_TEXT.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows of one view, by column, ready to be packed.

    Attributes:
        client_ids: shape (n,).
        as_of_us: event timestamps, microseconds since the epoch (UTC), shape (n,).
        built_us: created timestamps, microseconds since the epoch (UTC), shape (n,).
        numeric: one array of shape (n,) and the column's own dtype per numeric or bool column; any value where null.
        strings: one list of n UTF-8 values per string column; None where null.
        nulls: shape (n,) per numeric column that has nulls.
    """

    client_ids: NDArray[np.int64]
    as_of_us: NDArray[np.int64]
    built_us: NDArray[np.int64]
    numeric: Mapping[str, NDArray[Any]]
    strings: Mapping[str, Sequence[bytes | None]] = field(default_factory=dict)
    nulls: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row read back with full types."""

    as_of_us: int
    built_us: int
    values: dict[str, Value]


def encode_rows(layout: Layout, rows: Rows) -> list[bytes]:
    """Pack rows, in order.

    Raises:
        FeatureError: a column has another dtype than the view says.
    """
    fixed = np.zeros(len(rows.client_ids), dtype=layout.dtype)
    nulls = _null_matrix(layout, rows)
    for block in layout.blocks:
        for position, (name, column) in enumerate(zip(block.names, block.columns, strict=True)):
            fixed[block.type][:, position] = _filled(layout, block, name, rows.numeric[name], nulls[:, column])
    fixed["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
    _write_headers(layout, rows, fixed, nulls)
    tails = _tails([rows.strings[name] for name in layout.spec.strings], len(fixed))
    return _sealed(fixed.tobytes(), layout.width, tails, rows.client_ids.tolist())


def decode_row(layout: Layout, client_id: int, raw: bytes) -> StoredRow | None:
    """Read one row with full types; None when it was written for another schema of the view.

    Raises:
        CodecError: the bytes are truncated or altered.
    """
    spec = layout.spec
    _verify(layout, client_id, raw)
    if not raw.startswith(layout.identity):
        return None
    row = np.frombuffer(raw, dtype=layout.dtype, count=1)
    is_null = np.unpackbits(row["nulls"], count=len(spec.columns), bitorder="little").tolist()
    values: dict[str, Value] = {}
    for block in layout.blocks:
        values.update(zip(block.names, row[block.type][0].tolist(), strict=True))
    values.update(zip(spec.strings, _strings(layout, raw), strict=True))
    ordered = {
        column.name: None if null else values[column.name] for column, null in zip(spec.columns, is_null, strict=True)
    }
    return StoredRow(int(row["as_of_us"][0]), int(row["built_us"][0]), ordered)


def decode_batch(layout: Layout, client_ids: Sequence[int], raws: Sequence[bytes | None], now_us: int) -> ViewBatch:
    """Read the rows of one view for n clients, in order; `now_us` is compared with the time of build.

    Raises:
        CodecError: bytes are truncated or altered; names client and view.
    """
    identity = layout.identity
    status = [ViewStatus.NOT_FOUND] * len(raws)
    found: list[int] = []
    for index, raw in enumerate(raws):
        if raw is None:
            continue
        _verify(layout, client_ids[index], raw)
        if raw.startswith(identity):
            found.append(index)
        else:
            status[index] = ViewStatus.SCHEMA_MISMATCH
    present = [raws[index] for index in found] if len(found) != len(raws) else raws
    return _batch(layout, present, found, status, now_us - layout.spec.ttl_seconds * 1_000_000)  # type: ignore[arg-type]


def _batch(
    layout: Layout, raws: Sequence[bytes], found: list[int], status: list[ViewStatus], oldest_us: int
) -> ViewBatch:
    spec, size = layout.spec, len(status)
    rows = np.frombuffer(_fixed_parts(layout, raws), dtype=layout.dtype)
    as_of_us, built_us, numeric = rows["as_of_us"], rows["built_us"], _numbers(layout, rows)
    for index, built in zip(found, built_us.tolist(), strict=True):
        status[index] = ViewStatus.PRESENT if built >= oldest_us else ViewStatus.STALE
    strings: tuple[tuple[str | None, ...], ...] = tuple(_strings(layout, raw) for raw in raws)
    if len(found) != size:
        as_of_us, built_us = _spread(as_of_us, found, size, 0), _spread(built_us, found, size, 0)
        numeric = _spread(numeric, found, size, np.nan)
        by_index = dict(zip(found, strings, strict=True))
        strings = tuple(by_index.get(index, (None,) * len(spec.strings)) for index in range(size))
    return ViewBatch(spec, tuple(status), as_of_us, built_us, numeric, strings)


def _fixed_parts(layout: Layout, raws: Sequence[bytes]) -> bytes:
    if len(raws) == 1:
        return raws[0][: layout.width]
    return b"".join([raw[: layout.width] for raw in raws])


def _numbers(layout: Layout, rows: NDArray[np.void]) -> NDArray[np.float64]:
    numeric = np.empty((len(rows), len(layout.numeric_columns)))
    for block in layout.blocks:
        numeric[:, block.numeric] = rows[block.type]
    if any(rows["flags"].tolist()):
        nulls = np.unpackbits(rows["nulls"], axis=1, count=len(layout.spec.columns), bitorder="little")
        numeric[nulls[:, layout.numeric_columns].astype(np.bool_)] = np.nan
    return numeric


def _spread(values: NDArray[Any], found: list[int], size: int, absent: float) -> NDArray[Any]:
    spread = np.full((size, *values.shape[1:]), absent, dtype=values.dtype)
    spread[found] = values
    return spread


def _verify(layout: Layout, client_id: int, raw: bytes) -> None:
    if zlib.crc32(raw, _seed(client_id)) != RESIDUE or len(raw) < HEADER.size:
        raise CodecError(
            f"client {client_id}, view {layout.spec.name}: the stored row is truncated or altered "
            f"({len(raw)} bytes, checksum does not fit); materialise the view again"
        )


def _strings(layout: Layout, raw: bytes) -> tuple[str | None, ...]:
    if not layout.spec.strings:
        return ()
    text = raw[layout.width : -CRC_BYTES].decode("utf-8", "surrogateescape")
    values = text.split(_TEXT_SEPARATOR)
    if _TEXT_NULL in text:
        return tuple([None if value == _TEXT_NULL else value for value in values])
    return tuple(values)


def _seed(client_id: int) -> int:
    return (client_id ^ (client_id >> 32)) & 0xFFFFFFFF


def _null_matrix(layout: Layout, rows: Rows) -> NDArray[np.bool_]:
    nulls = np.zeros((len(rows.client_ids), len(layout.spec.columns)), dtype=np.bool_)
    for index, column in enumerate(layout.spec.columns):
        if column.type == "string":
            nulls[:, index] = [value is None for value in rows.strings[column.name]]
        elif column.name in rows.nulls:
            nulls[:, index] = rows.nulls[column.name]
    return nulls


def _filled(layout: Layout, block: Block, name: str, values: NDArray[Any], nulls: NDArray[np.bool_]) -> NDArray[Any]:
    expected = layout.dtype[block.type].base
    if values.dtype != expected:
        raise FeatureError(f"view {layout.spec.name}, {name}: values are {values.dtype}, the view says {expected}")
    if not nulls.any():
        return values
    return np.where(nulls, expected.type(np.nan if expected.kind == "f" else 0), values)


def _write_headers(layout: Layout, rows: Rows, fixed: NDArray[np.void], nulls: NDArray[np.bool_]) -> None:
    flagged = [index for block in layout.blocks if not block.type.startswith("float") for index in block.columns]
    fixed["identity"] = np.frombuffer(layout.identity, dtype=np.uint8)
    fixed["flags"] = np.where(nulls[:, flagged].any(axis=1), NULL_FLAG, 0)
    fixed["as_of_us"], fixed["built_us"] = rows.as_of_us, rows.built_us


def _tails(columns: Sequence[Sequence[bytes | None]], size: int) -> Sequence[bytes]:
    if not columns:
        return (b"",) * size
    texts = [[NULL_TEXT if value is None else value for value in column] for column in columns]
    return [SEPARATOR.join(values) for values in zip(*texts, strict=True)]


def _sealed(fixed: bytes, width: int, tails: Sequence[bytes], client_ids: list[int]) -> list[bytes]:
    sealed = []
    for start, tail, client_id in zip(range(0, len(fixed), width), tails, client_ids, strict=True):
        body = fixed[start : start + width] + tail
        sealed.append(body + zlib.crc32(body, _seed(client_id)).to_bytes(CRC_BYTES, "little"))
    return sealed
