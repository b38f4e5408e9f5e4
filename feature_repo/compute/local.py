"""Feast compute engine that materialises Arrow straight into packed rows, bucket by bucket, in this process.

Feast's own local engine turns every value into a protobuf object; `make bench-features` compares the two.
Feast loads it by dotted name from `batch_engine.type`, so the class ends in `Engine` and its settings are the same
name + `Config`.
"""

from typing import Any, Literal

from feast.infra.common.materialization_job import MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from feature_repo.compute.materialization import BucketMaterialization
from feature_repo.tasks import OverlappingTasks, Tasks


class PackedLocalEngineConfig(FeastConfigBaseModel):
    """`batch_engine` in feature_store.yaml."""

    type: Literal["feature_repo.compute.local.PackedLocalEngine"] = "feature_repo.compute.local.PackedLocalEngine"
    backend: str | None = None


class PackedLocalEngine(BucketMaterialization, LocalComputeEngine):
    """Feast's local engine, except that plain views go to the packed online store without per-value conversion."""

    def tasks(self) -> Tasks:
        """While Redis takes one part, the next is read and packed."""
        return OverlappingTasks()

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        if self.is_plain(task.feature_view):
            return self.write_plain(task)
        return super()._materialize_one(registry, task, **kwargs)
