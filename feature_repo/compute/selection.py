"""Which compute engine Feast is to load."""

from feature_repo.settings import FeatureSettings
from feature_repo.tasks import Engine


def batch_engine(engine: Engine, ray_address: str | None) -> dict[str, str | None]:
    """`batch_engine` of Feast's configuration for an engine asked for by name."""
    if engine == "local":
        return {"type": "feature_repo.compute.local.PackedLocalEngine"}
    address = ray_address or FeatureSettings().ray_address
    return {"type": "feature_repo.compute.cluster.PackedRayEngine", "ray_address": address}
