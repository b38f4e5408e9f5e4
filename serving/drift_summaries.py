"""Reads the newest drift summary that a monitoring job left in Redis."""

from typing import Protocol

import redis
from pydantic import ValidationError

from credit.errors import DataError, StoreUnavailableError
from credit.schemas.drift import DriftSummary, drift_summary_key
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command


class DriftSummaries(Protocol):
    """Port: where drift summaries are found."""

    def newest(self) -> DriftSummary | None:
        """The newest one, or None while there is none.

        Raises:
            StoreUnavailableError: the store did not answer in time.
            DataError: what is stored is no summary.
        """
        ...


class RedisDriftSummaries:
    """`DriftSummaries` on the decision log's server; connects when it is first asked."""

    def __init__(self, settings: RedisSettings, project: str) -> None:
        self._exchange = open_exchange(settings)
        self._key = drift_summary_key(project).encode()

    def newest(self) -> DriftSummary | None:
        """The newest summary, or None."""
        try:
            (stored,) = self._exchange.ask([packed_command(b"GET", self._key)], [self._key])
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"the store of drift summaries does not answer: {error}") from error
        if stored is None:
            return None
        try:
            return DriftSummary.model_validate_json(stored)
        except ValidationError as error:
            raise DataError("the drift summary is stored in a form that is not understood") from error

    def close(self) -> None:
        """Release connections."""
        self._exchange.close()
