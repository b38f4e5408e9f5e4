"""`creditctl score-batch` on a generated platform with a trained champion: the same answers as online, resumable."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from redis_servers import RedisProcess, redis_server

from credit.bundle.bundle import Bundle
from credit.bundle.keys import load_public_key, make_key_pair
from credit.cli import run
from credit.errors import CreditError, FeatureError
from credit.platform import Home
from credit.schemas.features import ViewSpec
from credit.scoring import Scored, Scorer
from feature_repo.fresh.offline_run import append_run
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader
from feature_repo.storage import Location

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

CLIENTS = 600
BUCKETS = 4
#: Clients whose rows are lost, by view: one view that must not lack, one that may.
LOST = {"application": 2, "installments": 3}


@dataclass(frozen=True)
class Platform:
    """Generated clients with a champion, features online and offline, some rows lost in both."""

    home: Home
    redis: RedisProcess
    bundle: Bundle
    lost: dict[str, list[int]]

    def online(self, clients: list[int]) -> list[Scored | CreditError]:
        """What serving's reader and scorer answer."""
        reader = PackedReader(RedisSettings(url=self.redis.url), PROJECT, self.bundle.contract.views)
        try:
            return Scorer(self.bundle).score(reader.read(clients), clients)
        finally:
            reader.close()


def lose_rows(offline: Path, view: str, clients: list[int]) -> None:
    for file in (offline / view).glob("*/bucket-*.parquet"):
        table = pq.read_table(file, partitioning=None)
        pq.write_table(table.filter(pc.invert(pc.is_in(table["SK_ID_CURR"], pa.array(clients)))), file)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("batch")
    with redis_server(folder / "redis") as server, pytest.MonkeyPatch.context() as patch:
        home = Home(folder / "home")
        patch.setenv("CREDIT_HOME", str(home.root))
        patch.setenv("FEATURES_REDIS_URL", server.url)
        assert run(["data", "generate", "--clients", str(CLIENTS)]) == 0
        assert run(["data", "ingest", "--source", str(home.raw), "--buckets", str(BUCKETS)]) == 0
        assert run(["features", "backfill", "--spine", "training"]) == 0
        for command in (
            ["features", "build"],
            ["features", "apply"],
            ["train", "--trees", "30", "--promote", "--force", "--why", "tests"],
        ):
            assert run(command) == 0
        ids = pq.read_table(home.offline / "application" / "online", columns=["SK_ID_CURR"])["SK_ID_CURR"].to_pylist()
        lost = {"application": ids[: LOST["application"]], "installments": ids[-LOST["installments"] :]}
        for view, clients in lost.items():
            lose_rows(home.offline, view, clients)
        assert run(["features", "materialize"]) == 0
        yield Platform(home, server, champion(home), lost)


def champion(home: Home) -> Bundle:
    from training.registry import Registry
    from training.settings import TrainingSettings

    settings = TrainingSettings()
    registry = Registry(settings.mlflow_tracking_uri, settings.model_name)
    return registry.load(registry.version("champion").version, load_public_key(make_key_pair(home.keys).public))


