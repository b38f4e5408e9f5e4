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
from monitoring.archiver.settings import ArchiverSettings
from monitoring.drift.settings import DriftSettings
from monitoring.parity.settings import ParitySettings
from monitoring.performance.settings import PerformanceSettings
from monitoring.retraining.settings import RetrainingSettings


class MonitoringSettings(
    RedisAccess, ArchiverSettings, DriftSettings, ParitySettings, PerformanceSettings, RetrainingSettings
):
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
    mlflow_tracking_uri: str = Field(
        default_factory=lambda: Home.current().mlflow_uri, description="MLflow: sqlite:/// or http(s):// address."
    )
    model_name: Annotated[str, Field(min_length=1, description="Registered model to watch.")] = "credit-scoring"
    public_key: Annotated[
        Path | None,
        Field(description="PEM file of the key that verifies bundles; unset, the one in the platform folder."),
    ] = None
    reports: Annotated[
        str | None,
        Field(
            description="Reports: a folder, s3://bucket/prefix or gs://bucket/prefix; unset, in the platform folder."
        ),
    ] = None

    @property
    def decision_log(self) -> RedisSettings:
        """Where decisions are appended."""
        store = self.redis(self.connect_timeout_seconds, self.read_timeout_seconds)
        if self.decision_redis_url is None:
            return store
        return store.model_copy(update={"url": self.decision_redis_url, "password": self.decision_redis_password})

    @property
    def reports_location(self) -> Location:
        """Where reports lie, in a folder for each job.

        Raises:
            SettingsError: it is no place for files.
        """
        return Location.of(self.reports or Home.current().reports, self.storage_endpoint)

    @property
    def archive(self) -> Location:
        """Where the archive lies.

        Raises:
            SettingsError: it is no place for files.
        """
        default: Path = Home.current().decisions
        return Location.of(self.decision_archive or default, self.storage_endpoint)
