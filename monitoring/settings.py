"""Settings of the monitoring jobs: environment variables `MONITORING_*`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from credit.platform import Home
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.settings import RedisAccess
from feature_repo.storage import Location


class MonitoringSettings(RedisAccess):
    """What an operator can set about archiving and watching decisions."""

    model_config = SettingsConfigDict(env_prefix="MONITORING_", frozen=True, extra="forbid")

    decision_redis_url: Annotated[
        SecretStr | None, Field(description="Decision log: address of its Redis; the online store's when unset.")
    ] = None
    decision_redis_password: Annotated[
        SecretStr | None, Field(description="Decision log: password of that address, if it does not carry one.")
    ] = None
    feature_project: Annotated[str, Field(min_length=1, description="Feast project whose decisions are read.")] = (
        PROJECT
    )
    connect_timeout_seconds: Annotated[
        float, Field(gt=0, description="Longest wait for a new connection to Redis.")
    ] = 2.0
    read_timeout_seconds: Annotated[float, Field(gt=0, description="Longest wait for one answer of Redis.")] = 10.0

    decision_archive: Annotated[
        str | None,
        Field(
            description="Archive of decisions: a folder, s3://bucket/prefix or gs://bucket/prefix; unset, "
            "in the platform folder."
        ),
    ] = None
    storage_endpoint: Annotated[
        str | None,
        Field(description="Address of an S3- or GCS-compatible server, instead of the provider's own."),
    ] = None
    archive_batch_records: Annotated[int, Field(ge=1, le=100_000, description="Records of one archived batch.")] = 2_000
    archive_batch_seconds: Annotated[
        float, Field(ge=0, description="Age at which records are archived although the batch is not full.")
    ] = 60.0
    archive_poll_seconds: Annotated[float, Field(gt=0, description="Pause between two looks at the streams.")] = 1.0
    archive_lock_seconds: Annotated[
        float, Field(ge=0.2, description="Time after which the lock of an archiver that died is free again.")
    ] = 15.0

    @property
    def decision_log(self) -> RedisSettings:
        """Where decisions are appended."""
        store = self.redis(self.connect_timeout_seconds, self.read_timeout_seconds)
        if self.decision_redis_url is None:
            return store
        return store.model_copy(update={"url": self.decision_redis_url, "password": self.decision_redis_password})

    @property
    def archive(self) -> Location:
        """Where the archive lies.

        Raises:
            SettingsError: it is no place for files.
        """
        default: Path = Home.current().decisions
        return Location.of(self.decision_archive or default, self.storage_endpoint)
