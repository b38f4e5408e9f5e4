"""The online path measured: our reader against Feast's SDK on our store and on Feast's own Redis store.

    python -m benchmarks.features [--clients 20000] [--feast-clients 1000]

Builds random rows for every view of the catalogue, starts a private Redis, and prints medians and ratios.
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credit.platform import Home
from feature_repo import redis_server
from feature_repo.catalogue import View, load_catalogue, online_view_specs
from feature_repo.cli.feast_commands import apply
from feature_repo.environment import feast_environment
from feature_repo.feast_output import quiet_feast
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader

FIRST = 100_001
START = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = {"float32": pa.float32(), "int32": pa.int32(), "int64": pa.int64(), "string": pa.string()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20_000)
    parser.add_argument("--feast-clients", type=int, default=1_000, help="clients in Feast's own store, which is slow")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="credit-bench-") as folder:
        ours, theirs = Home(Path(folder) / "ours"), Home(Path(folder) / "theirs")
        os.environ["FEATURES_REDIS_URL"] = redis_server.start(ours).url
        feast_port = redis_server.start(theirs).port
        try:
            for view in load_catalogue().views:
                write_rows(view, chosen.clients, ours.offline)
            apply(ours.root)
            measure(ours, feast_port, chosen.clients, chosen.feast_clients)
        finally:
            redis_server.stop(ours)
            redis_server.stop(theirs)


def write_rows(view: View, clients: int, offline: Path) -> None:
    """One random row per client, a second apart in data time."""
    draw = np.random.default_rng(0)
    stamps = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(clients) * np.timedelta64(1_000_000, "us")
    columns: dict[str, Any] = {
        "SK_ID_CURR": np.arange(FIRST, FIRST + clients),
        "as_of": pa.array(stamps, pa.timestamp("us", "UTC")),
        "created_ts": pa.array([datetime.now(UTC)] * clients, pa.timestamp("us", "UTC")),
    }
    for feature in view.features:
        drawn = draw.integers(0, 1000, clients)
        values = [f"category {code % 9}" for code in drawn.tolist()] if feature.type == "string" else drawn
        columns[feature.name] = pa.array(values, mask=draw.random(clients) < 0.2).cast(TYPES[feature.type])
    path = offline / view.name / "online" / "bucket-0000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)


def measure(home: Home, feast_port: int, clients: int, feast_clients: int) -> None:
    """Materialise into both stores, read from both, print."""
    from feast import FeatureStore, RepoConfig

    from feature_repo.store import open_store

    ours = open_store(home)
    theirs = FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=str(home.feast_registry),
            offline_store={"type": "duckdb"},
            online_store={"type": "redis", "connection_string": f"127.0.0.1:{feast_port}"},
            batch_engine={"type": "local"},
            entity_key_serialization_version=3,
        )
    )
    specs = online_view_specs(load_catalogue())
    values = sum(len(spec.columns) for spec in specs)
    print(f"{len(specs)} views, {values} features a client; this machine has {os.cpu_count()} cores")
    our_rate = clients / seconds_of(lambda: materialize(ours, [spec.name for spec in specs], clients))
    their_rate = feast_clients / seconds_of(lambda: materialize(theirs, [spec.name for spec in specs], feast_clients))
    print(f"materialise: ours {our_rate:,.0f} clients/s, Feast's {their_rate:,.0f}: {our_rate / their_rate:.0f} times")
    url = feast_environment(home)["FEATURES_REDIS_URL"]
    reader = PackedReader(RedisSettings(url=url), PROJECT, specs)
    names = [f"{spec.name}:{column.name}" for spec in specs for column in spec.columns]
    for count, repeats in ((1, 2000), (100, 200)):
        asked = [list(range(FIRST + start, FIRST + start + count)) for start in range(repeats)]
        sdk = [[{"SK_ID_CURR": client % feast_clients + FIRST} for client in one] for one in asked[: repeats // 20]]
        fast = median_ms(reader.read, asked)
        packed = median_ms(lambda rows: ours.get_online_features(names, rows).to_dict(), sdk)
        feast = median_ms(lambda rows: theirs.get_online_features(names, rows).to_dict(), sdk)
        print(
            f"{count} client(s): reader {fast:.3f} ms; SDK on our store {packed:.1f} ms ({packed / fast:.0f} times); "
            f"SDK on Feast's Redis store {feast:.1f} ms ({feast / fast:.0f} times)"
        )


def materialize(store: Any, views: Sequence[str], clients: int) -> None:
    """The first `clients` clients of each view, without Feast's own messages."""
    with quiet_feast():
        store.materialize(START, START + timedelta(seconds=clients - 1), feature_views=list(views))


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median_ms(work: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    """Median wall time of a call in milliseconds, after one to warm up."""
    work(arguments[0])
    return statistics.median(seconds_of(lambda argument=argument: work(argument)) for argument in arguments) * 1000  # type: ignore[misc]


if __name__ == "__main__":
    main()
