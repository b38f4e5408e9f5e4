import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from credit.bundle.keys import PUBLIC_KEY_FILE, load_public_key
from credit.bundle.reader import load_bundle
from credit.demo.archiver import Archiver
from credit.demo.processes import start_time
from credit.schemas.features import ViewBatch, ViewStatus
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader

#: A larger portfolio can be checked by hand: DEMO_CLIENTS=10000 pytest tests/e2e
CLIENTS = os.environ.get("DEMO_CLIENTS", "1200")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def first_run(platform):
    return platform.up("--clients", CLIENTS)


@pytest.fixture(scope="module")
def bundle(platform, first_run):
    (path,) = platform.home.bundles.glob("*/manifest.json")
    return load_bundle(path.parent, load_public_key(platform.home.keys / PUBLIC_KEY_FILE))


@pytest.fixture(scope="module")
def clients(platform, first_run):
    files = sorted((platform.home.events / "clients").glob("*.parquet"))
    return sorted(pa.concat_tables(pq.read_table(file) for file in files)["SK_ID_CURR"].to_pylist())


@pytest.fixture(scope="module")
def online(platform, bundle, clients):
    url = platform.json("redis", "status")["url"]
    reader = PackedReader(RedisSettings(url=url, read_timeout=5), PROJECT, bundle.contract.views)
    yield reader.read(clients)
    reader.close()


def score(platform, client_id, client=httpx):
    return client.post(f"{platform.url}/v1/score", json={"client_id": client_id}, timeout=10)


def test_the_first_run_ends_with_a_score(first_run):
    answer = first_run["answer"]
    assert 0 < answer["probability"] < 1
    assert answer["decision"] == ("refused" if answer["probability"] >= answer["threshold"] else "approved")
    assert 1 <= len(answer["reasons"]) <= 4
    assert {view["status"] for view in answer["features"].values()} == {"present"}
    assert not any(step["skipped"] for step in first_run["steps"])


def test_the_second_run_skips_every_step_and_reuses_the_service(platform, first_run):
    before = platform.json("demo", "status")
    second = platform.up("--clients", CLIENTS)
    assert all(step["skipped"] for step in second["steps"])
    assert platform.json("demo", "status") == before
    assert second["answer"]["probability"] == first_run["answer"]["probability"]


def test_online_rows_equal_the_offline_rows_of_the_same_as_of(platform, bundle, clients, online):
    for spec in bundle.contract.views:
        assert_equal(online[spec.name], offline_rows(platform.home.offline / spec.name / "online", clients), clients)


def test_online_rows_equal_what_the_feast_sdk_returns(platform, bundle, clients, online, monkeypatch):
    from feature_repo.store import open_store

    url = platform.json("redis", "status")["url"]
    monkeypatch.setenv("CREDIT_HOME", str(platform.home.root))
    monkeypatch.setenv("FEATURES_REDIS_URL", url)
    store = open_store(platform.home)
    for spec in bundle.contract.views:
        names = [f"{spec.name}:{column.name}" for column in spec.columns]
        answer = store.get_online_features(names, [{"SK_ID_CURR": client} for client in clients]).to_arrow()
        assert_equal(online[spec.name], answer, clients)


