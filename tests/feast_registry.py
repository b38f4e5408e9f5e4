"""Registers the repo with Feast in this process: `creditctl features apply` takes longer, in one of its own."""

import warnings

from credit.platform import Home
from feature_repo.catalogue import load_catalogue


def register(home: Home) -> None:
    """What `definitions.py` collects, applied to the registry of a platform folder."""
    from feature_repo.entities import client_entity
    from feature_repo.feast_output import quiet_feast
    from feature_repo.feature_services import decision_service, fairness_service
    from feature_repo.feature_views import feature_views
    from feature_repo.on_demand_views import application_ratios_view
    from feature_repo.store import open_store

    catalogue, client = load_catalogue(), client_entity()
    views = feature_views(catalogue, home, client)
    ratios = application_ratios_view(views)
    services = [decision_service(catalogue, views, ratios), fairness_service(catalogue, views)]
    home.feast_registry.parent.mkdir(parents=True, exist_ok=True)
    with quiet_feast(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="On demand feature view is an experimental", category=RuntimeWarning)
        open_store(home).apply([client, *views.values(), ratios, *services])
