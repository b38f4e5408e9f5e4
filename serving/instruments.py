"""Counters, gauges and histograms that all replicas of one node share: whichever is asked tells the sum.

Each process writes its own file of a common folder, in place, so that nothing is lost when it is killed. Whoever holds
a file has it locked: the kernel lets go of the lock with the process, and the next process goes on where that file
ends. So sums never fall, and a dead process leaves no gauge behind.

prometheus_client's own mode for several processes is not used, only its file format: that mode hangs on an environment
variable which every library of the process obeys, whether it should or not.
"""

import json
import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from serving.value_files import MemoryValues, SharedValues, Values

#: `gauge` is summed over the living processes, `info` is the largest of theirs.
Kind = Literal["counter", "gauge", "info", "histogram"]
#: Label sets of one metric; more are counted together, so that nobody can make the service remember without end.
MOST_SERIES: Final = 500
OTHER: Final = "other"
_SUM: Final = -1
_TEXT: Final[Callable[[float], str]] = floatToGoString
_Made = TypeVar("_Made")
#: By metric, label values and part: a histogram's bucket or its sum, else 0.
_Totals = dict[str, dict[tuple[str, ...], dict[int, float]]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as Prometheus shows it, a counter's with `_total`.
        kind: how it is counted, and put together over processes.
        help: what it tells.
        labels: names of its labels.
        buckets: upper bounds of a histogram, without infinity.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Cell:
    """One number that this process counts."""

    __slots__ = ("_key", "_lock", "_value", "_values")

    def __init__(self, values: Values, key: str, lock: threading.Lock) -> None:
        self._values = values
        self._key = key
        self._lock = lock
        with lock:
            self._value = values.read(key)

    def add(self, amount: float = 1.0) -> None:
        """Count on."""
        with self._lock:
            self._value += amount
            self._values.write(self._key, self._value)

    def set(self, value: float) -> None:
        """Put another number in its place."""
        with self._lock:
            self._value = value
            self._values.write(self._key, value)


class Distribution:
    """One series of a histogram."""

    __slots__ = ("_bounds", "_cells", "_sum")

    def __init__(self, bounds: tuple[float, ...], cells: Sequence[Cell], total: Cell) -> None:
        self._bounds = bounds
        self._cells = cells
        self._sum = total

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._cells[bisect_left(self._bounds, value)].add()
        self._sum.add(value)


class Instruments(Collector):
    """The metrics of one process, and the collector that tells those of all.

    Args:
        metrics: all that can be counted.
        registry: where they are exposed.
        folder: shared by the processes of one node; without it the process tells only its own.
    """

    def __init__(self, metrics: Iterable[Metric], registry: CollectorRegistry, folder: Path | None = None) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._passing = {name for name, metric in self._metrics.items() if metric.kind in ("gauge", "info")}
        self._values = self._open(folder)
        self._lock = threading.Lock()
        self._growing = threading.Lock()
        self._cells: dict[str, dict[tuple[str, ...], Cell]] = {name: {} for name in self._metrics}
        self._distributions: dict[str, dict[tuple[str, ...], Distribution]] = {name: {} for name in self._metrics}
        registry.register(self)

    def cell(self, name: str, *labels: str) -> Cell:
        """The counter or gauge `name` with these label values."""
        found = self._cells[name].get(labels)
        return found or self._grow(self._cells[name], labels, lambda taken: self._cell(name, taken, 0))

    def distribution(self, name: str, *labels: str) -> Distribution:
        """The histogram `name` with these label values."""
        found = self._distributions[name].get(labels)
        return found or self._grow(self._distributions[name], labels, lambda taken: self._distribution(name, taken))

    def describe(self) -> Iterator[Family]:
        """The metrics without values: the registry refuses a name that another collector has."""
        return (_family(metric, {}) for metric in self._metrics.values())

    def collect(self) -> Iterator[Family]:
        """The metrics of all processes."""
        totals = self._totals()
        return (_family(metric, totals.get(metric.name, {})) for metric in self._metrics.values())

    def close(self) -> None:
        """Take this process's gauges away; what it counted stays."""
        with self._lock:
            self._values.close()

    def _open(self, folder: Path | None) -> Values:
        if folder is None:
            return MemoryValues()
        schema = json.dumps([[each.name, each.kind, each.labels, each.buckets] for each in self._metrics.values()])
        return SharedValues(folder, schema, lambda key: json.loads(key)[0] in self._passing)

    def _grow(
        self,
        series: dict[tuple[str, ...], _Made],
        labels: tuple[str, ...],
        make: Callable[[tuple[str, ...]], _Made],
    ) -> _Made:
        with self._growing:
            if labels not in series and len(series) >= MOST_SERIES:
                labels = (OTHER,) * len(labels)
            if labels not in series:
                series[labels] = make(labels)
            return series[labels]

    def _cell(self, name: str, labels: tuple[str, ...], part: int) -> Cell:
        return Cell(self._values, json.dumps([name, labels, part]), self._lock)

    def _distribution(self, name: str, labels: tuple[str, ...]) -> Distribution:
        bounds = self._metrics[name].buckets
        cells = [self._cell(name, labels, part) for part in range(len(bounds) + 1)]
        return Distribution(bounds, cells, self._cell(name, labels, _SUM))

    def _totals(self) -> _Totals:
        totals: _Totals = {}
        for lives, values in self._values.everybody():
            for key, value in values:
                name, labels, part = json.loads(key)
                if name in self._passing and not lives:
                    continue
                parts = totals.setdefault(name, {}).setdefault(tuple(labels), {})
                before = parts.get(part, 0.0)
                parts[part] = max(before, value) if self._metrics[name].kind == "info" else before + value
        return totals


def _family(metric: Metric, series: Mapping[tuple[str, ...], Mapping[int, float]]) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, parts in series.items():
            histogram.add_metric(labels, _cumulative(metric.buckets, parts), parts.get(_SUM, 0.0))
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, parts in series.items():
        family.add_metric(labels, parts.get(0, 0.0))
    return family


def _cumulative(bounds: tuple[float, ...], parts: Mapping[int, float]) -> list[tuple[str, float]]:
    counts = accumulate(parts.get(part, 0.0) for part in range(len(bounds) + 1))
    return [(_TEXT(bound), count) for bound, count in zip((*bounds, math.inf), counts, strict=True)]