def test_http_answers_equal_the_bundle_bit_for_bit(platform, bundle, clients, online):
    matrix = bundle.matrix(online)
    expected = bundle.predict(matrix).probability
    chosen = range(0, len(clients), max(1, len(clients) // 1000))
    with httpx.Client() as client:
        for index in chosen:
            answer = score(platform, clients[index], client).json()
            assert answer["probability"] == expected[index]
            assert answer["prediction"] == int(expected[index] >= bundle.policy.threshold)


def test_the_model_is_rebuilt_from_its_run_id_byte_for_byte(platform, first_run, bundle):
    (version,) = platform.json("models", "list")
    rebuilt = platform.json("models", "rebuild", version["run_id"], "--fit")
    assert (rebuilt["same_data"], rebuilt["same_model"]) == (True, True)
    assert rebuilt["dataset_sha256"] == bundle.manifest.provenance.dataset_sha256
    assert rebuilt["rows"] == bundle.manifest.provenance.rows
    assert sum(rebuilt["rows"].values()) > int(CLIENTS) / 2


def test_a_model_of_other_data_is_not_said_to_be_rebuilt(platform, first_run):
    late = sorted((platform.home.offline / "bureau" / "training").glob("*.parquet"))[0]
    content = late.read_bytes()
    table = pq.read_table(late)
    at = table.column_names.index("bureau_credit_count")
    doubled = pc.multiply(table["bureau_credit_count"], pa.scalar(2, pa.int32()))
    pq.write_table(table.set_column(at, table.schema.field(at), doubled), late)
    finished = platform.creditctl("models", "rebuild", "champion")
    late.write_bytes(content)
    assert finished.returncode == 2
    assert "values are not" in finished.stderr


def test_the_demo_says_on_record_why_its_model_decides(platform, first_run):
    (entry,) = platform.json("models", "history")
    assert (entry["who"], entry["to_version"]) == ("demo", "1")
    assert entry["action"] in ("promoted", "forced")


@pytest.mark.slow
def test_gates_are_judged_again_from_the_platforms_own_data(platform, first_run, bundle):
    finished = platform.creditctl("models", "gates", "champion", "--json")
    assert finished.returncode in (0, 2), finished.stderr
    report = json.loads(finished.stdout)
    assert report["clients"] == bundle.manifest.provenance.rows["test"]
    gates = report["gates"]
    assert [gate["name"] for gate in gates] == ["auc", "cost", "calibration", "fairness", "latency", "schema"]
    assert {gate["name"]: gate["passed"] for gate in gates}["schema"]


def test_an_unknown_client_is_a_404(platform, clients):
    answer = score(platform, max(clients) + 1)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_client")


def test_a_killed_redis_gives_only_503_and_comes_back_without_a_restart(platform, clients):
    status = platform.json("redis", "status")
    os.kill(status["pid"], signal.SIGKILL)
    answers = [score(platform, clients[0]) for _ in range(50)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "store_unavailable")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    platform.json("redis", "start", "--port", str(status["port"]))
    deadline = time.monotonic() + 30
    while (answer := score(platform, clients[0])).status_code != 200 and time.monotonic() < deadline:
        assert answer.json()["code"] == "store_unavailable"
        time.sleep(0.1)
    assert answer.status_code == 200


def test_a_taken_port_is_a_clear_error(platform, first_run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        finished = platform.creditctl("demo", "up", "--port", port, "--clients", CLIENTS)
    assert finished.returncode == 1
    assert f"port {port} is taken" in finished.stderr


def test_a_missing_data_folder_is_a_clear_error(platform, tmp_path):
    finished = platform.creditctl("demo", "up", "--port", str(platform.port), "--data", str(tmp_path / "none"))
    assert finished.returncode == 1
    assert "is not a folder" in finished.stderr


def test_down_stops_what_the_demo_started(platform, first_run):
    pids = [platform.json("demo", "status")["pid"], platform.json("redis", "status")["pid"]]
    archiver = Archiver(platform.home).running()
    assert archiver is not None
    pids.append(archiver.pid)
    platform.down()
    assert not any(start_time(pid) for pid in pids)
    assert platform.json("demo", "status")["running"] is False


def offline_rows(folder: Path, clients: list[int]) -> pa.Table:
    table = pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet"))).sort_by("SK_ID_CURR")
    assert table["SK_ID_CURR"].to_pylist() == clients
    return table


def assert_equal(batch: ViewBatch, table: pa.Table, clients: list[int]) -> None:
    assert set(batch.status) == {ViewStatus.PRESENT}
    for position, name in enumerate(batch.spec.numeric):
        expected = table[name].cast(pa.float64()).to_numpy()
        np.testing.assert_array_equal(batch.numeric[:, position], expected, err_msg=name)
    for position, name in enumerate(batch.spec.strings):
        assert [row[position] for row in batch.strings] == table[name].to_pylist(), name
    if "as_of" in table.column_names:
        np.testing.assert_array_equal(batch.as_of_us, table["as_of"].cast(pa.int64()).to_numpy())
    assert len(batch.status) == len(clients)
