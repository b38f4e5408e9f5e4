"""A whole platform as `make demo` makes it, in a folder and on ports of its own."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit.platform import Home

SERVICE_PREFIXES = ("CREDIT_", "FEATURES_", "MONITORING_", "SERVING_", "TRAINING_")


@dataclass(frozen=True, slots=True)
class DemoPlatform:
    """One platform folder with the port of its service."""

    home: Home
    port: int

    @property
    def url(self) -> str:
        """Base address of the service."""
        return f"http://127.0.0.1:{self.port}"

    def creditctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command in this platform."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(SERVICE_PREFIXES)}
        return subprocess.run(
            [sys.executable, "-m", "credit", *arguments],
            env={**env, "CREDIT_HOME": str(self.home.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run one command with --json and return what it printed."""
        finished = self.creditctl(*arguments, "--json")
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return json.loads(finished.stdout)

    def up(self, *arguments: str) -> dict[str, Any]:
        """Bring the platform up; the answer to the example request and how each step went."""
        return dict(self.json("demo", "up", "--port", str(self.port), *arguments))

    def down(self) -> None:
        """Stop its service and its Redis."""
        self.creditctl("demo", "down")


def short_folder() -> Path:
    """Ray keeps sockets below the platform folder, and a socket's path must be short."""
    return Path(tempfile.mkdtemp(prefix="cs-"))
