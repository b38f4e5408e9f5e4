import csv
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_files import T0
from hypothesis import given, settings
from hypothesis import strategies as st
from kaggle_tables import default_row

from credit.errors import DataError
from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import raw_tables
from feature_repo.fresh.applications import checked_applications, read_applications
from feature_repo.ingest.events import event_schema

TABLE = raw_tables()["application_test"]
NULLABLE = [column.name for column in TABLE.columns if column.nullable and column.type == "float64"]


def application(client_id=900_001, **values):
    return default_row("application_test", SK_ID_CURR=client_id, **values)


def write(path, rows):
    """The same rows in the kind of file that the name's ending tells."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        path.write_text(json.dumps(rows if len(rows) > 1 else rows[0]))
    return path


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
@pytest.mark.parametrize("count", [1, 3])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, kind, count):
    rows = [application(900_001 + at, AMT_ANNUITY=None if at else 1.5, OWN_CAR_AGE=4.0) for at in range(count)]
    read = read_applications(write(tmp_path / f"new.{kind}", rows))
    assert read.table.to_pylist() == rows
    assert read.table.schema.names == list(TABLE.column_names)
    assert read.unknown_categories == ()


def test_events_are_of_the_moment_and_have_no_label():
    events = checked_applications([application()]).events(T0)
    assert events.schema.equals(event_schema("application"))
    row = events.to_pylist()[0]
    assert (row["t0"], row["event_ts"], row["known_ts"], row["TARGET"]) == (T0, T0, T0, None)


def test_unknown_categories_become_unknown_and_are_counted():
    rows = [application(at, NAME_INCOME_TYPE="Astronaut") for at in (1, 2)] + [application(3, OCCUPATION_TYPE=None)]
    found = checked_applications(rows)
    assert found.table["NAME_INCOME_TYPE"].to_pylist()[:2] == [UNKNOWN, UNKNOWN]
    assert found.table["OCCUPATION_TYPE"].to_pylist()[2] is None
    assert [(one.column, one.value, one.rows) for one in found.unknown_categories] == [
        ("NAME_INCOME_TYPE", "Astronaut", 2)
    ]
    assert found.table["NAME_INCOME_TYPE"][2].as_py() in known_categories()["application"]["NAME_INCOME_TYPE"]


def test_every_problem_is_listed():
    wrong = application(
        AMT_CREDIT="much",
        AMT_INCOME_TOTAL=None,
        CNT_CHILDREN=1.5,
        FLAG_MOBIL=True,
        AMT_ANNUITY=math.inf,
        NAME_HOUSING_TYPE=7,
        HOUR_APPR_PROCESS_START=24,
        WEEKDAY_APPR_PROCESS_START="SOMEDAY",
        DAYS_BIRTH=2**63,
    )
    wrong |= {"TARGET": 1, "colour": "blue"}
    del wrong["DAYS_EMPLOYED"]
    with pytest.raises(DataError) as caught:
        checked_applications([wrong, application(900_001) | {"DAYS_EMPLOYED": -1}])
    assert sorted(caught.value.problems) == sorted(
        [
            "unexpected column TARGET",
            "unexpected column colour",
            "missing column DAYS_EMPLOYED in 1 rows, e.g. row 1",
            "column AMT_CREDIT: 1 values are no finite numbers, e.g. 'much' in row 1",
            "column AMT_INCOME_TOTAL: 1 values are missing, e.g. in row 1",
            "column CNT_CHILDREN: 1 values are no whole numbers (64 bit), e.g. 1.5 in row 1",
            "column FLAG_MOBIL: 1 values are no whole numbers (64 bit), e.g. True in row 1",
            "column AMT_ANNUITY: 1 values are no finite numbers, e.g. inf in row 1",
            "column NAME_HOUSING_TYPE: 1 values are no texts, e.g. 7 in row 1",
            "column HOUR_APPR_PROCESS_START: 1 values are no hours (0 to 23), e.g. 24",
            "column WEEKDAY_APPR_PROCESS_START: 1 values are no weekdays (MONDAY ... SUNDAY), e.g. SOMEDAY",
            "column DAYS_BIRTH: 1 values are no whole numbers (64 bit), e.g. 9223372036854775808 in row 1",
            "1 duplicate keys, e.g. SK_ID_CURR = 900001",
        ]
    )


@given(column=st.sampled_from(TABLE.column_names), value=st.sampled_from(["x", None, 1.5, True, -1, [1], {}, math.inf]))
@settings(max_examples=15, deadline=None)
def test_no_value_of_any_column_gets_past_the_checks_unseen(column, value):
    """Either it stands in the table as given (a category perhaps as UNKNOWN), or the column is named as a problem."""
    problems, stored = problems_and_value(application() | {column: value}, column)
    if problems:
        assert any(column in problem for problem in problems)
    else:
        assert stored in (value, UNKNOWN)


def problems_and_value(row, column):
    try:
        return (), checked_applications([row]).table[column][0].as_py()
    except DataError as error:
        return error.problems, None


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "SK_ID_CURR,SK_ID_CURR\n1,2\n", "repeated columns SK_ID_CURR"),
        ("a.csv", "SK_ID_CURR,TARGET\n1\n", "line 2 has 1 fields, the header 2"),
        ("a.csv", "SK_ID_CURR\n", "holds no rows"),
        ("a.json", '{"SK_ID_CURR": 1, "SK_ID_CURR": 2}', "repeats a name"),
        ("a.json", "[1]", "row 1 is no JSON object"),
        ("a.json", "[]", "holds no rows"),
        ("a.jsonl", "{}\n{", "cannot be read"),
        ("a.parquet", "PAR1", "cannot be read"),
        ("a.xlsx", "x", "expected a .json"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, name, text, problem):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=problem):
        read_applications(tmp_path / name)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_applications(tmp_path / "absent.json")
