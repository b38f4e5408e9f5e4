"""The way back: the version that was champion before decides again."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from credit.errors import BundleError, RegistryError
from training.governance.champion_move import move_champion
from training.governance.history import history, succession
from training.governance.records import Attempt
from training.registry import Registry


@dataclass(frozen=True, slots=True)
class Rollback:
    """What was done: version `version` decides again, `replaced` did until now."""

    version: str
    replaced: str
    record: str


def rollback(registry: Registry, *, public_key: Ed25519PublicKey, who: str, why: str) -> Rollback:
    """Let the version before the champion decide again, as the governance records tell; repeated, it goes further back.

    Args:
        registry: holds both versions.
        public_key: verifies the bundle gone back to.
        who: answers for it.
        why: kept on record.

    Raises:
        RegistryError: there is no champion or none before it, or MLflow cannot be reached. No alias moved.
        BundleError: the bundle gone back to cannot be verified. No alias moved.
    """
    champion = registry.champion()
    if champion is None:
        raise RegistryError("there is no champion to go back from: `creditctl models promote VERSION` makes one")
    line = succession(history(registry), champion.version)
    if len(line) < 2:
        raise RegistryError(
            f"no version was champion before version {champion.version} on record: see `creditctl models history`"
        )
    target = line[-2]
    _verify(registry, target, public_key)
    attempt = Attempt(
        action="rolled_back",
        from_version=champion.version,
        to_version=target,
        who=who,
        why=why,
        verdict="not judged",
    )
    return Rollback(target, champion.version, move_champion(registry, attempt))


def _verify(registry: Registry, version: str, public_key: Ed25519PublicKey) -> None:
    try:
        registry.load(version, public_key)
    except BundleError as error:
        raise BundleError(
            f"version {version}, champion before, cannot be verified and was not restored: {error}; choose another "
            "with `creditctl models promote VERSION`"
        ) from error
