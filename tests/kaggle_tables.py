"""Builds small, valid folders in the Kaggle format: row by row for one case, or a crowd of seeded random clients.

Independent of the data generator: tests say exactly which rows exist. Values follow the schema, not the statistics.
"""

import csv
import json
import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credit.clock import WEEKDAYS, Calendar
from credit.schemas.categories import known_categories
from credit.schemas.raw import APPLICATION_TABLES, HISTORY_TABLES, RawColumn, raw_tables

Row = dict[str, Any]
_ARROW = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
#: Neutral values where zero or the first category would be no plausible row.
_DEFAULTS: dict[str, Row] = {
    "application": {
        "CODE_GENDER": "F", "AMT_INCOME_TOTAL": 135_000.0, "AMT_CREDIT": 450_000.0, "AMT_ANNUITY": 22_500.0,
        "AMT_GOODS_PRICE": 450_000.0, "REGION_POPULATION_RELATIVE": 0.02, "DAYS_BIRTH": -15_000,
        "DAYS_EMPLOYED": -1_500, "DAYS_REGISTRATION": -4_000.0, "DAYS_ID_PUBLISH": -3_000, "FLAG_MOBIL": 1,
        "CNT_FAM_MEMBERS": 2.0, "REGION_RATING_CLIENT": 2, "REGION_RATING_CLIENT_W_CITY": 2,
        "HOUR_APPR_PROCESS_START": 12, "DAYS_LAST_PHONE_CHANGE": -500.0,
    },
    "bureau": {"CREDIT_ACTIVE": "Closed", "DAYS_CREDIT": -900, "DAYS_CREDIT_UPDATE": -300},
    "bureau_balance": {"MONTHS_BALANCE": -3, "STATUS": "0"},
    "previous_application": {
        "NAME_CONTRACT_TYPE": "Consumer loans", "NAME_CONTRACT_STATUS": "Approved", "DAYS_DECISION": -600,
        "AMT_APPLICATION": 90_000.0, "AMT_CREDIT": 90_000.0, "HOUR_APPR_PROCESS_START": 12,
        "FLAG_LAST_APPL_PER_CONTRACT": "Y", "NFLAG_LAST_APPL_IN_DAY": 1, "CODE_REJECT_REASON": "XAP",
        "NAME_CASH_LOAN_PURPOSE": "XAP",
    },
    "installments_payments": {
        "NUM_INSTALMENT_VERSION": 1.0, "NUM_INSTALMENT_NUMBER": 1, "DAYS_INSTALMENT": -500.0,
        "DAYS_ENTRY_PAYMENT": -505.0, "AMT_INSTALMENT": 9_000.0, "AMT_PAYMENT": 9_000.0,
    },
    "POS_CASH_balance": {"MONTHS_BALANCE": -3, "NAME_CONTRACT_STATUS": "Active"},
    "credit_card_balance": {"MONTHS_BALANCE": -3, "NAME_CONTRACT_STATUS": "Active"},
}  # fmt: skip


def default_row(table: str, **values: Any) -> Row:
    """A valid row of a raw table: `values` over neutral ones; nullable columns without a neutral value are None."""
    vocabulary = "application" if table in APPLICATION_TABLES else table
    known, neutral = known_categories().get(vocabulary, {}), _DEFAULTS[vocabulary]
    columns = raw_tables()[table].columns
    unknown = set(values) - {column.name for column in columns}
    assert not unknown, f"{table} has no column {sorted(unknown)}"
    row: Row = {}
    for column in columns:
        blank = _blank(column, known.get(column.name, ("",)))
        row[column.name] = values.get(column.name, neutral.get(column.name, blank))
    return row


def _blank(column: RawColumn, known: tuple[str, ...]) -> Any:
    if column.nullable:
        return None
    return {"int64": 0, "float64": 0.0, "string": known[0]}[column.type]


