import threading

import pytest

from credit.errors import StoreUnavailableError
from serving.doctor.examination import Check, examine, ok, warn


@pytest.fixture
def stuck():
    go_on = threading.Event()
    yield lambda: go_on.wait(20) and []
    go_on.set()


def broken():
    yield ok("half", "seen")
    raise RuntimeError("odd\n" + "x" * 1000)


def refused():
    raise StoreUnavailableError("does not answer: start it")


def fine():
    yield ok("fine", "well")
    yield warn("fine too", "look after it")


def test_no_check_hides_another(stuck):
    working = [Check("broken", broken), Check("refused", refused), Check("fine", fine)]
    found = [*examine([Check("stuck", stuck, 0.2), *working])]
    assert [(each.name, each.verdict) for each in found] == [
        ("stuck", "fail"), ("broken", "fail"), ("refused", "fail"), ("fine", "ok"), ("fine too", "warn"),
    ]  # fmt: skip
    assert "0.2 s" in found[0].text
    assert found[1].text.startswith("RuntimeError: odd xxx")
    assert len(found[1].text) < 320
    assert found[2].text == "does not answer: start it"


def test_the_order_of_checks_changes_nothing_but_the_order_of_lines():
    checks = [Check("broken", broken), Check("refused", refused), Check("fine", fine)]
    there, back = [*examine(checks)], [*examine(checks[::-1])]
    assert sorted(there, key=str) == sorted(back, key=str)
