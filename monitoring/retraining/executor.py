"""Where retraining runs: the port that the loop starts work through."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class WorkState(StrEnum):
    """What is known of a piece of work."""

    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Work:
    """One run of `creditctl`.

    Attributes:
        name: tells it from every other; the same for the same cause. A DNS label of at most 52 characters.
        case: the retraining case that it belongs to.
        arguments: of `creditctl`, such as ("retrain", "--case", "drift-v3-2025-08-01").
    """

    name: str
    case: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """State of a piece of work; `text` says why it failed, or where its output is."""

    state: WorkState
    text: str = ""


class Executor(Protocol):
    """Port: runs work apart from the loop, so that a loop that ends harms nothing."""

    def start(self, work: Work) -> bool:
        """Start the work unless a piece of this name was started before; whether it was started now.

        Raises:
            CreditError: it cannot be started; says what to do.
        """
        ...

    def status(self, name: str) -> WorkStatus:
        """What became of the work of this name.

        Raises:
            CreditError: that cannot be told.
        """
        ...
