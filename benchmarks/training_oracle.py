"""The training set against a brute-force oracle: each sampled row computed alone, from nothing but its client's events.

    python -m benchmarks.training_oracle [--service credit_scoring_v1] [--sample 2000] [--seed 0]

What the oracle shares with the platform is the definition of the features. It reads no offline store, asks no Feast,
joins nothing, and sees one client and one moment at a time. Reads the platform folder that CREDIT_HOME names.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.one_client import OneClient
from credit.clock import bucket_of
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.platform import Home
from credit.progress import Step, step
from feature_repo.aggregates.sql import event_tables
from feature_repo.catalogue import View, load_catalogue
from feature_repo.ingest.events import EventStore
from feature_repo.locations import event_store
from feature_repo.store import historical_features
from training.dataset import LabelRequest, matured_labels

_BITS = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One feature of one row that differs."""

    client_id: int
    as_of: Any
    feature: str
    joined: Any
    oracle: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many rows were compared, in how many features each, and every difference."""

    rows: int
    features: int
    mismatches: tuple[Mismatch, ...]


def compare_training_set(home: Home, service: str, sample: int, seed: int) -> Comparison:
    """Join the features of every matured label, then compare `sample` of the rows with the oracle."""
    labelled = matured_labels(event_store(home), LabelRequest())
    spine = labelled.select(["SK_ID_CURR", "t0"]).rename_columns(["SK_ID_CURR", "as_of"])
    return compare_with_oracle(home, historical_features(home, spine, service), sample, seed)


def compare_with_oracle(home: Home, joined: pa.Table, sample: int, seed: int) -> Comparison:
    """Compare a seeded sample of rows, bit for bit.

    Args:
        home: holds the events.
        joined: SK_ID_CURR, as_of and features, as `historical_features` returns them. Features must have been built
            for these very moments; the join gives older rows for others.
        sample: rows to compare; all, if there are fewer.
        seed: of the sample.
    """
    size = min(sample, joined.num_rows)
    chosen = np.sort(np.random.default_rng(seed).choice(joined.num_rows, size, replace=False))
    rows = joined.take(pa.array(chosen)).combine_chunks()
    features = rows.column_names[2:]
    oracle = _oracle(event_store(home), rows.select(["SK_ID_CURR", "as_of"]), rows.schema)
    mismatches = [found for name in features for found in _differences(name, rows, oracle)]
    return Comparison(rows.num_rows, len(features), tuple(mismatches))


def _oracle(events: EventStore, spine: pa.Table, schema: pa.Schema) -> pa.Table:
    """One row of `schema` per row of `spine`, in its order."""
    views = _views_of(schema)
    buckets = bucket_of(spine["SK_ID_CURR"].to_numpy(), events.buckets)
    workers = os.cpu_count() or 1
    shares = [np.flatnonzero(buckets % workers == worker) for worker in range(workers)]
    found: dict[int, pa.Table] = {}
    with step("brute-force oracle", total=spine.num_rows) as progress, ThreadPoolExecutor(workers) as pool:
        for part in pool.map(partial(_rows_alone, events, views, spine, buckets, progress), shares):
            found |= {row: answer.select(schema.names).cast(schema) for row, answer in part.items()}
    return pa.concat_tables([found[row] for row in range(spine.num_rows)]).combine_chunks()


def _rows_alone(
    events: EventStore,
    views: tuple[View, ...],
    spine: pa.Table,
    buckets: NDArray[np.int64],
    progress: Step,
    rows: NDArray[np.intp],
) -> dict[int, pa.Table]:
    """Some rows of the spine, each computed alone, by its position."""
    found: dict[int, pa.Table] = {}
    with closing(OneClient(views)) as oracle:
        for bucket in np.unique(buckets[rows]).tolist():
            own = [row for row in rows.tolist() if buckets[row] == bucket]
            tables = _events_of(events, bucket, views, spine["SK_ID_CURR"].take(pa.array(own)))
            for row in own:
                found[row] = _alone(oracle, tables, spine.slice(row, 1))
                progress.advance()
    return found


def _views_of(schema: pa.Schema) -> tuple[View, ...]:
    """The views that hold the schema's features and the inputs of its request-time ones."""
    wanted = set(schema.names)
    if wanted & set(RATIO_OUTPUTS):
        wanted |= set(RATIO_INPUTS)
    return tuple(
        view for view in load_catalogue().views if wanted.intersection(feature.name for feature in view.features)
    )


def _events_of(
    events: EventStore, bucket: int, views: tuple[View, ...], clients: pa.ChunkedArray
) -> dict[str, pa.Table]:
    """By event table, what is known of `clients`, who are all in `bucket`."""
    names = {table for view in views for table in event_tables(view)}
    wanted = pc.field("SK_ID_CURR").isin(clients.combine_chunks())
    return {name: events.path(name, bucket).read_table().filter(wanted) for name in names}


def _alone(oracle: OneClient, tables: dict[str, pa.Table], row: pa.Table) -> pa.Table:
    """Every feature of one client at one moment."""
    client, as_of = row["SK_ID_CURR"][0], row["as_of"][0]
    own = {name: table.filter(pc.field("SK_ID_CURR") == client) for name, table in tables.items()}
    columns = {name: row[name] for name in row.column_names} | oracle.features(client.as_py(), as_of.value, own)
    if set(RATIO_INPUTS) <= set(columns):
        inputs = {name: np.array([columns[name][0].as_py()], dtype=np.float64) for name in RATIO_INPUTS}
        computed = application_ratios(inputs)
        columns |= {name: pa.chunked_array([pa.array(values, from_pandas=True)]) for name, values in computed.items()}
    return pa.table(columns)


def _differences(name: str, joined: pa.Table, oracle: pa.Table) -> Iterator[Mismatch]:
    left, right = _bits(joined[name]), _bits(oracle[name])
    same = pc.or_kleene(pc.and_(pc.is_null(left), pc.is_null(right)), pc.equal(left, right))
    for row in np.flatnonzero(~pc.fill_null(same, False).to_numpy(zero_copy_only=False)).tolist():
        key, moment = joined["SK_ID_CURR"][row].as_py(), joined["as_of"][row].as_py()
        yield Mismatch(key, moment, name, joined[name][row].as_py(), oracle[name][row].as_py())


def _bits(column: pa.ChunkedArray) -> pa.Array:
    """Floating point numbers as whole numbers of the same bits: equal only if they are the same in every one."""
    values = column.combine_chunks()
    return values.view(_BITS[values.type]) if values.type in _BITS else values


def main() -> None:
    """Compare and print; exit with 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="credit_scoring_v1")
    parser.add_argument("--sample", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="answer with the counts as JSON")
    chosen = parser.parse_args()
    compared = compare_training_set(Home.current(), chosen.service, chosen.sample, chosen.seed)
    for one in compared.mismatches[:20]:
        text = f"client {one.client_id} at {one.as_of}: {one.feature} is {one.joined}, the oracle says {one.oracle}"
        print(text, file=sys.stderr)
    if chosen.json:
        counts = {"rows": compared.rows, "features": compared.features, "mismatches": len(compared.mismatches)}
        print(json.dumps(counts))
        return
    print(f"{compared.rows:,} rows x {compared.features} features compared: {len(compared.mismatches):,} differ")
    raise SystemExit(bool(compared.mismatches))


if __name__ == "__main__":
    main()
