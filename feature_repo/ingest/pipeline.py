"""Ingestion: the raw folder in, a complete events folder out, or one error that lists every problem."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from credit.clock import Calendar
from credit.errors import DataError, StepError
from credit.files import atomic_path
from credit.progress import peak_memory_mib, step
from credit.schemas.categories import known_categories
from credit.schemas.raw import APPLICATION_TABLES, raw_tables
from feature_repo.ingest.checks import check_later, check_tables
from feature_repo.ingest.clients import Clients, create_clients
from feature_repo.ingest.engine import Resources, connect
from feature_repo.ingest.events import (
    EVENT_TABLES,
    FORMAT,
    META_FILE,
    CalendarMeta,
    EventsMeta,
    EventStore,
    TableMeta,
)
from feature_repo.ingest.partition import Partitioner
from feature_repo.ingest.read_csv import read_csv
from feature_repo.ingest.read_later import read_later
from feature_repo.ingest.source import Source, find_source
from feature_repo.ingest.vocabulary import unknown_categories
from feature_repo.ingest.weekdays import weekday_agreement
from feature_repo.ingest.world import World, read_world
from feature_repo.ingest.write_events import write_bucket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest. `calendar` is for data that states none; `buckets` None takes about 4,000 clients in each."""

    buckets: int | None = None
    calendar: Calendar = field(default_factory=Calendar)
    allow_extra: bool = False
    force: bool = False
    resources: Resources = field(default_factory=Resources)

    def identity(self) -> dict[str, Any]:
        """What, besides the input files, decides the output."""
        start, weeks, seed = self.calendar.start.isoformat(), self.calendar.weeks, self.calendar.seed
        facts = [FORMAT, known_categories(), {name: table.column_names for name, table in raw_tables().items()}]
        return {"buckets": self.buckets, "calendar": [start, weeks, seed], "extra": self.allow_extra, "facts": facts}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finished store, and whether it was there already."""

    store: EventStore
    unchanged: bool


@dataclass(frozen=True, slots=True)
class _Staged:
    """Typed Parquet files by table name."""

    main: Mapping[str, Path]
    later: Mapping[str, Path]


def ingest(source_folder: Path, out: Path, options: Options) -> Outcome:
    """Read a Kaggle-format folder and write the events folder `out`, whole or not at all.

    Nothing is done if `out` was made from the same files with the same options, unless forced.

    Raises:
        DataError: lists every problem of the input; or `out` holds something else than events.
        StepError: memory or disk ran out, or a file vanished meanwhile.
    """
    source = find_source(source_folder)
    _refuse_foreign(out, source_folder)
    fingerprint = source.identity(options.identity())
    finished = None if options.force else _finished(out, fingerprint)
    if finished is not None:
        return Outcome(finished, unchanged=True)
    with atomic_path(out) as staged:
        staged.mkdir()
        work = staged.parent / "work"
        try:
            with connect(options.resources, work / "spill") as connection:
                meta = _ingest(connection, source, options, fingerprint, staged, work)
        except (duckdb.Error, OSError) as error:
            advice = "if memory or disk ran out, give more (--memory-gib, a larger disk for the output), then run again"
            raise StepError(f"ingestion stopped, nothing was written: {error}\n{advice}") from error
        except RuntimeError as error:
            if "interrupted" in str(error).lower():  # how DuckDB passes on Ctrl-C
                raise KeyboardInterrupt from error
            raise
        (staged / META_FILE).write_text(meta.model_dump_json(indent=1), "utf-8")
    return Outcome(EventStore(out), unchanged=False)


def _refuse_foreign(out: Path, source: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / META_FILE).is_file() or not any(out.iterdir()))):
        raise DataError(f"{out} holds something else than ingested events: name another folder with --out")
    if out.resolve() in (source.resolve(), *source.resolve().parents):
        raise DataError(f"{out} would replace the source data: name another folder with --out")


def _finished(out: Path, fingerprint: str) -> EventStore | None:
    try:
        store = EventStore(out)
    except DataError:
        return None
    return store if store.meta.fingerprint == fingerprint else None


def _ingest(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    options: Options,
    fingerprint: str,
    out: Path,
    work: Path,
) -> EventsMeta:
    started = time.perf_counter()
    world = read_world(source.world, options.calendar)
    staged = _read(connection, source, options, work)
    unknown = unknown_categories(connection, [staged.main, staged.later])
    clients = create_clients(connection, staged.main, world.calendar, options.buckets, work / "clients.parquet")
    now = _present(world, clients)
    agreement = weekday_agreement(connection, staged.main["previous_application"])
    parts = Partitioner(connection, staged.main, staged.later, unknown, work / "parts")
    read = _partition(parts)
    events = _write(connection, parts, clients, out, now, source.lives_on)
    return EventsMeta(
        fingerprint=fingerprint,
        buckets=clients.buckets,
        clients=clients.count,
        as_of_now=now,
        calendar=CalendarMeta.of(world.calendar),
        lives_on=source.lives_on,
        tables={name: _table_meta(events[name], *counts) for name, counts in read.items()},
        unknown_categories=unknown,
        warnings=_warnings(staged),
        weekday_agreement=agreement,
        seconds=round(time.perf_counter() - started, 2),
        peak_memory_mib=round(peak_memory_mib(), 1),
    )


def _read(connection: duckdb.DuckDBPyConnection, source: Source, options: Options, work: Path) -> _Staged:
    """Stage every table that can be read, and raise all problems of all of them at once."""
    staged = _Staged({name: work / f"{name}.parquet" for name in source.tables}, {})
    later = {name: work / "later" / f"{name}.parquet" for name in source.later if name in raw_tables()}
    (work / "later").mkdir(parents=True, exist_ok=True)
    problems = list(source.problems)
    with step("read tables", total=len(staged.main) + len(later)) as bar:
        for name, target in staged.main.items():
            problems += read_csv(connection, raw_tables()[name], source.tables[name], target, options.allow_extra)
            bar.advance()
        for name, target in later.items():
            problems += read_later(connection, raw_tables()[name], source.later[name], target)
            bar.advance()
    staged = _Staged(_existing(staged.main), _existing(later))
    with step("check tables"):
        problems += check_tables(connection, staged.main) + check_later(connection, staged.main, staged.later)
    if problems:
        raise DataError(f"{source.root} cannot be ingested, nothing was written. Problems:", problems)
    return staged


def _existing(files: Mapping[str, Path]) -> dict[str, Path]:
    return {name: path for name, path in files.items() if path.exists()}


def _present(world: World, clients: Clients) -> datetime:
    now = world.as_of_now or clients.next_day
    if now < clients.newest:
        newest = clients.newest.isoformat()
        raise DataError(f"later/world.json: as_of_now {now.isoformat()} lies before the newest application, {newest}")
    return now


def _partition(parts: Partitioner) -> dict[str, tuple[int, int, dict[str, int]]]:
    read = {}
    with step("partition by client", total=len(EVENT_TABLES)) as bar:
        for table in EVENT_TABLES:
            read[table] = parts.write(table)
            bar.advance()
    return read


def _write(
    connection: duckdb.DuckDBPyConnection,
    parts: Partitioner,
    clients: Clients,
    out: Path,
    now: datetime,
    lives_on: bool,
) -> Counter[str]:
    events: Counter[str] = Counter()
    with step("write events", total=clients.buckets) as bar:
        for bucket in range(clients.buckets):
            events.update(write_bucket(connection, parts, bucket, out, now, lives_on))
            bar.advance()
    return events


def _table_meta(events: int, read: int, read_later: int, dropped: dict[str, int]) -> TableMeta:
    kept = read - sum(dropped.values())
    return TableMeta(rows=events, read=read, read_later=read_later, kept=kept, dropped=dropped)


def _warnings(staged: _Staged) -> tuple[str, ...]:
    empty = [name for name, path in staged.main.items() if pq.read_metadata(path).num_rows == 0]
    consequence = {
        name: "no application" if name in APPLICATION_TABLES else "nobody has such a history" for name in empty
    }
    return tuple(f"{name}.csv has a header but no rows: {consequence[name]}" for name in empty)
