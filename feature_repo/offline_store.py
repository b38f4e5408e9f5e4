"""Feast's DuckDB offline store, which also joins history that lies in s3:// or gs://.

Feast would have DuckDB download its own S3 client; here DuckDB reads through Arrow's. Feast loads the class by dotted
name from feature_store.yaml, so it ends in `OfflineStore` and its settings are the same name + `Config`.
"""

from typing import Any

import ibis
import pandas as pd
from feast import FeatureView, FileSource, RepoConfig
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import get_historical_features_ibis
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry

from credit.errors import FeatureError
from feature_repo.storage import Location


class LocatedDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """`offline_store` in feature_store.yaml."""

    type: str = "feature_repo.offline_store.LocatedDuckDBOfflineStore"


class LocatedDuckDBOfflineStore(DuckDBOfflineStore):
    """Feast's own store for local files; point-in-time joins from every location."""

    @staticmethod
    def get_historical_features(  # type: ignore[override]  # Feast's own class narrows its base so, too
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Point-in-time join; see Feast."""
        return get_historical_features_ibis(
            config=config,
            feature_views=feature_views,
            feature_refs=feature_refs,
            entity_df=entity_df,
            registry=registry,
            project=project,
            full_feature_names=full_feature_names,
            data_source_reader=read_source,
            data_source_writer=_write_data_source,
            staging_location=config.offline_store.staging_location,
            staging_location_endpoint_override=config.offline_store.staging_location_endpoint_override,
            filter_by_created_timestamp=filter_by_created_timestamp,
        )


def read_source(source: DataSource, repo_path: str) -> Any:
    """The rows of a source as an ibis table; remote folders of Parquet through Arrow, all else Feast's way.

    Raises:
        FeatureError: the folder holds no Parquet file.
    """
    if not isinstance(source, FileSource) or "://" not in source.path:
        return _read_data_source(source, repo_path)
    folder = Location.of(source.path, source.s3_endpoint_override or None)
    files = [str(file) for file in folder.files() if file.name.endswith(".parquet")]
    if not files:
        raise FeatureError(f"{folder} holds no feature rows: run `creditctl features build`")
    backend: Any = ibis.get_backend()
    folder.attach(backend.con)
    name = ibis.util.gen_name("located")
    listed = ", ".join(f"'{file}'" for file in files)
    backend.con.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet([{listed}])")
    return backend.table(name)
