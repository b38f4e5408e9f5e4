"""Reads feature rows through Feast's SDK: slower, but from any online store that Feast supports."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from feast import FeatureStore
from numpy.typing import NDArray
from redis import RedisError

from credit.errors import StoreUnavailableError
from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus
from feature_repo.online.protobuf import to_us
from feature_repo.online.reader import system_now_us
from feature_repo.online.specs import JOIN_KEY


class SdkReader:
    """`credit.schemas.features.FeatureReader` over `FeatureStore.get_online_features`.

    Feast hands out event timestamps but no created timestamps: `built_us` is when the view was last materialised,
    the same for all clients. A row that Feast calls present but without an event timestamp is not there.

    Args:
        store: an applied Feast store.
        views: layouts to read.
        now_us: clock for staleness, microseconds since the epoch (UTC).
    """

    def __init__(
        self, store: FeatureStore, views: Sequence[ViewSpec], now_us: Callable[[], int] = system_now_us
    ) -> None:
        self._store = store
        self._views = tuple(views)
        self._now_us = now_us
        self._features = [f"{view.name}:{column.name}" for view in views for column in view.columns]

    def read(self, client_ids: Sequence[int]) -> dict[str, ViewBatch]:
        """One `ViewBatch` per view, by view name, each for all `client_ids` in order.

        Raises:
            StoreUnavailableError: Feast or its store did not answer; how long that takes is Feast's choice.
        """
        if not client_ids:
            return {view.name: self._batch(view, {}, 0) for view in self._views}
        rows = [{JOIN_KEY: client_id} for client_id in client_ids]
        try:
            answer = self._store.get_online_features(features=self._features, entity_rows=rows, full_feature_names=True)
        except (OSError, RedisError) as error:
            raise StoreUnavailableError(f"Feast's online store does not answer: {error}") from error
        vectors = dict(zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True))
        return {view.name: self._batch(view, vectors, len(client_ids)) for view in self._views}

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        self.read([0])

    def close(self) -> None:
        """Nothing is held."""

    def _batch(self, view: ViewSpec, vectors: dict[str, Any], size: int) -> ViewBatch:
        columns = [vectors[f"{view.name}__{column.name}"] for column in view.columns] if size else []
        as_of_us = _event_times(columns[0]) if columns else np.zeros(size, dtype=np.int64)
        found = as_of_us != 0
        built_us = self._materialized_us(view.name) if size else 0
        fresh = built_us >= self._now_us() - view.ttl_seconds * 1_000_000
        here = ViewStatus.PRESENT if fresh else ViewStatus.STALE
        by_name = {column.name: vector for column, vector in zip(view.columns, columns, strict=False)}
        numeric = [_numbers(by_name[name]) for name in view.numeric if size]
        strings = [_strings(by_name[name]) for name in view.strings if size]
        return ViewBatch(
            spec=view,
            status=tuple(here if present else ViewStatus.NOT_FOUND for present in found.tolist()),
            as_of_us=as_of_us,
            built_us=np.where(found, built_us, 0),
            numeric=np.array(numeric, dtype=np.float64).T.reshape(size, len(view.numeric)),
            strings=tuple(zip(*strings, strict=True)) if strings else ((),) * size,
        )

    def _materialized_us(self, view: str) -> int:
        registered = self._store.get_feature_view(view)
        if not registered.materialization_intervals or registered.last_updated_timestamp is None:
            return 0
        return to_us(registered.last_updated_timestamp)


def _event_times(vector: Any) -> NDArray[np.int64]:
    times = [stamp.seconds * 1_000_000 + stamp.nanos // 1000 for stamp in vector.event_timestamps]
    return np.array(times, dtype=np.int64)


def _numbers(vector: Any) -> list[float]:
    held = (value.WhichOneof("val") for value in vector.values)
    return [
        float("nan") if name in (None, "null_val") else float(getattr(value, name))
        for name, value in zip(held, vector.values, strict=True)
    ]


def _strings(vector: Any) -> list[str | None]:
    return [value.string_val if value.HasField("string_val") else None for value in vector.values]
