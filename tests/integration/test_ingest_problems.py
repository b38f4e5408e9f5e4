"""Bad input: one error that lists every problem, and nothing written."""

import gzip
import json
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kaggle_tables import KaggleTables, random_tables

from credit.cli import run
from credit.errors import DataError
from feature_repo.ingest.pipeline import Options, ingest


@pytest.fixture
def raw(tmp_path):
    return random_tables(12).write(tmp_path / "raw")


def problems(raw) -> tuple[str, ...]:
    out = raw.parent / "out" / "events"
    with pytest.raises(DataError) as caught:
        ingest(raw, out, Options())
    assert not out.parent.exists() or not list(out.parent.iterdir()), "something was written"
    return caught.value.problems


def edit(raw, name, change) -> None:
    path = raw / name
    path.write_bytes(change(path.read_bytes()))


def test_all_problems_of_all_tables_are_listed_at_once(tmp_path):
    tables = random_tables(12)
    train, bureau = tables.main["application_train"], tables.main["bureau"]
    train[0]["TARGET"] = 2
    train[1]["WEEKDAY_APPR_PROCESS_START"] = "TODAY"
    train[2]["HOUR_APPR_PROCESS_START"] = 24
    train[3]["SK_ID_CURR"] = train[4]["SK_ID_CURR"]
    train[5]["AMT_CREDIT"] = "a lot"
    tables.main["application_test"][0]["SK_ID_CURR"] = train[6]["SK_ID_CURR"]
    bureau[0]["SK_ID_CURR"] = -5
    bureau[1]["DAYS_CREDIT"] = None
    bureau[2]["DAYS_CREDIT_UPDATE"] = "-3.5"
    bureau[3]["SK_ID_BUREAU"] = 2**63
    bureau[4]["AMT_CREDIT_SUM"] = "inf"
    tables.main["installments_payments"][0]["DAYS_INSTALMENT"] = 1e12
    raw = tables.write(tmp_path / "raw")
    (raw / "POS_CASH_balance.csv").unlink()
    edit(raw, "credit_card_balance.csv", lambda data: data.replace(b"AMT_RECIVABLE", b"AMT_RECEIVABLE", 1))
    found = "\n".join(problems(raw))
    for expected in (
        "missing table POS_CASH_balance",
        "credit_card_balance.csv: missing column AMT_RECIVABLE",
        "credit_card_balance.csv: unexpected columns 'AMT_RECEIVABLE'",
        "application_train.csv: column AMT_CREDIT: 1 values are not numbers, e.g. 'a lot' on line 7",
        "application_train.csv: column TARGET: 1 values are neither 0 nor 1, e.g. 2",
        "application_train.csv: column WEEKDAY_APPR_PROCESS_START: 1 values are no weekdays",
        "application_train.csv: column HOUR_APPR_PROCESS_START: 1 values are no hours (0 to 23), e.g. 24",
        f"application_train.csv: 1 duplicate keys, e.g. SK_ID_CURR = {train[4]['SK_ID_CURR']}",
        f"application_train and application_test share 1 SK_ID_CURR, e.g. {train[6]['SK_ID_CURR']}",
        "bureau.csv: column SK_ID_CURR: 1 values are not positive ids, e.g. -5",
        "bureau.csv: column DAYS_CREDIT: 1 values are missing",
        "bureau.csv: column DAYS_CREDIT_UPDATE: 1 values are not whole numbers (64 bit), e.g. -3.5",
        "bureau.csv: column SK_ID_BUREAU: 1 values are not whole numbers (64 bit), e.g. 9223372036854775808",
        "bureau.csv: column AMT_CREDIT_SUM: 1 values are not finite",
        "installments_payments.csv: column DAYS_INSTALMENT: 1 values are no dates",
    ):
        assert expected in found


def test_compound_duplicate_keys_are_named(tmp_path):
    tables = KaggleTables()
    tables.client(1)
    for _ in range(2):
        tables.add("POS_CASH_balance", SK_ID_PREV=7, SK_ID_CURR=1, MONTHS_BALANCE=-4)
    (problem,) = problems(tables.write(tmp_path / "raw"))
    assert problem == "POS_CASH_balance.csv: 1 duplicate keys, e.g. SK_ID_PREV = 7, MONTHS_BALANCE = -4"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data.decode().encode("utf-16"), "is not UTF-8 text"),
        (lambda data: data.replace(b"currency", b"w\xe4hrung"), r"is not UTF-8 text: \d+ lines"),
        (lambda data: data.replace(b"\n", b",1\n").replace(b",1\n", b"\n", 1), r"lines are malformed .*columns"),
        (lambda data: data + b'1,2,"never closed', "malformed"),
        (lambda data: data.replace(b"DAYS_CREDIT,", b"DAYS_CREDIT,DAYS_CREDIT,", 1), "repeated column DAYS_CREDIT"),
    ],
    ids=["empty", "utf-16", "latin-1", "too many fields", "open quote", "repeated column"],
)
def test_damaged_file(raw, change, expected):
    edit(raw, "bureau.csv", change)
    assert any(re.match(rf"bureau\.csv: .*{expected}", problem) for problem in problems(raw)), problems(raw)


