"""Feast's configuration: the file of the profile, and what that file takes from the environment."""

import os
from pathlib import Path
from typing import Final

from credit.platform import Home
from feature_repo.locations import offline_location
from feature_repo.settings import FeatureSettings

REPO: Final = Path(__file__).parent
_PROFILES: Final = {"local": REPO / "feature_store.yaml", "cluster": REPO / "feature_store.cluster.yaml"}


def profile_file(settings: FeatureSettings | None = None) -> Path:
    """Feast's configuration file of the profile that the settings name."""
    return _PROFILES[(settings or FeatureSettings()).profile]


def registry_address(home: Home, settings: FeatureSettings | None = None) -> str:
    """Feast's registry: a file, or the address of a database, which may carry a password."""
    chosen = settings or FeatureSettings()
    return chosen.registry if chosen.registry and chosen.profile == "cluster" else str(home.feast_registry)


def feast_environment(home: Home) -> dict[str, str]:
    """Names and values for Feast, which knows no defaults: an unset ${NAME} would stay as text."""
    settings = FeatureSettings()
    registry = registry_address(home, settings)
    names = {
        "CREDIT_HOME": str(home.root.absolute()),
        "CREDIT_FEAST_REGISTRY": registry,
        "CREDIT_FEAST_REGISTRY_TYPE": _registry_type(registry),
        "CREDIT_FEAST_RESULTS": str(offline_location(home, settings) / ".results"),
        "CREDIT_RAY_ADDRESS": settings.ray_address or os.environ.get("RAY_ADDRESS", ""),
        "FEATURES_KEY_TTL_SECONDS": str(settings.key_ttl_seconds),
    }
    names |= settings.redis_environment()
    if settings.storage_endpoint is not None:
        # What reads feature rows by itself, such as Ray Data, asks this variable.
        names["AWS_ENDPOINT_URL"] = settings.storage_endpoint
    return names


def _registry_type(address: str) -> str:
    """Feast keeps a registry file in s3:// and gs:// too; every other URL is SQLAlchemy's."""
    return "sql" if "://" in address and not address.startswith(("s3://", "gs://")) else "file"
