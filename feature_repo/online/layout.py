"""The bytes of one packed feature row: a header, blocks of equal types, a null bitmap, a string tail.

    offset  bytes  content (little-endian)
    0       2      magic
    2       2      codec version
    4       8      schema hash of the view
    12      4      flags: 1 = a value that is no float is null
    16      8      event timestamp: as_of, microseconds since the epoch (UTC)
    24      8      created timestamp: time of build, microseconds since the epoch (UTC)
    32      ...    one block per value type, in the order of `BLOCK_TYPES`; inside a block the view's column order
            ...    null bitmap, one bit per column in the view's order, least significant bit first; zeros up to a
                   multiple of 4 bytes, so that serving reads the part of fixed width as 32-bit words
            ...    string tail: UTF-8 values in column order with SEPARATOR between them, nothing for a null
    -4      4      crc32 of everything before it

The checksum starts from the client id, so that a row cannot pass for another client's. Because it is the end of what
it covers, the crc32 of a whole intact row is always RESIDUE: one call checks it.
A null float is also stored as NaN, so that serving, for which both mean "missing", seldom needs the bitmap.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.schemas.features import ValueType, ViewSpec
from feature_repo.online.keys import view_field

HEADER: Final = struct.Struct("<HHQIqq")
MAGIC: Final = 0xFE57
VERSION: Final = 1
_IDENTITY: Final = struct.Struct("<HHQ")
#: Every row starts with so many bytes that tell its codec version and schema.
IDENTITY_BYTES: Final = _IDENTITY.size
WORD_BYTES: Final = 4
NULL_FLAG: Final = 1
#: U+0000: refused inside values; one split of the tails of many rows is the fastest way to read strings.
SEPARATOR: Final = b"\x00"
CRC_BYTES: Final = 4
#: What crc32 makes of any data followed by its own crc32 (little-endian), whatever it started from.
RESIDUE: Final = 0x2144DF1C

#: Value type -> numpy type, widest first, so that every block starts aligned. Times are whole seconds, as in Feast.
BLOCK_TYPES: Final[dict[ValueType, str]] = {
    "float64": "<f8",
    "int64": "<i8",
    "unix_timestamp": "<i8",
    "float32": "<f4",
    "int32": "<i4",
    "bool": "|b1",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of one value type: names, and their positions among all columns and among the numeric ones."""

    type: ValueType
    names: tuple[str, ...]
    columns: NDArray[np.intp]
    numeric: NDArray[np.intp] | slice


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values of one view lie.

    Attributes:
        spec: the view.
        identity: the bytes that every row of this schema and codec version starts with.
        field: where the rows lie in a client's hash.
        dtype: the part of fixed width.
        width: size of that part in bytes.
        blocks: columns by value type.
        numeric_columns: positions of the columns that are not strings, among all columns.
        string_columns: positions of the string columns, among all columns.
    """

    spec: ViewSpec
    identity: bytes
    field: bytes
    dtype: np.dtype[np.void]
    width: int
    blocks: tuple[Block, ...]
    numeric_columns: NDArray[np.intp]
    string_columns: NDArray[np.intp]


def layout_of(spec: ViewSpec) -> Layout:
    """The layout that follows from a view's columns; worth keeping, it takes longer than reading a row."""
    blocks = tuple(block for kind in BLOCK_TYPES if (block := _block(spec, kind)).names)
    fields: list[tuple[str, str, tuple[int, ...]]] = [("identity", "u1", (IDENTITY_BYTES,))]
    fields += [("flags", "<u4", ()), ("as_of_us", "<i8", ()), ("built_us", "<i8", ())]
    fields += [(block.type, BLOCK_TYPES[block.type], (len(block.names),)) for block in blocks]
    dtype = np.dtype([*fields, ("nulls", "u1", (_bitmap_bytes(spec, np.dtype(fields).itemsize),))])
    is_string = np.array([column.type == "string" for column in spec.columns], dtype=np.bool_)
    identity = _IDENTITY.pack(MAGIC, VERSION, spec.schema_hash)
    return Layout(
        spec=spec,
        identity=identity,
        field=view_field(spec.name, identity),
        dtype=dtype,
        width=dtype.itemsize,
        blocks=blocks,
        numeric_columns=np.flatnonzero(~is_string),
        string_columns=np.flatnonzero(is_string),
    )


def _bitmap_bytes(spec: ViewSpec, before: int) -> int:
    bitmap = -(-len(spec.columns) // 8)
    return bitmap + -(before + bitmap) % WORD_BYTES


def _block(spec: ViewSpec, kind: ValueType) -> Block:
    names = tuple(column.name for column in spec.columns if column.type == kind)
    columns = [index for index, column in enumerate(spec.columns) if column.type == kind]
    numeric = [index for index, name in enumerate(spec.numeric) if name in set(names)]
    return Block(kind, names, np.array(columns, dtype=np.intp), _positions(numeric))


def _positions(indices: list[int]) -> NDArray[np.intp] | slice:
    """A slice where the indices are neighbours, because numpy assigns to a slice faster."""
    if indices and indices[-1] - indices[0] == len(indices) - 1:
        return slice(indices[0], indices[-1] + 1)
    return np.array(indices, dtype=np.intp)
