"""Arrow columns to rows ready to be packed."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.errors import FeatureError
from credit.schemas.features import ValueType, ViewSpec
from feature_repo.online.codec import Rows

#: Value type -> type of its column in the offline store.
ARROW_TYPES: Final[dict[ValueType, pa.DataType]] = {
    "float32": pa.float32(),
    "float64": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "unix_timestamp": pa.timestamp("s", "UTC"),
}


def rows_of_table(spec: ViewSpec, table: pa.Table, key: str, as_of: str, built: str | None, now_us: int) -> Rows:
    """Rows of `table`, in order.

    Args:
        spec: the view; every column of it must be in `table`, with its type or one that converts without loss.
        table: holds the features and the three columns named next.
        key: column of client ids.
        as_of: column of event timestamps.
        built: column of created timestamps; without it, and where it is null, `now_us`.
        now_us: time of this build, microseconds since the epoch (UTC).

    Raises:
        FeatureError: a column is missing or of another type, or a client id or event timestamp is null.
    """
    numeric: dict[str, NDArray[Any]] = {}
    nulls: dict[str, NDArray[np.bool_]] = {}
    strings: dict[str, list[bytes | None]] = {}
    for column in spec.columns:
        values = column_of(spec, table, column.name, ARROW_TYPES[column.type])
        if column.type == "string":
            strings[column.name] = texts_of(values, pa.binary())
            continue
        if values.null_count:
            nulls[column.name] = values.is_null().to_numpy(zero_copy_only=False)
        numeric[column.name] = numbers_of(values)
    return Rows(
        client_ids=_required(spec, table, key, pa.int64()),
        as_of_us=_required(spec, table, as_of, pa.timestamp("us", "UTC")),
        built_us=_built(spec, table, built, now_us),
        numeric=numeric,
        strings=strings,
        nulls=nulls,
    )


def column_of(spec: ViewSpec, table: pa.Table, name: str, expected: pa.DataType) -> pa.Array:
    """A column of a view's rows in its type.

    Raises:
        FeatureError: it is missing, or does not convert without loss.
    """
    position = table.schema.get_field_index(name)
    if position < 0:
        raise FeatureError(f"view {spec.name}: column {name} is missing; write whole rows")
    column = table.column(position)
    # Combining copies, even a single chunk.
    values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if values.type == expected:
        return values
    try:
        # A timestamp may lose its fraction of a second (Feast keeps none); nothing else may lose anything.
        return pc.cast(values, options=pc.CastOptions(expected, allow_time_truncate=pa.types.is_timestamp(expected)))
    except pa.ArrowInvalid as error:
        raise FeatureError(f"view {spec.name}, {name}: {values.type} does not fit {expected}: {error}") from error


def _required(spec: ViewSpec, table: pa.Table, name: str, expected: pa.DataType) -> NDArray[np.int64]:
    values = column_of(spec, table, name, expected)
    if values.null_count:
        raise FeatureError(f"view {spec.name}: {values.null_count} rows have no {name}")
    return numbers_of(values)


def _built(spec: ViewSpec, table: pa.Table, name: str | None, now_us: int) -> NDArray[np.int64]:
    if name is None or name not in table.column_names:
        return np.full(table.num_rows, now_us, dtype=np.int64)
    values = pc.cast(column_of(spec, table, name, pa.timestamp("us", "UTC")), pa.int64())
    return numbers_of(values.fill_null(now_us))


def numbers_of(values: pa.Array) -> NDArray[Any]:
    """Numbers in their own type, times as integers; where null, NaN in a float and 0 in any other."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    if values.null_count and not pa.types.is_floating(values.type):  # a null float becomes NaN by itself
        values = values.fill_null(False if pa.types.is_boolean(values.type) else 0)
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def texts_of(values: pa.Array, kind: pa.DataType) -> list[Any]:
    """Strings as Python objects of an Arrow type, str or bytes; None for null."""
    encoded = values.dictionary_encode()
    words = [*encoded.dictionary.cast(kind).to_pylist(), None]
    codes = encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    return [words[code] for code in codes.tolist()]
