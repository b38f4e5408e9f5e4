"""What is asked of tuning."""

from dataclasses import dataclass, field
from pathlib import Path

from credit.errors import SettingsError
from feature_repo.tasks import Engine


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """How long to search, where the study is kept, and where trials run.

    Attributes:
        trials: finished trials that the study shall have, those of earlier runs included.
        folder: for the study and Ray's bookkeeping unless told otherwise, and for reports.
        study_url: SQLAlchemy address of the study's database; None for a SQLite file in `folder`. May hold a password.
        study_name: begins the study's name; None takes the registered model's.
        budget_seconds: no trial starts later than this; None for no limit.
        engine: `local`, one trial after the other, or `ray`.
        ray_address: host:port of a node's Ray, or `local`.

    Raises:
        SettingsError: the wishes contradict each other.
    """

    trials: int
    folder: Path
    study_url: str | None = field(default=None, repr=False)
    study_name: str | None = None
    budget_seconds: float | None = None
    engine: Engine = "local"
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise SettingsError(f"--tune takes the number of trials, 1 or more, not {self.trials}")
        if self.budget_seconds is not None and self.budget_seconds <= 0:
            raise SettingsError(f"--budget takes seconds above 0, not {self.budget_seconds:g}")
        if self.engine == "local" and self.ray_address:
            raise SettingsError("--ray-address goes with --engine ray")
        if (self.ray_address or "").startswith("ray://"):
            raise SettingsError(
                "tuning needs a Ray that this machine is a node of: give --ray-address host:port, without ray://"
            )
