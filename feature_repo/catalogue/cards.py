"""Everything that the platform knows about one feature or view, from the catalogue alone: no engine, no feast."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, Literal

from credit.errors import FeatureError
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS
from credit.reason_codes import Language, reason_texts
from credit.schemas.features import Frozen, MissingPolicy
from feature_repo.catalogue.model import Catalogue, Feature, ProtectedAttribute, Relation, View
from feature_repo.catalogue.services import DECISION, services_of, services_of_view
from feature_repo.catalogue.statistics import MeasuredOn, Statistics

#: The on-demand view of the request-time features.
REQUEST_TIME: Final = "application_ratios"
#: Bytes of one online value; a text takes its own length.
_WIDTHS: Final = {"float32": 4, "int32": 4, "int64": 8}


class FeatureCard(Frozen):
    """One feature with the facts of its view. `online_bytes` is None for a text, and 0 where nothing goes online."""

    kind: Literal["feature"] = "feature"
    name: str
    view: str
    type: str
    meaning: str
    window: str
    condition: str
    relation: str
    relation_description: str
    sources: tuple[str, ...]
    sql: str
    value_without_rows: Literal[0] | None
    protected: bool
    proxy_for: tuple[ProtectedAttribute, ...]
    kept_because: str
    owner: str
    ttl_hours: int
    missing_policy: MissingPolicy
    tags: dict[str, str]
    services: tuple[str, ...]
    online: bool
    online_bytes: int | None
    missing: float | None
    importance: float | None
    reason_en: str | None
    reason_fr: str | None


class RequestFeatureCard(Frozen):
    """A feature that is computed from the request and the application form at the moment of scoring."""

    kind: Literal["request_feature"] = "request_feature"
    name: str
    view: str = REQUEST_TIME
    inputs: tuple[str, ...]
    services: tuple[str, ...]
    importance: float | None
    reason_en: str | None
    reason_fr: str | None


class ViewCard(Frozen):
    """One view. `importance` is the sum over its features."""

    kind: Literal["view"] = "view"
    name: str
    description: str
    owner: str
    ttl_hours: int
    missing_policy: MissingPolicy
    tags: dict[str, str]
    services: tuple[str, ...]
    online: bool
    protected: bool
    importance: float | None
    relations: tuple[Relation, ...]
    features: tuple[str, ...]


Card = FeatureCard | RequestFeatureCard | ViewCard


def card_of(name: str, catalogue: Catalogue, statistics: Statistics) -> Card:
    """The card of the feature or view called `name`.

    Raises:
        FeatureError: there is none; names the closest ones.
    """
    if name in catalogue.names:
        return view_card(catalogue.view(name), statistics)
    if name in RATIO_OUTPUTS:
        return _request_card(name, statistics)
    found = [view for view in catalogue.views if any(feature.name == name for feature in view.features)]
    if found:
        feature = next(feature for feature in found[0].features if feature.name == name)
        return feature_card(found[0], feature, statistics)
    raise FeatureError(f"no feature or view is called {name}{_suggestion(name, catalogue)}")


def feature_card(view: View, feature: Feature, statistics: Statistics) -> FeatureCard:
    """The card of one feature of `view`."""
    relation = view.relation(feature.relation)
    return FeatureCard(
        name=feature.name,
        view=view.name,
        type=feature.type,
        meaning=feature.meaning,
        window=feature.window,
        condition=relation.windows[feature.window],
        relation=relation.name,
        relation_description=relation.description,
        sources=feature.sources,
        sql=feature.sql.strip(),
        value_without_rows=feature.empty,
        protected=feature.protected,
        proxy_for=feature.proxy_for,
        kept_because=feature.kept_because,
        owner=view.owner,
        ttl_hours=view.ttl_hours,
        missing_policy=view.missing_policy,
        tags=feature_tags(view, feature),
        services=services_of(feature),
        online=view.online,
        online_bytes=_WIDTHS.get(feature.type) if view.online else 0,
        missing=statistics.missing.get(feature.name),
        importance=statistics.importance.get(feature.name),
        reason_en=_reason(feature.name, "en"),
        reason_fr=_reason(feature.name, "fr"),
    )


def view_card(view: View, statistics: Statistics) -> ViewCard:
    """The card of one view."""
    return ViewCard(
        name=view.name,
        description=view.description,
        owner=view.owner,
        ttl_hours=view.ttl_hours,
        missing_policy=view.missing_policy,
        tags=view.tags,
        services=services_of_view(view),
        online=view.online,
        protected=any(feature.protected for feature in view.features),
        importance=total_importance((feature.name for feature in view.features), statistics),
        relations=view.relations,
        features=tuple(feature.name for feature in view.features),
    )


def feature_tags(view: View, feature: Feature) -> dict[str, str]:
    """Tags of the view and of the feature, as Feast has them."""
    protected = {"protected": "true"} if feature.protected else {}
    proxy = {"proxy_for": ",".join(feature.proxy_for)} if feature.proxy_for else {}
    return view.tags | {"window": feature.window} | protected | proxy


def total_importance(names: Iterable[str], statistics: Statistics) -> float | None:
    """The sum over the features that were measured; None if none was."""
    found = [statistics.importance[name] for name in names if name in statistics.importance]
    return sum(found) if found else None


def measured_on_text(measured: MeasuredOn | None) -> str:
    """One sentence about where the figures come from."""
    if measured is None:
        return "Nothing was measured yet."
    return (
        f"Measured on {measured.data} data of {measured.clients:,} clients, present {measured.present:%Y-%m-%d}: share "
        f"missing over the {measured.rows:,} rows of run `{measured.run}`, importance (share of the mean absolute SHAP "
        f"values) from model `{measured.model}`, bundle `{measured.bundle[:12]}`, trained {measured.trained:%Y-%m-%d}."
    )


def _request_card(name: str, statistics: Statistics) -> RequestFeatureCard:
    return RequestFeatureCard(
        name=name,
        inputs=tuple(RATIO_INPUTS),
        services=(DECISION,),
        importance=statistics.importance.get(name),
        reason_en=_reason(name, "en"),
        reason_fr=_reason(name, "fr"),
    )


def _reason(name: str, language: Language) -> str | None:
    try:
        return reason_texts().text(name, language)
    except FeatureError:  # a protected attribute is never a reason
        return None


def _suggestion(name: str, catalogue: Catalogue) -> str:
    close = get_close_matches(name, _names(catalogue), n=3, cutoff=0.6)
    return f"; did you mean {', '.join(close)}?" if close else ": see `creditctl features list`"


def _names(catalogue: Catalogue) -> Sequence[str]:
    return [*catalogue.names, *(one.name for view in catalogue.views for one in view.features), *RATIO_OUTPUTS]
