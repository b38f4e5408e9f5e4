"""A window of time, and the reproducible sample that is taken of what happened in it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from credit.archive.chain import time_of
from credit.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Window:
    """Decisions made at or after `since` and before `until`, both UTC."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise SettingsError(f"the window from {self.since.isoformat()} to {self.until.isoformat()} is empty")

    @classmethod
    def of_days(cls, days: float, until: datetime | None = None) -> "Window":
        """The `days` before `until`, by default before now; without a time zone, `until` is in UTC."""
        end = until or datetime.now(UTC)
        end = end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
        return cls(end - timedelta(days=days), end)

    def holds(self, record_id: str) -> bool:
        """Whether a record with this id (UUIDv7) was made in the window."""
        return self.since <= time_of(record_id) < self.until

    @property
    def first_day(self) -> date:
        """The first UTC day that the window touches."""
        return self.since.date()

    @property
    def last_day(self) -> date:
        """The last one."""
        return (self.until - timedelta(microseconds=1)).date()


def stratified(ids: Iterable[str], most: int, seed: int) -> set[str]:
    """About `most` of the ids at most, of each UTC day its share; the same ids and seed always give the same sample."""
    by_day: dict[date, list[str]] = {}
    for one in ids:
        by_day.setdefault(time_of(one).date(), []).append(one)
    total = sum(map(len, by_day.values()))
    if total <= most:
        return {one for day in by_day.values() for one in day}
    return {
        one
        for day in by_day.values()
        for one in sorted(day, key=lambda each: _draw(each, seed))[: max(1, round(len(day) * most / total))]
    }


def _draw(record_id: str, seed: int) -> bytes:
    return hashlib.blake2b(record_id.encode(), digest_size=8, salt=seed.to_bytes(8, "little")).digest()
