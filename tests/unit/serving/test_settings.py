from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import feature_repo
from credit.errors import SettingsError
from serving.loopback import is_loopback
from serving.settings import ServingSettings


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("SERVING_AUTHENTICATION", "off")


def test_every_setting_says_what_it_does():
    undocumented = [name for name, field in ServingSettings.model_fields.items() if not field.description]
    assert not undocumented


def test_settings_come_from_the_environment_and_arguments_win(monkeypatch):
    monkeypatch.setenv("SERVING_PORT", "8100")
    assert ServingSettings.load().port == 8100
    assert ServingSettings.load(port=8200).port == 8200
    assert ServingSettings.load(port=None).port == 8100


def test_the_decision_log_is_in_the_online_store_unless_told_otherwise():
    shared = ServingSettings.load(redis_url="redis://one:1/0")
    apart = ServingSettings.load(redis_url="redis://one:1/0", decision_redis_url="redis://two:2/0")
    assert shared.decision_log == shared.feature_store
    assert apart.decision_log.url.get_secret_value() == "redis://two:2/0"


def test_a_decision_log_of_its_own_has_its_own_password(monkeypatch):
    given = {"redis_url": "redis://one:1/0", "redis_password": "first", "decision_redis_url": "redis://two:2/0"}
    assert ServingSettings.load(**given).decision_log.password is None
    own = ServingSettings.load(**given, decision_redis_password="second")
    assert own.decision_log.password.get_secret_value() == "second"
    assert own.feature_store.password.get_secret_value() == "first"


def test_the_feast_project_is_the_feature_repos_own():
    configured = (Path(feature_repo.__file__).parent / "feature_store.yaml").read_text("utf-8")
    assert f"project: {ServingSettings.load().feature_project}\n" in configured


def test_authentication_has_no_default(monkeypatch):
    monkeypatch.delenv("SERVING_AUTHENTICATION")
    with pytest.raises(SettingsError, match=r"SERVING_AUTHENTICATION.*required"):
        ServingSettings.load()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "scoring.example.org"])
def test_without_authentication_only_this_machine_may_call(host):
    with pytest.raises(SettingsError, match="loopback"):
        ServingSettings.load(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_hosts(host):
    assert is_loopback(host)


def test_an_unknown_setting_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("SERVING_REDIS_ULR", "redis://x")
    with pytest.raises(SettingsError, match="SERVING_REDIS_ULR"):
        ServingSettings.load()


def test_a_malformed_setting_is_named_and_its_value_is_not_shown(monkeypatch):
    monkeypatch.setenv("SERVING_PORT", "secret-looking")
    with pytest.raises(SettingsError, match="SERVING_PORT") as refused:
        ServingSettings.load()
    assert "secret-looking" not in str(refused.value)


def test_passwords_do_not_show_in_a_printed_setting():
    settings = ServingSettings.load(redis_url="redis://:hunter2@localhost:6379/0")
    assert "hunter2" not in repr(settings)
    assert isinstance(settings, BaseSettings)


def test_commands_that_nobody_calls_need_no_choice_of_authentication(monkeypatch, tmp_path):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    monkeypatch.delenv("SERVING_AUTHENTICATION", raising=False)
    with pytest.raises(SettingsError, match="AUTHENTICATION"):
        ServingSettings.load()
    assert ServingSettings.for_commands().authentication == "off"
    monkeypatch.setenv("SERVING_AUTHENTICATION", "keys")
    assert ServingSettings.for_commands().authentication == "keys"
