"""The manifest of a run, `<offline>/.runs/<run>.json`.

It is removed first and written last, so that a run with a manifest is whole.
"""

from datetime import datetime

from pydantic import ValidationError

from credit.schemas.features import Frozen
from feature_repo.storage import Location

RUNS = ".runs"
STAGES = ".stage"


class RunIdentity(Frozen):
    """Tells a run from another of its name: what went in, and when it was built."""

    run: str
    inputs: str
    created_ts: datetime


class RunManifest(Frozen):
    """What a finished run holds.

    Attributes:
        run: its name.
        inputs: identifies all that went in.
        created_ts: created timestamp of every row.
        buckets: files of each view; runs of equal number have a client in files of the same name.
        rows: per view.
        features: number of features by view.
        seconds: time of each view, without the buckets that an earlier build had finished.
    """

    run: str
    inputs: str
    created_ts: datetime
    buckets: int
    rows: int
    features: dict[str, int]
    seconds: dict[str, float]

    @property
    def identity(self) -> RunIdentity:
        """What tells the run from another of its name."""
        return RunIdentity(run=self.run, inputs=self.inputs, created_ts=self.created_ts)


def read_manifest(out: Location, run: str) -> RunManifest | None:
    """The manifest of a finished run, or None."""
    content = manifest_file(out, run).read_bytes()
    try:
        return None if content is None else RunManifest.model_validate_json(content)
    except ValidationError:
        return None


def read_manifests(out: Location) -> dict[str, RunManifest]:
    """The manifests of all finished runs, by run."""
    runs = [file.name.removesuffix(".json") for file in (out / RUNS).files() if file.name.endswith(".json")]
    return {run: manifest for run in runs if (manifest := read_manifest(out, run)) is not None}


def manifest_file(out: Location, run: str) -> Location:
    """Where the manifest of a run lies."""
    return out / RUNS / f"{run}.json"