def test_damaged_archives(raw):
    whole = gzip.compress((raw / "bureau.csv").read_bytes())
    (raw / "bureau.csv.gz").write_bytes(whole[: len(whole) // 2])
    (raw / "bureau.csv").unlink()
    (raw / "rest.zip").write_bytes(b"PK no zip")
    found = "\n".join(problems(raw))
    assert "rest.zip cannot be read as a zip archive" in found
    assert "bureau.csv.gz: cannot be read" in found


def test_no_application_at_all(tmp_path):
    assert problems(KaggleTables().write(tmp_path / "raw")) == (
        "application_train.csv and application_test.csv hold no application at all",
    )


def test_later_of_another_schema(tmp_path):
    tables = random_tables(12, later=True)
    raw = tables.write(tmp_path / "raw")
    bureau = pa.Table.from_pylist(tables.later["bureau"])
    wrong = bureau.drop_columns(["CREDIT_TYPE"]).append_column("EXTRA", pa.nulls(len(bureau)))
    index = wrong.schema.get_field_index("DAYS_CREDIT")
    wrong = wrong.set_column(index, "DAYS_CREDIT", wrong["DAYS_CREDIT"].cast(pa.string()))
    pq.write_table(wrong, raw / "later" / "bureau.parquet")
    moved = tables.later["previous_application"]
    moved[0]["SK_ID_CURR"] += 1
    pq.write_table(pa.Table.from_pylist(moved), raw / "later" / "previous_application.parquet")
    (raw / "later" / "installments_payments.parquet").write_bytes(b"no parquet")
    (raw / "later" / "stranger.parquet").write_bytes(b"")
    found = "\n".join(problems(raw))
    for expected in (
        "later/bureau.parquet: missing column CREDIT_TYPE",
        "later/bureau.parquet: unexpected column EXTRA",
        "later/bureau.parquet: column DAYS_CREDIT is string, not int64",
        "later/previous_application.parquet: 1 SK_ID_PREV belong to more than one client",
        "later/installments_payments.parquet: cannot be read",
        "later/stranger.parquet is not one of the history tables",
    ):
        assert expected in found


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"as_of_now": "2001-01-01T00:00:00Z", "calendar": {"start": "2022-01-03T00:00:00Z", "weeks": 9, "seed": 0}}',
    ],
)
def test_world_must_be_stated_and_lie_after_the_applications(raw, text):
    (raw / "later").mkdir()
    (raw / "later" / "world.json").write_text(text)
    with pytest.raises(DataError, match=r"world\.json"):
        ingest(raw, raw.parent / "events", Options())


def test_other_folders_are_never_replaced(raw, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="holds something else"):
        ingest(raw, tmp_path / "mine", Options())
    with pytest.raises(DataError, match="--out"):
        ingest(raw, raw, Options())
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_failed_ingestion_keeps_the_finished_one(raw, tmp_path):
    out = tmp_path / "out" / "events"
    before = ingest(raw, out, Options()).store.meta
    edit(raw, "bureau.csv", lambda data: data.replace(b"SK_ID_BUREAU", b"SK_BUREAU_ID"))
    with pytest.raises(DataError):
        ingest(raw, out, Options())
    assert json.loads((out / "meta.json").read_text())["fingerprint"] == before.fingerprint
    assert [path.name for path in out.parent.iterdir()] == ["events"]


def test_command_line_prints_the_list_and_fails(raw, tmp_path, capsys):
    (raw / "bureau.csv").unlink()
    assert run(["data", "ingest", "--source", str(raw), "--out", str(tmp_path / "events")]) == 1
    assert "missing table bureau (" in capsys.readouterr().err


def test_extra_columns_can_be_allowed(raw, tmp_path):
    edit(raw, "bureau_balance.csv", lambda data: data.replace(b"\n", b",9\n").replace(b"STATUS,9", b"STATUS,MORE"))
    assert any("unexpected columns 'MORE'" in problem for problem in problems(raw))
    assert ingest(raw, tmp_path / "events", Options(allow_extra=True)).store.meta.clients == 12


def test_zip_that_lies_about_its_content(raw):
    with zipfile.ZipFile(raw / "bureau.csv.zip", "w") as archive:
        archive.write(raw / "bureau.csv", "bureau.csv")
    (raw / "bureau.csv").unlink()
    data = bytearray((raw / "bureau.csv.zip").read_bytes())
    data[200] ^= 0xFF
    (raw / "bureau.csv.zip").write_bytes(bytes(data))
    assert any(problem.startswith("bureau.csv.zip:bureau.csv: cannot be read") for problem in problems(raw))
