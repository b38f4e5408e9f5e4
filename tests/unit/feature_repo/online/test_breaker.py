"""The circuit breaker against a clock of our own."""

from feature_repo.online.breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, retry_after=1.0, monotonic=clock)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker, clock


def test_it_opens_after_failures_in_a_row() -> None:
    breaker, _ = opened()
    assert not breaker.allows()


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = CircuitBreaker(failures=2, monotonic=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.allows()


def test_after_a_while_one_call_probes() -> None:
    breaker, clock = opened()
    clock.now += 1.0
    assert breaker.allows()
    assert not breaker.allows()


def test_a_good_probe_closes() -> None:
    breaker, clock = opened()
    clock.now += 1.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_a_bad_probe_opens_for_another_while() -> None:
    breaker, clock = opened()
    clock.now += 1.0
    assert breaker.allows()
    breaker.failed()
    clock.now += 0.9
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.allows()


def test_a_probe_that_never_reports_does_not_block_for_ever() -> None:
    breaker, clock = opened()
    clock.now += 1.0
    assert breaker.allows()
    clock.now += 1.0
    assert breaker.allows()
