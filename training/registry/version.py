"""What the registry tells of one version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version, for people and machines. `created` is UTC."""

    name: str
    version: str
    aliases: tuple[str, ...]
    created: datetime
    run_id: str
    tags: dict[str, str]


def version_of(found: ModelVersion, aliases: Mapping[str, str]) -> Version:
    """Describe what MLflow found.

    Args:
        found: the version.
        aliases: version number by alias, of the whole registered model.
    """
    return Version(
        name=found.name,
        version=str(found.version),
        aliases=tuple(sorted(alias for alias, number in aliases.items() if str(number) == str(found.version))),
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=UTC),
        run_id=found.run_id or "",
        tags=dict(found.tags),
    )
