import gc
import json
import shutil
import time
from itertools import cycle, islice

import pytest
from bundles import random_views
from fakes import FakeReader, FakeRegistry
from serving_world import MODEL, World

from credit.bundle.bundle import Bundle
from credit.bundle.keys import load_public_key, make_key_pair
from credit.errors import BundleError, ModelNotReadyError, RegistryError
from serving.bundle_cache import BundleCache
from serving.model_source import ModelSource
from serving.model_store import ModelStore
from serving.model_watcher import ModelWatcher
from serving.registry import MlflowRegistry, NoChampionError, RegisteredVersion


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.bundle(1)
    world.bundle(2)
    world.bundle(3)
    return world


@pytest.fixture
def registry(world):
    return FakeRegistry(lambda version, target: shutil.copytree(world.bundle(int(version)), target))


@pytest.fixture
def make_store(world, registry, tmp_path):
    views = random_views(world.contract, 1)

    def make(key=None):
        cache = BundleCache(tmp_path / "cache", load_public_key(key or world.public_key))
        return ModelStore(ModelSource(cache, registry, MODEL, "champion"), lambda specs: FakeReader(views))

    return make


def test_before_a_model_is_there_callers_are_told(make_store):
    with pytest.raises(ModelNotReadyError) as refused:
        make_store().current()
    assert refused.value.code == "model_not_ready"


def test_the_alias_decides_which_version_answers(make_store, registry):
    store = make_store()
    registry.version = "1"
    assert store.refresh()
    first = store.current()
    assert first.version.version == "1"
    assert first.version.bundle == first.bundle.bundle_id
    registry.version = "2"
    assert store.refresh()
    assert store.current().version.version == "2"
    assert store.current().bundle.bundle_id != first.bundle.bundle_id


def test_an_unmoved_alias_fetches_nothing(make_store, registry):
    store = make_store()
    registry.version = "1"
    assert store.refresh()
    assert not store.refresh()
    assert registry.fetched == ["1"]


def test_going_back_is_a_swap_to_the_warm_model(make_store, registry):
    store = make_store()
    served = []
    for version in ("1", "2", "1", "2"):
        registry.version = version
        assert store.refresh()
        served.append(store.current())
    assert registry.fetched == ["1", "2"]
    assert served[2] is served[0]
    assert served[3] is served[1]
    assert store.snapshot().previous is served[0]


def test_going_back_needs_no_fetch_in_a_new_process(make_store, registry):
    store = make_store()
    for version in ("1", "2"):
        registry.version = version
        store.refresh()
    store = make_store()
    assert store.boot()
    assert (store.current().version.version, store.snapshot().previous.version.version) == ("2", "1")
    registry.version = "1"
    assert store.refresh()
    assert store.current().version.version == "1"
    assert registry.fetched == ["1", "2"]


def test_a_reader_is_closed_when_the_last_request_lets_go_of_its_model(make_store, registry):
    store = make_store()
    registry.version = "1"
    store.refresh()
    held = store.snapshot()
    reader = held.champion.reader
    for version in ("2", "3"):
        registry.version = version
        store.refresh()
    assert not reader.closed
    del held
    assert reader.closed
    assert not store.current().reader.closed
    assert not store.snapshot().previous.reader.closed


@pytest.mark.slow
def test_a_hundred_swaps_leave_no_bundle_in_memory_and_none_too_many_on_disk(make_store, registry, tmp_path):
    store = make_store()
    held = [_bundles()]
    for version in islice(cycle(["1", "2", "3"]), 100):
        registry.version = version
        assert store.refresh()
    assert len(registry.fetched) == 100  # of three, the one before the one before is not warm any more
    assert _bundles() - held[0] == 2
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 3


def test_a_new_process_starts_from_the_cache_while_the_registry_is_down(make_store, registry):
    registry.version = "1"
    make_store().refresh()
    registry.down = True
    store = make_store()
    assert store.boot()
    assert store.current().version.version == "1"
    with pytest.raises(RegistryError):
        store.refresh()
    assert store.current().version.version == "1"


def test_a_new_process_with_an_unmoved_alias_fetches_nothing(make_store, registry):
    registry.version = "1"
    make_store().refresh()
    store = make_store()
    store.boot()
    assert not store.refresh()
    assert registry.fetched == ["1"]


def test_the_same_number_in_another_registry_is_another_version(make_store, registry, monkeypatch):
    registry.version = "1"
    make_store().refresh()
    store = make_store()
    store.boot()
    monkeypatch.setattr(registry, "resolve", lambda name, alias: RegisteredVersion(name, "1", "a new registry"))
    assert store.refresh()


