"""Ingestion into object storage: made whole in a local scratch folder, then uploaded, `meta.json` last."""

import tempfile
from dataclasses import replace
from pathlib import Path

from credit.errors import DataError
from credit.progress import step
from feature_repo.ingest.events import META_FILE, EventStore
from feature_repo.ingest.pipeline import Options, Outcome, ingest
from feature_repo.ingest.source import find_source
from feature_repo.storage import Location


def ingest_to(source_folder: Path, out: Location, options: Options) -> Outcome:
    """`ingest` into any location; of an upload that is cut short nothing counts, because `meta.json` is missing.

    Raises:
        DataError, StepError: see `ingest`.
    """
    if out.is_local:
        return ingest(source_folder, out.path, options)
    out.check()
    fingerprint = find_source(source_folder).identity(options.identity())
    finished = _finished(out)
    if finished is not None and finished.meta.fingerprint == fingerprint and not options.force:
        return Outcome(finished, unchanged=True)
    with tempfile.TemporaryDirectory(prefix="creditctl-ingest-") as scratch:
        folder = Path(scratch) / "events"
        ingest(source_folder, folder, replace(options, force=True))
        _upload(folder, out)
    return Outcome(EventStore(out), unchanged=False)


def _finished(out: Location) -> EventStore | None:
    try:
        return EventStore(out)
    except DataError:
        return None


def _upload(folder: Path, out: Location) -> None:
    (out / META_FILE).remove()
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    names.remove(META_FILE)
    leftovers = {location.url: location for location in out.files()}
    with step(f"upload to {out}", total=len(names)) as progress:
        for name in names:
            target = out / name
            target.write_bytes((folder / name).read_bytes())
            leftovers.pop(target.url, None)
            progress.advance()
    for location in leftovers.values():
        location.remove()
    (out / META_FILE).write_bytes((folder / META_FILE).read_bytes())
