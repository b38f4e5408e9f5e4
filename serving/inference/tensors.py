"""Input tensors: values checked against shape and datatype, from JSON or from the binary part of a body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.schemas.inference import Datatype, InputTensor

Values = NDArray[np.float64] | list[str | None]
_NOTHING: Final = type(None)
_JSON_TYPES: Final[dict[Datatype, set[type]]] = {
    "BOOL": {bool},
    "INT32": {int},
    "INT64": {int},
    "FP32": {int, float, _NOTHING},
    "FP64": {int, float, _NOTHING},
    "BYTES": {str, _NOTHING},
}
#: As the protocol lays values out in the binary part of a body: little endian.
_DTYPES: Final = {"BOOL": "?", "INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}


class WrongTensorError(ValueError):
    """A tensor cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input.

    Attributes:
        shape: one or two sizes.
        datatype: as the protocol names it.
        values: flat; numbers as float64 with NaN for missing, texts with None for missing.
    """

    shape: tuple[int, ...]
    datatype: Datatype
    values: Values


def from_json(sent: InputTensor) -> Tensor:
    """The tensor whose values are in `data`.

    Raises:
        WrongTensorError: they are absent, too many or few, of another type or out of range.
    """
    if sent.data is None:
        raise WrongTensorError("has no data")
    return _tensor(sent, _numbers(sent.datatype, _checked(sent, _flat(sent.data, sent.shape))))


def from_bytes(sent: InputTensor, raw: bytes) -> Tensor:
    """The tensor whose values are `raw`.

    Raises:
        WrongTensorError: they are too many or few, or cannot be read.
    """
    if sent.datatype == "BYTES":
        return _tensor(sent, _texts(raw))
    dtype = np.dtype(_DTYPES[sent.datatype])
    if len(raw) % dtype.itemsize:
        raise WrongTensorError("its binary data are no whole number of values")
    return _tensor(sent, np.frombuffer(raw, dtype).astype(np.float64))


def _tensor(sent: InputTensor, values: Values) -> Tensor:
    expected = 1
    for size in sent.shape:
        expected *= size
    if len(values) != expected:
        raise WrongTensorError(f"has {len(values)} values, but its shape says {expected}")
    if isinstance(values, np.ndarray) and np.isinf(values).any():
        raise WrongTensorError("holds an infinite value or one that its datatype cannot hold")
    return Tensor(sent.shape, sent.datatype, values)


def _flat(data: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Values row by row; nested data must have the shape's rows."""
    if len(shape) == 1 or not any(isinstance(row, list) for row in data):
        return list(data)
    if len(data) != shape[0] or not all(isinstance(row, list) and len(row) == shape[1] for row in data):
        raise WrongTensorError("its nested data do not have its shape")
    return [value for row in data for value in row]


def _checked(sent: InputTensor, values: list[Any]) -> list[Any]:
    if not set(map(type, values)) <= _JSON_TYPES[sent.datatype]:
        raise WrongTensorError(f"holds values that are no {sent.datatype}")
    return values


def _numbers(datatype: Datatype, values: list[Any]) -> Values:
    if datatype == "BYTES":
        return [value or None for value in values]
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64 if datatype == "FP64" else _DTYPES[datatype]).astype(np.float64)
    except OverflowError:
        raise WrongTensorError(f"holds a value that {datatype} cannot hold") from None


def _texts(raw: bytes) -> list[str | None]:
    """Each value after its length in four bytes; an empty one stands for missing."""
    found: list[str | None] = []
    at = 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if at + 4 > len(raw) or end > len(raw):
            raise WrongTensorError("its binary data end inside a value")
        try:
            found.append(raw[at + 4 : end].decode() or None)
        except UnicodeDecodeError:
            raise WrongTensorError("holds a text that is no UTF-8") from None
        at = end
    return found
