"""One bucket from files to a file: the same results as scoring client by client."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundles import AS_OF_US, make_bundle, random_views, small_contract

from credit.bundle.keys import load_public_key, make_key_pair
from credit.bundle.reader import load_bundle
from credit.errors import BundleError, CreditError, StepError
from credit.schemas.decision import ModelVersion
from credit.schemas.features import ViewStatus
from credit.scoring import Scorer
from feature_repo.compute.newest import RowColumns
from feature_repo.online.arrow import ARROW_TYPES
from feature_repo.portfolio.rows import Bucket, ViewFiles, read_bucket
from feature_repo.storage import Location
from feature_repo.tasks import Held
from training.batch.output import Counts
from training.batch.score import BucketTask, score_bucket
from training.batch.shipped import ShippedBundle

CONTRACT = small_contract(bureau_policy="refer")
CLIENTS = 40


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A signed bundle, and files in which one client lacks the view that refuses, another the one that refers."""
    folder = tmp_path_factory.mktemp("score")
    path = make_bundle(folder / "bundle", folder / "keys", CONTRACT)
    key = load_public_key(make_key_pair(folder / "keys").public)
    views = random_views(CONTRACT, CLIENTS, seed=3)
    absent = {"application": 7, "bureau": 11}
    files = []
    for spec in CONTRACT.views:
        kept = [row for row in range(CLIENTS) if row != absent[spec.name]]
        table = table_of(views[spec.name]).take(pa.array(kept))
        pq.write_table(table, folder / f"{spec.name}.parquet")
        columns = RowColumns("SK_ID_CURR", "as_of", "created_ts", tuple(column.name for column in spec.columns))
        files.append(ViewFiles(spec, columns, (Location.of(folder / f"{spec.name}.parquet"),)))
    return load_bundle(path, key), ShippedBundle.of(path, key), Bucket(3, tuple(files))


def table_of(batch):
    moment = pa.timestamp("us", "UTC")
    columns = {
        "SK_ID_CURR": pa.array(range(CLIENTS), pa.int64()),
        "as_of": pa.array(batch.as_of_us).cast(moment),
        "created_ts": pa.array(batch.built_us).cast(moment),
    }
    for column in batch.spec.columns:
        if column.type == "string":
            at = batch.spec.strings.index(column.name)
            columns[column.name] = pa.array([row[at] for row in batch.strings], pa.string())
        else:
            values = batch.numeric[:, batch.spec.numeric.index(column.name)]
            columns[column.name] = pa.array(values, from_pandas=True).cast(ARROW_TYPES[column.type], safe=False)
    return pa.table(columns)


def task(world, folder, language="en", **changed):
    bundle, shipped, bucket = world
    given = {
        "bucket": bucket,
        "bundle": Held(shipped),
        "model": ModelVersion(name="credit-scoring", version="7", bundle=bundle.bundle_id),
        "language": language,
        "now_us": AS_OF_US,
        "folder": Location.of(folder),
        "scoring": "a" * 64,
    }
    return BucketTask(**(given | changed))


def scored(world, folder, language="en"):
    outcome = score_bucket(task(world, folder, language))
    return outcome, pq.read_table(folder / "bucket-0003.parquet").to_pylist()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_rows_say_what_scoring_client_by_client_says(world, tmp_path, language):
    bundle, _, bucket = world
    outcome, rows = scored(world, tmp_path, language)
    views = read_bucket(bucket, AS_OF_US).views
    assert views["application"].status[7] is views["bureau"].status[11] is ViewStatus.NOT_FOUND
    expected = Scorer(bundle).score(views, range(CLIENTS), language)
    for row, one in zip(rows, expected, strict=True):
        if isinstance(one, CreditError):
            assert row["error"] == one.code
            assert {row[name] for name in ("probability", "margin", "points", "decision", "risk_band")} == {None}
            assert row["reasons"] is None
            continue
        assert row["error"] is None
        assert (row["client_id"], row["margin"], row["probability"]) == (one.client_id, one.margin, one.probability)
        assert (row["decision"], row["risk_band"]) == (one.decision, one.risk_band)
        assert row["reasons"] == [
            {
                "feature": reason.feature,
                "value": reason.value if isinstance(reason.value, str | None) else repr(reason.value),
                "contribution": reason.contribution,
                "text": reason.text,
            }
            for reason in one.reasons
        ]
    assert rows[11]["decision"] == "referred"
    decided = [row["decision"] for row in rows]
    assert outcome.counts == Counts(
        approved=decided.count("approved"),
        refused=decided.count("refused"),
        referred=1,
        errors={"incomplete_features": 1},
    )


def test_every_row_names_its_model_and_its_data_time(world, tmp_path):
    bundle, *_ = world
    _, rows = scored(world, tmp_path, None)
    assert "reasons" not in rows[0]
    assert {(row["model_version"], row["bundle_id"]) for row in rows} == {("7", bundle.bundle_id)}
    assert {row["as_of"].timestamp() for row in rows} == {AS_OF_US / 1e6}


def test_the_same_bucket_gives_the_same_bytes(world, tmp_path):
    for name in ("first", "second"):
        score_bucket(task(world, tmp_path / name))
    first, second = ((tmp_path / name / "bucket-0003.parquet").read_bytes() for name in ("first", "second"))
    assert first == second


def test_a_stale_view_is_scored_as_it_is(world, tmp_path):
    late_us = AS_OF_US + timedelta(days=30) // timedelta(microseconds=1)
    score_bucket(task(world, tmp_path / "late", now_us=late_us))
    score_bucket(task(world, tmp_path / "fresh"))
    late, fresh = ((tmp_path / name / "bucket-0003.parquet").read_bytes() for name in ("late", "fresh"))
    assert late == fresh


def test_a_worker_refuses_an_altered_bundle_before_it_is_parsed(world, tmp_path):
    _, shipped, _ = world
    altered = tuple((name, content + b" " if name == "model.txt" else content) for name, content in shipped.files)
    other = ShippedBundle(shipped.name, altered, shipped.public_key)
    with pytest.raises(BundleError, match=r"bucket 3: .*model\.txt"):
        score_bucket(task(world, tmp_path, bundle=Held(other)))
    assert not list(tmp_path.iterdir())


def test_an_error_names_its_bucket_and_leaves_no_file(world, tmp_path):
    _, _, bucket = world
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no more")
    views = tuple(ViewFiles(view.spec, view.columns, (Location.of(broken),)) for view in bucket.views)
    with pytest.raises(StepError, match="bucket 3: "):
        score_bucket(task(world, tmp_path / "out", bucket=Bucket(3, views)))
    assert not (tmp_path / "out").exists()
