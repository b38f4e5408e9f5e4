"""Typed tables to one part per table and client bucket; rows of nobody are counted and left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from credit.schemas.raw import APPLICATION_TABLES
from feature_repo.ingest.engine import identifier, quoted
from feature_repo.ingest.events import APPLICATION, UnknownCategory, event_columns
from feature_repo.ingest.vocabulary import known_values

_NO_CREDIT = "no bureau row with its SK_ID_BUREAU"
_NO_CLIENT = "client without an application"
_NO_DATE = "neither due nor paid: no date"


class Partitioner:
    """Writes parts below one folder from the staged files, `main` and `later`, by table name."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        main: Mapping[str, Path],
        later: Mapping[str, Path],
        unknown: Sequence[UnknownCategory],
        root: Path,
    ) -> None:
        self._connection, self._main, self._later = connection, main, later
        self._unknown, self._root = unknown, root

    def part(self, table: str, bucket: int) -> Path:
        """Glob of the files of one part; only parts that hold rows have files."""
        return self._root / table / f"bucket={bucket}" / "*.parquet"

    def write(self, table: str) -> tuple[int, int, dict[str, int]]:
        """Write all parts of an event table.

        Returns:
            Rows read, of which from `later/`, and rows dropped by reason.
        """
        if table == "bureau_balance":
            self._create_credits()
        rows = f"({self._rows(table)})"
        read, from_later = self._one(f"SELECT count(*), coalesce(count_if(later), 0) FROM {rows}")
        dropped = self._dropped(table, rows)
        self._copy(table, rows)
        return read, from_later, dropped

    def _rows(self, table: str) -> str:
        if table == APPLICATION:
            sources = [(self._main[name], "false") for name in APPLICATION_TABLES]
        else:
            sources = [(self._main[table], "false")]
            sources += [(self._later[table], "true")] if table in self._later else []
        return " UNION ALL BY NAME ".join(f"SELECT *, {later} AS later FROM {quoted(path)}" for path, later in sources)

    def _create_credits(self) -> None:
        self._connection.execute(
            f"CREATE TABLE credits AS SELECT DISTINCT SK_ID_BUREAU, SK_ID_CURR FROM ({self._rows('bureau')})"
        )

    def _dropped(self, table: str, rows: str) -> dict[str, int]:
        reasons = {}
        if table == "bureau_balance":
            orphans = f"{rows} AS r ANTI JOIN credits USING (SK_ID_BUREAU)"
            (reasons[_NO_CREDIT],) = self._one(f"SELECT count(*) FROM {orphans}")
        strangers = f"{self._owned(table, rows)} AS r ANTI JOIN clients USING (SK_ID_CURR)"
        (reasons[_NO_CLIENT],) = self._one(f"SELECT count(*) FROM {strangers}")
        if table == "installments_payments":
            dateless = f"{rows} AS r SEMI JOIN clients USING (SK_ID_CURR) WHERE NOT ({_dated(table)})"
            (reasons[_NO_DATE],) = self._one(f"SELECT count(*) FROM {dateless}")
        return {reason: count for reason, count in reasons.items() if count}

    def _owned(self, table: str, rows: str) -> str:
        return rows if table != "bureau_balance" else f"(SELECT * FROM {rows} JOIN credits USING (SK_ID_BUREAU))"

    def _copy(self, table: str, rows: str) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        known = known_values(table, self._unknown)
        columns = ", ".join(_renamed(column.name, known) for column in event_columns(table))
        selection = (
            f"SELECT {columns}, later, t0, bucket FROM {self._owned(table, rows)} "
            f"JOIN clients USING (SK_ID_CURR) WHERE {_dated(table)}"
        )
        self._connection.execute(
            f"COPY ({selection}) TO {quoted(self._root / table)} (FORMAT parquet, PARTITION_BY bucket)"
        )

    def _one(self, sql: str) -> tuple[int, ...]:
        return self._connection.execute(sql).fetchone() or ()


def _renamed(name: str, known: Mapping[str, str]) -> str:
    return f"{known[name]} AS {identifier(name)}" if name in known else identifier(name)


def _dated(table: str) -> str:
    """Only an instalment can lack all its dates: the others are integers, which validation wants complete."""
    return "coalesce(DAYS_INSTALMENT, DAYS_ENTRY_PAYMENT) IS NOT NULL" if table == "installments_payments" else "true"
