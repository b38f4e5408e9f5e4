"""The online store as the settings name it, for commands that look into it: no feast."""

from collections.abc import Generator, Sequence
from contextlib import closing

import redis
from pydantic import SecretStr

from credit.schemas.features import ViewSpec
from feature_repo.online.connection import RedisSettings, connection_pool
from feature_repo.online.keys import PROJECT, client_key_pattern
from feature_repo.online.reader import PackedReader
from feature_repo.settings import FeatureSettings

#: A command waits longer than a request.
_TIMEOUT_SECONDS = 2.0
_KEYS_PER_SCAN = 1000


def online_reader(settings: FeatureSettings, views: Sequence[ViewSpec]) -> PackedReader:
    """A reader of these views; the caller closes it."""
    return PackedReader(_connection(settings), PROJECT, views)


def online_keys(settings: FeatureSettings) -> Generator[bytes]:
    """The keys of all clients as the server's scan meets them, some perhaps twice.

    Raises:
        RedisError: the online store does not answer.
    """
    with closing(redis.Redis.from_pool(connection_pool(_connection(settings)))) as client:
        yield from client.scan_iter(client_key_pattern(PROJECT), count=_KEYS_PER_SCAN)


def _connection(settings: FeatureSettings) -> RedisSettings:
    return RedisSettings(
        url=SecretStr(settings.redis_url),
        password=settings.redis_password,
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
    )
