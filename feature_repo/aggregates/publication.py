"""A finished stage becomes the run that everybody reads."""

from collections.abc import Sequence

from feature_repo.aggregates.manifest import RunManifest, manifest_file
from feature_repo.aggregates.stage import Stage, drop_stages
from feature_repo.ingest.events import bucket_file
from feature_repo.storage import Location


def publish(stage: Stage, out: Location, manifest: RunManifest, views: Sequence[str]) -> None:
    """Put the files of `views` in the place of the run's old ones, then write the manifest.

    In a local folder a view's old files are there until the new ones are, all at once. Object storage knows no rename:
    while files are copied a view may hold old and new buckets side by side; without a manifest, the run is not whole.
    """
    manifest_file(out, manifest.run).remove()
    names = [bucket_file(bucket) for bucket in range(manifest.buckets)]
    for view in views:
        if out.is_local:
            _rename(stage, out, manifest.run, view, names)
        else:
            _copy(stage, out, manifest.run, view, names)
    manifest_file(out, manifest.run).write_bytes(manifest.model_dump_json(indent=1).encode())
    drop_stages(out, manifest.run)


def _rename(stage: Stage, out: Location, run: str, view: str, names: Sequence[str]) -> None:
    new, target = (stage.folder / view).path, (out / view / run).path
    for entry in new.iterdir():
        if entry.name not in names:  # what a killed write left
            Location.of(entry).remove()
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.replace((stage.folder / f"{view}.old").path)
    new.replace(target)


def _copy(stage: Stage, out: Location, run: str, view: str, names: Sequence[str]) -> None:
    target = out / view / run
    for name in names:
        (stage.folder / view / name).copy_to(target / name)
    for file in target.files():
        if file.name not in names:
            file.remove()
