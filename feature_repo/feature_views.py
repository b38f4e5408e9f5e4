"""Feast feature views, one per view of the catalogue."""

from datetime import timedelta
from typing import Final

from feast import Entity, FeatureView, Field

from credit.errors import FeatureError
from credit.platform import Home
from feature_repo.catalogue import Catalogue, Feature, View
from feature_repo.online.specs import FEAST_TYPES, MISSING_POLICY_TAG, TTL_TAG
from feature_repo.sources import batch_source, push_source

#: Feast's own limit on a row's age in a point-in-time join, and how far back a first `materialize-incremental` looks.
#: A client's row stays true until its next event, so this only has to exceed the age of the oldest application; the
#: freshness limit of a build is the catalogue's, carried as a tag and enforced by the reader.
HISTORY: Final = timedelta(days=20 * 365)

#: Feast's DuckDB store drops columns with these endings while it joins.
_LOST_ENDINGS: Final = ("_y", "_yyyy")


def feature_views(catalogue: Catalogue, home: Home, client: Entity) -> dict[str, FeatureView]:
    """Feature views by name, in catalogue order.

    Raises:
        FeatureError: a feature has a name that Feast would lose.
    """
    return {view.name: _feature_view(view, home, client) for view in catalogue.views}


def _feature_view(view: View, home: Home, client: Entity) -> FeatureView:
    lost = [feature.name for feature in view.features if feature.name.endswith(_LOST_ENDINGS)]
    if lost:
        raise FeatureError(f"view {view.name}: Feast's DuckDB store loses names ending in _y; rename {', '.join(lost)}")
    policy = {TTL_TAG: str(int(view.ttl.total_seconds())), MISSING_POLICY_TAG: view.missing_policy}
    return FeatureView(
        name=view.name,
        entities=[client],
        ttl=HISTORY,
        schema=[
            Field(
                name=feature.name,
                dtype=FEAST_TYPES[feature.type],
                description=feature.meaning,
                tags=_feature_tags(feature),
            )
            for feature in view.features
        ],
        source=push_source(view, home) if view.online else batch_source(view, home),
        online=view.online,
        description=view.description,
        owner=view.owner,
        tags=view.tags | policy,
    )


def _feature_tags(feature: Feature) -> dict[str, str]:
    protected = {"protected": "true"} if feature.protected else {}
    proxy = {"proxy_for": ",".join(feature.proxy_for)} if feature.proxy_for else {}
    return {"window": feature.window} | protected | proxy
