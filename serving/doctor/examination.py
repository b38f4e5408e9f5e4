"""Runs checks at the same time, each within its time limit; none hides another."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from credit.errors import CreditError

Verdict = Literal["ok", "warn", "fail"]
#: Most characters of a foreign error's text: one line.
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    name: str
    verdict: Verdict
    text: str


def ok(name: str, text: str) -> Finding:
    """All well."""
    return Finding(name, "ok", text)


def warn(name: str, text: str) -> Finding:
    """Works, but somebody should look after it."""
    return Finding(name, "warn", text)


def fail(name: str, text: str) -> Finding:
    """Does not work."""
    return Finding(name, "fail", text)


@dataclass(frozen=True, slots=True)
class Check:
    """One look.

    Attributes:
        name: names its finding when it cannot tell one itself.
        look: gives its findings; whatever it raises becomes one.
        seconds: how long it may take.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    seconds: float = 10.0


@dataclass(slots=True)
class _Look:
    check: Check
    thread: threading.Thread | None = None
    findings: list[Finding] = field(default_factory=list)

    def run(self) -> None:
        try:
            self.findings = [*self.check.look()]
        except CreditError as error:
            self.findings = [fail(self.check.name, _line(str(error)))]
        except Exception as error:  # a check that breaks is a finding, and hides no other
            self.findings = [fail(self.check.name, _line(f"{type(error).__name__}: {error}"))]


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """The findings of all checks, in the order of the checks."""
    started = time.monotonic()
    looks = [_Look(check) for check in checks]
    for look in looks:
        # A check that hangs must not keep the program from ending.
        look.thread = threading.Thread(target=look.run, daemon=True, name=f"doctor-{look.check.name}")
        look.thread.start()
    for look in looks:
        assert look.thread is not None
        look.thread.join(max(0.0, started + look.check.seconds - time.monotonic()))
        if look.thread.is_alive():
            yield fail(look.check.name, f"no answer within {look.check.seconds:g} s: it hangs, or is very slow")
        else:
            yield from look.findings


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
