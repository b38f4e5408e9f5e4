import os
import shutil
import threading

import pytest
from serving_world import World

from credit.bundle.keys import load_public_key
from credit.schemas.decision import ModelVersion
from serving.bundle_cache import BundleCache
from serving.pointer import Pointer

BUNDLES = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    for seed in range(BUNDLES):
        world.bundle(seed)
    return world


@pytest.fixture
def cache(world, tmp_path):
    return BundleCache(tmp_path / "cache", load_public_key(world.public_key), kept=3)


@pytest.fixture
def admitted(world, cache, tmp_path):
    """Ids of five bundles; the first is the one used longest ago."""
    ids = []
    for seed in range(BUNDLES):
        bundle_id = cache.admit(shutil.copytree(world.bundle(seed), tmp_path / f"staged-{seed}"))
        os.utime(cache.path(bundle_id), (1_000 + seed, 1_000 + seed))
        ids.append(bundle_id)
    return ids


def held(cache, ids):
    return [cache.holds(bundle_id) for bundle_id in ids]


def test_the_bundles_used_longest_ago_go(cache, admitted):
    cache.prune()
    assert held(cache, admitted) == [False, False, True, True, True]


def test_loading_a_bundle_is_a_use(cache, admitted):
    cache.load(admitted[0])
    cache.prune()
    assert held(cache, admitted) == [True, False, False, True, True]


@pytest.mark.parametrize("alias", ["champion", "champion.previous", "challenger"])
def test_what_a_pointer_names_stays(cache, admitted, alias):
    version = ModelVersion(name="credit-scoring", version="1", bundle=admitted[0])
    cache.remember(alias, Pointer(model=version, source="somewhere"))
    cache.prune()
    assert held(cache, admitted) == [True, False, True, True, True]
    assert cache.remembered(alias).model == version
    cache.forget(alias)
    cache.prune()
    assert not cache.holds(admitted[0])


def test_what_a_killed_download_left_goes_and_pointers_stay(cache, admitted):
    left = cache.scratch()
    (left / "half").write_text("half a file")
    cache.prune()
    assert not left.exists()


def test_nothing_goes_while_a_bundle_is_brought(cache, admitted, world, tmp_path):
    other_replica = BundleCache(tmp_path / "cache", load_public_key(world.public_key), kept=3)
    begun, go_on = threading.Event(), threading.Event()

    def bring():
        with other_replica.in_use():
            scratch = other_replica.scratch()
            begun.set()
            assert go_on.wait(20)
            assert scratch.exists()
            other_replica.load(admitted[0])

    bringing = threading.Thread(target=bring)
    bringing.start()
    assert begun.wait(20)
    cache.prune()
    assert all(held(cache, admitted))
    go_on.set()
    bringing.join(20)
    cache.prune()
    assert held(cache, admitted) == [True, False, False, True, True]


def test_an_empty_or_absent_folder_is_pruned_without_fuss(cache, tmp_path):
    cache.prune()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".in-use"]
