"""A plain set of features for the realism check, computed by DuckDB straight from the CSV files.

It is deliberately independent of the platform's own feature catalogue: the check must not judge data by the code
that was built on it.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from credit.schemas.raw import DAYS_SENTINEL, raw_tables
from feature_repo import sql_engine

_RATIOS = {
    "credit_to_annuity": "AMT_CREDIT / AMT_ANNUITY",
    "credit_to_goods": "AMT_CREDIT / AMT_GOODS_PRICE",
    "credit_to_income": "AMT_CREDIT / AMT_INCOME_TOTAL",
    "annuity_to_income": "AMT_ANNUITY / AMT_INCOME_TOTAL",
}
_BUREAU = """
SELECT SK_ID_CURR, count(*) AS b_count, count(*) FILTER (CREDIT_ACTIVE = 'Active') AS b_active,
    avg((CREDIT_ACTIVE = 'Active')::INT) AS b_active_share,
    sum(AMT_CREDIT_SUM_DEBT) FILTER (CREDIT_ACTIVE = 'Active')
        / nullif(sum(AMT_CREDIT_SUM) FILTER (CREDIT_ACTIVE = 'Active'), 0) AS b_debt_ratio,
    max(AMT_CREDIT_SUM_DEBT / nullif(AMT_CREDIT_SUM, 0)) AS b_debt_ratio_max, sum(AMT_CREDIT_SUM_DEBT) AS b_debt,
    sum(AMT_CREDIT_SUM) AS b_sum, avg(DAYS_CREDIT) AS b_age_mean, max(DAYS_CREDIT) AS b_age_last,
    min(DAYS_CREDIT) AS b_age_first, count(*) FILTER (DAYS_CREDIT > -365) AS b_last_year,
    count(*) FILTER (AMT_CREDIT_MAX_OVERDUE > 0) AS b_overdue, avg(DAYS_CREDIT_UPDATE) AS b_update,
    count(*) FILTER (CREDIT_TYPE = 'Credit card') AS b_cards, max(CREDIT_DAY_OVERDUE) AS b_days_overdue
FROM bureau GROUP BY ALL
"""
_BALANCE = """
SELECT SK_ID_CURR, count(*) AS bb_months, avg((STATUS IN ('1', '2', '3', '4', '5'))::INT) AS bb_late,
    avg((STATUS = 'C')::INT) AS bb_closed
FROM bureau_balance JOIN bureau USING (SK_ID_BUREAU) GROUP BY ALL
"""
_PREVIOUS = """
SELECT SK_ID_CURR, count(*) AS p_count, avg((NAME_CONTRACT_STATUS = 'Approved')::INT) AS p_approved,
    avg((NAME_CONTRACT_STATUS = 'Refused')::INT) AS p_refused,
    count(*) FILTER (NAME_CONTRACT_STATUS = 'Refused') AS p_no,
    count(*) FILTER (NAME_CONTRACT_STATUS = 'Refused' AND DAYS_DECISION > -730) AS p_refused_recently,
    max(DAYS_DECISION) FILTER (NAME_CONTRACT_STATUS = 'Refused') AS p_last_refusal, avg(DAYS_DECISION) AS p_age,
    max(DAYS_DECISION) AS p_last, avg(AMT_CREDIT) AS p_credit, avg(CNT_PAYMENT) AS p_term,
    avg(RATE_DOWN_PAYMENT) AS p_down, avg((NAME_CONTRACT_STATUS = 'Canceled')::INT) AS p_canceled
FROM previous_application GROUP BY ALL
"""
_INSTALMENTS = """
WITH instalment AS (
    SELECT SK_ID_CURR, SK_ID_PREV, NUM_INSTALMENT_NUMBER, max(DAYS_INSTALMENT) AS due,
        max(DAYS_ENTRY_PAYMENT) - max(DAYS_INSTALMENT) AS days,
        sum(AMT_PAYMENT) / nullif(max(AMT_INSTALMENT), 0) AS paid
    FROM installments_payments GROUP BY SK_ID_CURR, SK_ID_PREV, NUM_INSTALMENT_VERSION, NUM_INSTALMENT_NUMBER
)
SELECT SK_ID_CURR, count(*) AS i_count, avg((days > 0)::INT) AS i_late, count(*) FILTER (days > 0) AS i_late_count,
    avg((days > 0)::INT) FILTER (due > -365) AS i_late_recent, count(*) FILTER (due > -365) AS i_recent,
    avg(greatest(days, 0)) AS i_days_late, avg(greatest(-days, 0)) AS i_days_early, max(days) AS i_days_max,
    avg((paid < 0.999)::INT) AS i_underpaid
