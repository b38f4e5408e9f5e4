"""The challenger as `ModelStore` follows it: loaded beside the champion, and never in its way."""

import logging
import shutil

import pytest
from bundles import random_views
from fakes import FakeReader, FakeRegistry
from serving_world import MODEL, World

from credit.bundle.keys import load_public_key
from credit.errors import ModelNotReadyError, RegistryError
from serving import loaded_model
from serving.bundle_cache import BundleCache
from serving.loaded_model import ModelSnapshot, in_share
from serving.model_source import ModelSource
from serving.model_store import ModelStore


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    for seed in (1, 2, 3):
        world.bundle(seed)
    return world


@pytest.fixture
def registry(world):
    registry = FakeRegistry(lambda version, target: shutil.copytree(world.bundle(int(version)), target))
    registry.version = "1"
    registry.aliases["challenger"] = "2"
    return registry


@pytest.fixture
def make_store(world, registry, tmp_path):
    views = random_views(world.contract, 1)

    def make(share=0.5):
        cache = BundleCache(tmp_path / "cache", load_public_key(world.public_key))
        champion, challenger = (ModelSource(cache, registry, MODEL, alias) for alias in ("champion", "challenger"))
        return ModelStore(champion, lambda specs: FakeReader(views), challenger=challenger, canary_share=share)

    return make


@pytest.fixture
def store(make_store):
    store = make_store()
    assert store.refresh()
    return store


def versions(store):
    now = store.snapshot()
    return [model and model.version.version for model in (now.champion, now.challenger, now.previous)]


def test_the_alias_challenger_is_loaded_beside_the_champion(store):
    assert versions(store) == ["1", "2", None]
    assert store.current().version.version == "1"


def test_without_the_alias_there_is_none(store, registry):
    del registry.aliases["challenger"]
    assert not store.refresh()
    assert versions(store) == ["1", None, None]
    assert store.challenger_problem is None


def test_another_challenger_takes_over(store, registry):
    registry.aliases["challenger"] = "3"
    store.refresh()
    assert versions(store) == ["1", "3", None]


def test_a_promoted_challenger_is_warm_already_and_no_challenger_any_more(store, registry):
    challenger = store.snapshot().challenger
    registry.version = "2"
    assert store.refresh()
    assert versions(store) == ["2", None, "1"]
    del registry.aliases["challenger"]
    store.refresh()
    assert store.current() is challenger
    assert registry.fetched == ["1", "2"]


def test_a_new_process_has_both_while_the_registry_is_down(make_store, store, registry):
    registry.down = True
    store = make_store()
    assert store.boot()
    assert versions(store) == ["1", "2", None]
    with pytest.raises(RegistryError):
        store.refresh()
    assert versions(store) == ["1", "2", None]


def test_a_registry_that_goes_away_between_the_two_looks_changes_nothing(store, registry, monkeypatch, caplog):
    resolve = registry.resolve

    def sometimes(name, alias):
        if alias == "challenger":
            raise RegistryError("away")
        return resolve(name, alias)

    monkeypatch.setattr(registry, "resolve", sometimes)
    assert not store.refresh()
    assert versions(store) == ["1", "2", None]


@pytest.mark.parametrize("broken", ["altered", "disk full", "does not score"])
def test_a_broken_challenger_is_told_once_and_the_champion_answers(store, registry, world, monkeypatch, caplog, broken):
    def altered(version, target):
        if broken == "disk full":
            raise OSError("no space left on device")
        shutil.copytree(world.bundle(3), target)
        if broken == "altered":
            (target / "model.txt").write_text("nonsense")

    monkeypatch.setattr(registry, "_fetch", altered)
    if broken == "does not score":
        monkeypatch.setattr(loaded_model, "empty_rows", lambda views: {})
    registry.aliases["challenger"] = "3"
    champion = store.current()
    with caplog.at_level(logging.WARNING):
        assert not store.refresh()
        assert not store.refresh()
    assert versions(store) == ["1", None, None]
    assert store.current() is champion
    assert "version 3 is refused" in store.challenger_problem
    assert registry.fetched == ["1", "2", "3"]
    assert caplog.text.count("version 3 is refused") == 1
    registry.aliases["challenger"] = "2"
    monkeypatch.undo()
    store.refresh()
    assert versions(store) == ["1", "2", None]
    assert store.challenger_problem is None


def test_a_client_always_gets_the_same_side_and_a_larger_share_only_adds(store):
    now = store.snapshot()
    asked = range(100_000, 104_000)
    sides = [now.for_client(client_id) for client_id in asked]
    assert sides == [store.snapshot().for_client(client_id) for client_id in asked]
    share = sum(side is now.challenger for side in sides) / len(sides)
    assert 0.45 < share < 0.55
    tenth = {client_id for client_id in asked if in_share(f"canary {client_id}", 0.1)}
    assert tenth < {client_id for client_id, side in zip(asked, sides, strict=True) if side is now.challenger}
    assert 300 < len(tenth) < 500


def test_groups_are_whole_and_by_model(store):
    now = store.snapshot()
    asked = [*range(100_000, 100_060)]
    groups = now.together(asked)
    assert sorted(at for group in groups for at in group) == [*range(60)]
    assert [len({id(now.for_client(asked[at])) for at in group}) for group in groups] == [1, 1]


@pytest.mark.parametrize(("share", "challengers"), [(0.0, 0), (1.0, 60)])
def test_nobody_and_everybody(make_store, share, challengers):
    store = make_store(share)
    store.refresh()
    now = store.snapshot()
    answering = [now.for_client(client_id) for client_id in range(60)]
    assert sum(model is now.challenger for model in answering) == challengers
    assert len(now.together([*range(60)])) == 1


def test_without_a_challenger_the_canary_goes_to_the_champion(make_store, registry):
    del registry.aliases["challenger"]
    store = make_store(1.0)
    store.refresh()
    now = store.snapshot()
    assert now.for_client(1) is now.champion
    assert now.together([1, 2]) == [[0, 1]]


def test_only_a_champions_decision_has_a_shadow(store):
    now = store.snapshot()
    assert now.shadow_of(now.champion) is now.challenger
    assert now.shadow_of(now.challenger) is None


def test_without_a_champion_nobody_answers_even_if_there_is_a_challenger(store):
    with pytest.raises(ModelNotReadyError):
        ModelSnapshot(challenger=store.snapshot().challenger, canary_share=1.0).for_client(1)
