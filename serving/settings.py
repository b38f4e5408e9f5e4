"""Settings of the scoring service: one frozen class, environment prefix `SERVING_`, unknown names refused."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from credit.bundle.keys import PUBLIC_KEY_FILE
from credit.platform import Home
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.settings import RedisAccess
from feature_repo.storage import Location
from serving.callers.settings import CallerSettings
from serving.loopback import is_loopback


class ServingSettings(RedisAccess, CallerSettings):
    """Everything an operator can set; each field says what it does."""

    model_config = SettingsConfigDict(env_prefix="SERVING_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address that the HTTP front end listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the HTTP front end listens on.")
    replicas: int = Field(1, ge=1, description="Processes that answer requests.")
    scoring_threads: int = Field(2, ge=1, le=64, description="Requests that one replica works on at the same moment.")
    max_ongoing_requests: int = Field(
        64, ge=1, description="Requests that one replica accepts at once; more get 503 `overloaded` with Retry-After."
    )
    max_queued_requests: int = Field(
        64, ge=0, description="Requests that Ray Serve holds back before a replica, beyond those it accepts."
    )
    request_timeout_seconds: float = Field(
        2.0, gt=0, description="A request that takes longer is answered with 503 `timeout`."
    )
    max_ongoing_batches: int = Field(
        4, ge=1, description="Batches that one replica works on at once; more get 503 `overloaded` with Retry-After."
    )
    batch_timeout_seconds: float = Field(
        15.0, gt=0, description="A batch that takes longer is answered with 503 `timeout`."
    )
    max_body_bytes: int = Field(16_384, ge=64, description="Largest request body; a larger one is answered with 413.")
    max_batch_body_bytes: int = Field(
        1_048_576, ge=64, description="Largest body of a batch, of raw features, of an inference."
    )

    decision_redis_url: SecretStr | None = Field(
        None, description="Decision log: address of its Redis; the online store's when unset."
    )
    decision_redis_password: SecretStr | None = Field(
        None, description="Decision log: password of that address, if it does not carry one."
    )
    feature_project: str = Field(PROJECT, min_length=1, description="Feast project whose feature rows are read.")
    connect_timeout_seconds: float = Field(0.08, gt=0, description="Longest wait for a new connection to Redis.")
    read_timeout_seconds: float = Field(0.1, gt=0, description="Longest wait for one answer of Redis.")
    decision_stream_limit: int = Field(
        1_000_000,
        ge=1,
        description="Decisions kept in the stream until they are archived; at the limit scoring stops with 503.",
    )
    decision_archive: str | None = Field(
        None,
        description="Archive of decisions: a folder, s3://bucket/prefix or gs://bucket/prefix; unset, in the platform "
        "folder.",
    )
    storage_endpoint: str | None = Field(
        None, description="Address of an S3- or GCS-compatible server, instead of the provider's own."
    )

    mlflow_tracking_uri: str = Field(
        default_factory=lambda: Home.current().mlflow_uri,
        description="Model registry: sqlite:/// or http(s):// address.",
    )
    model_name: str = Field("credit-scoring", min_length=1, description="Registered model to serve.")
    model_alias: str = Field("champion", min_length=1, description="Alias whose version is served.")
    model_watch_seconds: float = Field(10.0, gt=0, description="Pause between two looks at the alias.")
    bundle_cache: Path = Field(
        default_factory=lambda: Home.current().bundles, description="Folder of verified model bundles."
    )
    bundles_kept: int = Field(
        5, ge=3, description="Bundles that stay in that folder, the latest used; those that an alias names always do."
    )
    public_key_path: Path = Field(
        default_factory=lambda: Home.current().keys / PUBLIC_KEY_FILE,
        description="Ed25519 public key (PEM) that model bundles must be signed for.",
    )

    challenger_alias: str = Field(
        "challenger", min_length=1, description="Alias whose version is scored in shadow and decides for the canary."
    )
    canary_share: float = Field(
        0.0, ge=0, le=1, description="Share of clients, always the same ones, for whom the challenger decides."
    )
    shadow_share: float = Field(
        0.1, ge=0, le=1, description="Share of decisions that the challenger scores afterwards, without effect."
    )
    shadow_cpu_share: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Share of one CPU that this may take in each replica; what is too much is dropped.",
    )
    shadow_queue: int = Field(64, ge=1, description="Decisions that may wait for the challenger in each replica.")
    shadow_stream_limit: int = Field(
        100_000, ge=1, description="Shadow records kept in their stream, about; the oldest are forgotten."
    )

    log_folder: Path | None = Field(
        None, description="Folder for log files of the replicas; unset: they log to standard error."
    )

    metrics_folder: Path | None = Field(
        None,
        description="Folder in which the replicas of one node share their metrics; unset: `creditctl serve` makes one, "
        "elsewhere each replica tells its own.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on which every node tells its own metrics, without authentication; unset: only `/metrics` of "
        "the front end.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address of that port.")
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]",
        description="OpenTelemetry collector (OTLP over HTTP) that traces are sent to; unset: no traces.",
    )
    trace_sample_share: float = Field(
        1.0, ge=0, le=1, description="Share of the requests to trace, where the caller's `traceparent` does not decide."
    )

    @property
    def feature_store(self) -> RedisSettings:
        """Where features are read."""
        return self.redis(self.connect_timeout_seconds, self.read_timeout_seconds)

    @property
    def decision_log(self) -> RedisSettings:
        """Where decisions are appended."""
        if self.decision_redis_url is None:
            return self.feature_store
        own = {"url": self.decision_redis_url, "password": self.decision_redis_password}
        return self.feature_store.model_copy(update=own)

    @property
    def archive(self) -> Location:
        """Where archived decisions lie.

        Raises:
            SettingsError: it is no place for files.
        """
        return Location.of(self.decision_archive or Home.current().decisions, self.storage_endpoint)

    @model_validator(mode="after")
    def _open_only_locally(self) -> "ServingSettings":
        if self.authentication == "off" and not is_loopback(self.host):
            raise ValueError(
                f"authentication is off, so only this machine may call: the host must be a loopback address, "
                f"not {self.host}"
            )
        return self

    @classmethod
    def load(cls, **given: Any) -> "ServingSettings":
        """Settings from the environment; `given` values win, those that are None left out.

        Raises:
            SettingsError: names every setting that is missing, malformed or unknown.
        """
        return cls(**{name: value for name, value in given.items() if value is not None})

    @classmethod
    def for_commands(cls) -> "ServingSettings":
        """Settings of a command that no caller asks anything of: who may call need not be chosen for it.

        Raises:
            SettingsError: as `load`.
        """
        return cls.load(authentication=None if "SERVING_AUTHENTICATION" in os.environ else "off")
