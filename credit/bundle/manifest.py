"""The manifest: what a bundle holds, where it comes from, and the hash of every file. Its bytes are signed."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from credit.schemas.features import Frozen

MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"

#: Every other file of a bundle. The contract, calibration, policy and so on are JSON; the model is LightGBM text.
MODEL_FILE = "model.txt"
CONTRACT_FILE = "contract.json"
CALIBRATION_FILE = "calibration.json"
POLICY_FILE = "decision.json"
REASONS_FILE = "reason_codes.json"
REFERENCE_FILE = "reference.parquet"
METRICS_FILE = "metrics.json"
IMPORTANCE_FILE = "importance.json"
CONTENT_FILES = (
    MODEL_FILE,
    CONTRACT_FILE,
    CALIBRATION_FILE,
    POLICY_FILE,
    REASONS_FILE,
    REFERENCE_FILE,
    METRICS_FILE,
    IMPORTANCE_FILE,
)


class FileEntry(Frozen):
    """One file: size in bytes and sha256 in hexadecimal."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Provenance(Frozen):
    """Where a model comes from.

    `data_from` and `data_until` enclose the application times. Labels are those known at `known_until`, of all clients
    or of a seeded `sample`; with `settings`, which shaped split and model, that rebuilds the same data. `test_from` is
    the first application time of the out-of-time test: everything the model learned from is older. `rows` counts
    clients by part of the split. `libraries` maps package to version. `git_revision` is "unknown" outside a repository
    and ends in "-dirty" with uncommitted changes.
    """

    created: datetime
    data_from: datetime
    data_until: datetime
    known_until: datetime
    test_from: datetime
    sample: int | None
    settings: dict[str, float | int | str | bool | None]
    rows: dict[str, int]
    dataset_sha256: str
    git_revision: str
    libraries: dict[str, str]
    seed: int


class Manifest(Frozen):
    """The signed description of a bundle."""

    format: Literal[1] = 1
    name: str
    feature_service: str
    provenance: Provenance
    files: dict[str, FileEntry]
