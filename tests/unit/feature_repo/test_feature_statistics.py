import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundles import make_bundle, small_contract
from kaggle_tables import random_tables

from credit.cli import run
from credit.errors import BundleError, FeatureError
from credit.platform import Home
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.spine import training_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.statistics import Statistics
from feature_repo.feature_statistics import measure, missing_shares, newest_bundle
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.storage import Location

VIEWS = tuple(load_catalogue().view(name) for name in ("application", "demographics"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A platform folder with a training run of two views and one signed bundle, as training leaves it."""
    home = Home(tmp_path_factory.mktemp("home"))
    ingest(random_tables(40, seed=3, later=True).write(home.raw), home.events, Options(buckets=3))
    store = EventStore(home.events)
    build_views(store, training_spine(store), home.offline, "training", VIEWS)
    target = home.mlflow / "artifacts" / "models" / "m-1" / "artifacts" / "bundle"
    target.parent.mkdir(parents=True)
    make_bundle(target, home.keys)
    return home


def test_missing_shares_are_those_of_all_rows_of_the_run(home):
    shares = missing_shares(Location.of(home.offline), "training", VIEWS)
    assert list(shares) == [feature.name for view in VIEWS for feature in view.features]
    rows = pa.concat_tables(
        [pq.read_table(path) for path in (home.offline / "application" / "training").glob("*.parquet")]
    )
    for feature in VIEWS[0].features:
        assert shares[feature.name] == pytest.approx(rows[feature.name].null_count / rows.num_rows, abs=1e-6)
    assert max(shares.values()) > 0
    assert min(shares.values()) == 0


def test_the_command_writes_what_the_page_reads(home, tmp_path, capsys):
    out = tmp_path / "statistics.json"
    assert run(["features", "statistics", "--home", str(home.root), "--out", str(out), "--json"]) == 0
    written = Statistics.model_validate_json(out.read_text())
    assert written == Statistics.model_validate(json.loads(capsys.readouterr().out))
    assert set(written.importance) == set(small_contract().names)
    assert sum(written.importance.values()) == pytest.approx(1, abs=1e-4)
    measured = written.measured_on
    assert (measured.data, measured.clients, measured.run) == ("generated", 40, "training")
    assert measured.rows == sum(row["target"] is not None for row in clients(home))
    assert measured.model == "credit-scoring"
    before = out.read_bytes()
    assert run(["features", "statistics", "--home", str(home.root), "--out", str(out)]) == 0
    assert out.read_bytes() == before


def clients(home):
    store = EventStore(home.events)
    return [row for bucket in range(store.buckets) for row in store.clients(bucket).to_pylist()]


def test_the_newest_bundle_is_taken_wherever_it_lies(home, tmp_path):
    other = Home(tmp_path)
    with pytest.raises(FeatureError, match="run `creditctl train`"):
        newest_bundle(other)
    trained = newest_bundle(home)
    manifest = json.loads((trained / "manifest.json").read_text())
    for name, created in (("aa", "2025-06-01T00:00:00Z"), ("bb", "2025-02-01T00:00:00Z"), ("cc", "damaged")):
        manifest["provenance"]["created"] = created
        (other.bundles / name).mkdir(parents=True)
        (other.bundles / name / "manifest.json").write_text(json.dumps(manifest))
    assert newest_bundle(other) == other.bundles / "aa"


def test_an_unfinished_run_and_an_altered_bundle_are_refused(home, tmp_path):
    bundle, key = newest_bundle(home), home.keys / "bundle-public.pem"
    with pytest.raises(FeatureError, match="run online is not finished"):
        measure(home, VIEWS, "online", bundle, key)
    make_bundle(tmp_path / "bundle", tmp_path / "keys")
    with pytest.raises(BundleError, match="signature does not match"):
        measure(home, VIEWS, "training", tmp_path / "bundle", key)
