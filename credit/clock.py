"""The synthetic calendar: an application timestamp T0 for each client, and the label's delay.

The delivered tables hold only days relative to the application. T0 is a seeded draw of a week inside a stated
window, placed on the weekday and hour that the application row carries. T0 is synthetic: a time split on it is a
random split of clients unless the data itself drifts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
#: A label is known this long after T0 (the observation window of the target, 120 to 180 days).
LABEL_DELAY = timedelta(days=180)

_US_PER_HOUR = 3_600_000_000
_US_PER_WEEK = 7 * 24 * _US_PER_HOUR


@dataclass(frozen=True, slots=True)
class Calendar:
    """A window of whole weeks that starts on a Monday 00:00 UTC."""

    start: datetime = datetime(2022, 1, 3, tzinfo=UTC)
    weeks: int = 156
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start.weekday() != 0 or self.weeks < 1:
            raise ValueError("a calendar starts on a Monday and spans at least one week")

    @property
    def end(self) -> datetime:
        """First moment after the window."""
        return self.start + timedelta(weeks=self.weeks)


def application_times(
    client_ids: NDArray[np.int64],
    weekdays: NDArray[np.int64],
    hours: NDArray[np.int64],
    calendar: Calendar,
) -> NDArray[np.datetime64]:
    """T0 per client.

    Args:
        client_ids: SK_ID_CURR, shape (n,).
        weekdays: 0 = Monday ... 6 = Sunday, shape (n,).
        hours: 0 to 23, shape (n,).
        calendar: the window and seed of the draw.

    Returns:
        UTC timestamps of dtype datetime64[us], shape (n,). The same client, seed and window always give the same
        week; minutes and seconds come from the same draw.
    """
    draw = mix64(client_ids.astype(np.uint64) ^ mix64(np.array([calendar.seed], dtype=np.uint64)))
    week = (draw % np.uint64(calendar.weeks)).astype(np.int64)
    within_hour = ((draw >> np.uint64(32)) % np.uint64(3600)).astype(np.int64) * 1_000_000
    start = int(calendar.start.timestamp()) * 1_000_000
    micros = start + week * _US_PER_WEEK + (weekdays * 24 + hours) * _US_PER_HOUR + within_hour
    return micros.astype("datetime64[us]")


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser: a fixed, well-mixed hash of 64-bit integers (Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def bucket_of(client_ids: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """The bucket of each client, shape (n,), in [0, buckets)."""
    return (mix64(client_ids.astype(np.uint64)) % np.uint64(buckets)).astype(np.int64)
