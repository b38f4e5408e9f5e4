import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.api.access import Caller
from serving.api.problems import RateLimitedError
from serving.callers import rate_limit
from serving.callers.identity import Identity, Rate
from serving.callers.rate_limit import RateLimits, TokenBucket


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


ASKING = st.lists(
    st.tuples(st.floats(0, 5, allow_nan=False), st.integers(1, 50)), min_size=1, max_size=60
)  # seconds after the one before, clients
RATES = st.builds(Rate, st.floats(0.1, 100), st.integers(1, 100))


@settings(deadline=None)
@given(RATES, ASKING)
def test_over_any_time_no_more_is_paid_than_the_rate_and_one_last_cost(rate, asking):
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    paid = []
    for pause, cost in asking:
        clock.now += pause
        if bucket.spend(cost) is None:
            paid.append((clock.now, cost))
    for first in range(len(paid)):
        for last in range(first, len(paid)):
            before_last = sum(cost for _, cost in paid[first:last])
            seconds = paid[last][0] - paid[first][0]
            assert before_last <= rate.burst + seconds * rate.per_second + 1e-6


@settings(deadline=None)
@given(RATES, ASKING)
def test_whoever_waits_as_told_is_let_in(rate, asking):
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    for pause, cost in asking:
        clock.now += pause
        seconds = bucket.spend(cost)
        if seconds is not None:
            assert seconds > 0
            clock.now += seconds + 1e-6
            assert bucket.spend(cost) is None


@settings(deadline=None)
@given(RATES, st.integers(1, 1_000))
def test_a_batch_of_any_size_is_taken_after_a_pause_and_costs_its_size(rate, clients):
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    assert bucket.spend(1) is None
    assert bucket.spend(clients, paid=1) is None
    if clients >= rate.burst:
        assert bucket.spend(1) == pytest.approx((clients - rate.burst + 1) / rate.per_second)


def test_a_burst_is_taken_and_then_the_rate(clock):
    bucket = TokenBucket(Rate(2, 3), clock)
    assert [bucket.spend(1) for _ in range(4)] == [None, None, None, 0.5]
    clock.now += 0.5
    assert [bucket.spend(1) for _ in range(2)] == [None, 0.5]


def test_two_batches_at_once_do_not_both_run_up_a_debt(clock):
    bucket = TokenBucket(Rate(10, 10), clock)
    assert [bucket.spend(1), bucket.spend(1)] == [None, None]  # both are let in before either tells its size
    assert bucket.spend(1_000, paid=1) is None
    assert bucket.spend(1_000, paid=1) == pytest.approx(99.1)


def test_callers_do_not_share_a_limit_but_the_credentials_of_one_caller_do(clock):
    limits = RateLimits(Rate(1, 1), clock)
    anna, berta = Identity("anna", frozenset()), Identity("berta", frozenset())
    assert limits.of(anna).spend(1) is None
    assert limits.of(berta).spend(1) is None
    assert limits.of(Identity("anna", frozenset({"admin"}))).spend(1) == 1.0


def test_a_callers_own_rate_wins_and_without_any_there_is_no_limit(clock):
    own = Identity("anna", frozenset(), Rate(1, 2))
    assert RateLimits(None, clock).of(Identity("berta", frozenset())) is None
    assert [RateLimits(None, clock).of(own).spend(2)] == [None]
    limits = RateLimits(Rate(1, 1_000), clock)
    assert [limits.of(own).spend(1) for _ in range(3)] == [None, None, 1.0]


def test_two_keys_with_different_rates_do_not_refill_each_other(clock):
    limits = RateLimits(None, clock)
    slow, fast = Identity("anna", frozenset(), Rate(1, 1)), Identity("anna", frozenset(), Rate(10, 1))
    assert limits.of(slow).spend(1) is None
    assert limits.of(fast).spend(1) == 0.1
    assert limits.of(slow).spend(1) == 1.0


def test_callers_that_have_not_asked_lately_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(rate_limit, "_MOST_BUCKETS", 10)
    limits = RateLimits(Rate(1, 1), clock)
    limits._most = 10
    for at in range(9):
        limits.of(Identity(f"old-{at}", frozenset())).spend(1)
    clock.now += 60
    busy = Identity("busy", frozenset())
    limits.of(busy).spend(1)
    limits.of(Identity("new", frozenset())).spend(1)
    assert set(limits._buckets) == {"busy", "new"}
    assert limits.of(busy).spend(1) == 1.0


def test_a_caller_over_its_limit_is_told_when_to_come_back(clock):
    caller = Caller("anna", frozenset(), TokenBucket(Rate(0.5, 1), clock))
    caller.spend(1)
    with pytest.raises(RateLimitedError) as refused:
        caller.spend(1)
    assert refused.value.retry_after == 2.0
    Caller("berta", frozenset()).spend(10**6)