class KaggleTables:
    """Rows by table, for the CSV files (`main`) and for `later/`; `write` makes the folder."""

    def __init__(self) -> None:
        self.main: dict[str, list[Row]] = {table: [] for table in raw_tables()}
        self.later: dict[str, list[Row]] = {table: [] for table in HISTORY_TABLES}
        self.world: Row = {}

    def client(self, client_id: int, target: int | None = 0, **values: Any) -> Row:
        """Add an application: to application_test if `target` is None, else to application_train."""
        if target is None:
            return self.add("application_test", SK_ID_CURR=client_id, **values)
        return self.add("application_train", SK_ID_CURR=client_id, TARGET=target, **values)

    def add(self, table: str, **values: Any) -> Row:
        """Add a row to a CSV."""
        self.main[table].append(default_row(table, **values))
        return self.main[table][-1]

    def add_later(self, table: str, **values: Any) -> Row:
        """Add a row to later/: an event after the client's T0."""
        self.later[table].append(default_row(table, **values))
        return self.later[table][-1]

    def present(self, as_of_now: datetime, calendar: Calendar | None = None) -> None:
        """State the present of the data world (later/world.json)."""
        chosen = calendar or Calendar()
        self.world = {
            "as_of_now": as_of_now.isoformat(),
            "calendar": {"start": chosen.start.isoformat(), "weeks": chosen.weeks, "seed": chosen.seed},
        }

    def write(self, folder: Path) -> Path:
        """Write all eight CSVs, and later/ if it has rows or a present; returns `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for table, rows in self.main.items():
            write_csv(folder / raw_tables()[table].file_name, list(raw_tables()[table].column_names), rows)
        if self.world or any(self.later.values()):
            self._write_later(folder / "later")
        return folder

    def _write_later(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for table, rows in self.later.items():
            if rows:
                schema = pa.schema([(c.name, _ARROW[c.type]) for c in raw_tables()[table].columns])
                pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"{table}.parquet")
        if self.world:
            (folder / "world.json").write_text(json.dumps(self.world), "utf-8")


def write_csv(path: Path, header: list[str], rows: list[Row]) -> None:
    """Write rows as Kaggle does: None is an empty field, fields are quoted only where needed."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def random_tables(clients: int, seed: int = 0, later: bool = False) -> KaggleTables:
    """A crowd: every fourth client unlabelled, every fifth without history, values drawn over all that is allowed."""
    draw, tables = random.Random(seed), KaggleTables()
    for index in range(clients):
        client_id = 100_001 + index
        target = None if index % 4 == 3 else int(draw.random() < 0.1)
        table = "application_test" if target is None else "application_train"
        tables.client(client_id, target, **_drawn(draw, table))
        if index % 5 != 4:
            _history(tables, draw, client_id)
            if later:
                _afterlife(tables, draw, client_id)
    return tables


def _history(tables: KaggleTables, draw: random.Random, client_id: int) -> None:
    for credit in range(draw.randrange(4)):
        _bureau_credit(tables, draw, client_id, client_id * 10 + credit)
    for loan in range(draw.randrange(1, 4)):
        _previous_loan(tables, draw, client_id, client_id * 10 + loan)


def _bureau_credit(tables: KaggleTables, draw: random.Random, client_id: int, credit_id: int) -> None:
    opened, ids = -draw.randrange(1, 2923), {"SK_ID_CURR": client_id, "SK_ID_BUREAU": credit_id}
    updated, closed = draw.randrange(opened, 1), draw.random() < 0.6
    dates = {"DAYS_CREDIT": opened, "DAYS_CREDIT_UPDATE": updated}
    ended = float(draw.randrange(opened, updated + 1)) if closed else None
    state = {"CREDIT_ACTIVE": "Closed" if closed else "Active", "DAYS_ENDDATE_FACT": ended}
    tables.add("bureau", **{**_drawn(draw, "bureau"), **ids, **dates, **state})
    for month in range(draw.randrange(6)):
        tables.add("bureau_balance", SK_ID_BUREAU=credit_id, MONTHS_BALANCE=-month, STATUS=draw.choice("C0X12345"))


