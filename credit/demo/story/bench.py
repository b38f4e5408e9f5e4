"""The machine that the story plays on: a platform of its own, its commands, its service."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from credit.bundle.bundle import Bundle
from credit.bundle.keys import PUBLIC_KEY_FILE, load_public_key
from credit.bundle.reader import load_bundle
from credit.client.client import CreditClient
from credit.demo.story.commands import Answer, Commands
from credit.errors import StepError
from credit.platform import Home

#: Everything that is decided is scored by the challenger too, and nothing waits longer than it must.
VARIABLES: Final[Mapping[str, str]] = {
    "SERVING_MODEL_WATCH_SECONDS": "1",
    "SERVING_SHADOW_SHARE": "1",
    "SERVING_SHADOW_CPU_SHARE": "1",
    "SERVING_SHADOW_QUEUE": "10000",
    "MONITORING_ARCHIVE_BATCH_SECONDS": "1",
}
_LONGEST_SECONDS: Final = 1_800.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens.

    Attributes:
        clients: of the first portfolio.
        per_day: applicants of a simulated day.
        quiet_days: before the shock.
        shock_days: from the shock on until outcomes are waited for.
        detection_days: the alarm has to come within so many days of the shock.
        trial_days: of traffic for shadow, for the watch, and after it.
        outcome_days: until every outcome of the shocked days is known.
    """

    clients: int = 20_000
    per_day: int = 150
    quiet_days: int = 7
    shock_days: int = 60
    detection_days: int = 5
    trial_days: int = 7
    outcome_days: int = 185


class Bench:
    """Commands on the story's platform folder, and what can be read there.

    Args:
        home: the platform folder.
        port: of the service.
        plan: how much happens.
    """

    def __init__(self, home: Home, port: int, plan: Plan) -> None:
        self.home = home
        self.plan = plan
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._commands = Commands(home, VARIABLES)

    def run(self, *arguments: str, expected: tuple[int, ...] = (0,), **variables: str) -> Answer:
        """Run one `creditctl` command; see `Commands.run`."""
        return self._commands.run(*arguments, expected=expected, **variables)

    def start(self) -> None:
        """Bring up the platform with a first champion, which is promoted by force if its gates want that."""
        self.run("demo", "up", "--port", str(self._port), "--clients", str(self.plan.clients), "--simulated-time")

    def stop(self) -> None:
        """Stop what `start` has started."""
        self.run("demo", "down")

    def simulate(self, scenario: str, days: int) -> Any:
        """Let so many days of applicants come by; answers the command's report."""
        options = ("--scenario", scenario, "--days", str(days), "--per-day", str(self.plan.per_day))
        return self.run("data", "simulate", *options, "--url", self.url, "--json").json

    def present(self) -> datetime:
        """The present of the data world."""
        return datetime.fromisoformat(json.loads((self.home.events / "meta.json").read_text("utf-8"))["as_of_now"])

    def served_version(self) -> str:
        """Number of the model version that answers now."""
        with CreditClient(self.url) as client:
            return str(client.ready()["model"]["version"])

    def bundle(self, bundle_id: str) -> Bundle:
        """A bundle that the service has served."""
        return load_bundle(self.home.bundles / bundle_id, load_public_key(self.home.keys / PUBLIC_KEY_FILE))

    def wait_for_version(self, version: str) -> None:
        """Wait until the service answers with a model version.

        Raises:
            StepError: it has not done so in time.
        """
        self.until(lambda: self.served_version() == version, f"version {version} is not served")

    def until(self, done: Callable[[], bool], complaint: str, seconds: float = 120.0) -> None:
        """Wait for something.

        Raises:
            StepError: it has not come about in time.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise StepError(f"{complaint} after {seconds:.0f} s: see the logs in {self.home.run}")
            time.sleep(0.5)

    def audit(self) -> list[dict[str, Any]]:
        """The audit trail, oldest first."""
        events: list[dict[str, Any]] = self.run("audit", "--json").json
        return events

    def loop_until(self, *kinds: str, since: int = 0, seconds: float = _LONGEST_SECONDS) -> dict[str, Any]:
        """Let the retraining loop take its steps until one of `kinds` is in the audit trail behind `since` events.

        Raises:
            StepError: that has not come in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.run("monitor", "loop", "--once")
            found = [event for event in self.audit()[since:] if event["kind"] in kinds]
            if found:
                return found[0]
            if time.monotonic() > deadline:
                raise StepError(f"the loop has not come to {' or '.join(kinds)} in {seconds:.0f} s")
            time.sleep(2)

    def export(self, name: str) -> Path:
        """All decisions as JSON lines."""
        target = self.home.run / f"{name}.jsonl"
        self.run("decisions", "export", "--out", str(target))
        return target
