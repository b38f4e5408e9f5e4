"""The search space: which settings are tuned, within which limits.

Depth and leaves are held small, so that exact SHAP values stay cheap. `trees` is not searched: early stopping finds it.
`bins` is not either: it would have to bin the data anew in every trial, for little.
"""

from typing import Any, Final

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from training.settings import TrainingSettings

#: Setting: lowest, highest, by orders of magnitude or evenly.
_LIMITS: Final[dict[str, tuple[float, float, bool]]] = {
    "learning_rate": (0.02, 0.15, True),
    "max_depth": (3, 6, False),
    "leaves": (6, 32, False),
    "leaf_clients": (10, 500, True),
    "leaf_shrinkage": (1.0, 200.0, True),
    "feature_share": (0.05, 0.6, True),
    "client_share": (0.5, 1.0, False),
    "category_smoothing": (1.0, 200.0, True),
}


def search_space(settings: TrainingSettings) -> dict[str, BaseDistribution]:
    """A distribution per tuned setting, widened where `settings` lie outside, so that they can be the first trial."""
    return {name: _distribution(getattr(settings, name), *limits) for name, limits in _LIMITS.items()}


def starting_point(settings: TrainingSettings) -> dict[str, float]:
    """The tuned settings as they are now."""
    return {name: getattr(settings, name) for name in _LIMITS}


def settings_with(settings: TrainingSettings, values: dict[str, Any]) -> TrainingSettings:
    """`settings` with the `values` of a trial, and no more leaves than a tree of that depth can have."""
    changed = {name: values[name] for name in _LIMITS}
    changed["leaves"] = min(changed["leaves"], 2 ** changed["max_depth"])
    return settings.model_copy(update=changed)


def _distribution(now: float, low: float, high: float, by_magnitude: bool) -> BaseDistribution:
    low, high = min(low, now), max(high, now)
    by_magnitude = by_magnitude and low > 0
    if isinstance(now, int):
        return IntDistribution(int(low), int(high), log=by_magnitude)
    return FloatDistribution(low, high, log=by_magnitude)