def test_an_empty_cache_is_no_error(make_store):
    assert not make_store().boot()


def test_before_the_first_change_there_is_no_model_before(make_store, registry):
    store = make_store()
    registry.version = "1"
    store.refresh()
    assert store.previous() is None


@pytest.mark.parametrize("file", ["model.txt", "manifest.json", "manifest.sig"])
def test_an_altered_cached_bundle_is_not_served_and_is_fetched_again(make_store, registry, tmp_path, file):
    registry.version = "1"
    first = make_store()
    first.refresh()
    damaged = tmp_path / "cache" / first.current().bundle.bundle_id / file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    store = make_store()
    assert not store.boot()
    assert store.refresh()
    assert store.current().version.version == "1"


def test_a_malformed_pointer_is_not_trusted(make_store, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "champion.json").write_text(json.dumps({"model": "../.."}))
    assert not make_store().boot()


def test_a_bundle_signed_by_another_key_is_refused_once_and_the_model_stays(make_store, registry, world, monkeypatch):
    store = make_store()
    registry.version = "1"
    store.refresh()

    def altered(version, target):
        shutil.copytree(world.bundle(2), target)
        with (target / "model.txt").open("a") as file:
            file.write(" ")

    monkeypatch.setattr(registry, "_fetch", altered)
    registry.version = "2"
    with pytest.raises(BundleError):
        store.refresh()
    assert store.current().version.version == "1"
    assert not store.refresh()
    assert registry.fetched == ["1", "2"]


def test_serving_refuses_what_its_own_key_did_not_sign(make_store, registry, tmp_path):
    registry.version = "1"
    other = make_key_pair(tmp_path / "other-keys").public
    with pytest.raises(BundleError, match="signature"):
        make_store(other).refresh()
    assert [path.name for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".in-use")] == []


def test_the_watcher_follows_and_tells_why_there_is_no_model(make_store, registry):
    store = make_store()
    settled = []
    watcher = ModelWatcher(store, seconds=0.01, on_settled=lambda: settled.append(_code(store)))
    watcher.start()
    try:
        _eventually(lambda: _code(store) == "no_champion")
        registry.version = "1"
        _eventually(lambda: _code(store) is None)
        registry.version = "2"
        _eventually(lambda: store.current().version.version == "2")
        assert settled == [None]
        registry.down = True
        assert watcher.is_alive()
    finally:
        watcher.stop()
    assert not watcher.is_alive()


@pytest.fixture(scope="module")
def versions(world):
    return world.registry.register(world.bundle(1)), world.registry.register(world.bundle(2), champion=False)


# MLflow maps its tables with an option that SQLAlchemy wants to remove.
class TestMlflow:
    """The real registry on SQLite."""

    def test_resolves_and_fetches_a_whole_bundle(self, world, versions, tmp_path):
        registry = MlflowRegistry(world.registry.uri)
        found = registry.resolve(MODEL, "champion")
        assert (found.name, found.version) == (MODEL, versions[0])
        registry.fetch(found, tmp_path / "bundle")
        cache = BundleCache(tmp_path / "cache", load_public_key(world.public_key))
        assert cache.holds(cache.admit(tmp_path / "bundle"))

    def test_a_moved_alias_is_seen(self, world, versions):
        registry = MlflowRegistry(world.registry.uri)
        world.registry.promote(versions[1])
        assert registry.resolve(MODEL, "champion").version == versions[1]
        world.registry.promote(versions[0])

    @pytest.mark.parametrize(("name", "alias"), [(MODEL, "nobody"), ("other", "champion")])
    def test_no_champion_says_what_to_do(self, world, versions, name, alias):
        with pytest.raises(NoChampionError, match="creditctl train"):
            MlflowRegistry(world.registry.uri).resolve(name, alias)

    def test_a_version_without_a_bundle_is_told(self, world, versions, tmp_path):
        registry = MlflowRegistry(world.registry.uri)
        with pytest.raises(RegistryError, match="version 99"):
            registry.fetch(RegisteredVersion(MODEL, "99", ""), tmp_path / "bundle")


def _bundles():
    gc.collect()
    return sum(type(each) is Bundle for each in gc.get_objects())  # isinstance would ask dead weak references


def _code(store):
    try:
        store.current()
    except ModelNotReadyError as error:
        return error.code
    return None


def _eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
