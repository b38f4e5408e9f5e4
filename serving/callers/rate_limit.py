"""How much each caller may ask: token buckets, counted in clients.

Each replica has its own: a limit shared through Redis would add a round trip to every request and make Redis decide
whether anybody may ask anything. The price is that the whole service allows a caller `replicas` times its rate.
"""

import time
from collections.abc import Callable
from typing import Final

from serving.callers.identity import Identity, Rate

#: With more callers than this, those that have not asked lately are forgotten: a full bucket is as good as a new one.
_MOST_BUCKETS: Final = 10_000


class TokenBucket:
    """Tokens that come at a steady rate, up to a limit. Not thread-safe: callers are admitted on one event loop.

    Whoever has one token left may pay any cost, so that a batch larger than the bucket is not refused for ever: the
    debt has to be made good before the next request. Over any time t the costs paid are at most
    `burst + t * per_second` and one last cost.

    Args:
        rate: tokens per second, and the most that are kept.
        clock: seconds that only grow.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def spend(self, cost: int, paid: int = 0) -> float | None:
        """Pay `cost`, of which `paid` was paid before; None if so, else seconds until it would be taken."""
        self._fill()
        lacking = 1 - self._tokens - paid
        if lacking > 0:
            return lacking / self._rate.per_second
        self._tokens -= cost - paid
        return None

    def change(self, rate: Rate) -> None:
        """Go on with another rate; what was spent stays spent."""
        if rate != self._rate:
            self._fill()
            self._rate = rate

    def is_full(self) -> bool:
        """Whether nothing was spent lately."""
        self._fill()
        return self._tokens >= self._rate.burst

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now


class RateLimits:
    """A bucket for each caller that has a limit.

    Args:
        default: of callers without a rate of their own; None is no limit.
        clock: seconds that only grow.
    """

    def __init__(self, default: Rate | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._default = default
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._most = _MOST_BUCKETS

    def of(self, identity: Identity) -> TokenBucket | None:
        """The caller's bucket; all its credentials share it. None when it has no limit."""
        rate = identity.rate or self._default
        if rate is None:
            return None
        bucket = self._buckets.get(identity.name)
        if bucket is None:
            self._make_room()
            bucket = self._buckets[identity.name] = TokenBucket(rate, self._clock)
        bucket.change(rate)
        return bucket

    def _make_room(self) -> None:
        if len(self._buckets) < self._most:
            return
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.is_full()}
        self._most = max(_MOST_BUCKETS, 2 * len(self._buckets))
