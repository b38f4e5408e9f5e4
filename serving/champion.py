"""The champion: named by the registry, its bundle kept in the cache."""

import logging
import shutil

from credit.bundle.bundle import Bundle
from credit.errors import RegistryError
from credit.schemas.decision import ModelVersion
from serving.bundle_cache import BundleCache, Pointer
from serving.registry import ModelRegistry, NoChampionError, RegisteredVersion

log = logging.getLogger(__name__)


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

    def bring(self) -> Pointer:
        """The current champion, in the cache; the remembered one while the registry does not answer.

        Raises:
            RegistryError: there is no champion, or neither the registry nor the cache has it.
            BundleError: its bundle is refused.
        """
        remembered = self.remembered()
        try:
            found = self.resolve()
            if remembered is not None and remembered.registered == found:
                return remembered
            pointer = self.fetch(found)
        except NoChampionError:
            raise
        except RegistryError as error:
            if remembered is None:
                raise
            log.warning("%s; serving the cached version %s", error, remembered.model.version)
            return remembered
        self.remember(pointer)
        return pointer
