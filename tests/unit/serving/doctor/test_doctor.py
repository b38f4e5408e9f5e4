"""`creditctl doctor` on a real platform (Redis, MLflow, signed bundle, feature rows) whose pieces break one by one."""

import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from bundles import small_contract
from redis_servers import free_port, redis_server
from serving_world import PROJECT, World, write_clients

from credit.cli import run
from credit.platform import Home
from credit.schemas.decision import decision_stream_key
from credit.schemas.features import ViewColumn
from serving.doctor import machine_checks, model_checks, redis_checks
from serving.doctor.cli import checks
from serving.doctor.examination import examine
from serving.settings import ServingSettings

# MLflow maps its tables with an option that SQLAlchemy wants to remove.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")
STREAM = decision_stream_key(PROJECT)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("doctor") / "world")
    world.registry.register(world.bundle(0))
    return world


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def client(redis, world):
    with redis.client() as client:
        client.flushall()
        write_clients(client, world.contract, 5)
        yield client


@pytest.fixture
def settings(world, redis, client, monkeypatch, tmp_path):
    """Settings of the platform; given ones win."""
    environment = world.environment(redis.url) | {"SERVING_BUNDLE_CACHE": str(tmp_path / "cache")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERVING_PORT", str(free_port()))
    return lambda **given: ServingSettings.load(**given)


def by_name(findings):
    return {each.name: each for each in findings}


def verdicts(findings):
    return {each.name: each.verdict for each in findings}


def test_a_whole_platform_is_well(settings, world, monkeypatch, capsys):
    monkeypatch.setenv("CREDIT_HOME", str(world.folder))
    monkeypatch.setattr(machine_checks, "FOLDERS", world.folder)
    assert run(["doctor", "--json"]) == 0
    found = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert {name for name, line in found.items() if line["verdict"] != "ok"} <= {"service", "disk"}
    assert found.keys() == {
        "platform", "disk", "ray", "left over", "settings", "online store", "online store: persistence",
        "online store: eviction", "online store: memory", "decision log", "decision log: persistence",
        "decision log: eviction", "decision log: memory", "decision stream", "registry", "alias", "bundle",
        "features: schema", "features: freshness", "service",
    }  # fmt: skip
    assert not (world.folder / "cache").exists()  # it looks and changes nothing


def test_before_anything_is_there_it_says_make_demo(tmp_path):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SERVING_", "CREDIT_"))}
    environment = inherited | {
        "CREDIT_HOME": str(tmp_path / "none"),
        "SERVING_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "credit", "doctor"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "fail  platform: there is nothing" in done.stdout
    for part in ("platform", "registry", "alias", "bundle"):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"fail  {part}:")]
        assert "make demo" in line
    assert "creditctl redis start" in done.stdout
    assert not (tmp_path / "none").exists()


def test_wrong_settings_are_one_finding(monkeypatch, tmp_path):
    monkeypatch.setenv("SERVING_PROT", "8001")
    found = by_name(check.look()[0] for check in checks(Home(tmp_path)) if check.name == "settings")
    assert "SERVING_PROT" in found["settings"].text
    assert found["settings"].verdict == "fail"


def test_redis_that_is_away_is_told_by_each_check_that_needs_it(settings):
    away = settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    for check in (redis_checks.online_store, redis_checks.decision_server, redis_checks.decision_stream):
        with pytest.raises(Exception, match="creditctl redis start"):
            list(check(away))
    with pytest.raises(Exception, match="online store does not answer"):
        list(model_checks.features(away))


@pytest.mark.parametrize(
    ("changed", "name", "verdict"),
    [
        ({"appendonly": "no"}, "decision log: persistence", "warn"),
        ({"maxmemory-policy": "allkeys-lru"}, "decision log: eviction", "fail"),
        ({"maxmemory-policy": "allkeys-lru"}, "online store: eviction", "warn"),
        ({"maxmemory": "1kb"}, "decision log: memory", "fail"),
        ({"maxmemory": "1gb"}, "decision log: memory", "ok"),
    ],
)
def test_how_redis_is_set_up(settings, client, changed, name, verdict):
    before = {key: client.config_get(key)[key] for key in changed}
    client.config_set(*next(iter(changed.items())))
    try:
        found = verdicts([*redis_checks.online_store(settings()), *redis_checks.decision_server(settings())])
    finally:
        client.config_set(*next(iter(before.items())))
    assert found[name] == verdict


