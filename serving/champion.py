"""The champion: named by the registry, its bundle kept in the cache."""

import shutil

from credit.bundle.bundle import Bundle
from credit.schemas.decision import ModelVersion
from serving.bundle_cache import BundleCache
from serving.pointer import Pointer
from serving.registry import ModelRegistry, RegisteredVersion


class ChampionSource:
    """Resolves one alias of one registered model and brings its bundle into the cache."""

    def __init__(self, cache: BundleCache, registry: ModelRegistry, name: str, alias: str) -> None:
        self._cache = cache
        self._registry = registry
        self._name = name
        self._alias = alias

    def resolve(self) -> RegisteredVersion:
        """The version that the alias names now.

        Raises:
            RegistryError: the registry cannot be reached, or names no version.
        """
        return self._registry.resolve(self._name, self._alias)

    def fetch(self, found: RegisteredVersion) -> Pointer:
        """Bring the bundle of `found` into the cache.

        Raises:
            RegistryError: it cannot be fetched.
            BundleError: it is unsigned, altered or incomplete.
        """
        scratch = self._cache.scratch()
        try:
            staged = scratch / "bundle"
            self._registry.fetch(found, staged)
            model = ModelVersion(name=found.name, version=found.version, bundle=self._cache.admit(staged))
            return Pointer(model=model, source=found.source)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def load(self, bundle_id: str) -> Bundle:
        """The verified bundle from the cache.

        Raises:
            BundleError: it is damaged.
        """
        return self._cache.load(bundle_id)

    def remember(self, pointer: Pointer) -> None:
        """Keep `pointer` for times without a registry."""
        self._cache.remember(self._alias, pointer)

    def remembered(self) -> Pointer | None:
        """What was resolved last, if the cache still holds its bundle."""
        pointer = self._cache.remembered(self._alias)
        if pointer is None or pointer.model.name != self._name or not self._cache.holds(pointer.model.bundle):
            return None
        return pointer
