"""Measures the features: share missing over a finished run, importance from a signed model bundle."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from credit.bundle.bundle import Bundle
from credit.bundle.keys import load_public_key
from credit.bundle.manifest import MANIFEST_FILE, Manifest
from credit.bundle.reader import load_bundle
from credit.errors import FeatureError
from credit.platform import Home
from credit.progress import step
from feature_repo.aggregates.manifest import RunManifest, read_manifest
from feature_repo.catalogue import View
from feature_repo.catalogue.statistics import MeasuredOn, Statistics
from feature_repo.ingest.events import EventStore
from feature_repo.locations import event_store, offline_location
from feature_repo.storage import Location

#: Digits kept: enough for people, few enough that a page does not change with the last bit.
_DIGITS = 6


def measure(home: Home, views: Sequence[View], run: str, bundle_path: Path, public_key: Path) -> Statistics:
    """The statistics of a run and a model.

    Args:
        home: platform folder with ingested events and the run.
        views: the views to measure.
        run: a finished run of the offline store.
        bundle_path: directory of a model bundle.
        public_key: verifies its signature.

    Raises:
        FeatureError: the run is not finished.
        BundleError: the bundle or the key cannot be used.
        DataError: no events are ingested.
    """
    offline = offline_location(home)
    manifest = read_manifest(offline, run)
    if manifest is None:
        raise FeatureError(f"run {run} is not finished below {offline}: run `creditctl features backfill`")
    bundle = load_bundle(bundle_path, load_public_key(public_key))
    missing = missing_shares(offline, run, [view for view in views if view.name in manifest.features])
    measured = _measured_on(event_store(home), manifest, bundle)
    return Statistics(measured_on=measured, missing=missing, importance=importance_shares(bundle))


def missing_shares(offline: Location, run: str, views: Sequence[View]) -> dict[str, float]:
    """Share of rows in which each feature is null, in catalogue order; read file by file."""
    shares: dict[str, float] = {}
    with step(f"share missing in {run}", total=len(views)) as progress:
        for view in views:
            shares |= _missing((offline / view.name / run).files(), view)
            progress.advance()
    return shares


def importance_shares(bundle: Bundle) -> dict[str, float]:
    """Each feature's share of all mean absolute SHAP values, strongest first."""
    total = sum(bundle.importance.values())
    return {name: round(value / total, _DIGITS) for name, value in bundle.importance.items()} if total else {}


def newest_bundle(home: Home) -> Path:
    """The directory of the newest bundle in the platform folder, by its time of training.

    Raises:
        FeatureError: there is none.
    """
    manifests = [*home.bundles.glob(f"*/{MANIFEST_FILE}"), *home.mlflow.glob(f"artifacts/**/bundle/{MANIFEST_FILE}")]
    dated = [(created, path.parent) for path in manifests if (created := _created(path)) is not None]
    if not dated:
        raise FeatureError(f"no model bundle below {home.root}: run `creditctl train`, or name one with --bundle")
    return max(dated)[1]


def _created(path: Path) -> str | None:
    """When the bundle was made; only a hint for choosing, it is verified before use."""
    try:
        return Manifest.model_validate_json(path.read_bytes()).provenance.created.isoformat()
    except (OSError, ValidationError):
        return None


def _missing(files: Sequence[Location], view: View) -> dict[str, float]:
    nulls: Counter[str] = Counter()
    rows = 0
    for file in files:
        held = file.footer().schema.to_arrow_schema().names
        names = [feature.name for feature in view.features if feature.name in held]
        table = file.read_table(columns=names)
        rows += table.num_rows
        nulls.update({name: table[name].null_count for name in names})
    return {name: round(count / rows, _DIGITS) for name, count in nulls.items()} if rows else {}


def _measured_on(store: EventStore, manifest: RunManifest, bundle: Bundle) -> MeasuredOn:
    return MeasuredOn(
        # Only the generator writes events after the applications; the public files stop there.
        data="generated" if store.meta.lives_on else "delivered",
        clients=store.meta.clients,
        run=manifest.run,
        rows=manifest.rows,
        present=store.meta.as_of_now,
        model=bundle.manifest.name,
        bundle=bundle.bundle_id,
        trained=bundle.manifest.provenance.created,
    )
