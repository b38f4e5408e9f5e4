"""The online store as the settings name it, for commands that look into it: no feast."""

from collections.abc import Sequence

import redis
from pydantic import SecretStr

from credit.schemas.features import ViewSpec
from feature_repo.online.connection import RedisSettings, connection_pool
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader
from feature_repo.settings import FeatureSettings

#: A command waits longer than a request.
_TIMEOUT_SECONDS = 2.0


def online_reader(settings: FeatureSettings, views: Sequence[ViewSpec]) -> PackedReader:
    """A reader of these views; the caller closes it."""
    return PackedReader(_connection(settings), PROJECT, views)


def online_client(settings: FeatureSettings) -> redis.Redis:
    """A client for looking at keys; the caller closes it."""
    return redis.Redis.from_pool(connection_pool(_connection(settings)))


def _connection(settings: FeatureSettings) -> RedisSettings:
    return RedisSettings(
        url=SecretStr(settings.redis_url),
        password=settings.redis_password,
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
    )
