"""The Feast store of a platform folder to which features were applied."""

from feast import FeatureStore

from credit.errors import FeatureError
from credit.platform import Home
from feature_repo.feast_output import quiet_feast
from feature_repo.store import open_store


def registered_store(home: Home) -> FeatureStore:
    """As `open_store`, for those who cannot do without registered views.

    Raises:
        FeatureError: no view is registered.
    """
    try:
        with quiet_feast():
            store = open_store(home)
            found = store.list_feature_views()
    except FileNotFoundError:  # Feast's registry file, and the folder in which it would make one
        found = []
    if not found:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    return store