@pytest.mark.parametrize(("entries", "verdict"), [(0, "ok"), (7, "ok"), (8, "warn"), (10, "fail")])
def test_how_full_the_stream_is(settings, client, entries, verdict):
    for _ in range(entries):
        client.xadd(STREAM, {"record": "{}"})
    found = by_name(redis_checks.decision_stream(settings(decision_stream_limit=10)))
    assert found["decision stream"].verdict == verdict
    assert ("archive" in found) == bool(entries)


@pytest.mark.parametrize(("hours", "verdict"), [(1, "ok"), (25, "warn")])
def test_how_long_the_oldest_decision_waits(settings, client, hours, verdict):
    client.xadd(STREAM, {"record": "{}"}, id=f"{int((time.time() - hours * 3600) * 1000)}-0")
    assert verdicts(redis_checks.decision_stream(settings()))["archive"] == verdict


def test_stale_rows(settings, world, client):
    for key in client.keys(f"features:{PROJECT}:*"):
        client.delete(key)
    real = time.time_ns
    try:
        time.time_ns = lambda: real() - 400 * 86_400 * 10**9
        write_clients(client, world.contract, 5)
    finally:
        time.time_ns = real
    found = by_name(model_checks.features(settings()))
    assert found["features: freshness"].verdict == "fail"
    assert "application 100%" in found["features: freshness"].text
    assert found["features: schema"].verdict == "ok"


def test_missing_rows(settings, client):
    (key, *_) = client.keys(f"features:{PROJECT}:*")
    (field,) = [field for field in client.hkeys(key) if field.startswith(b"bureau:")]
    client.hdel(key, field)
    found = by_name(model_checks.features(settings()))
    assert found["features: freshness"].verdict == "warn"
    assert "bureau 20%" in found["features: freshness"].text


def test_rows_of_another_schema(settings, client):
    client.flushall()
    contract = small_contract()
    views = tuple(
        view.model_copy(update={"columns": (*view.columns, ViewColumn(name="newer", type="float64"))})
        for view in contract.views
    )
    write_clients(client, contract.model_copy(update={"views": views}), 5)
    found = by_name(model_checks.features(settings()))
    assert found["features: schema"].verdict == "fail"
    assert "application 100%" in found["features: schema"].text


def test_nobody_online(settings, client):
    client.flushall()
    assert verdicts(model_checks.features(settings())) == {"features": "fail"}


def test_an_alias_that_names_nothing(settings):
    with pytest.raises(Exception, match="no version of credit-scoring is challenger"):
        list(model_checks.alias(settings(model_alias="challenger")))


