import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from credit import cli
from serving.callers.api_keys import KeyRing, key_ring, parsed_keys
from serving.callers.identity import CredentialError, Rate


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    monkeypatch.delenv("SERVING_API_KEYS_PATH", raising=False)
    return tmp_path / "keys" / "api-keys.json"


@pytest.fixture
def keys(capsys, file):
    def run(*arguments, code=0):
        assert cli.run(["keys", *arguments]) == code
        return capsys.readouterr()

    return run


def proven(file, key):
    return key_ring(file.read_bytes()).identity(key, datetime.now(UTC))


def test_a_key_is_printed_once_and_proves_its_caller(keys, file):
    made = keys("create", "--name", "desk", "--scopes", "score, explain", "--rate", "20", "--burst", "50")
    key = made.out.strip()
    assert key not in made.err
    found = proven(file, key)
    assert (found.name, found.scopes, found.rate) == ("desk", {"score", "explain"}, Rate(20, 50))
    listed = keys("list").out
    assert "desk" in listed
    assert "20/s, 50 at once" in listed
    assert key not in listed
    assert key.split("_", 2)[2] not in listed


def test_listing_as_json_shows_no_hash(keys, file):
    keys("create", "--name", "desk", "--scopes", "score")
    (shown,) = json.loads(keys("list", "--json").out)
    assert shown["name"] == "desk"
    assert "sha256" not in shown


def test_creating_as_json_gives_the_key(keys, file):
    made = json.loads(keys("create", "--name", "desk", "--scopes", "admin", "--json").out)
    assert proven(file, made["key"]).name == "desk"
    assert made["id"] in made["key"]


def test_rotation_the_new_key_first_then_the_old_one_goes(keys, file):
    old = keys("create", "--name", "desk", "--scopes", "score").out.strip()
    made = keys("create", "--name", "desk", "--scopes", "score")
    new = made.out.strip()
    assert "desk has 2 keys" in made.err
    assert proven(file, old) == proven(file, new)
    keys("revoke", "desk", "--key", old.split("_")[1])
    assert proven(file, new).name == "desk"
    with pytest.raises(CredentialError):
        proven(file, old)


def test_revoking_a_caller_takes_all_its_keys_and_nobody_elses(keys, file):
    desk = [keys("create", "--name", "desk", "--scopes", "score").out.strip() for _ in range(2)]
    other = keys("create", "--name", "other", "--scopes", "score").out.strip()
    assert "revoked 2 of desk" in keys("revoke", "desk").out
    assert proven(file, other).name == "other"
    for key in desk:
        with pytest.raises(CredentialError):
            proven(file, key)


@pytest.mark.parametrize("arguments", [["nobody"], ["desk", "--key", "000000000000"]])
def test_revoking_what_is_not_there_is_an_error(keys, file, arguments):
    keys("create", "--name", "desk", "--scopes", "score")
    before = file.read_bytes()
    assert "creditctl keys list" in keys("revoke", *arguments, code=1).err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("expires", "days"),
    [("90d", 90), ("2999-01-31", None), ("2999-01-31T12:00", None), ("2999-01-31T12:00+02:00", None)],
)
def test_a_key_may_end(keys, file, expires, days):
    keys("create", "--name", "desk", "--scopes", "score", "--expires", expires)
    (entry,) = parsed_keys(file.read_bytes()).keys
    if days:
        assert abs(entry.expires - datetime.now(UTC) - timedelta(days=days)) < timedelta(hours=1)
    else:
        assert entry.expires.astimezone(UTC).year == 2999


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "Desk!", "--scopes", "score"],
        ["--name", "desk", "--scopes", "everything"],
        ["--name", "desk", "--scopes", ""],
        ["--name", "desk", "--scopes", "score", "--rate", "0"],
        ["--name", "desk", "--scopes", "score", "--burst", "5"],
        ["--name", "desk", "--scopes", "score", "--expires", "soon"],
        ["--name", "desk", "--scopes", "score", "--expires", "2020-01-01"],
        ["--name", "desk", "--scopes", "score", "--expires", "0d"],
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(keys, file, arguments):
    made = keys("create", *arguments, code=1)
    assert made.err.startswith("error: ")
    assert not made.out
    assert not file.exists()


def test_a_broken_file_is_not_overwritten(keys, file):
    file.parent.mkdir()
    file.write_text("{")
    assert "not a file of API keys" in keys("create", "--name", "desk", "--scopes", "score", code=1).err
    assert file.read_text() == "{"


def test_the_file_is_that_of_the_service(keys, file, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVING_API_KEYS_PATH", str(tmp_path / "elsewhere.json"))
    keys("create", "--name", "desk", "--scopes", "score")
    assert not file.exists()
    assert parsed_keys((tmp_path / "elsewhere.json").read_bytes()).keys[0].name == "desk"


def test_two_at_once_lose_no_key(file):
    from serving import keys_cli

    threads = [
        threading.Thread(target=keys_cli.create, kwargs={"name": f"c{at}", "scopes": "score", "file": file})
        for at in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in parsed_keys(file.read_bytes()).keys} == {f"c{at}" for at in range(8)}


def test_an_empty_list_is_no_error(keys):
    assert keys("list").out == ""
    assert isinstance(key_ring(b'{"keys": []}'), KeyRing)


def test_the_command_imports_no_framework():
    code = (
        "import sys; from credit import cli; cli.run(['keys', '--help']);"
        "print([m for m in ('fastapi', 'redis', 'ray', 'mlflow', 'numpy') if m in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stderr.strip() == "[]"
