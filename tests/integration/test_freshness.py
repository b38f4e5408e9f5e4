"""`creditctl features freshness` on a real Redis with rows of every state."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kaggle_tables import random_tables
from offline_rows import FIRST_CLIENT, T0, random_rows
from redis_servers import RedisProcess, free_port, redis_server

from credit.cli import run
from credit.platform import Home
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.spine import online_spine
from feature_repo.catalogue import View, load_catalogue
from feature_repo.freshness import sampled_clients
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.online.arrow import rows_of_table
from feature_repo.online.keys import PROJECT
from feature_repo.online.layout import layout_of
from feature_repo.online.writer import PackedWriter
from feature_repo.online_access import online_exchange
from feature_repo.settings import FeatureSettings

ONLINE = [view for view in load_catalogue().views if view.online]
CLIENTS = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server(tmp_path_factory.mktemp("redis"), password="secret") as running:
        yield running


@pytest.fixture
def clean(server: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> RedisProcess:
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{server.port}/0")
    monkeypatch.setenv("FEATURES_REDIS_PASSWORD", "secret")
    with server.client() as client:
        client.flushall()
    return server


def write(view: View, clients: int = CLIENTS, built: datetime | None = None) -> None:
    """Rows of the first clients, built just now unless told."""
    moment = built or datetime.now(UTC)
    rows = rows_of_table(
        view.spec, random_rows(view, clients, built=moment), "SK_ID_CURR", "as_of", "created_ts", now_us=0
    )
    with closing(online_exchange(FeatureSettings())) as exchange:
        PackedWriter(exchange, PROJECT).write(layout_of(view.spec), rows)


def report(home: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    assert run(["features", "freshness", "--home", str(home), "--json", *options]) == 0
    return {one["view"]: one for one in json.loads(capsys.readouterr().out)}


def test_each_view_gets_its_verdict(clean: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh, stale, partial = ONLINE[:3]
    expired = datetime.now(UTC) - timedelta(hours=stale.ttl_hours + 1)
    for view in (one for one in ONLINE if one not in (stale, partial)):
        write(view)
    write(stale, built=expired)
    write(partial, clients=CLIENTS - 12)
    found = report(tmp_path, capsys)
    verdicts = {name: one["verdict"] for name, one in found.items()}
    assert verdicts == {view.name: "fresh" if view.online else "offline" for view in load_catalogue().views} | {
        stale.name: "stale",
        partial.name: "incomplete",
    }
    state = found[partial.name]["online"]
    assert (state["clients"], state["present"], state["missing"]) == (CLIENTS, 0.6, 0.4)
    assert datetime.fromisoformat(state["oldest_as_of"]) == T0
    assert datetime.fromisoformat(state["newest_as_of"]) == T0 + timedelta(hours=CLIENTS - 13)
    assert found[stale.name]["online"]["stale"] == 1.0
    assert datetime.fromisoformat(found[stale.name]["online"]["newest_built"]) == expired
    assert found[fresh.name]["last_build"] is None
    assert run(["features", "freshness", "--home", str(tmp_path), "--fail-on-stale"]) == 2
    printed = capsys.readouterr()
    assert f"{stale.name} (stale), {partial.name} (incomplete)" in printed.err


def test_a_row_of_another_schema_makes_a_view_incomplete(
    clean: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for view in ONLINE[1:]:
        write(view)
    write(ONLINE[0].model_copy(update={"features": ONLINE[0].features[1:]}))
    found = report(tmp_path, capsys)[ONLINE[0].name]
    assert (found["verdict"], found["online"]["schema_mismatch"]) == ("incomplete", 1.0)
    assert found["online"]["newest_as_of"] is None


def test_all_fresh_passes_the_gate_and_only_a_sample_is_read(
    clean: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for view in ONLINE:
        write(view)
    with clean.client() as client:
        client.set(f"features:{PROJECT}:nobody", "no client")
    found = report(tmp_path, capsys, "--sample", "7", "--fail-on-stale")
    assert {one["online"]["clients"] for one in found.values() if one["online"]} == {7}
    everybody = sampled_clients(FeatureSettings(), 1000)
    assert sorted(everybody) == list(range(FIRST_CLIENT, FIRST_CLIENT + CLIENTS))


def test_nothing_online_and_no_server_are_told(
    clean: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["features", "freshness", "--home", str(tmp_path)]) == 0
    assert "creditctl features materialize" in capsys.readouterr().out
    assert run(["features", "freshness", "--home", str(tmp_path), "--fail-on-stale"]) == 2
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert run(["features", "freshness", "--home", str(tmp_path)]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_the_newest_finished_run_is_the_last_build(
    clean: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(random_tables(8).write(tmp_path / "raw"), tmp_path / "events", Options(buckets=1))
    store, view = EventStore(tmp_path / "events"), load_catalogue().view("demographics")
    for name in ("first", "second"):
        built = build_views(store, online_spine(store), Home(tmp_path).offline, name, (view,))
    found = report(tmp_path, capsys)
    assert found[view.name]["last_run"] == "second"
    assert datetime.fromisoformat(found[view.name]["last_build"]) == built.manifest.created_ts
    assert {one["last_run"] for name, one in found.items() if name != view.name} == {None}
