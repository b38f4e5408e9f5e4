import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.slo import Objective, Reached, percentile

OBJECTIVE = Objective(p50=10.0, p99=50.0, errors=0.01)


def test_what_stays_within_the_limits_misses_nothing():
    reached = Reached.of({5.0: 50, 10.0: 49, 90.0: 1}, errors=0.01)
    assert reached == Reached(100, 5.0, 10.0, 0.01)
    assert reached.missed(OBJECTIVE) == []


@pytest.mark.parametrize(
    ("times", "errors", "missed"),
    [
        ({11.0: 100}, 0.0, ["p50 11 ms > 10 ms"]),
        ({1.0: 97, 60.0: 3}, 0.0, ["p99 60 ms > 50 ms"]),
        ({1.0: 95}, 0.05, ["errors 5 % > 1 %"]),
        ({20.0: 50, 99.0: 30}, 0.2, ["p50 20 ms > 10 ms", "p99 99 ms > 50 ms", "errors 20 % > 1 %"]),
        ({}, 0.0, ["no client was scored"]),
    ],
)
def test_each_miss_is_told(times, errors, missed):
    assert Reached.of(times, errors).missed(OBJECTIVE) == missed


@given(st.dictionaries(st.floats(0, 1e4), st.integers(1, 50), min_size=1), st.sampled_from([0.5, 0.99]))
def test_a_percentile_is_numpys(times, share):
    every = np.repeat(list(times), list(times.values()))
    assert percentile(times, share) == np.quantile(every, share, method="inverted_cdf")
