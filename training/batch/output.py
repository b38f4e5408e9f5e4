"""The folder of a scored run: `bucket-0000.parquet`, ..., `_plan.json` from the start, `_manifest.json` when whole.

Names that begin with an underscore are skipped by what reads a folder of Parquet. Each bucket's file is written whole
and says what it is of, so that a run which was cut short goes on, and never mixes models or data.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import pyarrow as pa
from pydantic import Field, ValidationError

from credit.errors import StepError
from credit.reason_codes import Language
from credit.schemas.decision import ModelVersion
from credit.schemas.features import Frozen
from feature_repo.aggregates.manifest import RunIdentity
from feature_repo.ingest.events import bucket_file
from feature_repo.storage import Location

PLAN_FILE: Final = "_plan.json"
MANIFEST_FILE: Final = "_manifest.json"
#: Key of a bucket's label in the metadata of its file.
_LABEL: Final = b"credit_batch"
_BUCKET: Final = re.compile(r"bucket-(\d{4,})\.parquet")


class Scoring(Frozen):
    """What decides every byte of a run.

    Attributes:
        model: the version that scores.
        features: runs of the offline store that the clients' rows are of.
        buckets: parts of the portfolio.
        language: of the reasons; None leaves them out.
    """

    format: Literal[1] = 1
    model: ModelVersion
    features: tuple[RunIdentity, ...]
    buckets: int
    language: Language | None

    @property
    def digest(self) -> str:
        """Identifies it: sha256 in hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def difference(self, other: "Scoring") -> str:
        """In which way another one differs, for people."""
        if self.model != other.model:
            return f"version {other.model.version} (bundle {other.model.bundle[:12]})"
        return "other features" if self.features != other.features else "other options"


class Plan(Frozen):
    """A run that was begun. `started` is what times of build are compared with."""

    scoring: Scoring
    started: datetime


class Counts(Frozen):
    """Clients by outcome; `errors` by code."""

    approved: int = 0
    refused: int = 0
    referred: int = 0
    errors: dict[str, int] = Field(default_factory=dict)

    @property
    def scored(self) -> int:
        """Clients with a score."""
        return self.approved + self.refused + self.referred

    @property
    def clients(self) -> int:
        """All of them."""
        return self.scored + sum(self.errors.values())

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        codes = sorted({*self.errors, *other.errors})
        return Counts(
            approved=self.approved + other.approved,
            refused=self.refused + other.refused,
            referred=self.referred + other.referred,
            errors={code: self.errors.get(code, 0) + other.errors.get(code, 0) for code in codes},
        )


class BatchManifest(Frozen):
    """What a whole run holds."""

    run: str
    scoring: Scoring
    clients: int
    scored: int
    counts: Counts


class Label(Frozen):
    """What a bucket's file says of itself."""

    scoring: str
    counts: Counts

    def on(self, table: pa.Table) -> pa.Table:
        """The table with this label in its metadata."""
        return table.replace_schema_metadata({_LABEL: self.model_dump_json().encode()})


class RunFolder:
    """One run below an output folder."""

    def __init__(self, out: Location, run: str) -> None:
        self.folder = out / run
        self._run = run

    def check(self, scoring: Scoring) -> Plan | None:
        """The plan of a run of the same scoring, or None if nothing was begun.

        Raises:
            StepError: the folder holds a run of another model, of other features or options, or of unknown origin.
        """
        content = (self.folder / PLAN_FILE).read_bytes()
        if content is None:
            if self._bucket_files():
                raise self._refusal("bucket files without a plan")
            return None
        try:
            plan = Plan.model_validate_json(content)
        except ValidationError:
            raise self._refusal("a plan that this version cannot read") from None
        if plan.scoring != scoring:
            raise self._refusal(scoring.difference(plan.scoring))
        return plan

    def begin(self, scoring: Scoring, now: datetime) -> Plan:
        """Take a run up, or begin it.

        Raises:
            StepError: see `check`.
        """
        plan = self.check(scoring)
        if plan is None:
            plan = Plan(scoring=scoring, started=now)
            (self.folder / PLAN_FILE).write_bytes(_json(plan))
        return plan

    def clear(self) -> None:
        """Remove what a run has written, and nothing else."""
        for name in (MANIFEST_FILE, PLAN_FILE):
            (self.folder / name).remove()
        for file in self._bucket_files().values():
            file.remove()

    def finished(self, scoring: Scoring) -> dict[int, Counts]:
        """Counts of each bucket that is whole and of this scoring."""
        labels = {bucket: _label_of(file) for bucket, file in self._bucket_files().items()}
        return {bucket: label.counts for bucket, label in labels.items() if label and label.scoring == scoring.digest}

    def is_complete(self) -> bool:
        """Whether a manifest was written."""
        return (self.folder / MANIFEST_FILE).read_bytes() is not None

    def complete(self, scoring: Scoring, counts: Counts) -> BatchManifest:
        """Write the manifest: the run is whole."""
        manifest = BatchManifest(
            run=self._run, scoring=scoring, clients=counts.clients, scored=counts.scored, counts=counts
        )
        (self.folder / MANIFEST_FILE).write_bytes(_json(manifest))
        return manifest

    def _bucket_files(self) -> dict[int, Location]:
        found = {file: _BUCKET.fullmatch(file.url[len(self.folder.url) + 1 :]) for file in self.folder.files()}
        return {int(name[1]): file for file, name in found.items() if name}

    def _refusal(self, what: str) -> StepError:
        return StepError(
            f"{self.folder} holds {what}: one run is never a mix. Give another --run, or --force to score it anew"
        )


def write_bucket(folder: Location, bucket: int, table: pa.Table, label: Label) -> None:
    """Write the rows of a bucket, whole or not at all."""
    (folder / bucket_file(bucket)).write_table(label.on(table))


def total(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    return sum(counts, Counts())


def _label_of(file: Location) -> Label | None:
    try:
        content = (file.footer().metadata or {}).get(_LABEL)
        return None if content is None else Label.model_validate_json(content)
    except (pa.ArrowInvalid, ValidationError):  # no Parquet, or a label of another version
        return None


def _json(value: Frozen) -> bytes:
    return (value.model_dump_json(indent=1) + "\n").encode()
