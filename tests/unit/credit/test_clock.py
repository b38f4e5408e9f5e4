from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.clock import Calendar, application_times, bucket_of


@given(st.integers(1, 2**63 - 1), st.integers(0, 6), st.integers(0, 23), st.integers(0, 2**32), st.integers(1, 300))
def test_application_time_keeps_weekday_hour_and_window(client, weekday, hour, seed, weeks):
    calendar = Calendar(weeks=weeks, seed=seed)
    (micros,) = application_times(np.array([client]), np.array([weekday]), np.array([hour]), calendar)
    moment = micros.astype(datetime).replace(tzinfo=UTC)
    assert (moment.weekday(), moment.hour) == (weekday, hour)
    assert calendar.start <= moment < calendar.end


def test_application_times_spread_over_the_whole_window():
    clients = np.arange(100_001, 120_001)
    zeros = np.zeros_like(clients)
    times = application_times(clients, zeros, zeros, Calendar())
    weeks, counts = np.unique(times.astype("datetime64[W]"), return_counts=True)
    assert len(weeks) == 156
    assert counts.min() > 70


def test_a_calendar_starts_on_a_monday():
    with pytest.raises(ValueError, match="Monday"):
        Calendar(start=datetime(2022, 1, 4, tzinfo=UTC))


def test_buckets_are_even_and_stable():
    buckets = bucket_of(np.arange(100_000, 140_000), 16)
    counts = np.bincount(buckets, minlength=16)
    assert counts.min() > 2_300
    assert bucket_of(np.array([100_002]), 16)[0] == buckets[2]
