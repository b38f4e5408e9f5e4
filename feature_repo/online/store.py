"""Feast online store plug-in: packed rows in Redis, one hash per client.

Feast loads it by dotted name from feature_store.yaml (its documented extension point), so the class ends in
`OnlineStore` and its settings are the same name + `Config`.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from feast import Entity, FeatureView, OnDemandFeatureView, RepoConfig
from feast.base_feature_view import BaseFeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel
from pydantic import SecretStr, ValidationInfo, field_validator

from feature_repo.online.arrow import rows_of_table
from feature_repo.online.codec import decode_row
from feature_repo.online.connection import RedisSettings, given
from feature_repo.online.exchange import open_exchange
from feature_repo.online.layout import Layout, layout_of
from feature_repo.online.protobuf import ProtoRow, client_id_of, protobuf_of_row, rows_of_protobuf, to_us
from feature_repo.online.reader import system_now_us
from feature_repo.online.specs import JOIN_KEY, spec_of, times_of
from feature_repo.online.writer import PackedWriter

ReadRow = tuple[datetime | None, dict[str, ValueProto] | None]


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """`online_store` in feature_store.yaml.

    Attributes:
        type: dotted name of the store.
        url: address of Redis, see `feature_repo.online.address`.
        password: when it is not part of the address. Here and below an unset ${NAME} counts as not given.
        sentinel_password: of the sentinels themselves.
        ca_file: PEM certificates that sign the server's one; the system's when not given.
        cert_file: PEM certificate that we show.
        key_file: PEM private key of that certificate.
        check_hostname: whether the server's certificate must name the host of the address.
        key_ttl_seconds: Redis drops a client not written for so long; 0 keeps all.
        connect_timeout: seconds to open a connection.
        read_timeout: seconds to wait for each answer; writes take longer than serving's reads.
    """

    type: Literal["feature_repo.online.store.PackedRedisOnlineStore"] = (
        "feature_repo.online.store.PackedRedisOnlineStore"
    )
    url: str
    password: SecretStr | None = None
    sentinel_password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True
    key_ttl_seconds: int = 0
    connect_timeout: float = 2.0
    read_timeout: float = 30.0

    @field_validator("url")
    @classmethod
    def _url_is_set(cls, url: str) -> str:
        if given(url) is None:
            raise ValueError(f"the address of Redis is not set: export {url.strip('${}') or 'it'}=redis://host:port/0")
        return url

    @field_validator(
        "password",
        "sentinel_password",
        "ca_file",
        "cert_file",
        "key_file",
        "check_hostname",
        "key_ttl_seconds",
        mode="before",
    )
    @classmethod
    def _unset_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str) or given(value) is not None:
            return value
        return cls.model_fields[str(info.field_name)].default

    @property
    def redis(self) -> RedisSettings:
        """Address and timeouts for a connection."""
        return RedisSettings(
            url=SecretStr(self.url),
            password=self.password,
            sentinel_password=self.sentinel_password,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            check_hostname=self.check_hostname,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
        )


class PackedRedisOnlineStore(OnlineStore):
    """Feast's `OnlineStore` over packed rows."""

    def __init__(self) -> None:
        super().__init__()
        self._writer: PackedWriter | None = None
        self._layouts: dict[Hashable, Layout] = {}

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reads and writes have an async form."""
        return SupportedAsyncMethods(read=True, write=True)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[ProtoRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write Feast's protobuf rows: push, and engines other than ours."""
        layout = self._layout(table)
        self._connected(config).write(layout, rows_of_protobuf(layout.spec, data, system_now_us()))
        if progress is not None:
            progress(len(data))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[ProtoRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """As `online_write_batch`, off the event loop."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def write_arrow(self, config: RepoConfig, table: FeatureView, rows: pa.Table) -> None:
        """Write the rows of an Arrow table with the columns of the view's batch source: no value becomes an object."""
        layout, times = self._layout(table), times_of(table)
        packed = rows_of_table(layout.spec, rows, JOIN_KEY, times.event, times.created, system_now_us())
        self._connected(config).write(layout, packed)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """The event timestamp and values per key; (None, None) for an unknown client or a row of another schema."""
        layout = self._layout(table)
        spec, features = layout.spec, requested_features or [column.name for column in layout.spec.columns]
        client_ids = [client_id_of(key) for key in entity_keys]
        answers: list[ReadRow] = []
        for client_id, raw in zip(client_ids, self._connected(config).read(layout, client_ids), strict=True):
            row = None if raw is None else decode_row(layout, client_id, raw)
            answers.append((None, None) if row is None else protobuf_of_row(spec, row, features))
        return answers

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """As `online_read`, off the event loop."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[BaseFeatureView],
        tables_to_keep: Sequence[BaseFeatureView],
        entities_to_delete: Sequence[Entity],  # noqa: ARG002 - Feast's signature
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Check that every online view can be held; remove the rows of deleted views.

        Raises:
            FeatureError: a view has another key or type than the store can hold.
        """
        for table in tables_to_keep:
            if not isinstance(table, OnDemandFeatureView):
                spec_of(table)
        removed = [table.name for table in tables_to_delete if not isinstance(table, OnDemandFeatureView)]
        if removed:
            self._connected(config).remove_views(removed)

    def prune(self, config: RepoConfig, tables: Sequence[FeatureView], built_before: datetime) -> int:
        """Remove rows of schemas that none of `tables` has, if they were built before a moment; says how many.

        A changed view leaves the rows of its old schema, for the replicas that still serve a model made with it.
        """
        current = [self._layout(table) for table in tables]
        return self._connected(config).prune(current, to_us(built_before))

    def erase(self, config: RepoConfig, client_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Remove clients with all their rows; answers with the views that each had rows in."""
        return self._connected(config).erase(client_ids)

    def teardown(
        self,
        config: RepoConfig,
        tables: Sequence[FeatureView],  # noqa: ARG002 - Feast's signature
        entities: Sequence[Entity],  # noqa: ARG002
    ) -> None:
        """Remove every client of the project."""
        self._connected(config).remove_all()

    def _layout(self, table: FeatureView) -> Layout:
        """The layout of a view, kept: Feast makes a new view object for every read."""
        key = (table.name, *table.join_keys, *((field.name, field.dtype) for field in table.features))
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts.setdefault(key, layout_of(spec_of(table)))
        return layout

    def _connected(self, config: RepoConfig) -> PackedWriter:
        if self._writer is None:
            settings: PackedRedisOnlineStoreConfig = config.online_store
            exchange = open_exchange(settings.redis)
            self._writer = PackedWriter(exchange, config.project, settings.key_ttl_seconds)
        return self._writer
