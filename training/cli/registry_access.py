"""What the commands about models share: the registry and the key that verifies, opened when a command runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from credit.platform import Home
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from credit.bundle.bundle import Bundle
    from training.registry import Registry, Version

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@dataclass(frozen=True, slots=True)
class Access:
    """One platform folder's registry, and the key that its bundles are verified with."""

    home: Home
    registry: "Registry"
    public_key: "Ed25519PublicKey"

    def load(self, wanted: str) -> "tuple[Version, Bundle]":
        """A version by number, alias or run id, with its verified bundle."""
        found = self.registry.find(wanted)
        return found, self.registry.load(found.version, self.public_key)


def open_registry(settings: TrainingSettings | None = None) -> "Registry":
    """The registry as set."""
    from training.registry import Registry

    settings = settings or TrainingSettings()
    return Registry(settings.mlflow_tracking_uri, settings.model_name)


def open_access() -> Access:
    """Registry and verifying key as set.

    Raises:
        BundleError: the key cannot be read.
        RegistryError: MLflow cannot be reached.
    """
    from credit.bundle.keys import load_public_key
    from training.keys import verifying_key

    settings, home = TrainingSettings(), Home.current()
    return Access(home, open_registry(settings), load_public_key(verifying_key(home, settings)))
