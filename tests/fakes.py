"""Fakes of our own ports."""

from collections.abc import Callable, Sequence
from pathlib import Path

from credit.errors import CreditError, RegistryError
from credit.schemas.decision import DecisionRecord
from credit.schemas.features import ViewBatch
from serving.decision_log import Entry
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


class FakeRegistry:
    """Holds one alias; `fetch` copies a bundle by the given function."""

    def __init__(self, fetch: Callable[[str, Path], object]) -> None:
        self.version: str | None = None
        self.down = False
        self.fetched: list[str] = []
        self._fetch = fetch

    def resolve(self, name: str, alias: str) -> RegisteredVersion:
        if self.down:
            raise RegistryError("the registry does not answer")
        if self.version is None:
            raise NoChampionError("no champion: run `creditctl train`")
        return RegisteredVersion(name, self.version, f"source {self.version}")

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        self.fetched.append(version.version)
        self._fetch(version.version, target)
