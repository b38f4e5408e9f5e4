import json
import shutil

import pyarrow.parquet as pq
import pytest
from archiving import archive_now
from recorded_decisions import decide, scoring_service, today
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, PROJECT, World

from credit.archive.segments import segments
from credit.cli import run
from credit.features import RATIO_INPUTS
from credit.schemas.decision import DecisionRecord, decision_stream_key
from feature_repo.storage import Location
from serving.decisions_records import Selection, recorded_decisions
from serving.settings import ServingSettings

# MLflow maps its tables with an option that SQLAlchemy wants to remove.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """30 decisions, 20 of them archived; two outcomes; a registry that holds the bundle, an empty cache."""
    folder = tmp_path_factory.mktemp("decisions")
    world = World(folder / "world")
    version = world.registry.register(world.bundle(0))
    with redis_server(folder / "redis") as redis:
        environment = world.environment(redis.url) | {"SERVING_DECISION_ARCHIVE": str(folder / "archive")}
        with scoring_service(world, redis, environment, version) as service:
            ids = decide(service, 20)
            archive_now(redis.url, PROJECT, folder / "archive", batch=8)
            ids += decide(service, 10, start=20)
        yield folder, environment, ids, redis


@pytest.fixture
def environment(made, monkeypatch):
    for name, value in made[1].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERVING_READ_TIMEOUT_SECONDS", "10")


@pytest.fixture
def creditctl(environment, capsys):
    def call(*arguments, code=0):
        assert run(["decisions", *arguments]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 or captured.out else captured.err

    return call


@pytest.fixture
def ids(made):
    return made[2]


@pytest.fixture
def own_archive(made, tmp_path, monkeypatch, environment):
    """A copy of the archive, to be damaged."""
    shutil.copytree(made[0] / "archive", tmp_path / "archive")
    monkeypatch.setenv("SERVING_DECISION_ARCHIVE", str(tmp_path / "archive"))
    return Location.of(tmp_path / "archive")


def test_all_decisions_come_in_order_from_archive_and_stream(environment, ids):
    found = [stored.record.decision_id for stored in recorded_decisions(ServingSettings.load())]
    assert found == ids


def test_decisions_that_are_archived_while_they_are_read_come_once(made, tmp_path, monkeypatch):
    folder, environment, ids, redis = made
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(folder / "archive", tmp_path / "archive")
    monkeypatch.setenv("SERVING_DECISION_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setattr("serving.decisions_records._PAGE", b"3")
    with redis.client() as client:
        key = decision_stream_key(PROJECT)
        entries = client.xrange(key)
    try:
        for moment in (0, 5, 19, 20, 21, 24, 29):
            shutil.rmtree(tmp_path / "archive")
            shutil.copytree(folder / "archive", tmp_path / "archive")
            found = []
            for stored in recorded_decisions(ServingSettings.load()):
                if len(found) == moment:
                    archive_now(redis.url, PROJECT, tmp_path / "archive", batch=4)
                found.append(stored.record.decision_id)
            assert found == ids
            _put_back(redis, key, entries)
    finally:
        _put_back(redis, key, entries)


def _put_back(redis, key, entries):
    with redis.client() as client:
        client.delete(key)
        for entry, fields in entries:
            record = json.loads(fields[b"record"])
            client.xadd(key, fields, id=entry)
            client.set(f"{{{PROJECT}}}:decision:{record['decision_id']}", entry)


def test_show_finds_decisions_in_archive_and_stream(creditctl, ids):
    for decision_id in (ids[0], ids[-1]):
        details = json.loads(creditctl("show", decision_id, "--json"))
        assert details["record"]["decision_id"] == decision_id
        assert f"decision {decision_id}" in creditctl("show", decision_id)
    assert "no decision of this id" in creditctl("show", "nobody", code=1)


def test_replay_fetches_the_bundle_and_is_identical(creditctl, ids, made):
    shutil.rmtree(made[0] / "world" / "cache", ignore_errors=True)
    report = json.loads(creditctl("replay", "--all", "--json"))
    assert report == {"replayed": 30, "identical": 30, "differing": []}
    assert "2 replayed, 2 identical" in creditctl("replay", ids[3], ids[25])
    assert "no decision of this id" in creditctl("replay", "nobody", code=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda record: record.update(margin=record["margin"] + 2**-40), "margin"),
        (lambda record: record.update(probability=record["probability"] * (1 + 2**-52)), "probability"),
        (lambda record: record.update(points=record["points"] + 1e-9), "points"),
        (lambda record: record.update(decision="referred"), "decision"),
        (lambda record: record["reasons"][0].update(contribution=0.25), "reasons"),
        (lambda record: record["reasons"].pop(), "reasons"),
        (lambda record: record["values"]["application"].update(dict.fromkeys(RATIO_INPUTS)), "quality"),
        (lambda record: record["model"].update(bundle="0" * 64), "registry"),
        (lambda record: record.pop("margin"), "not understand"),
        (lambda record: record["views"].clear(), "unknown"),
    ],
)
def test_replay_names_what_differs(creditctl, ids, tmp_path, change, field):
    changed = json.loads(creditctl("show", ids[6], "--json"))["record"]
    change(changed)
    (tmp_path / "some.jsonl").write_text(json.dumps(changed) + "\n")
    report = json.loads(creditctl("replay", "--from-file", str(tmp_path / "some.jsonl"), "--json", code=1))
    assert (report["replayed"], report["identical"]) == (1, 0)
    assert field in json.dumps(report["differing"])
    assert "differs: " in creditctl("replay", "--from-file", str(tmp_path / "some.jsonl"), code=1)


