"""Feast compute engine that materialises packed rows as Ray tasks over buckets.

Feast loads it by dotted name from `batch_engine.type`, so the class ends in `Engine` and its settings are the same
name + `Config`.
"""

from typing import Any, Final, Literal

from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.compute_engines.ray.compute import RayComputeEngine
from feast.infra.compute_engines.ray.config import RayComputeEngineConfig
from feast.infra.registry.base_registry import BaseRegistry

from credit.errors import FeatureError
from feature_repo.compute.materialization import BucketMaterialization
from feature_repo.online.connection import given
from feature_repo.ray_tasks import RayTasks, join_ray
from feature_repo.tasks import Tasks

#: What a task takes: Feast's modules, and one file of a bucket with what packing needs.
_MEMORY: Final = "512MiB"


class PackedRayEngineConfig(RayComputeEngineConfig):
    """`batch_engine` in feature_store.cluster.yaml; the rest is Feast's."""

    type: Literal["feature_repo.compute.cluster.PackedRayEngine"] = "feature_repo.compute.cluster.PackedRayEngine"  # type: ignore[assignment]  # Feast's literal is its own


class PackedRayEngine(BucketMaterialization, RayComputeEngine):
    """Feast's Ray engine, except that its write step is ours: Feast's own succeeds when writing fails."""

    def _ensure_ray_initialized(self) -> None:
        """Ray is joined when there is something to do: `feast apply` makes an engine too."""

    def tasks(self) -> Tasks:
        """Groups side by side on Ray."""
        join_ray(given(self.config.ray_address))
        return RayTasks(_MEMORY)

    def _materialize_one(
        self,
        registry: BaseRegistry,  # noqa: ARG002 - Feast's signature
        task: MaterializationTask,
        from_offline_store: bool = False,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> MaterializationJob:
        if self.is_plain(task.feature_view):
            return self.write_plain(task)
        refused = FeatureError(
            f"view {task.feature_view.name} is computed, mapped or not for the packed store: Feast's Ray engine would "
            "say that it was written even if it was not; materialise it with the local engine"
        )
        return LocalMaterializationJob(task.feature_view.name, MaterializationJobStatus.ERROR, refused)
