"""Checks of values that a caller sends: a finding says what is wrong, without the value."""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from credit.schemas.features import ValueType
from credit.schemas.raw import RawType

Value = float | str | None
_INT32: Final = 2**31
_INT64: Final = 2**63


class WrongValueError(ValueError):
    """A value does not fit; the text says what would."""


def of_type(value: Any, type_: ValueType) -> Value:
    """`value` as the online store would hold it.

    Raises:
        WrongValueError: it is of another type or out of range.
    """
    return None if _is_null(value) else _STORED[type_](value)


def of_raw_type(value: Any, type_: RawType) -> Value:
    """`value` as a raw table would hold it.

    Raises:
        WrongValueError: it is of another type or out of range.
    """
    return None if _is_null(value) else _RAW[type_](value)


def number(value: Any) -> float:
    """A finite number.

    Raises:
        WrongValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        raise WrongValueError("must be a finite number or null")
    return float(value)


def _is_null(value: Any) -> bool:
    """A NaN is how many tools write a missing number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValueError("must be a text or null")
    return value


def _single(value: Any) -> float:
    exact = number(value)
    if abs(exact) > float(np.finfo(np.float32).max):
        raise WrongValueError("is too large")
    return float(np.float32(exact))


def _whole(value: Any, limit: int) -> float:
    exact = number(value)
    if not exact.is_integer():
        raise WrongValueError("must be a whole number or null")
    if not -limit <= exact < limit:
        raise WrongValueError("is too large")
    return exact


def _flag(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if number(value) not in (0.0, 1.0):
        raise WrongValueError("must be true, false or null")
    return float(value)


_STORED: Final[dict[ValueType, Callable[[Any], Value]]] = {
    "float32": _single,
    "float64": number,
    "int32": lambda value: _whole(value, _INT32),
    "int64": lambda value: _whole(value, _INT64),
    "bool": _flag,
    "string": _text,
    "unix_timestamp": number,
}
_RAW: Final[dict[RawType, Callable[[Any], Value]]] = {
    "int64": lambda value: _whole(value, _INT64),
    "float64": number,
    "string": _text,
}
