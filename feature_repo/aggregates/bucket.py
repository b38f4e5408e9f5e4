"""One bucket of a build: a task that runs anywhere, from plain arguments to whole files and small figures."""

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from credit.errors import StepError
from credit.progress import peak_memory_mib
from feature_repo.aggregates.compute import compute_view
from feature_repo.aggregates.sql import event_tables, macros_sql, view_sql
from feature_repo.catalogue import View
from feature_repo.ingest.events import bucket_file
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location
from feature_repo.tasks import name_bucket

CREATED = "created_ts"


@dataclass(frozen=True, slots=True)
class BucketTask:
    """What to compute, from where to where.

    Attributes:
        bucket: its number.
        views: those that are not finished.
        sql: `sql_digest` of the views where the task was made.
        events: root of the event store.
        spine: the bucket's rows.
        stage: each file becomes `<stage>/<view>/bucket-NNNN.parquet`.
        created: created timestamp of every row of the run.
        settings: threads, memory and spill folder of the engine.
    """

    bucket: int
    views: tuple[View, ...]
    sql: str
    events: Location
    spine: pa.Table
    stage: Location
    created: datetime
    settings: FeatureSettings


@dataclass(frozen=True, slots=True)
class BucketFigures:
    """What a task took: seconds by view, peak memory of its process in MiB."""

    bucket: int
    seconds: dict[str, float]
    peak_memory_mib: float


def compute_bucket(task: BucketTask) -> BucketFigures:
    """Compute and write every view of the task.

    Raises:
        CreditError: names the bucket; StepError for what is not ours.
    """
    try:
        if sql_digest(task.views) != task.sql:
            raise StepError("this worker has other SQL than the command: run the same version everywhere")
        seconds = {view.name: _compute(task, view) for view in task.views}
    except Exception as error:
        named = name_bucket(f"bucket {task.bucket}", error)
        raise named from (None if named is error else error)
    return BucketFigures(task.bucket, seconds, peak_memory_mib())


def sql_digest(views: Iterable[View]) -> str:
    """Identifies the SQL that the views are computed by."""
    parts = [macros_sql(), *(f"{view.name}\n{view_sql(view)}" for view in views)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _compute(task: BucketTask, view: View) -> float:
    started = time.perf_counter()
    file = bucket_file(task.bucket)
    paths = {table: task.events / table / file for table in event_tables(view)}
    # DuckDB's spill files have the same names in every process.
    spill = task.settings.duckdb_temp_directory / str(os.getpid())
    features = compute_view(view, paths, task.spine, task.settings.model_copy(update={"duckdb_temp_directory": spill}))
    stamps = pa.repeat(pa.scalar(task.created, pa.timestamp("us", tz="UTC")), features.num_rows)
    (task.stage / view.name / file).write_table(features.add_column(2, CREATED, stamps))
    return time.perf_counter() - started
