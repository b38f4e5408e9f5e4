"""Writes decisions to one file: Parquet with columns for analysts, or JSON lines."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from credit.errors import SettingsError
from credit.files import atomic_path
from serving.decisions_records import StoredDecision

_ROWS: Final = 1_000
_COLUMNS: Final = {
    "decision_id": pa.string(),
    "client_id": pa.int64(),
    "decided_at": pa.timestamp("us", "UTC"),
    "margin": pa.float64(),
    "probability": pa.float64(),
    "points": pa.float64(),
    "threshold": pa.float64(),
    "decision": pa.string(),
    "risk_band": pa.string(),
    "caller": pa.string(),
    "request_id": pa.string(),
}
_SCHEMA: Final = pa.schema(
    [*_COLUMNS.items(), ("coverage", pa.float64()), ("model", pa.string()), ("model_version", pa.string()),
     ("bundle", pa.string()), ("record", pa.string())]
)  # fmt: skip


def export(decisions: Iterable[StoredDecision], out: Path, on_rows: Callable[[int], None] = lambda _: None) -> int:
    """Write decisions to `out`, whole or not at all; how many.

    Args:
        decisions: in order.
        out: ends in .parquet or .jsonl; the column `record`, and each line, is the whole record.
        on_rows: told of each part that was written.

    Raises:
        SettingsError: it ends in something else.
    """
    if out.suffix not in (".parquet", ".jsonl"):
        raise SettingsError(f"{out}: give a name that ends in .parquet or .jsonl")
    write = _write_parquet if out.suffix == ".parquet" else _write_lines
    with atomic_path(out.absolute()) as staged:
        count = 0
        for rows in write(staged, _parts(decisions)):
            count += rows
            on_rows(rows)
    return count


def _parts(decisions: Iterable[StoredDecision]) -> Iterator[list[StoredDecision]]:
    iterator = iter(decisions)
    while part := [*islice(iterator, _ROWS)]:
        yield part


def _write_parquet(target: Path, parts: Iterator[list[StoredDecision]]) -> Iterator[int]:
    with pq.ParquetWriter(target, _SCHEMA, compression="zstd") as writer:
        for part in parts:
            writer.write_table(pa.Table.from_pylist([_row(each) for each in part], _SCHEMA))
            yield len(part)


def _write_lines(target: Path, parts: Iterator[list[StoredDecision]]) -> Iterator[int]:
    with target.open("w", encoding="utf-8") as file:
        for part in parts:
            file.writelines(f"{each.text}\n" for each in part)
            yield len(part)


def _row(stored: StoredDecision) -> dict[str, object]:
    record = stored.record
    return {name: getattr(record, name) for name in _COLUMNS} | {
        "decision": record.decision.value,
        "coverage": record.quality.coverage,
        "model": record.model.name,
        "model_version": record.model.version,
        "bundle": record.model.bundle,
        "record": stored.text,
    }
