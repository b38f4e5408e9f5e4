"""The event store: ingested tables, typed, dated and bucketed by client. Cheap to import: no DuckDB, no pandas.

Layout below the root: `meta.json`, `<table>/bucket-0000.parquet`, `clients/bucket-0000.parquet`. A folder with a
valid `meta.json` is complete, because ingestion renames the whole folder into place.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import ValidationError

from credit.clock import Calendar
from credit.errors import DataError
from credit.schemas.features import Frozen
from credit.schemas.raw import HISTORY_TABLES, RawColumn, RawTable, raw_tables
from feature_repo.storage import Location

FORMAT: Literal[1] = 1
META_FILE = "meta.json"
CLIENTS = "clients"
APPLICATION = "application"
EVENT_TABLES = (APPLICATION, *HISTORY_TABLES)

TIMESTAMP = pa.timestamp("us", tz="UTC")
#: Columns that ingestion adds to every table.
TIME_COLUMNS = ("t0", "event_ts", "known_ts")
CLIENT_SCHEMA = pa.schema(
    [
        ("SK_ID_CURR", pa.int64()),
        ("t0", TIMESTAMP),
        ("target", pa.int64()),
        ("last_event_ts", TIMESTAMP),
        ("online_as_of", TIMESTAMP),
    ]
)
_ARROW_TYPES = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}


def event_columns(table: str) -> tuple[RawColumn, ...]:
    """Columns that an event table takes from the raw files; bureau_balance gains its client."""
    columns = raw_table(table).columns
    if any(column.name == "SK_ID_CURR" for column in columns):
        return columns
    return (*columns, RawColumn("SK_ID_CURR", "int64", nullable=False))


def raw_table(table: str) -> RawTable:
    """The raw table behind an event table; `application` has the columns of application_train."""
    return raw_tables()["application_train" if table == APPLICATION else table]


def event_schema(table: str) -> pa.Schema:
    """Arrow schema of an event table's files."""
    columns = [(column.name, _ARROW_TYPES[column.type]) for column in event_columns(table)]
    return pa.schema(columns + [(name, TIMESTAMP) for name in TIME_COLUMNS])


class CalendarMeta(Frozen):
    """The calendar that dated the applications, as stored."""

    start: datetime
    weeks: int
    seed: int

    @classmethod
    def of(cls, calendar: Calendar) -> "CalendarMeta":
        """The stored form of `calendar`."""
        return cls(start=calendar.start, weeks=calendar.weeks, seed=calendar.seed)

    def calendar(self) -> Calendar:
        """The calendar itself.

        Raises:
            ValueError: the start is no Monday, or there is no week.
        """
        start = self.start if self.start.tzinfo else self.start.replace(tzinfo=UTC)
        return Calendar(start=start.astimezone(UTC), weeks=self.weeks, seed=self.seed)


class TableMeta(Frozen):
    """What became of one table: `read` source rows (of which `read_later` from later/) = `kept` + all `dropped`.

    `rows` counts the events written; a source row gives one event per state that was known of it.
    """

    rows: int
    read: int
    read_later: int
    kept: int
    dropped: dict[str, int]


class UnknownCategory(Frozen):
    """A text value outside the vocabulary of its column, stored as UNKNOWN."""

    table: str
    column: str
    value: str
    rows: int


class EventsMeta(Frozen):
    """Contents of `meta.json`: what was ingested, from what, and the present of the data world."""

    format: Literal[1] = FORMAT
    fingerprint: str
    buckets: int
    clients: int
    as_of_now: datetime
    calendar: CalendarMeta
    lives_on: bool
    tables: dict[str, TableMeta]
    unknown_categories: tuple[UnknownCategory, ...]
    warnings: tuple[str, ...]
    weekday_agreement: float | None
    seconds: float
    peak_memory_mib: float


class EventStore:
    """Read access to one events folder.

    Attributes:
        root: where the folder lies.
        meta: contents of its `meta.json`.

    Raises:
        DataError: the folder is absent, incomplete or of another format.
    """

    def __init__(self, root: Path | Location) -> None:
        self.root = Location.of(root)
        self.meta = _read_meta(self.root)

    @property
    def buckets(self) -> int:
        """Number of buckets; a client is in bucket `credit.clock.bucket_of(id, buckets)` of every table."""
        return self.meta.buckets

    def path(self, table: str, bucket: int) -> Location:
        """The Parquet file of one table of EVENT_TABLES and one bucket; it exists, possibly with no rows."""
        return self.root / table / bucket_file(bucket)

    def clients(self, bucket: int) -> pa.Table:
        """The clients of one bucket (CLIENT_SCHEMA), sorted by SK_ID_CURR."""
        return (self.root / CLIENTS / bucket_file(bucket)).read_table()


def bucket_file(bucket: int) -> str:
    """Name of one bucket's file, in events and in feature rows."""
    return f"bucket-{bucket:04d}.parquet"


def bucket_path(root: Path, folder: str, bucket: int) -> Path:
    """Where one bucket of a table (or of `clients`) lies below an events folder."""
    return root / folder / bucket_file(bucket)


def _read_meta(root: Location) -> EventsMeta:
    advice = "run `creditctl data ingest --source DIR`"
    try:
        text = (root / META_FILE).read_bytes()
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error}") from error
    if text is None:
        raise DataError(f"{root} holds no ingested events (no readable {META_FILE}): {advice}")
    try:
        return EventsMeta.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"{root / META_FILE} is not of format {FORMAT} ({error.error_count()} faults): {advice}"
        ) from None
