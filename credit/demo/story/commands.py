"""Runs `creditctl` on the story's own platform folder, as a person at a terminal would."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credit.demo.steps import creditctl, environment
from credit.errors import StepError
from credit.platform import Home


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: exit code, what it printed, and what it said beside that."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, parsed.

        Raises:
            StepError: it printed no JSON.
        """
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise StepError(f"no JSON was printed, but: {self.out[-500:]}{self.err[-500:]}") from error


class Commands:
    """`creditctl` with one platform folder and some more environment variables."""

    def __init__(self, home: Home, variables: Mapping[str, str]) -> None:
        self._environment = {**environment(home), **variables}

    def run(self, *arguments: str, expected: tuple[int, ...] = (0,), **variables: str) -> Answer:
        """Run one command and wait for it.

        Args:
            arguments: of `creditctl`.
            expected: exit codes that are no failure.
            variables: environment variables for this run only.

        Raises:
            StepError: it ended otherwise; holds the end of what it said.
        """
        finished = subprocess.run(
            creditctl(*arguments), env={**self._environment, **variables}, capture_output=True, text=True, check=False
        )
        if finished.returncode not in expected:
            raise StepError(
                f"`creditctl {' '.join(arguments)}` ended with {finished.returncode}: {finished.stderr[-2_000:]}"
            )
        return Answer(finished.returncode, finished.stdout, finished.stderr)
