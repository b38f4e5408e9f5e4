"""The model that answers: loaded from the cache, followed in the registry, swapped whole."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from credit.bundle.bundle import Bundle
from credit.errors import CreditError, ModelNotReadyError, RegistryError
from credit.schemas.decision import ModelVersion
from credit.schemas.features import FeatureReader, ViewSpec
from credit.scoring import Scorer
from serving.champion import ChampionSource
from serving.pointer import Pointer
from serving.registry import RegisteredVersion
from serving.warmup import empty_rows

log = logging.getLogger(__name__)


def _ignore(_version: ModelVersion) -> None:
    """Nobody wants to know."""


ReaderFactory = Callable[[tuple[ViewSpec, ...]], FeatureReader]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One model version with all that a request needs of it; a request uses one snapshot from start to end."""

    scorer: Scorer
    reader: FeatureReader
    version: ModelVersion

    @property
    def bundle(self) -> Bundle:
        """The verified bundle."""
        return self.scorer.bundle


class ModelStore:
    """Holds the current model and the one before it; `refresh` follows the registry.

    `current` may be read by any thread; `boot` and `refresh` belong to one. `on_change` is told of each swap.
    """

    def __init__(
        self,
        champion: ChampionSource,
        reader_factory: ReaderFactory,
        on_change: Callable[[ModelVersion], None] = _ignore,
    ) -> None:
        self._champion = champion
        self._reader_factory = reader_factory
        self._on_change = on_change
        self._current: LoadedModel | None = None
        self._previous: LoadedModel | None = None
        self._loaded: RegisteredVersion | None = None
        self._obstacle: CreditError | None = None
        self._refused: RegisteredVersion | None = None

    def current(self) -> LoadedModel:
        """The model that answers now.

        Raises:
            ModelNotReadyError: none is loaded yet.
        """
        model = self._current
        if model is None:
            raise ModelNotReadyError(self._obstacle)
        return model

    def previous(self) -> LoadedModel | None:
        """The model before the last change, if there was one."""
        return self._previous

    def explain(self, obstacle: CreditError) -> None:
        """Tell callers why there is no model yet."""
        self._obstacle = obstacle

    def boot(self) -> bool:
        """Load what the cache remembers; whether there was something good."""
        try:
            pointer = self._champion.remembered()
            if pointer is not None:
                self._load(pointer)
        except CreditError as error:
            log.warning("the cached model is not used: %s", error)
            return False
        return pointer is not None

    def refresh(self) -> bool:
        """Resolve the alias; load the version it names if that is another one. Whether the model changed.

        Raises:
            RegistryError: the registry does not answer or names no version; the current model stays.
            CreditError: the new version's bundle is refused; the current model stays.
        """
        found = self._champion.resolve()
        if found in (self._loaded, self._refused):
            return False
        try:
            pointer = self._champion.fetch(found)
            self._load(pointer)
        except RegistryError:
            raise
        except CreditError:
            self._refused = found
            raise
        self._refused = None
        self._champion.remember(pointer)
        return True

    def _load(self, pointer: Pointer) -> None:
        """Verify, warm and swap: one assignment, so that no request sees half of a change."""
        version = pointer.model
        bundle = self._champion.load(version.bundle)
        model = LoadedModel(Scorer(bundle), self._reader_factory(bundle.contract.views), version)
        model.scorer.score(empty_rows(bundle.contract.views), [1])
        # The one before keeps its reader open: requests that hold that snapshot may still be running.
        retired, self._previous = self._previous, self._current
        self._current = model
        self._loaded = pointer.registered
        if retired is not None:
            retired.reader.close()
        self._on_change(version)
        log.info("serving %s version %s, bundle %s", version.name, version.version, version.bundle[:12])


class ModelWatcher:
    """A thread that boots the store, then refreshes it every `seconds` until stopped."""

    def __init__(self, store: ModelStore, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-watcher", daemon=True)
        self._complaint: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._thread.join(timeout=10)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._store.boot()
        while not self._stop.is_set():
            self._refresh()
            self._stop.wait(self._seconds)

    def _refresh(self) -> None:
        try:
            self._store.refresh()
        except CreditError as error:
            self._store.explain(error)
            self._complain(str(error))
        except Exception:
            log.exception("following the model registry failed; the current model stays")
        else:
            self._complaint = None

    def _complain(self, text: str) -> None:
        """Log a lasting problem once, not at every look."""
        if text != self._complaint:
            log.warning("the model stays as it is: %s", text)
            self._complaint = text
