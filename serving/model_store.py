"""The models of a replica: loaded from the cache, followed in the registry, swapped whole."""

import logging
from collections.abc import Callable
from dataclasses import replace

from credit.errors import CreditError, ModelNotReadyError, RegistryError
from credit.schemas.decision import ModelVersion
from serving.loaded_model import LoadedModel, ModelSnapshot, ReaderFactory, make_ready
from serving.looks import Looks
from serving.model_source import ModelSource
from serving.pointer import Pointer
from serving.registry import NoChampionError, RegisteredVersion

__all__ = ["LoadedModel", "ModelSnapshot", "ModelStore", "ReaderFactory"]

log = logging.getLogger(__name__)


def _ignore(_version: ModelVersion) -> None:
    """Nobody wants to know."""


class ModelStore:
    """Holds the champion, the one before it and the challenger; `refresh` follows the registry.

    `snapshot`, `current` and `looks` are for any thread; `boot` and `refresh` belong to one.

    Args:
        champion: the alias whose version decides.
        reader_factory: makes a model's own reader of features.
        on_change: told of each new champion.
        challenger: the alias whose version is scored in shadow and decides for the canary; None follows none.
        canary_share: share of clients for whom the challenger decides.
    """

    def __init__(
        self,
        champion: ModelSource,
        reader_factory: ReaderFactory,
        on_change: Callable[[ModelVersion], None] = _ignore,
        *,
        challenger: ModelSource | None = None,
        canary_share: float = 0.0,
    ) -> None:
        self.looks = Looks()
        self._champion = champion
        self._challenger = challenger
        self._reader_factory = reader_factory
        self._on_change = on_change
        self._snapshot = ModelSnapshot(canary_share=canary_share)
        self._warm: dict[RegisteredVersion, LoadedModel] = {}
        self._serving: RegisteredVersion | None = None
        self._before: RegisteredVersion | None = None
        self._challenging: RegisteredVersion | None = None
        self._refused: RegisteredVersion | None = None
        self._refused_challenger: RegisteredVersion | None = None
        self._champion_problem: str | None = None
        self._challenger_problem: str | None = None

    def snapshot(self) -> ModelSnapshot:
        """The models as they are now; one request, or one batch, asks once."""
        return self._snapshot

    def current(self) -> LoadedModel:
        """The champion.

        Raises:
            ModelNotReadyError: none is loaded yet.
        """
        snapshot = self._snapshot
        if snapshot.champion is None:
            raise ModelNotReadyError(snapshot.obstacle)
        return snapshot.champion

    @property
    def champion_problem(self) -> str | None:
        """Why the version that carries the champion's alias is refused, so that the one before still decides."""
        return self._champion_problem

    @property
    def challenger_problem(self) -> str | None:
        """Why the version that carries the challenger's alias is not loaded."""
        return self._challenger_problem

    def previous(self) -> LoadedModel | None:
        """The model before the last change, if there was one."""
        return self._snapshot.previous

    def explain(self, obstacle: CreditError) -> None:
        """Tell callers why there is no model yet."""
        bare = CreditError(str(obstacle))  # the obstacle itself holds what its stack held, a bundle perhaps
        bare.code = obstacle.code
        self._snapshot = replace(self._snapshot, obstacle=bare)

    def boot(self) -> bool:
        """Load what the cache remembers; whether there was a champion."""
        found = self._recalled(self._champion, self._champion.remembered)
        if found is not None:
            self._crown(found)
            self._before = self._recalled(self._champion, self._champion.remembered_previous)
        if self._challenger is not None:
            self._challenging = self._recalled(self._challenger, self._challenger.remembered)
        self._publish()
        return found is not None

    def refresh(self) -> bool:
        """Resolve the aliases; load the versions they name if those are others. Whether the champion changed.

        A challenger that cannot be loaded is told in `challenger_problem` and the log, never raised.

        Raises:
            RegistryError: the registry does not answer or names no champion; the models stay.
            CreditError: the new champion's bundle is refused; the champion stays.
        """
        before = self._snapshot
        changed = self._follow_champion()
        if self._challenger is not None:
            self._follow_challenger(self._challenger)
        if self._snapshot is not before:
            self._champion.prune()
        return changed

    def _follow_champion(self) -> bool:
        found = self._champion.resolve()
        if found == self._refused:
            return False
        self._champion_problem = None
        if found == self._serving:
            return False
        try:
            self._bring(self._champion, found)
        except RegistryError:
            raise
        except CreditError as error:
            self._refused, self._champion_problem = found, str(error)
            raise
        self._refused = None
        self._crown(found)
        self._champion.remember(self._pointer(found), None if self._before is None else self._pointer(self._before))
        return True

    def _follow_challenger(self, source: ModelSource) -> None:
        try:
            found = source.resolve()
        except NoChampionError:
            self._refused_challenger = None
            self._dismiss(source)
            return
        except RegistryError as error:  # the challenger stays: nothing says that it is no longer one
            log.warning("the challenger is not followed just now: %s", error)
            return
        if found in (self._challenging, self._refused_challenger):
            return
        try:
            self._challenge(source, found)
        except RegistryError as error:
            log.warning("the challenger is not followed just now: %s", error)
        except Exception as error:  # whatever is wrong with a challenger, the champion answers
            log.warning("version %s is refused as challenger: %s", found.version, error)
            self._refused_challenger = found
            self._dismiss(source, f"version {found.version} is refused: {error}")

    def _challenge(self, source: ModelSource, found: RegisteredVersion) -> None:
        self._bring(source, found)
        self._challenging, self._refused_challenger, self._challenger_problem = found, None, None
        self._publish()
        source.remember(self._pointer(found))
        log.info("the challenger is %s version %s", found.name, found.version)

    def _dismiss(self, source: ModelSource, problem: str | None = None) -> None:
        self._challenger_problem = problem
        if self._challenging is not None:
            self._challenging = None
            self._publish()
            source.forget()

    def _bring(self, source: ModelSource, found: RegisteredVersion) -> None:
        """Make `found` warm: verified, loaded and tried, unless it is."""
        if found not in self._warm:
            version, bundle = source.bring(found)
            self._warm[found] = make_ready(bundle, version, self._reader_factory)

    def _recalled(self, source: ModelSource, remembered: Callable[[], Pointer | None]) -> RegisteredVersion | None:
        """The version that a pointer of the cache names, warm; None if there is none that can be used."""
        try:
            pointer = remembered()
            if pointer is None:
                return None
            if pointer.registered not in self._warm:
                model = make_ready(source.load(pointer), pointer.model, self._reader_factory)
                self._warm[pointer.registered] = model
        except CreditError as error:
            log.warning("a cached model is not used: %s", error)
            return None
        return pointer.registered

    def _crown(self, found: RegisteredVersion) -> None:
        """Let `found` decide from now on."""
        if self._serving is not None:
            self._before = self._serving
        self._serving = found
        self._publish()
        version = self._warm[found].version
        self._on_change(version)
        log.info("serving %s version %s, bundle %s", version.name, version.version, version.bundle[:12])

    def _publish(self) -> None:
        """One assignment, so that no request sees half of a change; models without a role are let go."""
        challenging = None if self._challenging == self._serving else self._challenging
        self._snapshot = ModelSnapshot(
            champion=self._role(self._serving),
            challenger=self._role(challenging),
            previous=self._role(self._before),
            canary_share=self._snapshot.canary_share,
        )
        roles = (self._serving, self._before, self._challenging)
        self._warm = {found: model for found, model in self._warm.items() if found in roles}

    def _role(self, found: RegisteredVersion | None) -> LoadedModel | None:
        return None if found is None else self._warm[found]

    def _pointer(self, found: RegisteredVersion) -> Pointer:
        return Pointer.of(found, self._warm[found].version)
