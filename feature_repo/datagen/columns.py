"""Columns of simulated tables: numeric arrays with NaN, or coded labels, of equal length."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Column: TypeAlias = Union[Floats, Ints, "Labels"]
Table: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Labels:
    """A text column: codes into `names`; code -1 is missing."""

    codes: Ints
    names: tuple[str, ...]

    def take(self, rows: Ints | Bools) -> "Labels":
        """The column of the chosen rows."""
        return Labels(self.codes[rows], self.names)


def numbers(table: Table, name: str) -> Floats:
    """A numeric column as floats, NaN where missing."""
    column = table[name]
    assert not isinstance(column, Labels)
    return column.astype(np.float64)


def labels(table: Table, name: str) -> Labels:
    """A text column."""
    column = table[name]
    assert isinstance(column, Labels)
    return column


def masked(values: Floats | Ints, missing: Bools) -> Floats:
    """The values as floats with NaN where missing."""
    return np.where(missing, np.nan, values.astype(np.float64))


def rows_where(table: Table, chosen: Bools) -> dict[str, Column]:
    """The chosen rows of every column."""
    return {
        name: column.take(chosen) if isinstance(column, Labels) else column[chosen] for name, column in table.items()
    }


def stacked(first: Table, second: Table) -> dict[str, Column]:
    """The rows of both tables, which have the same columns and labels."""
    return {name: _joined(column, second[name]) for name, column in first.items()}


def _joined(first: Column, second: Column) -> Column:
    if isinstance(first, Labels):
        assert isinstance(second, Labels)
        return Labels(np.concatenate([first.codes, second.codes]), first.names)
    assert not isinstance(second, Labels)
    joined: Floats | Ints = np.concatenate([first, second])
    return joined
