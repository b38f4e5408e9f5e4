"""Where a model comes from: an alias of the registry says which version, its bundle is kept in the cache."""

import shutil

from credit.bundle.bundle import Bundle
from credit.schemas.decision import ModelVersion
from serving.bundle_cache import BundleCache
from serving.pointer import Pointer
from serving.registry import ModelRegistry, RegisteredVersion

#: After an alias: what it named before. A registry's aliases hold no dot, so that this is nobody's alias.
_PREVIOUS = ".previous"


class ModelSource:
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

    def bring(self, found: RegisteredVersion) -> tuple[ModelVersion, Bundle]:
        """Fetch the bundle of `found` into the cache, verify and load it.

        Raises:
            RegistryError: it cannot be fetched.
            BundleError: it is unsigned, altered or incomplete.
        """
        with self._cache.in_use():
            version = self._fetched(found)
            return version, self._cache.load(version.bundle)

    def remembered(self) -> Pointer | None:
        """What the alias named when it was last resolved, if the cache still holds its bundle."""
        return self._held(self._alias)

    def remembered_previous(self) -> Pointer | None:
        """What the alias named before that, if the cache still holds its bundle."""
        return self._held(f"{self._alias}{_PREVIOUS}")

    def load(self, pointer: Pointer) -> Bundle:
        """The verified bundle from the cache.

        Raises:
            BundleError: it is damaged or no longer there.
        """
        with self._cache.in_use():
            return self._cache.load(pointer.model.bundle)

    def remember(self, now: Pointer, previous: Pointer | None = None) -> None:
        """Keep what the alias names, for times without a registry, and what it named before."""
        if previous is not None:
            self._cache.remember(f"{self._alias}{_PREVIOUS}", previous)
        self._cache.remember(self._alias, now)

    def forget(self) -> None:
        """The alias names nothing any more."""
        self._cache.forget(self._alias)

    def prune(self) -> None:
        """Remove bundles that nothing needs any more from the cache."""
        self._cache.prune()

    def _fetched(self, found: RegisteredVersion) -> ModelVersion:
        scratch = self._cache.scratch()
        try:
            staged = scratch / "bundle"
            self._registry.fetch(found, staged)
            return ModelVersion(name=found.name, version=found.version, bundle=self._cache.admit(staged))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _held(self, alias: str) -> Pointer | None:
        pointer = self._cache.remembered(alias)
        if pointer is None or pointer.model.name != self._name or not self._cache.holds(pointer.model.bundle):
            return None
        return pointer
