"""Connections: bounded waiting, no retries, secrets not shown, TLS only where it is asked for."""

from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from credit.errors import SettingsError
from feature_repo.online.connection import RedisSettings, connection_pool, given, node_pool
from feature_repo.online.exchange import PrimaryExchange, open_exchange
from feature_repo.settings import FeatureSettings


def pool_of(url: str, **given: Any) -> redis.ConnectionPool:
    return connection_pool(RedisSettings(url=SecretStr(url), **given))


@pytest.mark.parametrize("url", ["redis://host:1/0", "rediss://host:1/0", "redis+sentinel://host:1/main"])
def test_waiting_is_bounded_and_nothing_is_retried(url: str) -> None:
    pool = pool_of(url, connect_timeout=0.2, read_timeout=0.3)
    options = [pool.connection_kwargs]
    if "sentinel" in url:
        options += [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    for each in options:
        assert (each["socket_connect_timeout"], each["socket_timeout"]) == (0.2, 0.3)
        assert each["retry"].get_retries() == 0


def test_a_password_of_its_own_is_used_and_not_shown() -> None:
    settings = RedisSettings(url="redis://:first@host:1/0", password="second", sentinel_password="third")
    assert not any(secret in repr(settings) for secret in ("first", "second", "third"))
    assert pool_of("redis://host:1", password="second").connection_kwargs["password"] == "second"
    assert pool_of("redis://:first@host:1", password="second").connection_kwargs["password"] == "first"


def test_the_user_and_the_database_are_the_addresses() -> None:
    options = pool_of("redis://anna@host:1/3", password="second").connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("anna", "second", 3)


def test_sentinels_have_their_own_password() -> None:
    pool = pool_of("redis+sentinel://a:1,b:2/main/1", password="data", sentinel_password="guard")
    assert (pool.service_name, pool.connection_kwargs["password"], pool.connection_kwargs["db"]) == ("main", "data", 1)
    sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"], one["password"]) for one in sentinels] == [("a", 1, "guard"), ("b", 2, "guard")]


@pytest.mark.parametrize("url", ["rediss://host", "rediss+sentinel://host/main"])
def test_tls_takes_its_files_and_checks_the_host(url: str, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca_file", "cert_file", "key_file")}
    for file in files.values():
        file.touch()
    pool = pool_of(url, **files)
    assert issubclass(pool.connection_class, redis.SSLConnection)
    names = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    assert [pool.connection_kwargs[name] for name in names] == [str(file) for file in files.values()]
    assert pool.connection_kwargs["ssl_check_hostname"] is True


@pytest.mark.parametrize("url", ["rediss://host", "rediss+sentinel://host/main", "rediss+cluster://host"])
def test_a_missing_tls_file_is_said_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.pem"):
        open_exchange(RedisSettings(url=SecretStr(url), ca_file=tmp_path / "absent.pem"))


def test_a_malformed_address_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="host:port/db"):
        pool_of("host:1")


def test_a_cluster_has_no_single_pool() -> None:
    with pytest.raises(SettingsError, match="Redis Cluster cannot be used here"):
        pool_of("redis+cluster://host:1")
    assert not isinstance(open_exchange(RedisSettings(url="redis+cluster://host:1")), PrimaryExchange)
    assert node_pool(RedisSettings(url="redis+cluster://host:1"), "other", 2).connection_kwargs["host"] == "other"


@pytest.mark.parametrize(
    ("text", "value"), [("${NAME}", None), ("$NAME", None), ("", None), (None, None), ("pa$$word", "pa$$word")]
)
def test_an_unset_variable_is_nothing(text: str | None, value: str | None) -> None:
    assert given(text) == value


def given_again(settings: FeatureSettings) -> dict[str, str]:
    """What `redis_environment` says, as arguments."""
    return {name.removeprefix("FEATURES_").lower(): value for name, value in settings.redis_environment().items()}


def test_settings_become_what_a_connection_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "URL": "rediss+sentinel://a:1/main",
        "PASSWORD": "data",
        "SENTINEL_PASSWORD": "guard",
        "CA_FILE": str(tmp_path / "ca.pem"),
        "CHECK_HOSTNAME": "false",
    }.items():
        monkeypatch.setenv(f"FEATURES_REDIS_{name}", value)
    settings = FeatureSettings()
    assert FeatureSettings(**given_again(settings)) == settings
    assert settings.redis(connect_timeout=1, read_timeout=2) == RedisSettings(
        url="rediss+sentinel://a:1/main",
        password="data",
        sentinel_password="guard",
        ca_file=tmp_path / "ca.pem",
        check_hostname=False,
        connect_timeout=1,
        read_timeout=2,
    )


def test_tls_files_without_tls_and_half_a_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not rediss://"):
        FeatureSettings(redis_url="redis://host", redis_ca_file=tmp_path)
    with pytest.raises(SettingsError, match="give both or none"):
        FeatureSettings(redis_url="rediss://host", redis_cert_file=tmp_path)
