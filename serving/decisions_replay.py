"""Recomputes recorded decisions with the bundles that made them and compares bit for bit."""

import shutil
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from pydantic_core import to_json

from credit.bundle.bundle import Bundle
from credit.errors import BundleError, CreditError
from credit.schemas.decision import DecisionRecord, ModelVersion
from credit.schemas.features import Frozen
from credit.scoring import Scored, replay
from serving.bundle_cache import BundleCache
from serving.decisions_records import StoredDecision
from serving.registry import ModelRegistry, RegisteredVersion

_COMPARED: Final = ("margin", "probability", "points", "threshold", "decision", "risk_band", "quality", "reasons")


class Difference(Frozen):
    """In what a replay differs from the record; both sides as exact JSON."""

    field: str
    recorded: str
    replayed: str


class Differing(Frozen):
    """A decision that did not come out as it was recorded, or could not be replayed at all."""

    decision_id: str
    model_version: str
    problem: str = ""
    differences: tuple[Difference, ...] = ()


class ReplayReport(Frozen):
    """How many decisions were replayed, and those that differ."""

    replayed: int
    identical: int
    differing: tuple[Differing, ...]


class Bundles(Protocol):
    """Port: the bundle of a model version."""

    def bundle(self, model: ModelVersion) -> Bundle:
        """The verified bundle.

        Raises:
            CreditError: it can be had nowhere, or is not the one that the record names.
        """
        ...


class CachedBundles:
    """`Bundles` from the local cache, else from the registry, which fills the cache; loaded ones are kept."""

    def __init__(self, cache: BundleCache, registry: ModelRegistry) -> None:
        self._cache = cache
        self._registry = registry
        self._loaded: dict[str, Bundle] = {}

    def bundle(self, model: ModelVersion) -> Bundle:
        """See `Bundles`."""
        if model.bundle not in self._loaded:
            if not self._cache.holds(model.bundle):
                self._fetch(model)
            self._loaded[model.bundle] = self._cache.load(model.bundle)
        return self._loaded[model.bundle]

    def _fetch(self, model: ModelVersion) -> None:
        scratch = self._cache.scratch()
        try:
            self._registry.fetch(RegisteredVersion(model.name, model.version, ""), scratch / "bundle")
            found = self._cache.admit(scratch / "bundle")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if found != model.bundle:
            raise BundleError(
                f"{model.name} version {model.version} is bundle {found[:12]} in the registry, but the record names "
                f"{model.bundle[:12]}: bring that bundle into the cache"
            )


def replay_all(
    decisions: Iterable[StoredDecision], bundles: Bundles, on_replayed: Callable[[], None] = lambda: None
) -> ReplayReport:
    """Replay each decision; one that fails does not stop the others."""
    replayed, differing = 0, []
    for stored in decisions:
        found = _replayed(stored, bundles)
        replayed += 1
        if found is not None:
            differing.append(found)
        on_replayed()
    return ReplayReport(replayed=replayed, identical=replayed - len(differing), differing=tuple(differing))


def differences(record: DecisionRecord, scored: Scored) -> tuple[Difference, ...]:
    """In what `scored` differs from the record, down to the last bit. Reasons that nobody wanted are not compared."""
    compared = [name for name in _COMPARED if name != "reasons" or record.explained]
    pairs = ((name, _exact(getattr(record, name)), _exact(getattr(scored, name))) for name in compared)
    return tuple(Difference(field=name, recorded=was, replayed=now) for name, was, now in pairs if was != now)


def _replayed(stored: StoredDecision, bundles: Bundles) -> Differing | None:
    decision_id, version = "?", "?"
    try:
        record = stored.record
        decision_id, version = record.decision_id, record.model.version
        found = differences(record, replay(record, bundles.bundle(record.model)))
    except CreditError as error:
        return Differing(decision_id=decision_id, model_version=version, problem=str(error))
    return Differing(decision_id=decision_id, model_version=version, differences=found) if found else None


def _exact(value: object) -> str:
    """JSON with the shortest text that tells a number from every other; keys sorted."""
    if isinstance(value, Frozen):
        fields = sorted(value)
        return "{" + ",".join(f"{name}:{_exact(part)}" for name, part in fields) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_exact(part)}" for name, part in sorted(value.items())) + "}"
    if isinstance(value, tuple):
        return "[" + ",".join(map(_exact, value)) + "]"
    return to_json(value, inf_nan_mode="constants").decode()
