"""Two models side by side: figures, features, policy and settings."""

from collections.abc import Mapping
from typing import Any

from credit.bundle.bundle import Bundle
from credit.schemas.features import Frozen


class Pair(Frozen):
    """One fact of both models; `difference` is second minus first where both are numbers."""

    first: Any
    second: Any
    difference: float | None = None


class ModelComparison(Frozen):
    """What tells two models apart.

    Attributes:
        metrics: of the training runs, each on its own out-of-time test; None where a model lacks one.
        features_added, features_removed: names in the second and not in the first model, and the other way.
        facts: bundle id, trees, calibration, threshold, costs, data window and more, equal or not.
        settings: those that differ.
    """

    metrics: dict[str, Pair]
    features_added: tuple[str, ...]
    features_removed: tuple[str, ...]
    facts: dict[str, Pair]
    settings: dict[str, Pair]


def compare_models(first: Bundle, second: Bundle) -> ModelComparison:
    """Compare two bundles."""
    before, after = first.manifest.provenance.settings, second.manifest.provenance.settings
    return ModelComparison(
        metrics=_pairs(first.metrics, second.metrics),
        features_added=_missing(second, first),
        features_removed=_missing(first, second),
        facts=_pairs(_facts(first), _facts(second)),
        settings={name: pair for name, pair in _pairs(before, after).items() if pair.first != pair.second},
    )


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    names = dict.fromkeys([*first, *second])
    return {name: _pair(first.get(name), second.get(name)) for name in names}


def _pair(first: Any, second: Any) -> Pair:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (first, second))
    return Pair(first=first, second=second, difference=second - first if numbers else None)


def _missing(there: Bundle, here: Bundle) -> tuple[str, ...]:
    known = set(here.contract.names)
    return tuple(name for name in there.contract.names if name not in known)


def _facts(bundle: Bundle) -> dict[str, Any]:
    origin = bundle.manifest.provenance
    return {
        "bundle_id": bundle.bundle_id,
        "created": origin.created.isoformat(),
        "feature_service": bundle.contract.service,
        "features": len(bundle.contract.names),
        "trees": bundle.trees,
        "calibration": bundle.calibration.method,
        "threshold": bundle.policy.threshold,
        "cost_false_negative": bundle.policy.costs.false_negative,
        "cost_false_positive": bundle.policy.costs.false_positive,
        "reason_texts_version": bundle.reason_texts.version,
        "data_from": origin.data_from.isoformat(),
        "data_until": origin.data_until.isoformat(),
        "known_until": origin.known_until.isoformat(),
        "test_from": origin.test_from.isoformat(),
        **{f"rows_{name}": count for name, count in origin.rows.items()},
        "dataset_sha256": origin.dataset_sha256,
        "git_revision": origin.git_revision,
        "seed": origin.seed,
        **{f"library_{name}": version for name, version in origin.libraries.items()},
    }
