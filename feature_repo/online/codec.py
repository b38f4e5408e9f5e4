"""Packs feature rows into bytes and reads them back; `feature_repo.online.layout` describes the bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from credit.errors import CodecError, FeatureError
from credit.schemas.features import ViewBatch, ViewStatus
from feature_repo.online.layout import (
    CRC_BYTES,
    HEADER,
    MAGIC,
    NULL_FLAG,
    RESIDUE,
    SEPARATOR,
    Block,
    Layout,
)

#: A stored value; unix_timestamp is whole seconds since the epoch.
Value = float | int | bool | str | None

_TEXT_SEPARATOR = SEPARATOR.decode()
_SEED_MASK = 0xFFFFFFFF
_MAGIC_BYTES = MAGIC.to_bytes(2, "little")


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
        FeatureError: a column has another dtype than the view says, or a string holds the separator.
    """
    fixed = np.zeros(len(rows.client_ids), dtype=layout.dtype)
    nulls = _null_matrix(layout, rows)
    for block in layout.blocks:
        values = fixed[block.type]
        for position, name in enumerate(block.names):
            values[:, position] = _filled(layout, block, name, rows.numeric[name], rows.nulls.get(name))
    bitmap = np.packbits(nulls, axis=1, bitorder="little")
    fixed["nulls"][:, : bitmap.shape[1]] = bitmap
    _write_headers(layout, rows, fixed, nulls)
    tails = _tails(layout, rows)
    return _sealed(fixed.tobytes(), layout.width, tails, rows.client_ids.tolist())


def decode_row(layout: Layout, client_id: int, raw: bytes) -> StoredRow | None:
    """Read one row with full types; None when it was written for another schema of the view.

    Raises:
        CodecError: the bytes are truncated or altered; names client and view.
    """
    spec = layout.spec
    if not _checked(layout, client_id, raw):
        return None
    row = np.frombuffer(raw, dtype=layout.dtype, count=1)
    is_null = _nulls(layout, row)
    values: dict[str, Value] = {}
    for block in layout.blocks:
        values.update(zip(block.names, row[block.type][0].tolist(), strict=True))
    values.update(zip(spec.strings, _strings(layout, [raw], is_null)[0], strict=True))
    ordered = {
        column.name: None if null else values[column.name]
        for column, null in zip(spec.columns, is_null[0].tolist(), strict=True)
    }
    return StoredRow(int(row["as_of_us"][0]), int(row["built_us"][0]), ordered)


def decode_batch(layout: Layout, client_ids: Sequence[int], raws: Sequence[bytes | None], now_us: int) -> ViewBatch:
    """Read the rows of one view for n clients, in order; `now_us` is compared with the time of build.

    Raises:
        CodecError: bytes are truncated or altered; names client and view.
    """
    status = [ViewStatus.NOT_FOUND] * len(raws)
    found: list[int] = []
    for index, (client_id, raw) in enumerate(zip(client_ids, raws, strict=True)):
        if raw is None:
            continue
        if _checked(layout, client_id, raw):
            found.append(index)
        else:
            status[index] = ViewStatus.SCHEMA_MISMATCH
    present = [raws[index] for index in found] if len(found) != len(raws) else raws
    return _batch(layout, present, found, status, now_us - layout.spec.ttl_seconds * 1_000_000)  # type: ignore[arg-type]


def built_of(raw: bytes | None) -> int | None:
    """When a row of any schema was built, microseconds since the epoch (UTC); None for what is no row."""
    if raw is None or len(raw) < HEADER.size or not raw.startswith(_MAGIC_BYTES):
        return None
    return int(HEADER.unpack_from(raw)[-1])


def with_mismatches(batch: ViewBatch, rows: Sequence[int]) -> ViewBatch:
    """`batch` in which each of these rows that was not found is a mismatch: the view lies there in another schema."""
    status = list(batch.status)
    for row in rows:
        if status[row] is ViewStatus.NOT_FOUND:
            status[row] = ViewStatus.SCHEMA_MISMATCH
    return replace(batch, status=tuple(status))


def _batch(
    layout: Layout, raws: Sequence[bytes], found: list[int], status: list[ViewStatus], oldest_us: int
) -> ViewBatch:
    spec, size = layout.spec, len(status)
    rows = np.frombuffer(_fixed_parts(layout, raws), dtype=layout.dtype)
    as_of_us, built_us = rows["as_of_us"], rows["built_us"]
    nulls = _nulls(layout, rows) if any(rows["flags"].tolist()) else None
    numeric, strings = _numbers(layout, rows, nulls), _strings(layout, raws, nulls)
    for index, built in zip(found, built_us.tolist(), strict=True):
        status[index] = ViewStatus.PRESENT if built >= oldest_us else ViewStatus.STALE
    if len(found) != size:
        as_of_us, built_us = _spread(as_of_us, found, size, 0), _spread(built_us, found, size, 0)
        numeric = _spread(numeric, found, size, np.nan)
        by_index = dict(zip(found, strings, strict=True))
        strings = [by_index.get(index, (None,) * len(spec.strings)) for index in range(size)]
    return ViewBatch(spec, tuple(status), as_of_us, built_us, numeric, tuple(strings))


def _fixed_parts(layout: Layout, raws: Sequence[bytes]) -> bytes:
    if len(raws) == 1:
        return raws[0][: layout.width]
    return b"".join([raw[: layout.width] for raw in raws])