@pytest.mark.parametrize("arguments", [(), ("--all", "some-id"), ("--all", "--from-file", "x.jsonl")])
def test_replay_wants_one_choice(creditctl, arguments):
    assert "say which decisions" in creditctl("replay", *arguments, code=1)


@pytest.mark.parametrize("name", ["all.parquet", "all.jsonl"])
def test_an_export_replays(creditctl, ids, tmp_path, name):
    assert "30 decisions" in creditctl("export", "--out", str(tmp_path / name))
    assert "30 replayed, 30 identical" in creditctl("replay", "--from-file", str(tmp_path / name))


def test_an_export_has_columns_for_analysts_and_whole_records(creditctl, ids, tmp_path):
    creditctl("export", "--out", str(tmp_path / "all.parquet"))
    table = pq.read_table(tmp_path / "all.parquet")
    assert table["decision_id"].to_pylist() == ids
    for row in table.to_pylist():
        record = DecisionRecord.model_validate_json(row["record"])
        assert (row["probability"], row["decided_at"], row["bundle"]) == (
            record.probability, record.decided_at, record.model.bundle,
        )  # fmt: skip


def test_an_export_takes_what_was_selected(creditctl, environment, tmp_path):
    out = tmp_path / "some.jsonl"
    creditctl("export", "--out", str(out), "--client", str(FIRST_CLIENT + 25))
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["client_id"] == FIRST_CLIENT + 25
    whole = json.loads(creditctl("export", "--out", str(out), "--from", "2020-01-01", "--json"))
    assert whole["decisions"] == 30
    assert json.loads(creditctl("export", "--out", str(out), "--to", "2020-01-01", "--json"))["decisions"] == 0
    assert [*recorded_decisions(ServingSettings.load(), Selection(client_id=1))] == []
    assert "--from is after --to" in creditctl(
        "export", "--out", str(out), "--from", today(), "--to", "2020-01-01", code=1
    )
    assert "ends in .parquet or .jsonl" in creditctl("export", "--out", str(tmp_path / "x.csv"), code=1)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("content", [b"PAR1 no", b""])
def test_a_file_that_is_no_export_is_told(creditctl, tmp_path, content):
    (tmp_path / "odd.parquet").write_bytes(content)
    assert "is no file that" in creditctl("replay", "--from-file", str(tmp_path / "odd.parquet"), code=1)
    assert "is no file that" in creditctl("replay", "--from-file", str(tmp_path / "absent.jsonl"), code=1)


def test_verify_walks_the_chains(creditctl):
    found = json.loads(creditctl("verify", "--json"))
    assert found["ok"] is True
    assert [(chain["stream"], chain["records"]) for chain in found["chains"]] == [("decisions", 20), ("events", 0)]
    head = found["chains"][0]["head"]["hash"]
    assert "in the chain" in creditctl("verify", "--noted", head)
    assert "NOT in any chain" in creditctl("verify", "--noted", "a" * 64, code=1)


def test_verify_says_where_a_chain_breaks(creditctl, own_archive):
    file = segments(own_archive / "decisions")[1].file
    table = pq.read_table(file.path, partitioning=None)
    pq.write_table(table.slice(1), file.path)
    assert "BROKEN at record 9" in creditctl("verify", code=1)
    assert json.loads(creditctl("verify", "--json", code=1))["chains"][0]["broken"]["file"] == str(file)
