"""Where a local platform keeps its files: one folder, `CREDIT_HOME` (default `.platform`), one layout."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The layout below one platform folder."""

    root: Path

    @classmethod
    def current(cls) -> "Home":
        """The folder named by CREDIT_HOME, else `.platform` in the current folder."""
        return cls(Path(os.environ.get("CREDIT_HOME", ".platform")).absolute())

    @property
    def environment_file(self) -> Path:
        """KEY=value lines that `creditctl` takes as defaults: addresses of the local services."""
        return self.root / "platform.env"

    @property
    def raw(self) -> Path:
        """Raw CSV files, with `later/` beside them."""
        return self.root / "raw"

    @property
    def oracle(self) -> Path:
        """True PDs of generated clients: for tests and realism checks only, apart from the data."""
        return self.root / "oracle"

    @property
    def events(self) -> Path:
        """Typed events by table and client bucket."""
        return self.root / "events"

    @property
    def offline(self) -> Path:
        """Feature rows by view: the offline store."""
        return self.root / "offline"

    @property
    def feast_registry(self) -> Path:
        """Feast's registry file."""
        return self.root / "feast" / "registry.db"

    @property
    def mlflow(self) -> Path:
        """MLflow's SQLite database and artifacts."""
        return self.root / "mlflow"

    @property
    def mlflow_uri(self) -> str:
        """Address of MLflow's own database."""
        return f"sqlite:///{self.mlflow / 'mlflow.db'}"

    @property
    def tuning(self) -> Path:
        """Studies of hyperparameters and their reports."""
        return self.root / "tuning"

    @property
    def bundles(self) -> Path:
        """Content-addressed cache of verified model bundles."""
        return self.root / "bundles"

    @property
    def decisions(self) -> Path:
        """Archive of decisions and of what became of them."""
        return self.root / "decisions"

    @property
    def reports(self) -> Path:
        """Reports of the monitoring jobs, a folder for each job."""
        return self.root / "reports"

    @property
    def keys(self) -> Path:
        """Ed25519 pair that signs and verifies bundles."""
        return self.root / "keys"

    @property
    def run(self) -> Path:
        """Process ids, sockets and logs of local services."""
        return self.root / "run"


def load_environment(home: Home) -> None:
    """Take KEY=value lines of the home's environment file as defaults for unset environment variables."""
    if not home.environment_file.exists():
        return
    for line in home.environment_file.read_text("utf-8").splitlines():
        key, separator, value = line.partition("=")
        if separator and not key.startswith("#"):
            os.environ.setdefault(key.strip(), value.strip())
