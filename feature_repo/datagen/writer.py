"""Write chunks in the delivered format: part files by worker, joined in chunk order by the parent."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credit.schemas.raw import HISTORY_TABLES, RawColumn, raw_tables
from feature_repo.datagen.chunk import Chunk
from feature_repo.datagen.columns import Floats, Ints, Labels, Table
from feature_repo.sql_engine import connect

_TYPES = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
ORACLE_SCHEMA = pa.schema([("SK_ID_CURR", pa.int64()), ("PD", pa.float64())])


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a raw table's rows."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in raw_tables()[table].columns])


def arrow_table(table: str, columns: Table) -> pa.Table:
    """The columns in file order; NaN and code -1 become nulls.

    Raises:
        KeyError: if a column of the raw table is absent.
    """
    specs = raw_tables()[table].columns
    return pa.table([_array(spec, columns[spec.name]) for spec in specs], schema=arrow_schema(table))


def _array(spec: RawColumn, values: Floats | Ints | Labels) -> pa.Array:
    if isinstance(values, Labels):
        codes = pa.array(values.codes.astype(np.int32), mask=values.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(values.names)).dictionary_decode()
    return pa.array(values, type=_TYPES[spec.type], from_pandas=True)


def write_parts(chunk: Chunk, folder: Path) -> None:
    """Write a chunk's tables as headless CSV, its later tables and true PDs as Parquet, into `folder`."""
    folder.mkdir(parents=True)
    with connect(threads=1) as connection:
        for name, columns in chunk.tables.items():
            _write_csv(connection, arrow_table(name, columns), folder / f"{name}.csv")
    for name, columns in chunk.later.items():
        pq.write_table(arrow_table(name, columns), folder / f"{name}.parquet")
    pq.write_table(pa.table(dict(chunk.oracle), schema=ORACLE_SCHEMA), folder / "oracle.parquet")


def _write_csv(connection: duckdb.DuckDBPyConnection, table: pa.Table, path: Path) -> None:
    """DuckDB prints numbers as the delivered files do: floats with a decimal point, integers without."""
    connection.register("part", table)
    connection.execute(f"COPY (SELECT * FROM part) TO '{path}' (FORMAT csv, HEADER false)")
    connection.unregister("part")


@dataclass(frozen=True, slots=True)
class PortfolioFiles:
    """Open output files that take parts in chunk order; use as a context manager."""

    csv: Mapping[str, BinaryIO]
    later: Mapping[str, pq.ParquetWriter]
    oracle: pq.ParquetWriter

    @classmethod
    def create(cls, folder: Path, oracle: Path) -> Self:
        """Start all files with their headers below `folder`, the true PDs at `oracle`."""
        (folder / "later").mkdir(parents=True)
        csv = {}
        for name, table in raw_tables().items():
            csv[name] = (folder / table.file_name).open("wb")
            csv[name].write((",".join(table.column_names) + "\n").encode())
        later = {
            name: pq.ParquetWriter(folder / "later" / f"{name}.parquet", arrow_schema(name)) for name in HISTORY_TABLES
        }
        return cls(csv, later, pq.ParquetWriter(oracle, ORACLE_SCHEMA))

    def append(self, folder: Path) -> None:
        """Take over one chunk's part files and remove them."""
        for name, file in self.csv.items():
            with (folder / f"{name}.csv").open("rb") as part:
                shutil.copyfileobj(part, file, 1 << 20)
        for name, writer in self.later.items():
            writer.write_table(pq.read_table(folder / f"{name}.parquet"))
        self.oracle.write_table(pq.read_table(folder / "oracle.parquet"))
        shutil.rmtree(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for output in (*self.csv.values(), *self.later.values(), self.oracle):
            output.close()