FROM instalment GROUP BY ALL
"""
_POS = """
SELECT SK_ID_CURR, count(*) AS c_months, avg(CNT_INSTALMENT_FUTURE) AS c_future, avg((SK_DPD > 0)::INT) AS c_dpd,
    avg((SK_DPD_DEF > 0)::INT) AS c_dpd_def
FROM POS_CASH_balance GROUP BY ALL
"""
_CARD = """
SELECT SK_ID_CURR, count(*) AS k_months, avg(AMT_BALANCE / nullif(AMT_CREDIT_LIMIT_ACTUAL, 0)) AS k_utilisation,
    avg(CNT_DRAWINGS_ATM_CURRENT) AS k_atm, avg(AMT_BALANCE) AS k_balance, max(CNT_DRAWINGS_CURRENT) AS k_drawings
FROM credit_card_balance GROUP BY ALL
"""
_GROUPS = {
    "bureau": _BUREAU,
    "bureau_balance": _BALANCE,
    "previous_application": _PREVIOUS,
    "installments_payments": _INSTALMENTS,
    "POS_CASH_balance": _POS,
    "credit_card_balance": _CARD,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """Labelled clients: numeric columns as float32, texts as codes, both with NaN, the target, the true PD.

    `history` names the columns that come from the history tables; the others are the application's and its ratios.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    categorical: frozenset[str]
    history: frozenset[str]
    target: NDArray[np.int64]
    pd: NDArray[np.float64]

    def raw_columns(self) -> list[int]:
        """Positions of the columns delivered in application_train."""
        return [number for number in self.columns(history=False) if self.names[number] not in _RATIOS]

    def columns(self, *, history: bool) -> list[int]:
        """Positions of the application's columns, with those of the history or without."""
        return [number for number, name in enumerate(self.names) if history or name not in self.history]


def connect(folder: Path, memory: str = "4GB", threads: int = 2) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with one view per raw CSV below `folder`, typed by the raw schema."""
    connection = sql_engine.connect(memory_limit=memory, threads=threads)
    duck_types = {"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR"}
    for name, table in raw_tables().items():
        types = ", ".join(f"'{column.name}': '{duck_types[column.type]}'" for column in table.columns)
        path = folder / table.file_name
        connection.execute(f"CREATE VIEW {name} AS FROM read_csv('{path}', header = true, columns = {{{types}}})")
    return connection


def labelled_frame(connection: duckdb.DuckDBPyConnection, oracle: Path) -> Frame:
    """Features of every client of application_train, in id order, from the views of `connect`."""
    for name, sql in _GROUPS.items():
        connection.execute(f"CREATE TEMP TABLE h_{name} AS {sql}")
    joins = " ".join(f"LEFT JOIN h_{name} USING (SK_ID_CURR)" for name in _GROUPS)
    ratios = ", ".join(f"{sql} AS {name}" for name, sql in _RATIOS.items())
    sql = f"SELECT *, {ratios} FROM application_train JOIN read_parquet('{oracle}') USING (SK_ID_CURR) {joins}"
    table: pa.Table = connection.sql(sql + " ORDER BY SK_ID_CURR").to_arrow_table()
    history = frozenset(column for name in _GROUPS for column in _columns(connection, f"h_{name}"))
    return _frame(table, history)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    return [row[0] for row in described if row[0] != "SK_ID_CURR"]


def _frame(table: pa.Table, history: frozenset[str]) -> Frame:
    names = tuple(name for name in table.column_names if name not in {"SK_ID_CURR", "TARGET", "PD"})
    values = np.empty((table.num_rows, len(names)), dtype=np.float32, order="F")
    categorical = set()
    for number, name in enumerate(names):
        column = table.column(name)
        if pa.types.is_string(column.type):
            categorical.add(name)
            codes = column.combine_chunks().dictionary_encode().indices
            values[:, number] = codes.to_numpy(zero_copy_only=False)
        else:
            values[:, number] = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    values[values == DAYS_SENTINEL] = np.nan
    return Frame(
        names, values, frozenset(categorical), history, table.column("TARGET").to_numpy(), table.column("PD").to_numpy()
    )