def _nulls(layout: Layout, rows: NDArray[np.void]) -> NDArray[np.bool_]:
    bits = np.unpackbits(rows["nulls"], axis=1, count=len(layout.spec.columns), bitorder="little")
    return bits.view(np.bool_)


def _numbers(layout: Layout, rows: NDArray[np.void], nulls: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    numeric = np.empty((len(rows), len(layout.numeric_columns)))
    for block in layout.blocks:
        numeric[:, block.numeric] = rows[block.type]
    if nulls is not None:
        numeric[nulls[:, layout.numeric_columns]] = np.nan
    return numeric


def _strings(layout: Layout, raws: Sequence[bytes], nulls: NDArray[np.bool_] | None) -> list[tuple[str | None, ...]]:
    columns = len(layout.spec.strings)
    if not columns or not raws:
        return [()] * len(raws)
    tails = SEPARATOR.join([raw[layout.width : -CRC_BYTES] for raw in raws])
    values: list[str | None] = [*tails.decode().split(_TEXT_SEPARATOR)]
    if nulls is not None:
        for position in np.flatnonzero(nulls[:, layout.string_columns]).tolist():
            values[position] = None
    return list(zip(*[iter(values)] * columns, strict=True))


def _spread(values: NDArray[Any], found: list[int], size: int, absent: float) -> NDArray[Any]:
    spread = np.full((size, *values.shape[1:]), absent, dtype=values.dtype)
    spread[found] = values
    return spread


def _checked(layout: Layout, client_id: int, raw: bytes) -> bool:
    """Whether an intact row is of this schema.

    Raises:
        CodecError: it is not intact.
    """
    if crc32(raw, client_id & _SEED_MASK) != RESIDUE or len(raw) < HEADER.size + CRC_BYTES:
        raise _broken(layout, client_id, raw, "the checksum does not fit")
    if not raw.startswith(layout.identity):
        return False
    cause = _misshapen(layout, raw)
    if cause:
        raise _broken(layout, client_id, raw, cause)
    return True


def _misshapen(layout: Layout, raw: bytes) -> str | None:
    """What no writer makes of this schema, though its checksum fits."""
    tail, strings = raw[layout.width : -CRC_BYTES], len(layout.spec.strings)
    if len(raw) - len(tail) != layout.width + CRC_BYTES or (tail and not strings):
        return f"the view has {layout.width} bytes before strings and checksum"
    if strings and tail.count(SEPARATOR) != strings - 1:
        return f"the view has {strings} strings"
    try:
        tail.decode()
    except UnicodeDecodeError:
        return "a string is no UTF-8"
    return None


def _broken(layout: Layout, client_id: int, raw: bytes, cause: str) -> CodecError:
    return CodecError(
        f"client {client_id}, view {layout.spec.name}: the stored row is truncated or altered ({len(raw)} bytes, "
        f"{cause}); erase the client (creditctl features erase {client_id}) and materialise the view again"
    )


def _null_matrix(layout: Layout, rows: Rows) -> NDArray[np.bool_]:
    nulls = np.zeros((len(rows.client_ids), len(layout.spec.columns)), dtype=np.bool_)
    for index, column in enumerate(layout.spec.columns):
        if column.type == "string":
            nulls[:, index] = [value is None for value in rows.strings[column.name]]
        elif column.name in rows.nulls:
            nulls[:, index] = rows.nulls[column.name]
    return nulls


def _filled(
    layout: Layout, block: Block, name: str, values: NDArray[Any], nulls: NDArray[np.bool_] | None
) -> NDArray[Any]:
    expected = layout.dtype[block.type].base
    if values.dtype != expected:
        raise FeatureError(f"view {layout.spec.name}, {name}: values are {values.dtype}, the view says {expected}")
    if nulls is None:
        return values
    return np.where(nulls, expected.type(np.nan if expected.kind == "f" else 0), values)


def _write_headers(layout: Layout, rows: Rows, fixed: NDArray[np.void], nulls: NDArray[np.bool_]) -> None:
    flagged = [index for block in layout.blocks if not block.type.startswith("float") for index in block.columns]
    flagged += layout.string_columns.tolist()
    fixed["identity"] = np.frombuffer(layout.identity, dtype=np.uint8)
    fixed["flags"] = np.where(nulls[:, flagged].any(axis=1), NULL_FLAG, 0)
    fixed["as_of_us"], fixed["built_us"] = rows.as_of_us, rows.built_us


def _tails(layout: Layout, rows: Rows) -> Sequence[bytes] | None:
    names = layout.spec.strings
    if not names:
        return None
    texts = [[value or b"" for value in rows.strings[name]] for name in names]
    tails = [SEPARATOR.join(values) for values in zip(*texts, strict=True)]
    for client_id, tail in zip(rows.client_ids.tolist(), tails, strict=True):
        if tail.count(SEPARATOR) != len(names) - 1:
            raise FeatureError(f"client {client_id}, view {layout.spec.name}: a string holds the character U+0000")
    return tails


def _sealed(fixed: bytes, width: int, tails: Sequence[bytes] | None, client_ids: list[int]) -> list[bytes]:
    sealed = []
    for start, tail, client_id in zip(range(0, len(fixed), width), tails or repeat(b""), client_ids, strict=False):
        body = fixed[start : start + width] + tail
        sealed.append(body + crc32(body, client_id & _SEED_MASK).to_bytes(CRC_BYTES, "little"))
    return sealed
