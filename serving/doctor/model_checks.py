"""The model: whether the registry answers, the alias names a version, its bundle is ours, and features fit it."""

import os
import sqlite3
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import redis

from credit.bundle.bundle import Bundle
from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import BundleError, RegistryError, StoreUnavailableError
from credit.schemas.features import ViewBatch, ViewStatus
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.online.keys import client_key_pattern, client_of_key
from feature_repo.online.reader import PackedReader
from serving.bundle_cache import BundleCache
from serving.doctor.examination import Finding, fail, ok, warn
from serving.registry import MlflowRegistry, RegisteredVersion
from serving.settings import ServingSettings

_SECONDS: Final = 3.0
_SQLITE: Final = "sqlite:///"
_CLIENTS: Final = 50
_REBUILD: Final = "run `creditctl features build` and `creditctl features materialize`"


def registry(settings: ServingSettings) -> Iterator[Finding]:
    """Whether MLflow answers, without its client: that one makes a database where there is none."""
    address = settings.mlflow_tracking_uri
    if address.startswith(_SQLITE):
        yield ok("registry", f"{_versions(Path(address.removeprefix(_SQLITE)))} model versions in its database")
    elif address.startswith(("http://", "https://")):
        yield _health(address)
    else:
        yield warn("registry", "neither a file nor HTTP: whether it answers is seen from the alias")


def alias(settings: ServingSettings) -> Iterator[Finding]:
    """Whether the alias names a version."""
    found = _resolved(settings)
    yield ok("alias", f"{settings.model_name}@{settings.model_alias} is version {found.version}")


def bundle(settings: ServingSettings) -> Iterator[Finding]:
    """Whether the bundle that would be served is signed for the public key."""
    loaded, version = _bundle(settings)
    yield ok("bundle", f"version {version}, {loaded.bundle_id[:12]}: signature and every hash verified")


def features(settings: ServingSettings) -> Iterator[Finding]:
    """Freshness and schema of the model's views, for some clients that are online."""
    loaded, _ = _bundle(settings)
    access = settings.redis(_SECONDS, _SECONDS)
    clients = _sampled(access, settings.feature_project)
    if not clients:
        yield fail("features", f"no client is online: {_REBUILD}")
        return
    with closing(PackedReader(access, settings.feature_project, loaded.contract.views)) as reader:
        views = reader.read(clients)
    yield _schema(views, len(clients))
    yield _freshness(views, len(clients))


def _schema(views: dict[str, ViewBatch], clients: int) -> Finding:
    other = _share(views, ViewStatus.SCHEMA_MISMATCH)
    if other:
        return fail("features: schema", f"rows of another schema than the model's: {other}; {_REBUILD}")
    return ok("features: schema", f"the rows of {clients} clients have the schema of the model's {len(views)} views")


def _freshness(views: dict[str, ViewBatch], clients: int) -> Finding:
    absent, stale = _share(views, ViewStatus.NOT_FOUND), _share(views, ViewStatus.STALE)
    if stale:
        return fail("features: freshness", f"older than their limit: {stale}; {_REBUILD}")
    if absent:
        return warn("features: freshness", f"clients without a row: {absent}; {_REBUILD}")
    return ok("features: freshness", f"all views of {clients} clients are within their limits")


def _share(views: dict[str, ViewBatch], status: ViewStatus) -> str:
    counts = {name: Counter(batch.status)[status] / len(batch.status) for name, batch in views.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in counts.items() if share)


def _sampled(access: RedisSettings, project: str) -> list[int]:
    found: list[int] = []
    with closing(open_exchange(access)) as exchange:
        try:
            for keys in exchange.scan(client_key_pattern(project)):
                found += [client for key in keys if (client := client_of_key(project, key)) is not None]
                if len(found) >= _CLIENTS:
                    break
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError("the online store does not answer: mend that first") from error
    return found[:_CLIENTS]


def _bundle(settings: ServingSettings) -> tuple[Bundle, str]:
    """The bundle that the cache remembers, else the registry's; the cache stays as it is."""
    if not settings.public_key_path.is_file():
        raise BundleError(f"no public key {settings.public_key_path}: run `make demo`, or set SERVING_PUBLIC_KEY_PATH")
    key = load_public_key(settings.public_key_path)
    cache = BundleCache(settings.bundle_cache, key)
    pointer = cache.remembered(settings.model_alias)
    if pointer is not None and cache.holds(pointer.model.bundle):
        try:
            return load_bundle(cache.path(pointer.model.bundle), key), pointer.model.version
        except BundleError as error:
            place = cache.path(pointer.model.bundle)
            raise BundleError(f"{error}; remove {place}, the service fetches it again") from error
    found = _resolved(settings)
    with tempfile.TemporaryDirectory(prefix="credit-doctor-") as scratch:
        target = Path(scratch) / "bundle"
        MlflowRegistry(settings.mlflow_tracking_uri).fetch(found, target)
        return load_bundle(target, key), found.version


def _resolved(settings: ServingSettings) -> RegisteredVersion:
    address = settings.mlflow_tracking_uri
    if address.startswith(_SQLITE):
        _versions(Path(address.removeprefix(_SQLITE)))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(_SECONDS)))
    return MlflowRegistry(address).resolve(settings.model_name, settings.model_alias)


def _versions(database: Path) -> int:
    if not database.is_file():
        raise RegistryError(f"there is no {database} yet: run `make demo`, or `creditctl train --promote`")
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=_SECONDS)) as connection:
            return int(connection.execute("SELECT count(*) FROM model_versions").fetchone()[0])
    except sqlite3.Error as error:
        raise RegistryError(f"{database} cannot be read ({error}): restore it, or train anew") from error


def _health(address: str) -> Finding:
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=_SECONDS):  # noqa: S310 - http(s) only
            return ok("registry", "MLflow answers")
    except (urllib.error.URLError, OSError) as error:
        return fail("registry", f"MLflow does not answer ({error}): start it, or look at SERVING_MLFLOW_TRACKING_URI")
