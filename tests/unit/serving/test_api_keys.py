import hmac
import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from callers import make_key, write_keys
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.errors import SettingsError
from serving.callers import api_keys
from serving.callers.api_keys import ApiKey, KeyFile, KeyRing, digest, new_key, parsed_keys
from serving.callers.identity import CredentialError, Identity, Rate

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_key_proves_its_caller():
    key, entry = make_key("desk", ("explain", "score"), rate=2.5)
    assert KeyRing([entry]).identity(key, NOW) == Identity("desk", frozenset({"score", "explain"}), Rate(2.5, 3))


def test_two_keys_of_one_caller_are_valid_at_once():
    (old, old_entry), (new, new_entry) = make_key(), make_key()
    ring = KeyRing([old_entry, new_entry])
    assert ring.identity(old, NOW) == ring.identity(new, NOW)


@pytest.mark.parametrize("at", [16, 30, -1])
def test_a_key_that_differs_in_one_character_is_unknown(at):
    key, entry = make_key()
    other = "A" if key[at] != "A" else "B"
    with pytest.raises(CredentialError) as refused:
        KeyRing([entry]).identity(key[:at] + other + key[at:][1:], NOW)
    assert refused.value.reason == "unknown_key"


def test_a_key_of_nobody_is_unknown():
    key, _ = make_key()
    with pytest.raises(CredentialError) as refused:
        KeyRing([]).identity(key, NOW)
    assert refused.value.reason == "unknown_key"


def test_a_key_ends_when_it_says(monkeypatch):
    key, entry = make_key(expires=NOW)
    assert KeyRing([entry]).identity(key, NOW - timedelta(seconds=1)).name == "desk"
    with pytest.raises(CredentialError) as refused:
        KeyRing([entry]).identity(key, NOW)
    assert refused.value.reason == "expired"


@pytest.mark.parametrize("known", [True, False])
def test_hashes_are_compared_in_constant_time_also_for_unknown_ids(known, monkeypatch):
    compared = []
    real = hmac.compare_digest

    def compare(one, other):
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(api_keys.hmac, "compare_digest", compare)
    key, entry = make_key()
    ring = KeyRing([entry] if known else [])
    try:
        ring.identity(key, NOW)
    except CredentialError:
        assert not known
    assert len(compared) == 1
    assert len(compared[0][0]) == len(compared[0][1]) == 64


def test_keys_are_random_and_their_hash_is_of_the_whole_key():
    made = [new_key() for _ in range(100)]
    assert len({key for key, _ in made}) == len({key_id for _, key_id in made}) == 100
    assert len({digest(key) for key, _ in made}) == 100
    assert all(len(key.split("_", 2)[2]) == 43 for key, _ in made)  # 32 bytes in base64


def test_the_file_holds_no_key_and_only_its_owner_reads_it(tmp_path):
    key, entry = make_key(rate=5, burst=9, expires=NOW)
    path = tmp_path / "keys" / "api-keys.json"
    write_keys(path, entry)
    assert key not in path.read_text()
    assert key.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parsed_keys(path.read_bytes()).keys == (entry,)


def test_a_key_does_not_show_its_hash():
    _, entry = make_key()
    assert entry.sha256 not in repr(entry)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "short"},
        {"name": "Desk"},
        {"name": ""},
        {"name": "jwt:desk"},
        {"name": "desk\n"},
        {"name": "anyone"},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"rate": 0},
        {"rate": -1},
        {"burst": 5},
        {"rate": 1, "burst": 0},
        {"expires": "2027-01-01T00:00:00"},
        {"key": "cs_"},
        {"sha256": "A" * 64},
    ],
)
def test_a_file_with_an_impossible_key_is_refused_without_showing_hashes(changes):
    _, entry = make_key()
    document = KeyFile(keys=[entry]).model_dump(mode="json")
    document["keys"][0] |= changes
    content = _json(document)
    with pytest.raises(SettingsError, match="not a file of API keys") as refused:
        parsed_keys(content)
    assert entry.sha256 not in str(refused.value)


def test_two_keys_with_one_id_are_refused():
    _, entry = make_key()
    twice = KeyFile.model_construct(keys=(entry, entry)).model_dump(mode="json")
    with pytest.raises(SettingsError, match="same id"):
        parsed_keys(_json(twice))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_other_content_is_refused(content):
    with pytest.raises(SettingsError):
        parsed_keys(content + b"?")


def test_a_key_needs_every_field():
    assert {name for name, field in ApiKey.model_fields.items() if field.is_required()} == {
        "id", "name", "sha256", "scopes", "created",
    }  # fmt: skip


def _json(document):
    return json.dumps(document).encode()
