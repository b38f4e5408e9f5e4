"""The online store as the settings name it, for commands that look into it: no feast."""

from collections.abc import Sequence

from credit.schemas.features import ViewSpec
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import Exchange, open_exchange
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader
from feature_repo.settings import FeatureSettings

#: A command waits longer than a request.
_TIMEOUT_SECONDS = 2.0


def online_reader(settings: FeatureSettings, views: Sequence[ViewSpec]) -> PackedReader:
    """A reader of these views; the caller closes it."""
    return PackedReader(_access(settings), PROJECT, views)


def online_exchange(settings: FeatureSettings) -> Exchange:
    """For looking at keys; the caller closes it."""
    return open_exchange(_access(settings))


def _access(settings: FeatureSettings) -> RedisSettings:
    return settings.redis(_TIMEOUT_SECONDS, _TIMEOUT_SECONDS)
