"""Writes event files of chosen rows, as ingestion would, and computes views on them: for tests of the aggregates."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.aggregates.compute import compute_view
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EVENT_TABLES, event_columns, event_schema
from feature_repo.settings import FeatureSettings

Row = dict[str, Any]
T0 = datetime(2024, 3, 14, 10, 30, tzinfo=UTC)
CLIENT = 100_001
BLANKS = {"int64": 0, "float64": 0.0, "string": "XNA"}


def day(days: float, t0: datetime = T0) -> datetime:
    """The moment `days` after T0."""
    return t0 + timedelta(days=days)


def event(table: str, known: float | datetime, client: int = CLIENT, t0: datetime = T0, **values: Any) -> Row:
    """One event row known at `known` (days from T0, or a moment); columns not given are null or blank."""
    blank = {column.name: None if column.nullable else BLANKS[column.type] for column in event_columns(table)}
    moment = known if isinstance(known, datetime) else day(known, t0)
    unknown = set(values) - set(blank) - {"event_ts"}
    assert not unknown, f"{table} has no column {sorted(unknown)}"
    return blank | {"SK_ID_CURR": client, "t0": t0, "event_ts": moment, "known_ts": moment} | values


def write_events(folder: Path, rows: Iterable[tuple[str, Row]]) -> dict[str, Path]:
    """Write one Parquet file per event table, rows in the order given; returns the paths by table."""
    folder.mkdir(parents=True, exist_ok=True)
    by_table: dict[str, list[Row]] = {table: [] for table in EVENT_TABLES}
    for table, row in rows:
        by_table[table].append(row)
    paths = {table: folder / f"{table}.parquet" for table in EVENT_TABLES}
    for table, path in paths.items():
        pq.write_table(pa.Table.from_pylist(by_table[table], event_schema(table)), path)
    return paths


def spine(*pairs: tuple[int, datetime]) -> pa.Table:
    """A spine of (client, as_of) pairs."""
    clients, moments = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(
        {"SK_ID_CURR": pa.array(clients, pa.int64()), "as_of": pa.array(moments, pa.timestamp("us", tz="UTC"))}
    )


def compute(view: str, paths: dict[str, Path], rows: pa.Table, threads: int = 1) -> pa.Table:
    """The features of one view of the shipped catalogue."""
    return compute_view(load_catalogue().view(view), paths, rows, FeatureSettings(duckdb_threads=threads))


def features_of(view: str, folder: Path, events: Iterable[tuple[str, Row]], as_of: datetime = T0) -> Row:
    """The features of the one client CLIENT at `as_of`, given all events there are."""
    return compute(view, write_events(folder, events), spine((CLIENT, as_of))).to_pylist()[0]
