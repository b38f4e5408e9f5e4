import json

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from credit.errors import DataError
from credit.schemas.raw import HISTORY_TABLES, raw_tables
from feature_repo.datagen import generate
from feature_repo.datagen.generate import Request, generate_portfolio

CLIENTS = 1_100  # two chunks


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portfolio")
    request = Request(CLIENTS, 3, folder / "raw", folder / "oracle", workers=1)
    generate_portfolio(request)
    return request


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("table", raw_tables().values(), ids=lambda table: table.name)
def test_csv_has_the_delivered_columns_types_and_keys(portfolio, table):
    types = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
    options = pacsv.ConvertOptions(
        column_types={column.name: types[column.type] for column in table.columns}, strings_can_be_null=True
    )
    rows = pacsv.read_csv(portfolio.out / table.file_name, convert_options=options)
    assert tuple(rows.column_names) == table.column_names
    assert rows.num_rows > 0
    for column in table.columns:
        assert column.nullable or rows.column(column.name).null_count == 0, column.name
    if table.key:
        assert rows.group_by(list(table.key)).aggregate([]).num_rows == rows.num_rows


def test_numbers_are_printed_as_delivered(portfolio):
    header, first = (portfolio.out / "application_train.csv").read_text().splitlines()[:2]
    row = dict(zip(header.split(","), first.split(","), strict=False))
    assert row["SK_ID_CURR"].isdigit()
    assert "." in row["AMT_CREDIT"]
    assert "." in row["DAYS_REGISTRATION"]
    assert "." not in row["DAYS_BIRTH"]


def test_train_and_test_share_one_range_of_ids(portfolio):
    train = pacsv.read_csv(portfolio.out / "application_train.csv").column("SK_ID_CURR").to_pylist()
    test = pacsv.read_csv(portfolio.out / "application_test.csv").column("SK_ID_CURR").to_pylist()
    assert sorted(train + test) == list(range(100_001, 100_001 + CLIENTS))
    assert len(test) == round(CLIENTS * 48_744 / 356_255)
    oracle = pq.read_table(portfolio.oracle / "oracle.parquet")
    assert oracle.column("SK_ID_CURR").to_pylist() == sorted(train + test)


def test_later_tables_have_the_raw_columns_and_belong_to_known_clients(portfolio):
    world = json.loads((portfolio.out / "later" / "world.json").read_text())
    assert world["as_of_now"] == "2025-07-01T00:00:00+00:00"
    assert world["calendar"] == {"start": "2022-01-03T00:00:00+00:00", "weeks": 156, "seed": 0}
    for name in HISTORY_TABLES:
        later = pq.read_table(portfolio.out / "later" / f"{name}.parquet")
        assert tuple(later.column_names) == raw_tables()[name].column_names
        assert later.num_rows > 0


def test_side_tables_know_clients_without_history_and_credits_without_a_bureau_row(portfolio):
    bureau = pacsv.read_csv(portfolio.out / "bureau.csv")
    balance = pacsv.read_csv(portfolio.out / "bureau_balance.csv")
    known = set(bureau.column("SK_ID_BUREAU").to_pylist())
    assert 0.75 < len(set(bureau.column("SK_ID_CURR").to_pylist())) / CLIENTS < 0.95
    assert set(balance.column("SK_ID_BUREAU").to_pylist()) - known


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(portfolio, tmp_path):
    again = Request(CLIENTS, 3, tmp_path / "raw", tmp_path / "oracle", workers=2)
    generate_portfolio(again)
    assert content(again.out) == content(portfolio.out)
    assert content(again.oracle) == content(portfolio.oracle)


def test_another_seed_replaces_an_earlier_output(tmp_path):
    folder = tmp_path / "raw"
    generate_portfolio(Request(100, 1, folder, tmp_path / "oracle", 1))
    before = content(folder)
    generate_portfolio(Request(100, 2, folder, tmp_path / "oracle", 1))
    after = content(folder)
    assert after.keys() == before.keys()
    assert after["bureau.csv"] != before["bureau.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["oracle", "raw"]


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "application_train.csv").write_text("mine")
    with pytest.raises(DataError, match="did not write"):
        generate_portfolio(Request(100, 1, tmp_path / "raw", tmp_path / "oracle", 1))
    assert (tmp_path / "raw" / "application_train.csv").read_text() == "mine"


def test_every_problem_of_a_request_is_listed(tmp_path):
    with pytest.raises(DataError) as refused:
        generate_portfolio(Request(99, -1, tmp_path / "raw", tmp_path / "raw" / "oracle", 0))
    assert len(refused.value.problems) == 4
    assert not (tmp_path / "raw").exists()


def test_a_failure_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(generate, "write_parts", fail)
    with pytest.raises(OSError, match="disk full"):
        generate_portfolio(Request(100, 1, tmp_path / "raw", tmp_path / "oracle", 1))
    assert not (tmp_path / "raw").exists()
    assert not (tmp_path / "oracle" / "oracle.parquet").exists()
