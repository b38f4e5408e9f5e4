"""How long a call may take, and when it is tried again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds.

    Attributes:
        connect: to open a connection.
        read: for one attempt to be answered; the service is told, so that it works no longer in vain.
        batch: the same for an attempt of a batch.
        total: for a call with all its attempts and pauses; of a batch, for each 1,000 items.
    """

    connect: float = 1.0
    read: float = 5.0
    batch: float = 15.0
    total: float = 30.0

    def __post_init__(self) -> None:
        if min(self.connect, self.read, self.batch, self.total) <= 0:
            raise ValueError(f"timeouts are seconds above 0, not {self}")


@dataclass(frozen=True, slots=True)
class Retries:
    """Attempts and the pauses between them: exponential with full jitter, never below what the service asks for.

    Attributes:
        attempts: at most, the first included; 1 never tries again.
        first_pause: longest pause after the first attempt, in seconds; doubles each time.
        longest_pause: at most, in seconds.
    """

    attempts: int = 4
    first_pause: float = 0.1
    longest_pause: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_pause, self.longest_pause) < 0:
            raise ValueError(f"at least one attempt, and no negative pause, not {self}")

    def pause(self, attempt: int, asked: float | None, chance: float) -> float:
        """Seconds after the attempt-th attempt.

        Args:
            attempt: counted from 1.
            asked: seconds that the service asks to wait, if it does; the jitter comes on top, so that its callers do
                not come back together.
            chance: uniform in [0, 1).
        """
        ceiling = min(self.longest_pause, self.first_pause * 2.0 ** min(attempt - 1, 60))
        return (asked or 0.0) + chance * ceiling
