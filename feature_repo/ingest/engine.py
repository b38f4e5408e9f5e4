"""The DuckDB connection of an ingestion: bounded memory, spills beside the output, UTC, nothing from the network."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from feature_repo import sql_engine

_GIB = 1024**3
#: DuckDB keeps to its limit but for buffers of readers and writers; this leaves the process below 8 GiB.
_MOST_GIB = 4.0
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Resources:
    """What an ingestion may use; `memory_gib` None takes half of the machine, at most 4 GiB."""

    threads: int = 2
    memory_gib: float | None = None

    def memory_limit(self) -> str:
        """The limit in DuckDB's notation."""
        gib = self.memory_gib if self.memory_gib is not None else min(_MOST_GIB, _machine_gib() / 2)
        return f"{int(gib * 1024)}MiB"


@contextmanager
def connect(resources: Resources, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that spills to `spill`."""
    with sql_engine.connect(
        threads=resources.threads,
        memory_limit=resources.memory_limit(),
        temp_directory=str(spill),
        preserve_insertion_order=False,
    ) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def arrow_table(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """The rows of a query as an Arrow table."""
    relation = connection.sql(sql)
    assert relation is not None  # only statements without a result give none
    return relation.to_arrow_table()


def quoted(text: str | Path) -> str:
    """`text` as an SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _machine_gib() -> float:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    try:
        return min(physical, int(_CGROUP_LIMIT.read_text("ascii")) / _GIB)
    except (OSError, ValueError):  # no cgroup, or its limit is the word "max"
        return physical
