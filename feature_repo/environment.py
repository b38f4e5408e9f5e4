"""What feature_store.yaml takes from the environment."""

from credit.platform import Home
from feature_repo.settings import FeatureSettings


def feast_environment(home: Home) -> dict[str, str]:
    """Names and values for Feast, which knows no defaults: an unset ${NAME} would stay as text."""
    settings = FeatureSettings()
    names = {
        "CREDIT_HOME": str(home.root.absolute()),
        "FEATURES_REDIS_URL": settings.redis_url,
        "FEATURES_KEY_TTL_SECONDS": str(settings.key_ttl_seconds),
    }
    if settings.redis_password is not None:
        names["FEATURES_REDIS_PASSWORD"] = settings.redis_password.get_secret_value()
    return names