def score(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    code = run(["score-batch", "--out", str(out), *arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    answer: dict[str, Any] = json.loads(said.out)
    return answer


def rows_of(folder: str) -> list[dict[str, Any]]:
    """All rows, by client."""
    return pq.read_table(folder).sort_by("client_id").to_pylist()


def test_every_client_gets_what_serving_answers_bit_for_bit(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = score(capsys, tmp_path)
    rows = rows_of(report["folder"])
    clients = [row["client_id"] for row in rows]
    expected = platform.online(clients)
    assert len(rows) == report["clients"] == CLIENTS
    for row, one in zip(rows, expected, strict=True):
        if isinstance(one, CreditError):
            assert (row["error"], row["probability"], row["reasons"]) == (one.code, None, None)
            continue
        assert (row["margin"], row["probability"]) == (one.margin, one.probability)
        assert row["points"] == platform.bundle.policy.points_of(np.array([one.probability]))[0]
        assert (row["decision"], row["risk_band"], row["error"]) == (one.decision, one.risk_band, None)
        given = [(reason["feature"], reason["contribution"], reason["text"]) for reason in row["reasons"]]
        assert given == [(reason.feature, reason.contribution, reason.text) for reason in one.reasons]
        assert [reason["value"] for reason in row["reasons"]] == [
            reason.value if isinstance(reason.value, str | None) else repr(reason.value) for reason in one.reasons
        ]
    unscored = [row["client_id"] for row in rows if row["error"]]
    assert unscored == sorted(platform.lost["application"])
    assert report["scored"] == CLIENTS - len(unscored)
    assert report["counts"]["errors"] == {"incomplete_features": LOST["application"]}
    decided = [row["decision"] for row in rows]
    assert {name: decided.count(name) for name in ("approved", "refused", "referred")} == {
        name: report["counts"][name] for name in ("approved", "refused", "referred")
    }
    assert {row["bundle_id"] for row in rows} == {platform.bundle.bundle_id}


def test_a_run_is_kept_taken_up_and_never_mixed(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = score(capsys, tmp_path, "--no-reasons")
    assert (first["run"], first["skipped"], first["resumed_buckets"]) == ("v1-20250701", False, 0)
    folder = Path(first["folder"])
    before = {path.name: path.read_bytes() for path in folder.glob("bucket-*")}
    assert len(before) == first["buckets"] == BUCKETS

    kept = score(capsys, tmp_path, "--no-reasons")
    assert (kept["skipped"], kept["counts"]) == (True, first["counts"])

    (folder / "bucket-0001.parquet").unlink()
    (folder / "bucket-0002.parquet").write_bytes(b"PAR1 cut short")
    resumed = score(capsys, tmp_path, "--no-reasons")
    assert (resumed["skipped"], resumed["resumed_buckets"], resumed["counts"]) == (False, 2, first["counts"])
    assert {path.name: path.read_bytes() for path in folder.glob("bucket-*")} == before

    assert run(["score-batch", "--out", str(tmp_path)]) == 1
    assert "holds other options" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.glob("bucket-*")} == before

    french = score(capsys, tmp_path, "--lang", "fr", "--force")
    assert french["counts"] == first["counts"]
    texts = {reason["text"] for row in rows_of(french["folder"]) for reason in row["reasons"] or ()}
    assert texts <= {text.fr for text in platform.bundle.reason_texts.features.values()}


@contextmanager
def another_run(offline: Path) -> Iterator[pa.Table]:
    """Newer rows of some clients in a run of another number of buckets; gone when the block ends."""
    table = pq.read_table(offline / "bureau" / "online", partitioning=None).slice(0, 30)
    later = pc.add(table["as_of"], pa.scalar(timedelta(days=1)))
    created = table["created_ts"][0].as_py() + timedelta(days=1)
    table = table.set_column(1, "as_of", later).set_column(2, "created_ts", pa.array([created] * 30, later.type))
    run = append_run(Location.of(offline), {"bureau": table}, created, buckets=3)
    try:
        yield table
    finally:
        shutil.rmtree(offline / "bureau" / run)
        (offline / ".runs" / f"{run}.json").unlink()


def test_clients_of_a_run_with_other_buckets_are_scored_once_at_their_newest(platform: Platform) -> None:
    from feature_repo.portfolio.plan import open_portfolio
    from feature_repo.portfolio.rows import read_bucket

    views = platform.bundle.contract.views
    with another_run(platform.home.offline) as table:
        portfolio = open_portfolio(platform.home, views)
        rows = [read_bucket(bucket, 0) for bucket in portfolio.buckets]
        assert portfolio.is_current()
    assert len(portfolio.runs) == 3
    assert not portfolio.is_current()
    clients = np.concatenate([one.client_ids for one in rows])
    moments = np.concatenate([one.views["bureau"].as_of_us for one in rows])
    assert clients.size == np.unique(clients).size == CLIENTS
    newest = dict(zip(clients.tolist(), moments.tolist(), strict=True))
    expected = dict(zip(table["SK_ID_CURR"].to_pylist(), table["as_of"].cast(pa.int64()).to_pylist(), strict=True))
    assert {client: newest[client] for client in expected} == expected


def test_features_that_are_being_built_are_not_scored(platform: Platform) -> None:
    from feature_repo.portfolio.plan import open_portfolio

    manifest = platform.home.offline / ".runs" / "online.json"
    content = manifest.read_bytes()
    manifest.unlink()
    try:
        with pytest.raises(FeatureError, match=r"run online of .* is not whole"):
            open_portfolio(platform.home, platform.bundle.contract.views)
    finally:
        manifest.write_bytes(content)


def test_features_built_anew_while_clients_are_scored_leave_the_run_unfinished(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.batch import work

    manifest = platform.home.offline / ".runs" / "online.json"
    content = manifest.read_text()
    score_bucket = work.score_bucket

    def rebuilt_meanwhile(*arguments: Any, **given: Any) -> Any:
        manifest.write_text(content.replace('"created_ts": "20', '"created_ts": "21'))
        return score_bucket(*arguments, **given)

    monkeypatch.setattr(work, "score_bucket", rebuilt_meanwhile)
    try:
        assert run(["score-batch", "--out", str(tmp_path), "--no-reasons"]) == 1
    finally:
        manifest.write_text(content)
    assert "built anew" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/_manifest.json"))


def test_what_cannot_be_scored_is_said_before_any_work(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["--version", "99"], "creditctl models list"),
        (["--run", "../up"], "letters, digits"),
        (["--ray-address", "127.0.0.1:1"], "--engine ray"),
    ):
        assert run(["score-batch", "--out", str(tmp_path), *arguments]) == 1
        assert message in capsys.readouterr().err
    assert run(["score-batch", "--out", "ftp://somewhere"]) == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_bytes(b"")
    assert run(["score-batch", "--out", str(tmp_path / "file")]) == 1
    assert "does not take files" in capsys.readouterr().err


def test_a_view_of_other_columns_than_the_models_is_refused(platform: Platform) -> None:
    from feature_repo.portfolio.plan import open_portfolio

    view = platform.bundle.contract.views[0]
    fewer = ViewSpec(name=view.name, columns=view.columns[1:], ttl_seconds=view.ttl_seconds)
    with pytest.raises(FeatureError, match="other columns than the model"):
        open_portfolio(platform.home, [fewer])
    unknown = ViewSpec(name="nobody", columns=view.columns, ttl_seconds=view.ttl_seconds)
    with pytest.raises(FeatureError, match="not registered"):
        open_portfolio(platform.home, [unknown])


def test_the_benchmark_measures_this_platform(platform: Platform) -> None:
    from benchmarks.batch_scoring import measure

    figures = measure(platform.home, sample=CLIENTS // 2)
    assert (figures.clients, figures.without_reasons.clients, figures.trees) == (
        CLIENTS,
        CLIENTS,
        platform.bundle.trees,
    )
    assert 0 < figures.with_reasons.clients == figures.pred_contrib.clients < CLIENTS
    ratio = figures.with_reasons.clients_per_second / figures.pred_contrib.clients_per_second
    assert figures.with_reasons_ratio == pytest.approx(ratio, abs=0.001)
