"""The Redis side of a replica, wired from settings: feature reader, decision log and shadow records."""

from collections.abc import Callable
from functools import partial

from credit.schemas.features import ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.reader import PackedReader
from serving.decision_log import RedisDecisionLog, unwatched
from serving.decisions_archive import archived_decision
from serving.decisions_events import RedisDecisionEvents
from serving.decisions_history import DecisionHistory
from serving.drift_summaries import RedisDriftSummaries
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


def decision_log(settings: ServingSettings, watch: Callable[[int, int], None] = unwatched) -> RedisDecisionLog:
    """The decision log, which finds archived decisions too; `watch` is told its entries and their limit.

    Raises:
        SettingsError: an address is malformed.
    """
    return RedisDecisionLog(
        settings.decision_log,
        settings.feature_project,
        settings.decision_stream_limit,
        archived=partial(archived_decision, settings.archive),
        watch=watch,
    )


def drift_summaries(settings: ServingSettings) -> RedisDriftSummaries:
    """Where monitoring leaves its drift summaries.

    Raises:
        SettingsError: the decision log's address is malformed.
    """
    return RedisDriftSummaries(settings.decision_log, settings.feature_project)


def decision_history(settings: ServingSettings) -> DecisionHistory:
    """Recorded decisions and what became of them, over connections of their own.

    Raises:
        SettingsError: an address is malformed.
    """
    events = RedisDecisionEvents(settings.decision_log, settings.feature_project, settings.decision_stream_limit)
    return DecisionHistory(decision_log(settings), events)


def shadow_log(settings: ServingSettings) -> RedisShadowLog:
    """The shadow records, beside the decision log.

    Raises:
        SettingsError: its address is malformed.
    """
    return RedisShadowLog(settings.decision_log, settings.feature_project, settings.shadow_stream_limit)
