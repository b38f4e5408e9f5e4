"""One bucket's parts to its final event files and its client file."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.ingest.engine import arrow_table, quoted
from feature_repo.ingest.events import APPLICATION, CLIENT_SCHEMA, CLIENTS, EVENT_TABLES, bucket_path, event_schema
from feature_repo.ingest.partition import Partitioner
from feature_repo.ingest.states import state_sql


def write_bucket(
    connection: duckdb.DuckDBPyConnection,
    parts: Partitioner,
    bucket: int,
    root: Path,
    as_of_now: datetime,
    lives_on: bool,
) -> dict[str, int]:
    """Write the files of one bucket below `root` and return the events per table."""
    rows = {}
    for table in EVENT_TABLES:
        part, schema = parts.part(table, bucket), event_schema(table)
        if any(part.parent.glob(part.name)):
            events = arrow_table(connection, state_sql(table, part, lives_on)).cast(schema)
        else:
            events = schema.empty_table()
        _write(events, bucket_path(root, table, bucket))
        rows[table] = events.num_rows
    _write(_clients(connection, root, bucket, as_of_now), bucket_path(root, CLIENTS, bucket))
    return rows


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=1)


def _clients(connection: duckdb.DuckDBPyConnection, root: Path, bucket: int, as_of_now: datetime) -> pa.Table:
    histories = " UNION ALL ".join(
        f"SELECT SK_ID_CURR, known_ts FROM {quoted(bucket_path(root, table, bucket))}"
        for table in EVENT_TABLES
        if table != APPLICATION
    )
    now = f"TIMESTAMPTZ {quoted(as_of_now.isoformat())}"
    sql = (
        f"WITH newest AS (SELECT SK_ID_CURR, max(known_ts) AS last FROM ({histories}) GROUP BY 1) "
        "SELECT SK_ID_CURR, t0, TARGET AS target, greatest(t0, last) AS last_event_ts, "
        f"CASE WHEN last >= t0 THEN greatest(t0, {now}) ELSE t0 END AS online_as_of "
        f"FROM {quoted(bucket_path(root, APPLICATION, bucket))} LEFT JOIN newest USING (SK_ID_CURR) ORDER BY SK_ID_CURR"
    )
    return arrow_table(connection, sql).cast(CLIENT_SCHEMA)
