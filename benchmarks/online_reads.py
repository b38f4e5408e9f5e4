"""How long a read of features by client id takes: the serving reader, and Feast's SDK on both stores."""

import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credit.schemas.features import ViewSpec, ViewStatus
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds per call."""

    p50: float
    p99: float


def reader_latency(url: str, specs: Sequence[ViewSpec], ids: Sequence[int], batch: int, calls: int) -> Latency:
    """The serving reader, in this process, for random clients of `ids`; every view must be there."""
    reader = PackedReader(RedisSettings(url=url, read_timeout=5.0), PROJECT, specs)
    draw = random.Random(0)
    asked = [draw.sample(ids, batch) for _ in range(calls)]
    found = reader.read(asked[0])
    assert all(set(one.status) == {ViewStatus.PRESENT} for one in found.values()), "not every view is there"
    latency = _latency(reader.read, asked)
    reader.close()
    return latency


def sdk_latency(
    store: "FeatureStore", specs: Sequence[ViewSpec], ids: Sequence[int], batch: int, calls: int
) -> Latency:
    """`FeatureStore.get_online_features` of the same features to Python values."""
    names = [f"{spec.name}:{column.name}" for spec in specs for column in spec.columns]
    draw = random.Random(0)
    asked = [[{"SK_ID_CURR": client} for client in draw.sample(ids, batch)] for _ in range(calls)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _latency(lambda rows: store.get_online_features(names, rows).to_dict(), asked)


def _latency(work: Callable[[Any], object], arguments: Sequence[Any]) -> Latency:
    for argument in arguments[: max(1, len(arguments) // 20)]:
        work(argument)
    taken = []
    for argument in arguments:
        started = time.perf_counter()
        work(argument)
        taken.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Latency(p50=cuts[49], p99=cuts[98])
