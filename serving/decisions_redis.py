"""Asks the Redis of the decision log: bounded in time, behind a circuit breaker."""

from collections.abc import Callable, Sequence
from typing import Any

import redis

from credit.errors import StoreUnavailableError
from credit.schemas.decision import decision_stream_key
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command


class DecisionRedis:
    """Connections to the decision log's Redis; thread-safe."""

    def __init__(self, settings: RedisSettings, project: str, breaker: CircuitBreaker | None = None) -> None:
        self._exchange = open_exchange(settings)
        # All keys of a project's decisions lie in one slot, so that any of them says which server to ask.
        self._key = decision_stream_key(project).encode()
        self._breaker = breaker or CircuitBreaker()

    def told(self, *words: bytes) -> Any:
        """The answer to one command.

        Raises:
            StoreUnavailableError: Redis does not answer in time, or refuses.
        """
        return self.asked([packed_command(*words)])[0]

    def asked(self, commands: Sequence[bytes]) -> list[Any]:
        """The answers to packed commands, in one exchange.

        Raises:
            StoreUnavailableError: Redis does not answer in time, or refuses.
        """
        return self._bounded(lambda: self._exchange.ask(commands, [self._key] * len(commands)))

    def close(self) -> None:
        """Release connections."""
        self._exchange.close()

    def _bounded(self, call: Callable[[], list[Any]]) -> list[Any]:
        if not self._breaker.allows():
            raise StoreUnavailableError("the decision log did not answer just now; it is asked again in a moment")
        try:
            answer = call()
        except (redis.RedisError, OSError) as error:
            self._breaker.failed()
            raise StoreUnavailableError(f"the decision log does not answer: {error}") from error
        self._breaker.succeeded()
        return answer
