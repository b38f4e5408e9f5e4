"""The features of one client at one moment, from nothing but that client's events: the oracle's computation."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from feature_repo.aggregates.compute import view_schema
from feature_repo.aggregates.sql import event_tables, macros_sql, view_sql
from feature_repo.catalogue import View
from feature_repo.ingest.events import event_schema
from feature_repo.sql_engine import connect

_SPINE = "CREATE TABLE spine (spine_row INTEGER, SK_ID_CURR BIGINT, as_of_us BIGINT)"


class OneClient:
    """Computes some views for one client after the other; for one thread.

    Its tables hold one client at a time. The queries are planned once, since planning takes longer than so few rows.
    """

    def __init__(self, views: tuple[View, ...]) -> None:
        self._views = views
        self._tables = sorted({table for view in views for table in event_tables(view)})
        self._connection = connect(threads=1)
        self._connection.execute(macros_sql())
        self._connection.execute(_SPINE)
        for table in self._tables:
            self._connection.register("empty", event_schema(table).empty_table())
            self._connection.execute(f"CREATE TABLE {table} AS SELECT * FROM empty")
        for view in views:
            self._connection.execute(f"PREPARE {view.name}_features AS {view_sql(view)}")

    def features(self, client_id: int, as_of_us: int, events: Mapping[str, pa.Table]) -> dict[str, pa.ChunkedArray]:
        """Every feature by name, each of one value.

        Args:
            client_id: whom.
            as_of_us: when, microseconds since the epoch (UTC).
            events: by event table, all that is known of the client.
        """
        self._connection.execute("DELETE FROM spine")
        self._connection.execute("INSERT INTO spine VALUES (0, ?, ?)", [client_id, as_of_us])
        for table in self._tables:
            self._fill(self._connection, table, events[table])
        return {name: values for view in self._views for name, values in self._computed(view).items()}

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _fill(self, connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
        connection.execute(f"DELETE FROM {table}")
        if rows.num_rows:
            connection.register("rows_of_client", rows)
            connection.execute(f"INSERT INTO {table} SELECT * FROM rows_of_client")

    def _computed(self, view: View) -> dict[str, pa.ChunkedArray]:
        answer = self._connection.sql(f"EXECUTE {view.name}_features")
        table = answer.to_arrow_table().cast(pa.schema(list(view_schema(view))[2:]))
        return dict(zip(table.column_names, table.columns, strict=True))
