"""What the champion's own reference sample looks like, feature by feature."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from serving.schemas.model_data import CategoryStatistics, NumberStatistics

_QUARTILES = (0.25, 0.5, 0.75)
Statistics = NumberStatistics | CategoryStatistics


@lru_cache(maxsize=2)
def reference_statistics(bundle: Bundle) -> tuple[int, dict[str, Statistics]]:
    """Rows of the sample, and statistics by column: the features, then margin and probability."""
    table = bundle.reference()
    return table.num_rows, {name: _statistics(table[name]) for name in table.column_names}


def _statistics(column: pa.ChunkedArray) -> Statistics:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _of_categories(column)
    return _of_numbers(column.cast(pa.float64()).to_numpy())


def _of_numbers(values: NDArray[np.float64]) -> NumberStatistics:
    held = values[~np.isnan(values)]
    if not held.size:
        return NumberStatistics(count=0, missing=_share(values.size, values.size))
    low, middle, high = np.quantile(held, _QUARTILES).tolist()
    return NumberStatistics(
        count=held.size,
        missing=_share(values.size - held.size, values.size),
        mean=float(held.mean()),
        std=float(held.std(ddof=1)) if held.size > 1 else None,
        min=float(held.min()),
        q25=low,
        median=middle,
        q75=high,
        max=float(held.max()),
    )


def _of_categories(column: pa.ChunkedArray) -> CategoryStatistics:
    held = len(column) - column.null_count
    counts = sorted(pc.value_counts(column.drop_null()).to_pylist(), key=lambda one: (-one["counts"], one["values"]))
    return CategoryStatistics(
        count=held,
        missing=_share(column.null_count, len(column)),
        shares={str(one["values"]): one["counts"] / held for one in counts},
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
