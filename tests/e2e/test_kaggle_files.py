"""The Kaggle format with the nastiness of real files, through the whole platform."""

import csv
import shutil
import zipfile

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNKNOWN_CLIENT = 9_000_001
HISTORIES = ("bureau", "previous_application", "installments_payments", "POS_CASH_balance", "credit_card_balance")


@pytest.fixture(scope="module")
def source(platform, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kaggle") / "csvs"
    platform.json("data", "generate", "--clients", "1000", "--seed", "5", "--out", str(folder))
    shutil.rmtree(folder / "later")
    ids = sorted(int(row["SK_ID_CURR"]) for row in read(folder / "application_train.csv"))
    for table in HISTORIES:
        rewrite(folder / f"{table}.csv", [change_history(ids[0]), orphan_last_row])
    rewrite(folder / "application_train.csv", [lose_values, novel_category])
    zipped = folder / "bureau_balance.csv.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "bureau_balance.csv", "bureau_balance.csv")
    (folder / "bureau_balance.csv").unlink()
    return folder, ids


@pytest.fixture(scope="module")
def answer(platform, source):
    return platform.up("--data", str(source[0]))["answer"]


def test_real_looking_files_run_through_the_demo(answer, source):
    assert answer["client_id"] >= source[1][0]
    assert 0 < answer["probability"] < 1


def test_a_client_without_any_history_is_scored(platform, source, answer):
    reply = httpx.post(f"{platform.url}/v1/score", json={"client_id": source[1][0]}).json()
    assert {view["status"] for view in reply["features"].values()} == {"present"}


def test_a_client_whose_application_lost_values_is_scored(platform, source, answer):
    assert httpx.post(f"{platform.url}/v1/score", json={"client_id": source[1][1]}).status_code == 200


def test_a_client_that_only_side_tables_know_is_unknown(platform, answer):
    reply = httpx.post(f"{platform.url}/v1/score", json={"client_id": UNKNOWN_CLIENT})
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_client")


def test_nobody_lives_on_so_features_are_as_of_the_application(platform, source, answer):
    views = httpx.post(f"{platform.url}/v1/score", json={"client_id": source[1][2]}).json()["features"]
    assert len({view["as_of"] for view in views.values()}) == 1
    assert "2022-01-03" <= views["application"]["as_of"] < "2025-01-01"


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rewrite(path, changes):
    rows = read(path)
    for change in changes:
        rows = change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def change_history(client):
    """Take the whole history away from `client`."""
    return lambda rows: [row for row in rows if int(row["SK_ID_CURR"]) != client]


def orphan_last_row(rows):
    rows[-1]["SK_ID_CURR"] = str(UNKNOWN_CLIENT)
    return rows


def lose_values(rows):
    """Every value that may be missing is missing for one client, as happens with sparse forms."""
    keep = ("SK_ID_CURR", "TARGET", "WEEKDAY_APPR_PROCESS_START", "HOUR_APPR_PROCESS_START")
    client = sorted(rows, key=lambda row: int(row["SK_ID_CURR"]))[1]
    for name in client:
        if name not in keep and name.startswith(
            ("EXT_", "AMT_ANN", "AMT_GOODS", "AMT_REQ", "OWN_CAR", "APART", "OCCUP")
        ):
            client[name] = ""
    return rows


def novel_category(rows):
    rows[3]["NAME_INCOME_TYPE"] = "Influencer"
    return rows
