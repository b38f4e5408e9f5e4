import json

import pyarrow.parquet as pq
import pytest
from offline_rows import random_rows

from credit.errors import DataError
from feature_repo.aggregates.compute import view_schema
from feature_repo.catalogue import load_catalogue
from feature_repo.fresh.view_rows import checked_view_rows, read_view_rows

VIEW = load_catalogue().view("installments")


def rows(count=3):
    return random_rows(VIEW, count).drop_columns(["created_ts"])


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_rows_of_a_file_come_back_as_they_were(tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(rows(), path)
    else:
        path.write_text("\n".join(json.dumps(row, default=str) for row in rows().to_pylist()))
    read = read_view_rows(path, VIEW)
    assert read.schema.equals(view_schema(VIEW))
    assert read.equals(rows())


def test_every_problem_of_the_rows_is_listed():
    first, second, third = rows().to_pylist()
    count = next(feature.name for feature in VIEW.features if feature.type == "int32")
    other = next(feature.name for feature in VIEW.features if feature.type == "float32")
    del first[other]
    second |= {count: 2**40, "as_of": "yesterday", "shoe_size": 43}
    second[other] = 1e39
    third |= {"SK_ID_CURR": -5, "as_of": None}
    with pytest.raises(DataError) as caught:
        checked_view_rows(
            [first, second, third, third | {"as_of": "2024-01-01"}, third | {"as_of": "2024-01-01"}], VIEW
        )
    assert sorted(caught.value.problems) == sorted(
        [
            "unexpected column shoe_size",
            f"missing column {other} in 1 rows, e.g. row 1",
            f"column {other}: values do not fit float",
            f"column {count}: values do not fit int32",
            "column as_of: 1 values are missing, e.g. in row 3",
            "column as_of: 1 values are no timestamps (like 2024-05-01T00:00:00Z), e.g. 'yesterday' in row 2",
            "column SK_ID_CURR: 3 values are not positive ids",
            "1 rows are repeated, e.g. client -5 at 2024-01-01T00:00:00+00:00",
        ]
    )


def test_as_of_must_be_there():
    with pytest.raises(DataError, match="column as_of: 3 values are missing"):
        checked_view_rows(rows().drop_columns(["as_of"]).to_pylist(), VIEW)
