"""What an alias pointed at when it was last resolved: lets a replica boot while the registry is down."""

from pathlib import Path
from typing import Self

from credit.schemas.decision import ModelVersion
from credit.schemas.features import Frozen
from serving.registry import RegisteredVersion


class Pointer(Frozen):
    """What an alias pointed at when it was last resolved. `source` is the registry's identity of the version."""

    model: ModelVersion
    source: str

    @classmethod
    def of(cls, found: RegisteredVersion, model: ModelVersion) -> Self:
        """The pointer at a version that was brought from the registry."""
        return cls(model=model, source=found.source)

    @property
    def registered(self) -> RegisteredVersion:
        """The version as the registry knows it."""
        return RegisteredVersion(self.model.name, self.model.version, self.source)


def pointer_path(cache: Path, alias: str) -> Path:
    """The file of `alias` in a bundle cache."""
    return cache / f"{alias}.json"
