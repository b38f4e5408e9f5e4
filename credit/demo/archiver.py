"""The demo's archiver: moves decisions from Redis to the platform folder while the service runs."""

from dataclasses import dataclass
from pathlib import Path

from credit.demo import fingerprints, processes
from credit.demo.processes import Recorded
from credit.demo.steps import creditctl, environment
from credit.platform import Home


@dataclass(frozen=True, slots=True)
class Archiver:
    """The archiver of one platform folder."""

    home: Home

    @property
    def record(self) -> Path:
        """Where the running process is recorded."""
        return self.home.run / "archiver.json"

    @property
    def log_file(self) -> Path:
        """The archiver's output."""
        return self.home.run / "archiver.log"

    def running(self) -> Recorded | None:
        """The recorded process, if it runs."""
        return Recorded.read(self.record)

    def ensure(self) -> bool:
        """Archive from now on: leave the running process, or start one. Returns whether it ran already."""
        wanted = fingerprints.digest(
            *(fingerprints.of_package(name) for name in ("credit", "monitoring", "feature_repo"))
        )
        mine = self.running()
        if mine is not None and mine.fingerprint == wanted:
            return True
        self.stop()
        command = creditctl("monitor", "archive")
        processes.start(command, environment(self.home), self.record, self.log_file, 0, wanted)
        return False

    def stop(self) -> bool:
        """Stop it if it runs; returns whether it did."""
        mine = self.running()
        if mine is not None:
            processes.stop(mine, self.record)
        return mine is not None
