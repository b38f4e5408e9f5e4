"""Computes one feature view for one bucket of clients: a pure function of event files and a spine."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from feature_repo.aggregates.spine import checked_spine
from feature_repo.aggregates.sql import event_tables, macros_sql, view_sql
from feature_repo.catalogue import View
from feature_repo.settings import FeatureSettings
from feature_repo.sql_engine import connect
from feature_repo.storage import Location

_ARROW_TYPES = {"float32": pa.float32(), "int32": pa.int32(), "int64": pa.int64(), "string": pa.string()}


def compute_view(
    view: View, paths: Mapping[str, Path | str | Location], spine: pa.Table, settings: FeatureSettings | None = None
) -> pa.Table:
    """The features of `view` as they stood at each row of `spine`.

    The answer depends on nothing but its arguments: not on threads, on the order of rows in the files, or on which
    other clients are in the spine.

    Args:
        view: a view of the catalogue.
        paths: event table name -> Parquet file that holds the events of every client of the spine.
        spine: columns SK_ID_CURR (int64) and as_of (timestamp[us, UTC]); one row per pair.
        settings: threads and memory of the engine.

    Returns:
        SK_ID_CURR, as_of, then the features in catalogue order and types; one row per row of `spine`, in its order.

    Raises:
        DataError: the spine has other columns, nulls or repeated rows.
    """
    rows = checked_spine(spine)
    with _connect(settings or FeatureSettings()) as connection:
        for table in event_tables(view):
            file = Location.of(paths[table])
            file.attach(connection)
            connection.from_parquet(str(file)).create_view(table)
        connection.register("spine", _numbered(rows))
        features = connection.sql(view_sql(view)).to_arrow_table()
    columns = [rows["SK_ID_CURR"], rows["as_of"], *features.columns]
    return pa.Table.from_arrays(columns, names=[*rows.column_names, *features.column_names]).cast(view_schema(view))


def view_schema(view: View) -> pa.Schema:
    """Arrow schema that `compute_view` answers in."""
    keys = [("SK_ID_CURR", pa.int64()), ("as_of", pa.timestamp("us", tz="UTC"))]
    return pa.schema(keys + [(feature.name, _ARROW_TYPES[feature.type]) for feature in view.features])


def _connect(settings: FeatureSettings) -> duckdb.DuckDBPyConnection:
    connection = connect(
        threads=settings.duckdb_threads,
        memory_limit=settings.duckdb_memory_limit,
        temp_directory=str(settings.duckdb_temp_directory),
    )
    connection.execute(macros_sql())
    return connection


def _numbered(spine: pa.Table) -> pa.Table:
    return pa.table(
        {
            "spine_row": pa.array(range(spine.num_rows), pa.int32()),
            "SK_ID_CURR": spine["SK_ID_CURR"],
            "as_of_us": spine["as_of"].cast(pa.int64()),
        }
    )
