"""Pushed rows as a run of the offline store, so that history and training see what was served."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credit.clock import bucket_of
from credit.files import write_text
from feature_repo.aggregates.build import RunManifest
from feature_repo.ingest.events import bucket_path


def append_run(out: Path, tables: Mapping[str, pa.Table], created: datetime, buckets: int) -> str:
    """Write `tables`, by view name, as a run of their own: whole or not at all; its manifest is written last.

    Args:
        out: root of the offline store.
        tables: SK_ID_CURR, as_of, created_ts and the features of each view.
        created: the rows' created timestamp; names the run.
        buckets: number of buckets of the event store; only buckets with rows get a file.

    Returns:
        The run's name.
    """
    run = f"pushed-{created:%Y%m%dT%H%M%S-%f}"
    out.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{run}.", dir=out))
    try:
        for view, table in tables.items():
            _write(stage / view, table, buckets)
        _publish(out, run, stage, tables)
        write_text(out / ".runs" / f"{run}.json", _manifest(run, tables, created).model_dump_json(indent=1))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return run


def _write(folder: Path, table: pa.Table, buckets: int) -> None:
    folder.mkdir()
    numbers = bucket_of(table["SK_ID_CURR"].to_numpy(), buckets)
    for bucket in np.unique(numbers).tolist():
        path = bucket_path(folder.parent, folder.name, bucket)
        pq.write_table(table.filter(pa.array(numbers == bucket)), path)


def _publish(out: Path, run: str, stage: Path, tables: Mapping[str, pa.Table]) -> None:
    published: list[Path] = []
    try:
        for view in tables:
            (out / view).mkdir(exist_ok=True)
            (stage / view).rename(out / view / run)
            published.append(out / view / run)
    except BaseException:
        for folder in published:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _manifest(run: str, tables: Mapping[str, pa.Table], created: datetime) -> RunManifest:
    digest = hashlib.sha256()
    for view, table in tables.items():
        digest.update(view.encode())
        for row in table.to_pylist():
            digest.update(repr(row).encode())
    return RunManifest(
        run=run,
        inputs=digest.hexdigest(),
        created_ts=created,
        rows=max(table.num_rows for table in tables.values()),
        features={view: table.num_columns - 3 for view, table in tables.items()},
        seconds=dict.fromkeys(tables, 0.0),
    )
