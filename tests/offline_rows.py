"""An offline store of random rows for every view of the catalogue: no raw data, no aggregation."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.catalogue import View, load_catalogue

FIRST_CLIENT = 100_001
T0 = datetime(2023, 5, 1, 10, 30, 15, 123456, tzinfo=UTC)
BUILT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_TIMESTAMP = pa.timestamp("us", "UTC")
_ARROW = {"float32": pa.float32(), "int32": pa.int32(), "int64": pa.int64(), "string": pa.string()}
_WORDS = ("", "Working", "Ménage à deux", "Löwe", "UNKNOWN", "中文", "Business Entity Type 3")


def write_offline_store(root: Path, clients: int, run: str = "online", seed: int = 0, **times: datetime) -> None:
    """One row per client in every view, in two buckets; `as_of` is the moment of the first client, `built` of all."""
    for view in load_catalogue().views:
        rows = random_rows(view, clients, seed, **times)
        half = rows.num_rows // 2
        for bucket, part in enumerate((rows.slice(0, half), rows.slice(half))):
            write_rows(root, view.name, run, part, bucket)


def write_rows(root: Path, view: str, run: str, rows: pa.Table, bucket: int = 0) -> None:
    """One file of one run."""
    path = root / view / run / f"bucket-{bucket:04d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


def random_rows(view: View, clients: int, seed: int = 0, as_of: datetime = T0, built: datetime = BUILT) -> pa.Table:
    """Rows of `clients` clients an hour apart in data time; a tenth of all values is null."""
    draw = np.random.default_rng([seed, sum(map(ord, view.name))])
    columns: dict[str, Any] = {
        "SK_ID_CURR": pa.array(range(FIRST_CLIENT, FIRST_CLIENT + clients), pa.int64()),
        "as_of": pa.array([as_of + timedelta(hours=index) for index in range(clients)], _TIMESTAMP),
        "created_ts": pa.array([built] * clients, _TIMESTAMP),
    }
    for feature in view.features:
        columns[feature.name] = pa.array(_values(draw, feature.type, clients), _ARROW[feature.type])
    return pa.table(columns)


def _values(draw: np.random.Generator, kind: str, size: int) -> Sequence[object]:
    values: Sequence[object]
    if kind == "string":
        values = [_WORDS[code] for code in draw.integers(0, len(_WORDS), size).tolist()]
    elif kind.startswith("int"):
        values = draw.integers(-5, 2**31 - 1 if kind == "int32" else 2**62, size).tolist()
    else:
        values = (draw.standard_normal(size) * 1e5).astype(np.float32).tolist()
    absent = draw.random(size) < 0.1
    return [None if gone else value for value, gone in zip(values, absent.tolist(), strict=True)]
