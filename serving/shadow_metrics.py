"""What is measured of challengers in shadow."""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from credit.schemas.shadow import ShadowRecord
from serving.instruments import Instruments, Metric

_DIFFERENCES: Final = (-0.5, -0.2, -0.1, -0.05, -0.02, -0.01, -0.001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_SCORES: Final = "credit_shadow_scores_total"
_DIFFERENCE: Final = "credit_shadow_difference"

#: Everything that is measured here; the reference page tells the same.
SHADOW_METRICS: Final = (
    Metric(
        _SCORES,
        "counter",
        "Sampled decisions, by what became of them in shadow: `agreed`, `disagreed`, `dropped`, `failed`.",
        ("outcome", "model_version"),
    ),
    Metric(_DIFFERENCE, "histogram", "The challenger's probability less the decision's.", (), _DIFFERENCES),
)


class ShadowMetrics:
    """Metrics of a node's shadow scoring; nothing in them tells about a client.

    Args:
        registry: where they are exposed.
        folder: shared by the replicas of this node; without it only this process is told.
    """

    def __init__(self, registry: CollectorRegistry, folder: Path | None = None) -> None:
        self._all = Instruments(SHADOW_METRICS, registry, folder)
        self._difference = self._all.distribution(_DIFFERENCE)

    def scored(self, record: ShadowRecord) -> None:
        """Count a shadow record."""
        self._difference.observe(record.difference)
        self._all.cell(_SCORES, "agreed" if record.agrees else "disagreed", record.model.version).add()

    def dropped(self, version: str) -> None:
        """Count a decision that found the queue full."""
        self._all.cell(_SCORES, "dropped", version).add()

    def failed(self, version: str) -> None:
        """Count a decision that the challenger did not score, or that was not recorded."""
        self._all.cell(_SCORES, "failed", version).add()

    def close(self) -> None:
        """Let go of the shared folder."""
        self._all.close()
