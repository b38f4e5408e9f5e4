"""The Redis side of a replica, wired from settings: feature reader, decision log and shadow records."""

from credit.schemas.features import ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.reader import PackedReader
from serving.decision_log import RedisDecisionLog
from serving.settings import ServingSettings
from serving.shadow_log import RedisShadowLog


def feature_reader(
    settings: ServingSettings, views: tuple[ViewSpec, ...], breaker: CircuitBreaker | None = None
) -> PackedReader:
    """A reader of `views` in the online store.

    Raises:
        SettingsError: the store's address is malformed.
    """
    return PackedReader(settings.feature_store, settings.feature_project, views, breaker=breaker)


def decision_log(settings: ServingSettings) -> RedisDecisionLog:
    """The decision log.

    Raises:
        SettingsError: its address is malformed.
    """
    return RedisDecisionLog(settings.decision_log, settings.feature_project, settings.decision_stream_limit)


def shadow_log(settings: ServingSettings) -> RedisShadowLog:
    """The shadow records, beside the decision log.

    Raises:
        SettingsError: its address is malformed.
    """
    return RedisShadowLog(settings.decision_log, settings.feature_project, settings.shadow_stream_limit)
