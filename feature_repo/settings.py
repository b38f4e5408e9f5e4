"""Settings of the feature builds and of the online store: environment variables `FEATURES_*`."""

from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from feature_repo.online.settings import RedisAccess


class FeatureSettings(RedisAccess):
    """What an operator can set about building and serving features."""

    model_config = SettingsConfigDict(env_prefix="FEATURES_", frozen=True, extra="forbid")

    duckdb_threads: Annotated[int, Field(ge=1, description="Threads of a feature build.")] = 2
    duckdb_memory_limit: Annotated[
        str, Field(pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Memory that a build's engine may take.")
    ] = "4GiB"
    duckdb_temp_directory: Annotated[Path, Field(description="Folder for what does not fit into the memory limit.")] = (
        Field(default_factory=lambda: Path(gettempdir()) / "creditctl-duckdb")
    )
    key_ttl_seconds: Annotated[
        int,
        Field(
            ge=0, description="Seconds after which an unwritten client is removed from the online store; 0 keeps it."
        ),
    ] = 0
    profile: Annotated[
        Literal["local", "cluster"],
        Field(
            description="Feast's configuration: `feature_store.yaml` (DuckDB) or `feature_store.cluster.yaml` (Ray)."
        ),
    ] = "local"
    registry: Annotated[
        str | None,
        Field(description="Feast's registry: a file, or a SQLAlchemy address. Default: a file in the platform folder."),
    ] = None
    ray_address: Annotated[
        str | None,
        Field(description="Ray for the jobs of `--engine ray` and the cluster profile: host:port, or `local`."),
    ] = None
    events_location: Annotated[
        str | None,
        Field(
            description="Where events lie: a folder, s3://bucket/prefix or gs://bucket/prefix; unset, "
            "in the platform folder."
        ),
    ] = None
    offline_location: Annotated[str | None, Field(description="Where feature rows lie; as for events.")] = None
    storage_endpoint: Annotated[
        str | None,
        Field(description="Address of an S3- or GCS-compatible server, instead of the provider's own."),
    ] = None
