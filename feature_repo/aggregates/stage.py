"""Where a build keeps finished buckets until its run is whole, so that a build that was cut short goes on.

A stage is `<offline>/.stage/<run>/<inputs>/<view>/bucket-0000.parquet`; its `stage.json` holds the created timestamp
of the run. Other inputs make another stage, and drop the one before.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from credit.schemas.features import Frozen
from feature_repo.aggregates.manifest import STAGES
from feature_repo.catalogue import View
from feature_repo.ingest.events import bucket_file
from feature_repo.storage import Location

_FILE = "stage.json"


class _StageMeta(Frozen):
    inputs: str
    created_ts: datetime


@dataclass(frozen=True, slots=True)
class Stage:
    """An open stage: its folder and the created timestamp of all its rows."""

    folder: Location
    created: datetime

    def finished(self) -> set[tuple[str, str]]:
        """(view, file name) of every finished bucket; files appear whole."""
        return {(found.parent.name, found.name) for found in self.folder.files()}

    def views_to_do(self, views: tuple[View, ...], bucket: int, finished: set[tuple[str, str]]) -> tuple[View, ...]:
        """The views of `views` that are not finished for a bucket."""
        return tuple(view for view in views if (view.name, bucket_file(bucket)) not in finished)


def open_stage(out: Location, run: str, inputs: str, now: datetime, *, anew: bool = False) -> Stage:
    """The stage of a run's inputs: the one that a build left, else a new one with created timestamp `now`.

    Args:
        out: the offline store.
        run: its stages of other inputs are removed.
        inputs: what identifies all that goes into the run.
        now: when a new stage begins.
        anew: do not take up what is there.
    """
    stages, name = out / STAGES / run, inputs[:16]
    left = _read(stages / name / _FILE)
    if left is not None and left.inputs == inputs and not anew:
        _drop_others(stages, name)
        return Stage(stages / name, left.created_ts)
    stages.remove()
    (stages / name / _FILE).write_bytes(_StageMeta(inputs=inputs, created_ts=now).model_dump_json().encode())
    return Stage(stages / name, now)


def drop_stages(out: Location, run: str) -> None:
    """Remove every stage of a run."""
    (out / STAGES / run).remove()


def _read(file: Location) -> _StageMeta | None:
    content = file.read_bytes()
    try:
        return None if content is None else _StageMeta.model_validate_json(content)
    except ValidationError:
        return None


def _drop_others(stages: Location, kept: str) -> None:
    for name in {found.url[len(stages.url) + 1 :].partition("/")[0] for found in stages.files()} - {kept}:
        (stages / name).remove()
