"""Which files hold the newest features of every client, by bucket, and what identifies them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feast import FeatureView

from credit.errors import FeatureError
from credit.platform import Home
from credit.schemas.features import ViewSpec
from feature_repo.aggregates.manifest import RunIdentity, RunManifest, read_manifests
from feature_repo.compute.buckets import built_files, row_columns, source_folder
from feature_repo.compute.newest import RowColumns, Share
from feature_repo.ingest.events import bucket_file
from feature_repo.online.specs import spec_of
from feature_repo.portfolio.rows import Bucket, ViewFiles
from feature_repo.storage import Location
from feature_repo.store import registered_store


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Every client of some views.

    Attributes:
        offline: the offline store.
        runs: what its files belong to, by name.
        buckets: independent parts; each client is in one of them.
    """

    offline: Location
    runs: tuple[RunIdentity, ...]
    buckets: tuple[Bucket, ...]

    def is_current(self) -> bool:
        """Whether the runs are still those that the files were listed of; newer runs beside them do not matter."""
        now = read_manifests(self.offline)
        return all(run.run in now and now[run.run].identity == run for run in self.runs)


@dataclass(frozen=True, slots=True)
class _Source:
    """A view, its columns and its files: by run, then by name."""

    spec: ViewSpec
    columns: RowColumns
    files: Mapping[str, Mapping[str, Location]]


def open_portfolio(home: Home, views: Sequence[ViewSpec]) -> Portfolio:
    """The newest features of every client, in the views of a model's contract.

    What `creditctl features materialize` would write: the newest row of each client, whichever run it is of.

    Raises:
        FeatureError: a view is not registered, not built, of other columns than the contract's, or being built.
    """
    registered = {view.name: view for view in registered_store(home).list_feature_views()}
    folders = {spec.name: _folder(registered, spec) for spec in views}
    sources = [_source(registered[spec.name], spec, folders[spec.name]) for spec in views]
    offline = folders[views[0].name].parent
    used = sorted({run for source in sources for run in source.files})
    finished = read_manifests(offline)
    if unfinished := [run for run in used if run not in finished]:
        raise FeatureError(
            f"run {', '.join(unfinished)} of {offline} is not whole: it is being built, or a build was cut short; "
            "wait for it or build it again"
        )
    manifests = {run: finished[run] for run in used}
    runs = tuple(manifest.identity for manifest in manifests.values())
    return Portfolio(offline, runs, _buckets(sources, manifests))


def _folder(registered: Mapping[str, FeatureView], spec: ViewSpec) -> Location:
    view = registered.get(spec.name)
    folder = None if view is None else source_folder(view)
    if view is None or folder is None:
        raise FeatureError(f"view {spec.name} of the model is not registered: run `creditctl features apply`")
    if spec_of(view).columns != spec.columns:
        raise FeatureError(
            f"view {spec.name} is registered with other columns than the model was trained on: "
            "train a model on the new view, or apply and build the one that this model knows"
        )
    return folder


def _source(view: FeatureView, spec: ViewSpec, folder: Location) -> _Source:
    built = built_files(folder)
    if not built:
        raise FeatureError(f"{folder} holds no rows of our builds: run `creditctl features build`")
    files: dict[str, dict[str, Location]] = {}
    for file, (run, name) in built.items():
        files.setdefault(run, {})[name] = file
    return _Source(spec, row_columns(view), files)


def _buckets(sources: Sequence[_Source], manifests: Mapping[str, RunManifest]) -> tuple[Bucket, ...]:
    """Buckets as the run of most buckets has them; a run of another number may hold a client in any of its files."""
    number = max(manifest.buckets for manifest in manifests.values())
    aligned = {run for run, manifest in manifests.items() if manifest.buckets == number}
    buckets = []
    for bucket in range(number):
        views = tuple(
            ViewFiles(source.spec, source.columns, _files(source, aligned, bucket_file(bucket))) for source in sources
        )
        if any(view.files for view in views):
            share = Share(bucket, number) if aligned != set(manifests) else None
            buckets.append(Bucket(bucket, views, share))
    return tuple(buckets)


def _files(source: _Source, aligned: set[str], name: str) -> tuple[Location, ...]:
    found: list[Location] = []
    for run, files in source.files.items():
        found += [file for own, file in files.items() if own == name or run not in aligned]
    return tuple(sorted(found, key=lambda file: file.url))
