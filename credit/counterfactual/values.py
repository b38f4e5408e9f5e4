"""The values that a stored column can hold, numbered in their order: neighbours differ by one."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from credit.schemas.features import ValueType

Keys = NDArray[np.int64]
Column = NDArray[np.float64]

#: Whole numbers beyond these are not told apart by the model's matrix.
_WHOLE: Final = 2**53
_WHOLE_LIMITS: Final[dict[ValueType, tuple[int, int]]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-_WHOLE, _WHOLE),
    "unix_timestamp": (-_WHOLE, _WHOLE),
    "bool": (0, 1),
}
_FLOATS: Final[dict[ValueType, tuple[Any, Any]]] = {
    "float32": (np.float32, np.int32),
    "float64": (np.float64, np.int64),
}


@dataclass(frozen=True, slots=True)
class ValueOrder:
    """All values of one numeric type in order; the key of a value is its place, 0 for 0.

    Floats of one sign are ordered as their bits are, read as a whole number (IEEE 754).
    """

    type: ValueType

    @property
    def whole(self) -> bool:
        """Whether the type holds whole numbers only."""
        return self.type in _WHOLE_LIMITS

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value."""
        if self.whole:
            low, high = _WHOLE_LIMITS[self.type]
            return float(low), float(high)
        largest = float(np.finfo(_FLOATS[self.type][0]).max)
        return -largest, largest

    def keys(self, values: Column) -> Keys:
        """Places of values within the limits, rounded to the nearest that the type holds."""
        if self.whole:
            return np.rint(values).astype(np.int64)
        floats, bits = _FLOATS[self.type]
        places = np.asarray(values, dtype=np.float64).astype(floats).view(bits).astype(np.int64)
        largest = np.int64(np.iinfo(bits).max)
        keys: Keys = np.where(places < 0, -(places & largest), places)
        return keys

    def values(self, keys: Keys) -> Column:
        """The values at these places."""
        if self.whole:
            return keys.astype(np.float64)
        floats, bits = _FLOATS[self.type]
        sizes = np.abs(keys).astype(bits).view(floats).astype(np.float64)
        values: Column = np.where(keys < 0, -sizes, sizes)
        return values

    def key(self, value: float) -> int:
        """The place of one value."""
        return int(self.keys(np.array([value]))[0])
