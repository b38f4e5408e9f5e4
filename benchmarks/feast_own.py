"""The baseline: Feast's own Redis online store, its own compute engine and its SDK, over the same feature views."""

import shutil
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from credit.platform import Home
from feature_repo.catalogue import load_catalogue
from feature_repo.feast_output import quiet_feast
from feature_repo.online.keys import PROJECT

if TYPE_CHECKING:
    from feast import FeatureStore

RUN = "online"


def sample_home(full: Home, sample: Home, clients: int) -> list[int]:
    """An offline store with the first `clients` clients of `full`, and their ids."""
    shutil.rmtree(sample.offline, ignore_errors=True)
    ids: list[int] = []
    for view in load_catalogue().views:
        target = sample.offline / view.name / RUN / "bucket-0000.parquet"
        target.parent.mkdir(parents=True)
        rows = _first_rows(full.offline / view.name / RUN, clients)
        pq.write_table(rows, target)
        ids = rows["SK_ID_CURR"].to_pylist()
    return ids


def own_store(home: Home, port: int) -> "FeatureStore":
    """A Feast store over the registry of `home`, with nothing of ours in the online path."""
    from feast import FeatureStore, RepoConfig

    return FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=str(home.feast_registry),
            offline_store={"type": "duckdb"},
            online_store={"type": "redis", "connection_string": f"127.0.0.1:{port}"},
            batch_engine={"type": "local"},
            entity_key_serialization_version=3,
        )
    )


def materialize_seconds(store: "FeatureStore", home: Home) -> float:
    """Seconds of `FeatureStore.materialize` over every online view of `home`."""
    views = [view.name for view in load_catalogue().views if view.online]
    times = [pq.read_table(_only_file(home, view), columns=["as_of"])["as_of"] for view in views]
    start = min(min(column.to_pylist()) for column in times)
    end = max(max(column.to_pylist()) for column in times)
    started = time.perf_counter()
    with warnings.catch_warnings(), quiet_feast():
        warnings.simplefilter("ignore")
        store.materialize(start, end, feature_views=views)
    return time.perf_counter() - started


def _only_file(home: Home, view: str) -> Path:
    return home.offline / view / RUN / "bucket-0000.parquet"


def _first_rows(folder: Path, count: int) -> pa.Table:
    parts: list[pa.Table] = []
    for path in sorted(folder.glob("*.parquet")):
        parts.append(pq.read_table(path))
        if sum(part.num_rows for part in parts) >= count:
            break
    return pa.concat_tables(parts).slice(0, count)
