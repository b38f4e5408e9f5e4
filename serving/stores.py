"""The Redis side of a replica, wired from settings: feature reader and decision log."""

from pydantic import SecretStr

from credit.schemas.features import ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.reader import PackedReader
from serving.decision_log import RedisDecisionLog
from serving.settings import ServingSettings


def feature_reader(
    settings: ServingSettings, views: tuple[ViewSpec, ...], breaker: CircuitBreaker | None = None
) -> PackedReader:
    """A reader of `views` in the online store.

    Raises:
        SettingsError: the store's address is malformed.
    """
    return PackedReader(_redis(settings, settings.redis_url), settings.feature_project, views, breaker=breaker)


def decision_log(settings: ServingSettings) -> RedisDecisionLog:
    """The decision log.

    Raises:
        SettingsError: its address is malformed.
    """
    return RedisDecisionLog(
        _redis(settings, settings.decision_log_url), settings.feature_project, settings.decision_stream_limit
    )


def _redis(settings: ServingSettings, url: SecretStr) -> RedisSettings:
    return RedisSettings(
        url=url, connect_timeout=settings.connect_timeout_seconds, read_timeout=settings.read_timeout_seconds
    )
