import json
import shutil

import pytest
from bundles import make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.bundle.keys import load_private_key, load_public_key, make_key_pair
from credit.bundle.manifest import CONTENT_FILES, MANIFEST_FILE, SIGNATURE_FILE
from credit.bundle.reader import load_bundle, verify_bundle
from credit.errors import BundleError

FILES = (*CONTENT_FILES, MANIFEST_FILE, SIGNATURE_FILE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def whole(folder):
    return make_bundle(folder / "whole", folder / "keys")


@pytest.fixture(scope="module")
def public_key(folder, whole):
    return load_public_key(make_key_pair(folder / "keys").public)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def test_a_bundle_loads_with_what_was_written(whole, public_key):
    bundle = load_bundle(whole, public_key)
    assert bundle.bundle_id == verify_bundle(whole, public_key)
    assert bundle.manifest.name == "credit-scoring"
    assert bundle.trees == 20
    assert bundle.reference().column_names == list(bundle.contract.names)
    assert {path.name for path in whole.iterdir()} == set(FILES)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_altered_byte_is_refused(whole, public_key, name, place, flip):
    original = (whole / name).read_bytes()
    altered = bytearray(original)
    altered[int(place * len(altered))] ^= flip
    try:
        (whole / name).write_bytes(altered)
        with pytest.raises(BundleError):
            load_bundle(whole, public_key)
    finally:
        (whole / name).write_bytes(original)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, public_key, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(copy, public_key)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [lambda data: data + b"\n", lambda data: data[:-1], lambda data: b""])
def test_a_longer_shorter_or_empty_file_is_refused(copy, public_key, name, change):
    (copy / name).write_bytes(change((copy / name).read_bytes()))
    with pytest.raises(BundleError):
        load_bundle(copy, public_key)


def test_an_extra_file_is_refused(copy, public_key):
    (copy / "extra.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"extra\.pkl"):
        load_bundle(copy, public_key)


def test_a_link_is_refused_even_to_the_same_bytes(copy, public_key, tmp_path):
    (copy / "model.txt").rename(tmp_path / "elsewhere.txt")
    (copy / "model.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(BundleError, match=r"model\.txt"):
        load_bundle(copy, public_key)


def test_another_key_is_refused(whole, tmp_path):
    stranger = load_public_key(make_key_pair(tmp_path).public)
    with pytest.raises(BundleError, match="signature"):
        load_bundle(whole, stranger)


def test_a_validly_signed_but_foreign_manifest_is_refused(copy, folder, public_key):
    private_key = load_private_key(make_key_pair(folder / "keys").private)
    content = json.loads((copy / MANIFEST_FILE).read_bytes())
    for fault in ({"format": 2}, {"files": {}}, {"surprise": 1}):
        signed = json.dumps(content | fault).encode()
        (copy / MANIFEST_FILE).write_bytes(signed)
        (copy / SIGNATURE_FILE).write_bytes(private_key.sign(signed))
        with pytest.raises(BundleError, match="manifest"):
            load_bundle(copy, public_key)


def test_an_absent_folder_is_a_clear_error(tmp_path, public_key):
    with pytest.raises(BundleError, match="nowhere"):
        load_bundle(tmp_path / "nowhere", public_key)


def test_the_private_key_is_for_its_owner_only_and_kept(tmp_path):
    pair = make_key_pair(tmp_path / "keys")
    assert pair.private.stat().st_mode & 0o777 == 0o600
    before = pair.private.read_bytes()
    assert make_key_pair(tmp_path / "keys") == pair
    assert pair.private.read_bytes() == before


def test_half_a_pair_and_wrong_keys_are_clear_errors(tmp_path):
    pair = make_key_pair(tmp_path)
    with pytest.raises(BundleError, match="private"):
        load_private_key(pair.public)
    with pytest.raises(BundleError, match="public"):
        load_public_key(pair.private)
    pair.public.unlink()
    with pytest.raises(BundleError, match="only"):
        make_key_pair(tmp_path)
    with pytest.raises(BundleError, match="cannot read"):
        load_public_key(pair.public)
