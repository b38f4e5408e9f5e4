"""What is measured of challengers in shadow."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from credit.schemas.shadow import ShadowRecord

_DIFFERENCES: Final = (-0.5, -0.2, -0.1, -0.05, -0.02, -0.01, -0.001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class ShadowMetrics:
    """Metrics of one process's shadow scoring; nothing in them tells about a client.

    Args:
        registry: where they are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._scores = Counter(
            "credit_shadow_scores",
            "Sampled decisions, by what became of them in shadow: agreed, disagreed, dropped, failed.",
            ("outcome", "model_version"),
            registry=registry,
        )
        self._difference = Histogram(
            "credit_shadow_difference",
            "The challenger's probability less the decision's.",
            buckets=_DIFFERENCES,
            registry=registry,
        )

    def scored(self, record: ShadowRecord) -> None:
        """Count a shadow record."""
        self._scores.labels("agreed" if record.agrees else "disagreed", record.model.version).inc()
        self._difference.observe(record.difference)

    def dropped(self, version: str) -> None:
        """Count a decision that found the queue full."""
        self._scores.labels("dropped", version).inc()

    def failed(self, version: str) -> None:
        """Count a decision that the challenger did not score, or that was not recorded."""
        self._scores.labels("failed", version).inc()
