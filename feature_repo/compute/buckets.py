"""The files of a view that may hold rows of the same clients."""

import re
from typing import Final

from feast import FeatureView, FileSource

from feature_repo.aggregates.manifest import read_manifests
from feature_repo.compute.newest import RowColumns
from feature_repo.online.specs import JOIN_KEY, times_of
from feature_repo.storage import Location

#: `<run>/bucket-0000.parquet` below a view's folder.
_BUILT: Final = re.compile(r"([^/]+)/(bucket-\d{4}\.parquet)")


def row_columns(view: FeatureView) -> RowColumns:
    """The columns of a view's files.

    Raises:
        FeatureError: the view has no batch source.
    """
    times = times_of(view)
    return RowColumns(JOIN_KEY, times.event, times.created, tuple(field.name for field in view.features))


def source_folder(view: FeatureView) -> Location | None:
    """The folder that a view's rows lie in, or None if its source is anything else."""
    source = view.batch_source
    if not isinstance(source, FileSource) or set(source.path.rpartition("/")[2]) & set("*?."):
        return None
    return Location.of(source.path, source.s3_endpoint_override or None)


def built_files(folder: Location) -> dict[Location, tuple[str, str]] | None:
    """Run and name of every file of a view's folder; None if it holds anything else than what our builds wrote."""
    built: dict[Location, tuple[str, str]] = {}
    for file in folder.files():
        found = _BUILT.fullmatch(file.url[len(folder.url) + 1 :])
        if found is None:
            return None
        built[file] = (found[1], found[2])
    return built


def bucket_groups(view: FeatureView) -> list[tuple[Location, ...]] | None:
    """The files of a view that our builds wrote, in groups such that a client is, as a rule, in one group only.

    A client is in files of equal name in all runs of an equal number of buckets; files of other runs, and of runs
    without a manifest, are groups of their own. The online store keeps the newer of two rows by itself, so that nothing
    depends on the grouping but work.

    Returns:
        None if the source of the view is anything else than a folder of such files.
    """
    folder = source_folder(view)
    files = None if folder is None else built_files(folder)
    if folder is None or not files:
        return None
    counts = {run: manifest.buckets for run, manifest in read_manifests(folder.parent).items()}
    groups: dict[tuple[object, str], list[Location]] = {}
    for file, (run, name) in files.items():
        groups.setdefault((counts.get(run, run), name), []).append(file)
    return [tuple(files) for files in groups.values()]
