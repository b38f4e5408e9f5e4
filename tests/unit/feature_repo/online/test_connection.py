"""Connections: bounded waiting, no retries, secrets not shown."""

import pytest
from pydantic import SecretStr

from credit.errors import SettingsError
from feature_repo.online.connection import RedisSettings, connection_pool, given


def test_waiting_is_bounded_and_nothing_is_retried() -> None:
    pool = connection_pool(RedisSettings(url="redis://host:1/0", connect_timeout=0.2, read_timeout=0.3))
    options = pool.connection_kwargs
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (0.2, 0.3)
    assert options["retry"].get_retries() == 0


def test_a_password_of_its_own_is_used_and_not_shown() -> None:
    settings = RedisSettings(url="redis://:one@host:1/0", password=SecretStr("two"))
    assert "one" not in repr(settings)
    assert "two" not in repr(settings)
    assert connection_pool(RedisSettings(url="redis://host:1", password="two")).connection_kwargs["password"] == "two"


def test_a_malformed_address_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="redis://host:port/db"):
        connection_pool(RedisSettings(url="host:1"))


@pytest.mark.parametrize(
    ("text", "value"), [("${NAME}", None), ("$NAME", None), ("", None), (None, None), ("pa$$word", "pa$$word")]
)
def test_an_unset_variable_is_nothing(text: str | None, value: str | None) -> None:
    assert given(text) == value
