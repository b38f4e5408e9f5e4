"""The only calendar information of the delivered tables, as a check of T0: weekdays of previous applications."""

from pathlib import Path

import duckdb

from credit.clock import WEEKDAYS
from feature_repo.ingest.engine import quoted


def weekday_agreement(connection: duckdb.DuckDBPyConnection, previous_applications: Path) -> float | None:
    """Share of previous applications whose weekday is weekday(T0) + DAYS_DECISION, modulo 7; None without any.

    About 0.86 on the public data, 0.14 by chance. Needs the table `clients`.
    """
    days = ", ".join(map(quoted, WEEKDAYS))
    row = connection.execute(
        f"SELECT avg((isodow(t0 + to_days(DAYS_DECISION::INTEGER)) = "
        f"list_position([{days}], WEEKDAY_APPR_PROCESS_START))::INTEGER) "
        f"FROM {quoted(previous_applications)} JOIN clients USING (SK_ID_CURR)"
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])
