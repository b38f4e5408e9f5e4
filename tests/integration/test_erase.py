"""`creditctl features erase` against a real Redis."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from packed_rows import rows_of, spec_of_types
from redis_servers import RedisProcess, free_port, redis_server

from credit.cli import run
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.online.keys import PROJECT, client_key
from feature_repo.online.layout import layout_of
from feature_repo.online.writer import PackedWriter


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisProcess]:
    """Two clients with rows in two views, one of them in two schemas, and a decision about each."""
    monkeypatch.chdir(tmp_path)
    with redis_server(tmp_path / "redis", password="secret") as running:
        monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{running.port}/0")
        monkeypatch.setenv("FEATURES_REDIS_PASSWORD", "secret")
        writer = PackedWriter(open_exchange(RedisSettings(url=running.url)), PROJECT)
        for name, kind in (("bureau", "int32"), ("application", "int64"), ("application", "float64")):
            spec = spec_of_types([kind], name=name)
            writer.write(layout_of(spec), rows_of(spec, [(1,), (2,)], [100_001, 100_002]))
        with running.client() as client:
            client.xadd(f"{{{PROJECT}}}:decisions", {"record": '{"client_id": 100001}'})
        yield running


def test_a_client_goes_and_the_decisions_stay(server: RedisProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "erase", "100001", "5", "100001", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["erased"] == {"100001": ["application", "bureau"]}
    assert report["unknown"] == [5]
    assert len(report["remains"]) == 2
    with server.client() as client:
        assert set(client.keys()) == {client_key(PROJECT, 100_002), f"{{{PROJECT}}}:decisions".encode()}
        assert client.xlen(f"{{{PROJECT}}}:decisions") == 1


def test_it_says_in_words_what_remains(server: RedisProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "erase", "100002", "7"]) == 0
    said = capsys.readouterr().out
    assert "erased client 100002: application, bureau" in said
    assert "client 7 has no online row" in said
    assert "decision records" in said


def test_an_unreachable_store_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert run(["features", "erase", "100001"]) == 1
    assert "the online store does not answer" in capsys.readouterr().err


def test_a_client_id_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "erase", "anna"]) == 1
