"""What must hold of the catalogue as a whole, beyond the shape of each entry."""

import re
from collections import Counter
from collections.abc import Iterator

from credit.schemas.raw import raw_tables
from feature_repo.catalogue.model import Catalogue, Feature, View
from feature_repo.catalogue.protection import PROTECTED_VIEW, protection_problems, relation_problems

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = {"sk_id_curr", "as_of", "created_ts", "spine_row"}


def problems_of(catalogue: Catalogue) -> list[str]:
    """Everything that is wrong with `catalogue`, each as one line that names the entry."""
    names = Counter(feature.name for view in catalogue.views for feature in view.features)
    repeated = [f"{name}: this name is used {count} times" for name, count in names.items() if count > 1]
    return repeated + [problem for view in catalogue.views for problem in _view_problems(view)]


def _view_problems(view: View) -> Iterator[str]:
    if view.ttl_hours < 1:
        yield f"{view.name}: ttl_hours must be at least 1"
    for text in ("description", "owner"):
        if not getattr(view, text).strip():
            yield f"{view.name}: {text} is empty"
    if view.online and view.name == PROTECTED_VIEW:
        yield f"{view.name}: protected attributes must not go online"
    for problem in relation_problems(view):
        yield f"{view.name}: {problem}"
    for feature in view.features:
        for problem in _feature_problems(view, feature):
            yield f"{view.name}.{feature.name}: {problem}"


def _feature_problems(view: View, feature: Feature) -> Iterator[str]:
    yield from _name_problems(feature)
    yield from _source_problems(feature)
    yield from protection_problems(view, feature)
    yield from _window_problems(view, feature)


def _name_problems(feature: Feature) -> Iterator[str]:
    if not _NAME.fullmatch(feature.name) or feature.name in _RESERVED:
        yield "the name must be lower snake case and none of " + ", ".join(sorted(_RESERVED))
    if not feature.meaning.strip():
        yield "meaning is empty"
    if not feature.sql.strip():
        yield "sql is empty"
    if feature.empty is not None and feature.type == "string":
        yield "a string has no empty value but null"


def _source_problems(feature: Feature) -> Iterator[str]:
    if not feature.sources:
        yield "sources are empty"
    for source in feature.sources:
        table, _, column = source.partition(".")
        raw = raw_tables().get("application_train" if table == "application" else table)
        if raw is None or column not in raw.column_names:
            yield f"source {source} is no column of a raw table"


def _window_problems(view: View, feature: Feature) -> Iterator[str]:
    relation = next((one for one in view.relations if one.name == feature.relation), None)
    if relation is None:
        yield f"relation {feature.relation} is not declared by the view"
    elif feature.window not in relation.windows:
        yield f"window {feature.window} is none of {', '.join(relation.windows)}"
