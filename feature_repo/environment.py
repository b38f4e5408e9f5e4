"""What feature_store.yaml takes from the environment."""

from typing import Final

from pydantic import SecretStr

from credit.platform import Home
from feature_repo.settings import FeatureSettings

_REDIS: Final = (
    "redis_url",
    "redis_password",
    "redis_sentinel_password",
    "redis_ca_file",
    "redis_cert_file",
    "redis_key_file",
    "redis_check_hostname",
)


def feast_environment(home: Home) -> dict[str, str]:
    """Names and values for Feast, which knows no defaults: an unset ${NAME} would stay as text."""
    settings = FeatureSettings()
    names = {
        "CREDIT_HOME": str(home.root.absolute()),
        "FEATURES_KEY_TTL_SECONDS": str(settings.key_ttl_seconds),
    }
    return names | {
        f"FEATURES_{name.upper()}": _text(value) for name in _REDIS if (value := getattr(settings, name)) is not None
    }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
