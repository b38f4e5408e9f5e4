"""Compiles a view of the catalogue into one SQL query, whose only parameter is the spine.

The query reads the tables `spine` (spine_row, SK_ID_CURR, as_of_us) and the event tables by their names. It gives
one row per spine row, in spine order, with the view's features in catalogue order and types.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from feature_repo.catalogue import Feature, Relation, View

_SQL_TYPES = {"float32": "FLOAT", "int32": "INTEGER", "int64": "BIGINT", "string": "VARCHAR"}


@dataclass(frozen=True)
class Group:
    """The features that aggregate the rows of one relation inside one window."""

    relation: Relation
    window: str
    features: tuple[Feature, ...]

    @property
    def name(self) -> str:
        """The group's name in the query."""
        return f"{self.relation.name}_in_{self.window}"


def view_sql(view: View) -> str:
    """The query that computes every feature of `view`."""
    groups = tuple(_groups(view))
    queries = [_relation_sql(relation, groups, view.relations) for relation in view.relations]
    queries += [_group_sql(group) for group in groups]
    joins = [f"LEFT JOIN {group.name} USING (spine_row)" for group in groups]
    columns = [_column_sql(feature) for feature in view.features]
    return "\n".join(
        ["WITH " + ",\n".join(queries), "SELECT", ",\n".join(columns), "FROM spine", *joins, "ORDER BY spine_row"]
    )


def macros_sql() -> str:
    """The macros that relations and features use; to be run once per connection."""
    return _sql_text("macros")


def event_tables(view: View) -> tuple[str, ...]:
    """Names of the event tables that the view's features come from, sorted."""
    return tuple(sorted({source.partition(".")[0] for feature in view.features for source in feature.sources}))


def _groups(view: View) -> Iterator[Group]:
    for relation in view.relations:
        for window in relation.windows:
            chosen = [one for one in view.features if (one.relation, one.window) == (relation.name, window)]
            if chosen:
                yield Group(relation, window, tuple(chosen))


def _relation_sql(relation: Relation, groups: tuple[Group, ...], relations: tuple[Relation, ...]) -> str:
    """Rows that several windows or later relations read are computed once."""
    readers = sum(group.relation.name == relation.name for group in groups)
    readers += sum(
        bool(re.search(rf"\b{relation.name}\b", _sql_text(one.name))) for one in relations if one != relation
    )
    return f"{relation.name} AS {'MATERIALIZED ' if readers > 1 else ''}(\n{_sql_text(relation.name)})"


def _group_sql(group: Group) -> str:
    columns = ",\n".join(f"    {feature.sql.strip()} AS {feature.name}" for feature in group.features)
    condition = group.relation.windows[group.window]
    grouping = "" if group.relation.single_row else "\nGROUP BY spine_row"
    query = f"SELECT\n    spine_row,\n{columns}\nFROM {group.relation.name}\nWHERE {condition}{grouping}"
    return f"{group.name} AS (\n{query}\n)"


def _column_sql(feature: Feature) -> str:
    """The feature in its stored type: null instead of NaN and infinity, `empty` instead of null."""
    value = f"CAST({feature.name} AS {_SQL_TYPES[feature.type]})"
    if feature.type == "float32":
        value = f"CASE WHEN isfinite({feature.name}::DOUBLE) THEN TRY_CAST({feature.name} AS FLOAT) END"
    if feature.empty is not None:
        value = f"coalesce({value}, {feature.empty})"
    return f"    {value} AS {feature.name}"


def _sql_text(name: str) -> str:
    return files("feature_repo.aggregates").joinpath("relations", f"{name}.sql").read_text("utf-8")
