"""Fakes of our own ports."""

from collections.abc import Callable, Sequence
from pathlib import Path

from credit.errors import CreditError, RegistryError
from credit.schemas.decision import DecisionRecord
from credit.schemas.features import ViewBatch
from serving.decision_log import Entry
from serving.model_store import LoadedModel, ModelSnapshot
from serving.orders import Claim
from serving.registry import NoChampionError, RegisteredVersion


class FakeReader:
    """Answers the same views for every client, or raises."""

    def __init__(self, views: dict[str, ViewBatch], error: Exception | None = None) -> None:
        self.views = views
        self.error = error
        self.closed = False

    def read(self, client_ids: Sequence[int]) -> dict[str, ViewBatch]:
        self.ping()
        return self.views

    def ping(self) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


class FakeDecisionLog:
    """Keeps records in a list, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[DecisionRecord] = []
        self.claims: dict[Claim, DecisionRecord] = {}
        self.error = error

    def append(self, entries: Sequence[Entry]) -> list[DecisionRecord | CreditError]:
        self.ping()
        self.records += [entry.record for entry in entries]
        self.claims |= {entry.claim: entry.record for entry in entries if entry.claim is not None}
        return [entry.record for entry in entries]

    def claimed(self, claim: Claim) -> DecisionRecord | None:
        self.ping()
        return self.claims.get(claim)

    def ping(self) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        pass


class FakeModels:
    """A model store that always has one model, and perhaps a challenger."""

    def __init__(self, champion: LoadedModel, challenger: LoadedModel | None = None, canary_share: float = 0.0) -> None:
        self.now = ModelSnapshot(champion, challenger, canary_share=canary_share)

    def snapshot(self) -> ModelSnapshot:
        return self.now

    def current(self) -> LoadedModel:
        assert self.now.champion is not None
        return self.now.champion


class FakeRegistry:
    """Holds aliases; `fetch` copies a bundle by the given function.

    Attributes:
        version: which version is champion, if any.
        aliases: the other aliases.
    """

    def __init__(self, fetch: Callable[[str, Path], object]) -> None:
        self.version: str | None = None
        self.aliases: dict[str, str] = {}
        self.down = False
        self.fetched: list[str] = []
        self._fetch = fetch

    def resolve(self, name: str, alias: str) -> RegisteredVersion:
        if self.down:
            raise RegistryError("the registry does not answer")
        version = self.version if alias == "champion" else self.aliases.get(alias)
        if version is None:
            raise NoChampionError(f"no {alias}: run `creditctl train`")
        return RegisteredVersion(name, version, f"source {version}")

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        self.fetched.append(version.version)
        self._fetch(version.version, target)
