"""Models that are ready to answer, and which of them answers whom at one moment."""

import hashlib
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from credit.bundle.bundle import Bundle
from credit.errors import BundleError, CreditError, ModelNotReadyError
from credit.schemas.decision import ModelVersion
from credit.schemas.features import FeatureReader, ViewSpec
from credit.scoring import Scorer
from serving.warmup import empty_rows

ReaderFactory = Callable[[tuple[ViewSpec, ...]], FeatureReader]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LoadedModel:
    """One model version with all that a request needs of it; a request uses one snapshot from start to end."""

    scorer: Scorer
    reader: FeatureReader
    version: ModelVersion

    @property
    def bundle(self) -> Bundle:
        """The verified bundle."""
        return self.scorer.bundle


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """The models at one moment; whoever holds it sees no later change.

    Attributes:
        champion: decides; None while none is loaded.
        challenger: scored in shadow, and decides for the canary's clients; None when there is none, or it is the
            champion itself.
        previous: the champion before, warm for the way back.
        canary_share: share of clients for whom the challenger decides.
        obstacle: why there is no champion, if that is known.
    """

    champion: LoadedModel | None = None
    challenger: LoadedModel | None = None
    previous: LoadedModel | None = None
    canary_share: float = 0.0
    obstacle: CreditError | None = None

    def for_client(self, client_id: int) -> LoadedModel:
        """The model that decides about a client.

        Raises:
            ModelNotReadyError: none is loaded yet.
        """
        if self.champion is None:
            raise ModelNotReadyError(self.obstacle)
        if self.challenger is not None and in_share(f"canary {client_id}", self.canary_share):
            return self.challenger
        return self.champion

    def together(self, client_ids: Sequence[int]) -> list[list[int]]:
        """Positions of clients by the model that decides about them."""
        if self.champion is None or self.challenger is None or not self.canary_share:
            return [[*range(len(client_ids))]]
        sides: dict[int, list[int]] = {}
        for at, client_id in enumerate(client_ids):
            sides.setdefault(id(self.for_client(client_id)), []).append(at)
        return [*sides.values()]

    def shadow_of(self, model: LoadedModel) -> LoadedModel | None:
        """Who is to be compared with a decision of `model`: the challenger, if the champion made it."""
        return self.challenger if model is self.champion else None


def in_share(name: str, share: float) -> bool:
    """Whether `name` falls into a share of all names: always the same answer, and a larger share only adds names."""
    if share <= 0:
        return False
    drawn = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < share * 2**64


def make_ready(bundle: Bundle, version: ModelVersion, reader_factory: ReaderFactory) -> LoadedModel:
    """A model that has scored once; its reader is closed when the last request has let go of it.

    Raises:
        BundleError: it cannot score.
    """
    scorer = Scorer(bundle)
    try:
        scorer.score(empty_rows(bundle.contract.views), [1])
    except Exception as error:
        raise BundleError(f"{version.name} version {version.version} does not score: {error}") from error
    reader = reader_factory(bundle.contract.views)
    model = LoadedModel(scorer, reader, version)
    # Requests hold snapshots for as long as they take, so that no swap can tell when a reader is done.
    weakref.finalize(model, reader.close).atexit = False
    return model
