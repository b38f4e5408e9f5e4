"""The gates `auc` and `cost`: challenger against champion on the very same clients and resamples."""

from dataclasses import dataclass

import numpy as np

from credit.bundle.bundle import Bundle
from credit.errors import FeatureError
from training.bootstrap import Column, Figure, Interval, auc_figure, cost_figure, difference, intervals
from training.gates.report import Gate
from training.gates.settings import GateSettings
from training.unseen import Unseen

RELATIVE = ("auc", "cost")


@dataclass(frozen=True, slots=True)
class _Opponent:
    """Whom the challenger is compared with; without a champion, a policy that approves everybody."""

    name: str
    is_champion: bool
    auc: Figure
    cost: Figure


def comparison_gates(
    challenger: Bundle, champion: Bundle | None, unseen: Unseen, settings: GateSettings
) -> tuple[Gate, ...]:
    """Judge on clients that neither model has learned from.

    Against a champion the challenger must not be worse beyond the paired bootstrap interval. Without one it must be
    better than approving everybody beyond the interval: what has learned nothing must not become the first champion.

    Raises:
        FeatureError: the clients lack a feature of the challenger.
    """
    if shortage := _shortage(unseen, settings):
        return unjudged(RELATIVE, shortage)
    probabilities = unseen.predict(challenger).probability
    try:
        opponent = _opponent(challenger, champion, unseen)
    except FeatureError as error:
        return unjudged(RELATIVE, f"the champion cannot be scored on these clients: {error}")
    figures = {
        "auc": difference(auc_figure(unseen.labels, probabilities), opponent.auc),
        "cost": difference(_cost(challenger, challenger, unseen, probabilities), opponent.cost),
    }
    found = intervals(
        figures, unseen.labels.size, replicates=settings.replicates, seed=settings.seed, confidence=settings.confidence
    )
    return _auc_gate(found["auc"], opponent, unseen, settings), _cost_gate(found["cost"], opponent, unseen, settings)


def unjudged(names: tuple[str, ...], reason: str) -> tuple[Gate, ...]:
    """Gates that refuse because there is nothing to judge by."""
    return tuple(Gate(name=name, passed=False, sentence=f"cannot be judged: {reason}") for name in names)


def _shortage(unseen: Unseen, settings: GateSettings) -> str | None:
    clients, defaults = unseen.labels.size, int(unseen.labels.sum())
    if clients >= settings.least_clients and settings.least_defaults <= defaults < clients:
        return None
    return (
        f"{clients:,} clients with {defaults:,} defaults applied after everything that both models learned from, and "
        f"{settings.least_clients:,} with {settings.least_defaults:,} are needed"
    )


def _opponent(challenger: Bundle, champion: Bundle | None, unseen: Unseen) -> _Opponent:
    if champion is None:
        nobody_risky = np.zeros(unseen.labels.size)
        return _Opponent(
            "approving everybody", False, lambda _: 0.5, _cost(challenger, challenger, unseen, nobody_risky)
        )
    probabilities = unseen.predict(champion).probability
    cost = _cost(challenger, champion, unseen, probabilities)
    return _Opponent("the champion", True, auc_figure(unseen.labels, probabilities), cost)


def _cost(challenger: Bundle, decider: Bundle, unseen: Unseen, probabilities: Column) -> Figure:
    """Cost per client of decisions at the decider's threshold, always in the challenger's money."""
    return cost_figure(challenger.policy.costs, unseen.labels, probabilities, decider.policy.threshold)


def _auc_gate(found: Interval, opponent: _Opponent, unseen: Unseen, settings: GateSettings) -> Gate:
    limit = -settings.auc_margin if opponent.is_champion else 0.0
    passed = found.high >= limit if opponent.is_champion else found.low > limit
    return _gate("auc", passed, found, limit, _sentence("AUC", found, passed, opponent, unseen, settings))


def _cost_gate(found: Interval, opponent: _Opponent, unseen: Unseen, settings: GateSettings) -> Gate:
    limit = settings.cost_margin if opponent.is_champion else 0.0
    passed = found.low <= limit if opponent.is_champion else found.high < limit
    return _gate("cost", passed, found, limit, _sentence("cost per client", found, passed, opponent, unseen, settings))


def _gate(name: str, passed: bool, found: Interval, limit: float, sentence: str) -> Gate:
    return Gate(
        name=name, passed=passed, figure=found.value, low=found.low, high=found.high, limit=limit, sentence=sentence
    )


def _sentence(
    figure: str, found: Interval, passed: bool, opponent: _Opponent, unseen: Unseen, settings: GateSettings
) -> str:
    side = "above" if found.value > 0 else "below"
    distance = f"{abs(found.value):.4f} {side} that" if found.value else "equal to that"
    if opponent.is_champion:
        verdict = "not worse beyond the interval" if passed else "worse beyond the interval"
    else:
        verdict = "better beyond the interval" if passed else "not better beyond the interval"
    return (
        f"{figure} {distance} of {opponent.name} on {unseen.labels.size:,} clients with "
        f"{int(unseen.labels.sum()):,} defaults ({settings.confidence:.0%} interval of the difference "
        f"{found.low:+.4f} to {found.high:+.4f}): {verdict}"
    )
