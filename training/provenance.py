"""Where a model comes from: code, libraries, data window."""

import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from credit.bundle.manifest import Provenance
from training.dataset import Dataset, moment
from training.settings import TrainingSettings
from training.split import Split

_LIBRARIES = ("credit-scoring", "feast", "lightgbm", "mlflow-skinny", "numpy", "pyarrow", "scikit-learn")


def provenance_of(dataset: Dataset, split: Split, dataset_sha256: str, settings: TrainingSettings) -> Provenance:
    """The origin of a model trained now on `dataset`."""
    return Provenance(
        created=datetime.now(UTC),
        data_from=moment(dataset.applied_at.min()),
        data_until=moment(dataset.applied_at.max()),
        known_until=dataset.known_until,
        test_from=moment(dataset.applied_at[split.test].min()),
        sample=dataset.sample,
        settings=settings.recipe(),
        rows=split.sizes(),
        dataset_sha256=dataset_sha256,
        git_revision=git_revision(Path(__file__).parent),
        libraries=library_versions(),
        seed=settings.seed,
    )


def library_versions() -> dict[str, str]:
    """Installed versions of what shapes a model."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_revision(folder: Path) -> str:
    """The commit of the code in `folder`, "-dirty" added with uncommitted changes, "unknown" outside a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