def test_a_registry_that_is_no_database(settings, tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_text("not a database")
    with pytest.raises(Exception, match="cannot be read"):
        list(model_checks.registry(settings(mlflow_tracking_uri=f"sqlite:///{broken}")))
    with EmptyDatabase(tmp_path / "empty.db") as empty, pytest.raises(Exception, match="cannot be read"):
        list(model_checks.registry(settings(mlflow_tracking_uri=f"sqlite:///{empty}")))


def test_an_http_registry(settings):
    port = free_port()
    (away,) = model_checks.registry(settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}"))
    assert (away.verdict, "SERVING_MLFLOW_TRACKING_URI" in away.text) == ("fail", True)
    with Answering(b"OK") as port:
        (found,) = model_checks.registry(settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}"))
    assert found.verdict == "ok"


def test_a_bundle_signed_with_another_key(settings, tmp_path):
    other = World(tmp_path / "other")
    other.bundle(0)
    with pytest.raises(Exception, match="signature does not match"):
        list(model_checks.bundle(settings(public_key_path=other.public_key)))


def test_a_missing_public_key(settings, tmp_path):
    with pytest.raises(Exception, match="make demo"):
        list(model_checks.bundle(settings(public_key_path=tmp_path / "none.pem")))


def test_a_damaged_bundle_in_the_cache_is_named_and_kept(settings):
    from serving.pointer import Pointer
    from serving.replica import champion_source

    source = champion_source(settings())
    found = source.resolve()
    version, _ = source.bring(found)
    pointer = Pointer(model=version, source=found.source)
    source.remember(pointer)
    assert verdicts(model_checks.bundle(settings())) == {"bundle": "ok"}
    model = settings().bundle_cache / pointer.model.bundle / "model.txt"
    model.write_text("altered")
    with pytest.raises(Exception, match=r"altered.*remove .*fetches it again"):
        list(model_checks.bundle(settings()))
    assert model.exists()


def test_the_port(settings):
    assert verdicts(machine_checks.port(settings())) == {"service": "warn"}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        (found,) = machine_checks.port(settings(port=silent.getsockname()[1]))
        assert (found.verdict, "another program" in found.text) == ("fail", True)
    with Answering(json.dumps({"name": "another"}).encode()) as port:
        assert verdicts(machine_checks.port(settings(port=port))) == {"service": "fail"}
    ready = {"name": "credit-scoring", "model": {"version": "7"}}
    with Answering(json.dumps(ready).encode()) as port:
        (found,) = machine_checks.port(settings(port=port))
    assert (found.verdict, "version 7" in found.text) == ("ok", True)
    with Answering(json.dumps({"name": "credit-scoring", "detail": "no model"}).encode(), ready=503) as port:
        (found,) = machine_checks.port(settings(port=port))
    assert (found.verdict, "no model" in found.text) == ("fail", True)


@pytest.mark.parametrize(("free", "verdict"), [(0.5, "fail"), (2, "warn"), (50, "ok")])
def test_the_disk(monkeypatch, tmp_path, free, verdict):
    usage = shutil.disk_usage(tmp_path)._replace(free=int(free * 1024**3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert verdicts(machine_checks.disk(Home(tmp_path / "a" / "b"))) == {"disk": verdict}


def test_a_private_ray_that_was_left(monkeypatch, tmp_path):
    monkeypatch.setattr(machine_checks, "FOLDERS", tmp_path)
    folder = Path(tempfile.mkdtemp(prefix="credit-serve-", dir=tmp_path))
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen([*sleeping, str(folder)])
    head = subprocess.Popen([*sleeping, "ray.scripts.scripts", str(folder)])
    try:
        _eventually(lambda: verdicts(machine_checks.left_over()) == {"left over": "ok"})
        head.kill()
        head.wait()
        found = by_name(machine_checks.left_over())["left over"]
        assert found.verdict == "warn"
        assert f"end the processes {left.pid} and remove {folder}" in found.text
    finally:
        for process in (left, head):
            process.kill()
            process.wait()
    assert f"remove {folder}" in by_name(machine_checks.left_over())["left over"].text


def test_a_ray_that_cannot_be_imported(monkeypatch, tmp_path):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("raise ImportError('half of it is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = machine_checks.ray()
    assert (found.verdict, "half of it is missing" in found.text) == ("fail", True)


def test_everything_that_is_wrong_is_told_at_once(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVING_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("SERVING_MODEL_ALIAS", "nobody")
    found = verdicts(examine(checks(Home(tmp_path))))
    assert {name for name, verdict in found.items() if verdict == "fail"} >= {
        "online store", "decision log", "decision stream", "alias", "bundle", "features",
    }  # fmt: skip
    assert found["registry"] == "ok"


def _eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class EmptyDatabase:
    """An empty SQLite database."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE other (x)")
        connection.close()
        return self.path

    def __exit__(self, *_):
        self.path.unlink()


class Answering:
    """A server that answers one thing on every path; gives its port."""

    def __init__(self, body, ready=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(ready if self.path == "/readyz" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
