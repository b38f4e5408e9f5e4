"""What the catalogue is made of: features, the relations they aggregate, views."""

from datetime import timedelta
from functools import cached_property
from typing import Literal

from credit.schemas.features import Frozen, MissingPolicy, ViewColumn, ViewSpec

#: Types that a feature may have in the offline and online stores.
FeatureType = Literal["float32", "int32", "int64", "string"]
#: What lending law protects, as far as the tables tell it.
ProtectedAttribute = Literal["gender", "age", "family_status", "children"]


class Relation(Frozen):
    """Rows that features aggregate: `aggregates/relations/<name>.sql` makes them, each row tied to one spine row.

    `windows` maps a window's name to the condition that its rows meet. A relation with `single_row` holds at most one
    row per spine row, so that its features are plain expressions instead of aggregates.
    """

    name: str
    description: str
    windows: dict[str, str]
    single_row: bool = False


class Feature(Frozen):
    """One feature: an SQL expression over the rows of `relation` inside `window`.

    `sources` are raw columns as `table.COLUMN`. `empty` is the value of a spine row without any row in the window:
    0 for counts, null for all else.

    A `protected` feature is never part of a decision. `proxy_for` names the protected attributes that a feature stands
    for though it is none of them; one that a decision reads all the same says in `kept_because` why.
    """

    name: str
    type: FeatureType
    window: str
    relation: str
    meaning: str
    sources: tuple[str, ...]
    sql: str
    empty: Literal[0] | None = None
    protected: bool = False
    proxy_for: tuple[ProtectedAttribute, ...] = ()
    kept_because: str = ""


class View(Frozen):
    """One feature view: rows of (client, as_of) with these features, in stored order."""

    name: str
    description: str
    owner: str
    ttl_hours: int
    tags: dict[str, str]
    missing_policy: MissingPolicy
    online: bool = True
    relations: tuple[Relation, ...]
    features: tuple[Feature, ...]

    @property
    def ttl(self) -> timedelta:
        """Age of a build beyond which a row counts as stale."""
        return timedelta(hours=self.ttl_hours)

    @property
    def spec(self) -> ViewSpec:
        """The view's online layout."""
        columns = tuple(ViewColumn(name=feature.name, type=feature.type) for feature in self.features)
        seconds = int(self.ttl.total_seconds())
        return ViewSpec(name=self.name, columns=columns, ttl_seconds=seconds, missing_policy=self.missing_policy)

    def relation(self, name: str) -> Relation:
        """The relation called `name`."""
        return next(relation for relation in self.relations if relation.name == name)


class Catalogue(Frozen):
    """Every feature view, in the order of the documentation and of the feature services."""

    views: tuple[View, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """View names in catalogue order."""
        return tuple(view.name for view in self.views)

    def view(self, name: str) -> View:
        """The view called `name`."""
        return next(view for view in self.views if view.name == name)


def online_view_specs(catalogue: Catalogue) -> tuple[ViewSpec, ...]:
    """Layouts of the views that the online store holds, in catalogue order; protected attributes stay offline."""
    return tuple(view.spec for view in catalogue.views if view.online)
