"""The Home Credit tables as delivered: columns, types, nullability, keys.

The facts live in `raw_tables.json`; a type ending in `?` may be missing.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

RawType = Literal["int64", "float64", "string"]

APPLICATION_TABLES = ("application_train", "application_test")
HISTORY_TABLES = (
    "bureau",
    "bureau_balance",
    "previous_application",
    "installments_payments",
    "POS_CASH_balance",
    "credit_card_balance",
)
#: DAYS_* columns use this value for "not applicable" (1,000 years).
DAYS_SENTINEL = 365_243


@dataclass(frozen=True, slots=True)
class RawColumn:
    """One column of a raw table."""

    name: str
    type: RawType
    nullable: bool


@dataclass(frozen=True, slots=True)
class RawTable:
    """One raw table; `key` is empty where the delivered table has no primary key."""

    name: str
    key: tuple[str, ...]
    columns: tuple[RawColumn, ...]

    @property
    def file_name(self) -> str:
        """The CSV's name as delivered."""
        return f"{self.name}.csv"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in file order."""
        return tuple(column.name for column in self.columns)


@cache
def raw_tables() -> dict[str, RawTable]:
    """All eight tables by name, in delivery order."""
    text = files("credit.schemas").joinpath("raw_tables.json").read_text("utf-8")
    return {name: _table(name, spec) for name, spec in json.loads(text).items()}


def _table(name: str, spec: dict[str, object]) -> RawTable:
    columns, key = spec["columns"], spec["key"]
    assert isinstance(columns, dict)
    assert isinstance(key, list)
    return RawTable(
        name=name,
        key=tuple(key),
        columns=tuple(
            RawColumn(column, type_.removesuffix("?"), type_.endswith("?")) for column, type_ in columns.items()
        ),
    )
