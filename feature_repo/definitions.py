"""The Feast repo: the only file that `feast apply` imports.

Feast collects the Feast objects among this module's names; a new view in the catalogue needs no change here.
"""

import os

from credit.errors import SettingsError
from credit.platform import Home
from feature_repo.catalogue import load_catalogue
from feature_repo.entities import client_entity
from feature_repo.feature_services import decision_service, fairness_service
from feature_repo.feature_views import feature_views
from feature_repo.on_demand_views import application_ratios_view

if not os.environ.get("CREDIT_HOME"):  # Feast changes into this folder: a relative default would put the registry here.
    raise SettingsError("export CREDIT_HOME=/absolute/path/of/the/platform/folder before calling feast")

_catalogue = load_catalogue()
client = client_entity()
_views = feature_views(_catalogue, Home.current(), client)
globals().update(_views)
application_ratios = application_ratios_view(_views)
credit_scoring_v1 = decision_service(_catalogue, _views, application_ratios)
fairness_v1 = fairness_service(_catalogue, _views)
