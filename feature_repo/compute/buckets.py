"""The files of a view that may hold rows of the same clients, and the newest row per client among them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa
from feast import FeatureView, FileSource

from credit.errors import FeatureError
from feature_repo.aggregates.manifest import read_manifests
from feature_repo.online.specs import JOIN_KEY, times_of
from feature_repo.settings import FeatureSettings
from feature_repo.sql_engine import connect
from feature_repo.storage import Location

#: `<run>/bucket-0000.parquet` below a view's folder.
_BUILT: Final = re.compile(r"([^/]+)/(bucket-\d{4}\.parquet)")
#: Rows handed over at a time: bounds what packing needs beside them to some ten megabytes.
_ROWS_PER_BATCH: Final = 10_000
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Event timestamps from `start` to `end`, both inside, in microseconds since 1970 (UTC)."""

    start_us: int
    end_us: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Window":
        """The window of two moments; one without a zone is in UTC."""
        return cls(*((_in_utc(moment) - _EPOCH) // timedelta(microseconds=1) for moment in (start, end)))


def bucket_groups(view: FeatureView) -> list[tuple[Location, ...]] | None:
    """The files of a view that our builds wrote, in groups such that a client is, as a rule, in one group only.

    A client is in files of equal name in all runs of an equal number of buckets; files of other runs, and of runs
    without a manifest, are groups of their own. The online store keeps the newer of two rows by itself, so that nothing
    depends on the grouping but work.

    Returns:
        None if the source of the view is anything else than a folder of such files.
    """
    source = view.batch_source
    if not isinstance(source, FileSource) or set(source.path.rpartition("/")[2]) & set("*?."):
        return None
    folder = Location.of(source.path, source.s3_endpoint_override or None)
    names = {file: _BUILT.fullmatch(file.url[len(folder.url) + 1 :]) for file in folder.files()}
    if not names or not all(names.values()):
        return None
    counts = {run: manifest.buckets for run, manifest in read_manifests(folder.parent).items()}
    groups: dict[tuple[object, str], list[Location]] = {}
    for file, found in names.items():
        assert found
        run, name = found.groups()
        groups.setdefault((counts.get(run, run), name), []).append(file)
    return [tuple(files) for files in groups.values()]


@contextmanager
def engine(settings: FeatureSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for `newest_rows`, with the threads and memory of the settings."""
    with connect(
        threads=settings.duckdb_threads,
        memory_limit=settings.duckdb_memory_limit,
        temp_directory=str(settings.duckdb_temp_directory),
    ) as connection:
        yield connection


def newest_rows(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, files: tuple[Location, ...], window: Window
) -> Iterator[pa.Table]:
    """The newest row of every client inside the window, in batches: keys, times and features of the view.

    Of rows of equal event timestamp the one of the newest created timestamp is the newest. A file whose statistics
    exclude the window is not read.

    Raises:
        FeatureError: a file lacks a column of the view.
    """
    times = times_of(view)
    columns = [JOIN_KEY, *(name for name in times if name), *(field.name for field in view.features)]
    chosen = [file for file in files if _may_hold(file, columns, times.event, window)]
    if not chosen:
        return
    chosen[0].attach(connection)
    order = ", ".join(f"{name} DESC" for name in (*times, "filename") if name)
    found = connection.sql(
        f"SELECT {', '.join(columns)} FROM read_parquet(?, filename = true) "
        f"WHERE epoch_us({times.event}) BETWEEN ? AND ? "
        f"QUALIFY row_number() OVER (PARTITION BY {JOIN_KEY} ORDER BY {order}) = 1",
        params=[[str(file) for file in chosen], window.start_us, window.end_us],
    )
    for batch in found.to_arrow_reader(_ROWS_PER_BATCH):
        yield pa.Table.from_batches([batch])


def _may_hold(file: Location, columns: list[str], event: str, window: Window) -> bool:
    """Whether a file may hold rows of the window, by the statistics in its footer."""
    footer = file.footer()
    schema = footer.schema.to_arrow_schema()
    missing = [name for name in columns if name not in schema.names]
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    if missing and not footer.num_rows:
        return False
    if missing:
        lost = ", ".join(missing[:5])
        raise FeatureError(f"{file} lacks {lost}: run {file.parent.name} is of another catalogue; build it again")
    index = schema.get_field_index(event)
    if schema.field(index).type != pa.timestamp("us", "UTC"):
        return True
    statistics = [group.column(index).statistics for group in groups if group.num_rows]
    return any(
        found is None or not found.has_min_max or (found.min_raw <= window.end_us and found.max_raw >= window.start_us)
        for found in statistics
    )


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
