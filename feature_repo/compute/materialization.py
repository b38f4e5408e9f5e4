"""Writes the newest rows of a view from its bucket files to the packed online store: the part that engines share."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from feast import BatchFeatureView, FeatureView, RepoConfig, StreamFeatureView
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.online_stores.online_store import OnlineStore

from credit.progress import step
from feature_repo.compute.buckets import bucket_groups, row_columns
from feature_repo.compute.newest import ROWS_PER_BATCH, Window, newest_rows
from feature_repo.online.specs import JOIN_KEY, times_of
from feature_repo.online.store import PackedRedisOnlineStore
from feature_repo.storage import Location
from feature_repo.tasks import Tasks, name_bucket

log = logging.getLogger(__name__)


#: A connection to Redis serves so many groups.
_GROUPS_PER_TASK: Final = 4


@dataclass(frozen=True, slots=True)
class GroupsTask:
    """Some groups of files of one view, to be written on whatever machine."""

    config: RepoConfig
    view: FeatureView
    groups: tuple[tuple[Location, ...], ...]
    window: Window


@dataclass(frozen=True, slots=True)
class Written:
    """How many groups were written, and how many clients had a row in them."""

    groups: int
    clients: int


def write_groups(task: GroupsTask) -> Written:
    """Write the newest rows of each group.

    Raises:
        CreditError: names the view and the file.
    """
    store = PackedRedisOnlineStore()
    return Written(len(task.groups), sum(_write_group(task, files, store) for files in task.groups))


def _write_group(task: GroupsTask, files: tuple[Location, ...], store: PackedRedisOnlineStore) -> int:
    clients = 0
    try:
        for rows in newest_rows(row_columns(task.view), files, task.window):
            store.write_arrow(task.config, task.view, rows)
            clients += rows.num_rows
    except Exception as error:
        named = name_bucket(f"view {task.view.name}, {files[0].name}", error)
        raise named from (None if named is error else error)
    return clients


class BucketMaterialization:
    """Mixed into a Feast compute engine before its own class: plain views go to the packed store by Arrow."""

    repo_config: RepoConfig
    online_store: OnlineStore
    offline_store: OfflineStore

    def tasks(self) -> Tasks:
        """Where groups are written."""
        raise NotImplementedError

    def write_plain(self, task: MaterializationTask) -> LocalMaterializationJob:
        """Materialise a view for which `is_plain` holds."""
        job_id = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            groups = bucket_groups(task.feature_view)
            clients = self._write_whole(task) if groups is None else self._write_groups(task, groups)
        except Exception as error:  # Feast raises what the job carries, so that `feast materialize` fails
            return LocalMaterializationJob(job_id, MaterializationJobStatus.ERROR, error)
        log.info("%s: %d clients", task.feature_view.name, clients)
        return LocalMaterializationJob(job_id, MaterializationJobStatus.SUCCEEDED)

    def is_plain(self, view: FeatureView) -> bool:
        """Whether rows go from the source to the packed store as they are."""
        computed = isinstance(view, BatchFeatureView | StreamFeatureView)
        mapped = view.batch_source is not None and view.batch_source.field_mapping
        packed = isinstance(self.online_store, PackedRedisOnlineStore)
        return bool(packed and not computed and not mapped and view.online and not view.offline)

    def _write_groups(self, task: MaterializationTask, groups: list[tuple[Location, ...]]) -> int:
        clients = 0
        with step(f"materialise {task.feature_view.name}", total=len(groups)) as progress:
            for written in self.tasks().run(write_groups, self._group_tasks(task, groups)):
                clients += written.clients
                progress.advance(written.groups)
        return clients

    def _group_tasks(self, task: MaterializationTask, groups: list[tuple[Location, ...]]) -> Iterator[GroupsTask]:
        window = Window.between(task.start_time, task.end_time)
        for start in range(0, len(groups), _GROUPS_PER_TASK):
            part = tuple(groups[start : start + _GROUPS_PER_TASK])
            yield GroupsTask(self.repo_config, task.feature_view, part, window)

    def _write_whole(self, task: MaterializationTask) -> int:
        """Any other source, in one piece: Feast's offline store picks the newest rows."""
        view, times = task.feature_view, times_of(task.feature_view)
        store: Any = self.online_store
        assert view.batch_source is not None  # else it had no times
        with step(f"materialise {view.name}"):
            rows = self.offline_store.pull_latest_from_table_or_query(
                config=self.repo_config,
                data_source=view.batch_source,
                join_key_columns=[JOIN_KEY],
                feature_name_columns=[field.name for field in view.features],
                timestamp_field=times.event,
                created_timestamp_column=times.created,
                start_date=task.start_time,
                end_date=task.end_time,
            ).to_arrow()
            for start in range(0, rows.num_rows, ROWS_PER_BATCH):
                store.write_arrow(self.repo_config, view, rows.slice(start, ROWS_PER_BATCH))
        return int(rows.num_rows)
