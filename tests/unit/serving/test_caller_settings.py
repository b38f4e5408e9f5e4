from pathlib import Path

import pytest

from credit.errors import SettingsError
from serving.callers.identity import Rate
from serving.settings import ServingSettings

JWT = {
    "authentication": "jwt",
    "jwt_keys": "https://login.example.org/jwks.json",
    "jwt_issuer": "https://login.example.org/",
    "jwt_audience": "credit-scoring",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.delenv("SERVING_AUTHENTICATION", raising=False)


@pytest.mark.parametrize(
    ("given", "keys", "tokens"),
    [({"authentication": "keys"}, True, False), (JWT, False, True), (JWT | {"authentication": "keys,jwt"}, True, True)],
)
def test_with_authentication_any_host_is_allowed(given, keys, tokens):
    settings = ServingSettings.load(host="0.0.0.0", **given)
    assert (settings.takes_keys, settings.takes_tokens) == (keys, tokens)


@pytest.mark.parametrize("mode", ["", "on", "none", "Keys", "jwt,keys", "keys,", "off,keys", "basic"])
def test_other_modes_are_refused(mode):
    with pytest.raises(SettingsError, match="SERVING_AUTHENTICATION"):
        ServingSettings.load(authentication=mode)


@pytest.mark.parametrize("missing", ["jwt_keys", "jwt_issuer", "jwt_audience"])
@pytest.mark.parametrize("mode", ["jwt", "keys,jwt"])
def test_tokens_need_all_that_they_are_checked_against(missing, mode):
    given = {name: value for name, value in JWT.items() if name != missing} | {"authentication": mode}
    with pytest.raises(SettingsError, match=f"SERVING_{missing.upper()}"):
        ServingSettings.load(**given)


@pytest.mark.parametrize("mode", ["off", "keys"])
@pytest.mark.parametrize("name", ["jwt_keys", "jwt_issuer", "jwt_audience", "jwt_scope_claim"])
def test_settings_of_tokens_without_tokens_are_a_contradiction(mode, name, monkeypatch):
    monkeypatch.setenv(f"SERVING_{name.upper()}", "https://login.example.org/")
    with pytest.raises(SettingsError, match=rf"without jwt: remove SERVING_{name.upper()}"):
        ServingSettings.load(authentication=mode)


@pytest.mark.parametrize("given", [{"authentication": "off"}, JWT])
def test_a_key_file_without_keys_is_a_contradiction(given):
    with pytest.raises(SettingsError, match="without keys: remove SERVING_API_KEYS_PATH"):
        ServingSettings.load(api_keys_path="/keys.json", **given)


@pytest.mark.parametrize(
    "address",
    [
        "http://login.example.org/jwks.json",
        "http://10.0.0.1/jwks.json",
        "ftp://login.example.org/jwks.json",
        "file:///etc/jwks.json",
        "https://",
        "https://user:hunter2@login.example.org/jwks.json",
    ],
)
def test_an_address_that_others_could_change_is_refused(address):
    with pytest.raises(SettingsError, match="SERVING_JWT_KEYS") as refused:
        ServingSettings.load(**JWT | {"jwt_keys": address})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("address", ["/etc/jwks.json", "http://127.0.0.1:8080/jwks", "http://localhost/k"])
def test_a_file_or_an_address_on_this_machine_is_taken(address):
    assert ServingSettings.load(**JWT | {"jwt_keys": address}).jwt_keys == address


def test_files_are_found_from_any_working_folder():
    settings = ServingSettings.load(
        **JWT | {"authentication": "keys,jwt", "jwt_keys": "jwks.json", "api_keys_path": "keys.json"}
    )
    assert settings.jwt_keys == str(Path("jwks.json").absolute())
    assert settings.api_keys_path == Path("keys.json").absolute()


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ({}, None),
        ({"rate_limit": 20}, Rate(20, 20)),
        ({"rate_limit": 0.5}, Rate(0.5, 1)),
        ({"rate_limit": 2, "rate_burst": 100}, Rate(2, 100)),
    ],
)
def test_rates(given, rate):
    assert ServingSettings.load(authentication="off", **given).default_rate == rate


@pytest.mark.parametrize("given", [{"rate_limit": 0}, {"rate_limit": -1}, {"rate_limit": "inf"}, {"rate_burst": 5}])
def test_rates_that_make_no_sense_are_refused(given):
    with pytest.raises(SettingsError, match="SERVING_RATE"):
        ServingSettings.load(authentication="off", **given)


def test_metrics_for_admins_need_authentication():
    with pytest.raises(SettingsError, match="SERVING_METRICS_ACCESS"):
        ServingSettings.load(authentication="off", metrics_access="admin")


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("https://a.example.org", ("https://a.example.org",)),
        (" https://a.example.org , http://b:8080,", ("https://a.example.org", "http://b:8080")),
        ("http://[::1]:3000", ("http://[::1]:3000",)),
    ],
)
def test_origins_are_a_list_with_commas(text, origins, monkeypatch):
    monkeypatch.setenv("SERVING_CORS_ORIGINS", text)
    assert ServingSettings.load(authentication="off").cors_origins == origins


@pytest.mark.parametrize(
    "text",
    ["*", "https://*.example.org", "null", "example.org", "https://a.example.org/", "https://a.org/x", "ftp://a.org",
     "https://a.org https://b.org", "https://a@b.org"],
)  # fmt: skip
def test_origins_that_are_not_exact_are_refused(text, monkeypatch):
    monkeypatch.setenv("SERVING_CORS_ORIGINS", text)
    with pytest.raises(SettingsError, match="SERVING_CORS_ORIGINS"):
        ServingSettings.load(authentication="off")
