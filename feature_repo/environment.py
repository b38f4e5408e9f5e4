"""What feature_store.yaml takes from the environment."""

from credit.platform import Home
from feature_repo.settings import FeatureSettings


def feast_environment(home: Home) -> dict[str, str]:
    """Names and values for Feast, which knows no defaults: an unset ${NAME} would stay as text."""
    settings = FeatureSettings()
    names = {
        "CREDIT_HOME": str(home.root.absolute()),
        "FEATURES_KEY_TTL_SECONDS": str(settings.key_ttl_seconds),
    }
    return names | settings.redis_environment()
