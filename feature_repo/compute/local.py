"""Feast compute engine that materialises Arrow straight into packed rows.

Feast's own local engine turns every value into a protobuf object; `make bench` compares the two.
Feast loads it by dotted name from `batch_engine.type`, so the class ends in `Engine` and its settings are the same
name + `Config`.
"""

import logging
from typing import Any, Literal

from feast import BatchFeatureView, FeatureView, StreamFeatureView
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from credit.progress import step
from feature_repo.online.specs import JOIN_KEY, times_of
from feature_repo.online.store import PackedRedisOnlineStore

log = logging.getLogger(__name__)

#: Clients packed at a time: bounds what packing needs beside the rows to some ten megabytes.
_CLIENTS_PER_BATCH = 10_000


class PackedLocalEngineConfig(FeastConfigBaseModel):
    """`batch_engine` in feature_store.yaml."""

    type: Literal["feature_repo.compute.local.PackedLocalEngine"] = "feature_repo.compute.local.PackedLocalEngine"
    backend: str | None = None


class PackedLocalEngine(LocalComputeEngine):
    """Feast's local engine, except that plain views go to the packed online store without per-value conversion."""

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        if not self._is_plain(task.feature_view):
            return super()._materialize_one(registry, task, **kwargs)
        job_id = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            self._write(task)
        except Exception as error:  # Feast raises what the job carries, so that `feast materialize` fails
            return LocalMaterializationJob(job_id, MaterializationJobStatus.ERROR, error)
        return LocalMaterializationJob(job_id, MaterializationJobStatus.SUCCEEDED)

    def _is_plain(self, view: FeatureView) -> bool:
        """Whether rows go from the source to the store as they are."""
        computed = isinstance(view, BatchFeatureView | StreamFeatureView)
        mapped = view.batch_source is not None and view.batch_source.field_mapping
        packed = isinstance(self.online_store, PackedRedisOnlineStore)
        return packed and not computed and not mapped and view.online and not view.offline

    def _write(self, task: MaterializationTask) -> None:
        store, view = self.online_store, task.feature_view
        assert isinstance(store, PackedRedisOnlineStore)  # what `_is_plain` found
        with step(f"materialise {view.name}") as progress:
            # The rows of one view; ibis cannot stream from DuckDB 2 (it calls a method that is gone).
            rows = self._newest_rows(task).to_arrow()
            progress.set_total(rows.num_rows)
            for start in range(0, rows.num_rows, _CLIENTS_PER_BATCH):
                batch = rows.slice(start, _CLIENTS_PER_BATCH)
                store.write_arrow(self.repo_config, view, batch)
                progress.advance(batch.num_rows)
        log.info("%s: %d clients", view.name, rows.num_rows)

    def _newest_rows(self, task: MaterializationTask) -> RetrievalJob:
        """One row per client: the newest by event, then created timestamp, with start <= event timestamp <= end."""
        view, times = task.feature_view, times_of(task.feature_view)
        assert view.batch_source is not None  # else it had no times
        return self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=view.batch_source,
            join_key_columns=[JOIN_KEY],
            feature_name_columns=[field.name for field in view.features],
            timestamp_field=times.event,
            created_timestamp_column=times.created,
            start_date=task.start_time,
            end_date=task.end_time,
        )