def _previous_loan(tables: KaggleTables, draw: random.Random, client_id: int, loan_id: int) -> None:
    decided, ids = -draw.randrange(30, 2923), {"SK_ID_CURR": client_id, "SK_ID_PREV": loan_id}
    ended = float(draw.randrange(decided, 0)) if draw.random() < 0.7 else 365_243.0
    dates = {"DAYS_DECISION": decided, "DAYS_LAST_DUE": ended, "DAYS_FIRST_DRAWING": 365_243.0}
    dates["DAYS_TERMINATION"] = min(ended + draw.randrange(20), 0) if ended < 0 else 365_243.0
    tables.add("previous_application", **{**_drawn(draw, "previous_application"), **ids, **dates})
    for number in range(1, draw.randrange(1, 8)):
        _instalment(tables, draw, ids, number, decided + 30 * number)
    for month in range(1, draw.randrange(1, 6)):
        for table in ("POS_CASH_balance", "credit_card_balance"):
            tables.add(table, **{**_drawn(draw, table), **ids, "MONTHS_BALANCE": -month})


def _instalment(tables: KaggleTables, draw: random.Random, ids: Row, number: int, due: int) -> None:
    if due > 0:
        return
    paid = None if draw.random() < 0.05 else float(min(due + draw.choice((-9, -1, 0, 3, 45)), 0))
    amount = None if paid is None else draw.choice((9_000.0, 4_500.0))
    values = {"NUM_INSTALMENT_NUMBER": number, "DAYS_INSTALMENT": float(due), "DAYS_ENTRY_PAYMENT": paid}
    tables.add("installments_payments", **ids, **values, AMT_PAYMENT=amount)


def _afterlife(tables: KaggleTables, draw: random.Random, client_id: int) -> None:
    for row in [row for row in tables.main["bureau"] if row["SK_ID_CURR"] == client_id]:
        if row["CREDIT_ACTIVE"] == "Active":
            update = draw.randrange(5, 200)
            end = {"CREDIT_ACTIVE": "Closed", "DAYS_ENDDATE_FACT": float(update - 2), "DAYS_CREDIT_UPDATE": update}
            tables.later["bureau"].append({**row, **end})
    for row in [row for row in tables.main["previous_application"] if row["SK_ID_CURR"] == client_id]:
        if row["DAYS_LAST_DUE"] == 365_243.0:
            end = {"DAYS_LAST_DUE": float(draw.randrange(1, 200)), "DAYS_TERMINATION": 210.0}
            tables.later["previous_application"].append({**row, **end})
            due = {"DAYS_INSTALMENT": 40.0, "DAYS_ENTRY_PAYMENT": float(draw.choice((35, 60)))}
            ids = {"SK_ID_CURR": client_id, "SK_ID_PREV": row["SK_ID_PREV"], "NUM_INSTALMENT_NUMBER": 99}
            tables.add_later("installments_payments", **ids, **due)


def _drawn(draw: random.Random, table: str) -> Row:
    """Random values of all columns that carry no date and no id; a nullable one is missing in 3 of 10 rows."""
    vocabulary = known_categories().get("application" if table in APPLICATION_TABLES else table, {})
    row: Row = {}
    for column in raw_tables()[table].columns:
        if column.name.startswith(("SK_ID", "DAYS_", "TARGET", "NUM_", "MONTHS_")):
            continue
        row[column.name] = None if column.nullable and draw.random() < 0.3 else _value(draw, column, vocabulary)
    return row


def _value(draw: random.Random, column: RawColumn, vocabulary: Mapping[str, tuple[str, ...]]) -> Any:
    if column.type == "string":
        return draw.choice(vocabulary[column.name])
    if column.name == "HOUR_APPR_PROCESS_START":
        return draw.randrange(24)
    return draw.randrange(3) if column.type == "int64" else round(draw.uniform(0, 500_000), 3)


def weekday_after(weekday: str, days: int) -> str:
    """The weekday `days` after (or before) `weekday`."""
    return WEEKDAYS[(WEEKDAYS.index(weekday) + days) % 7]
