"""Pushed rows as a run of the offline store, so that history and training see what was served."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa

from credit.clock import bucket_of
from feature_repo.aggregates.manifest import STAGES, RunManifest, manifest_file
from feature_repo.ingest.events import bucket_file
from feature_repo.storage import Location


def append_run(out: Location, tables: Mapping[str, pa.Table], created: datetime, buckets: int) -> str:
    """Write `tables`, by view name, as a run of their own: whole or not at all; its manifest is written last.

    Args:
        out: the offline store.
        tables: SK_ID_CURR, as_of, created_ts and the features of each view.
        created: the rows' created timestamp; names the run.
        buckets: number of buckets of the event store; only buckets with rows get a file.

    Returns:
        The run's name.
    """
    run = f"pushed-{created:%Y%m%dT%H%M%S-%f}"
    stage = out / STAGES / run
    try:
        for view, table in tables.items():
            _write(stage / view, table, buckets)
        for view in tables:
            _publish(stage / view, out / view / run)
        manifest = _manifest(run, tables, created, buckets)
        manifest_file(out, run).write_bytes(manifest.model_dump_json(indent=1).encode())
    except BaseException:
        for view in tables:
            (out / view / run).remove()
        raise
    finally:
        stage.remove()
    return run


def _write(folder: Location, table: pa.Table, buckets: int) -> None:
    numbers = bucket_of(table["SK_ID_CURR"].to_numpy(), buckets)
    for bucket in np.unique(numbers).tolist():
        (folder / bucket_file(bucket)).write_table(table.filter(pa.array(numbers == bucket)))


def _publish(staged: Location, target: Location) -> None:
    """A rename where there is one: readers see every file of a view or none."""
    if target.is_local:
        target.parent.path.mkdir(parents=True, exist_ok=True)
        staged.path.rename(target.path)
        return
    for file in staged.files():
        file.copy_to(target / file.name)


def _manifest(run: str, tables: Mapping[str, pa.Table], created: datetime, buckets: int) -> RunManifest:
    digest = hashlib.sha256()
    for view, table in tables.items():
        digest.update(view.encode())
        for row in table.to_pylist():
            digest.update(repr(row).encode())
    return RunManifest(
        run=run,
        inputs=digest.hexdigest(),
        created_ts=created,
        buckets=buckets,
        rows=max(table.num_rows for table in tables.values()),
        features={view: table.num_columns - 3 for view, table in tables.items()},
        seconds=dict.fromkeys(tables, 0.0),
    )
