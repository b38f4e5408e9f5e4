"""Arrow tables to rows: nothing is lost, what does not fit is refused."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from packed_rows import BUILT, spec_of_types

from credit.errors import FeatureError
from feature_repo.online.arrow import rows_of_table
from feature_repo.online.codec import Rows, decode_row, encode_rows
from feature_repo.online.layout import layout_of

MOMENT = datetime(2024, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
MOMENT_US = 1_706_933_106_789_012
SPEC = spec_of_types(["float32", "int64", "bool", "string", "unix_timestamp"])


def table(**changed: Any) -> pa.Table:
    columns = {
        "id": pa.array([1, 2], pa.int64()),
        "at": pa.array([MOMENT, MOMENT], pa.timestamp("us", "UTC")),
        "built": pa.array([MOMENT, None], pa.timestamp("us", "UTC")),
        "f0": pa.array([1.5, None], pa.float32()),
        "f1": pa.array([None, 2**62 + 1], pa.int64()),
        "f2": pa.array([True, None]),
        "f3": pa.array(["é", None]),
        "f4": pa.array([MOMENT, None], pa.timestamp("us", "UTC")),
    }
    return pa.table({name: values for name, values in (columns | changed).items() if values is not None})


def rows(given: pa.Table) -> Rows:
    return rows_of_table(SPEC, given, "id", "at", "built", BUILT)


def test_values_nulls_and_times_arrive() -> None:
    packed = encode_rows(layout_of(SPEC), rows(table()))
    first, second = (decode_row(layout_of(SPEC), index + 1, raw) for index, raw in enumerate(packed))
    assert first is not None
    assert second is not None
    assert first.values == {"f0": 1.5, "f1": None, "f2": True, "f3": "é", "f4": MOMENT_US // 1_000_000}
    assert second.values == {"f0": None, "f1": 2**62 + 1, "f2": None, "f3": None, "f4": None}
    assert (first.as_of_us, first.built_us) == (MOMENT_US, MOMENT_US)
    assert (second.as_of_us, second.built_us) == (MOMENT_US, BUILT)


def test_without_a_created_column_the_build_is_now() -> None:
    np.testing.assert_array_equal(rows(table(built=None)).built_us, [BUILT, BUILT])


def test_types_that_convert_without_loss_are_taken() -> None:
    taken = rows(table(f1=pa.array([1, 2], pa.int8()), f3=pa.array(["a", None]).dictionary_encode()))
    assert taken.numeric["f1"].tolist() == [1, 2]
    assert taken.strings["f3"] == [b"a", None]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"f0": None}, "column f0 is missing"),
        ({"f1": pa.array([0.5, 1.0])}, "f1: double does not fit int64"),
        ({"id": pa.array([1, None], pa.int64())}, "1 rows have no id"),
        ({"at": pa.array([None, MOMENT], pa.timestamp("us", "UTC"))}, "1 rows have no at"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], cause: str) -> None:
    with pytest.raises(FeatureError, match=cause):
        rows(table(**changed))
