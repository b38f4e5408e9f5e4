"""Protected attributes and their proxies: which columns no decision may read, or only through a macro.

`creditctl features proxies` measures what tells a protected attribute; docs/adr/0003 holds the figures and the rule.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

from feature_repo.catalogue.model import Feature, ProtectedAttribute, View

#: Attributes that lending law protects: kept for fairness monitoring, never part of a decision.
PROTECTED_COLUMNS = frozenset({"CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS", "CNT_CHILDREN", "CNT_FAM_MEMBERS"})
#: Columns, in any table, that stand for a protected attribute by meaning or by measurement.
PROXY_COLUMNS: Mapping[str, tuple[ProtectedAttribute, ...]] = {
    "NAME_TYPE_SUITE": ("family_status", "children"),
    "NAME_INCOME_TYPE": ("age",),
    "FLAG_EMP_PHONE": ("age",),
    "OCCUPATION_TYPE": ("gender", "age"),
}
#: Columns of which one value tells age (no employment); the macro puts its clients among many others.
VEILED_COLUMNS: Mapping[str, str] = {"DAYS_EMPLOYED": "time_in_work", "ORGANIZATION_TYPE": "line_of_business"}
#: The only view that may hold protected attributes and proxies.
PROTECTED_VIEW = "demographics"

_BELONGS = f"belongs into {PROTECTED_VIEW} only"
_COMMENT = re.compile(r"--.*")


def protection_problems(view: View, feature: Feature) -> Iterator[str]:
    """What makes `feature` unfit for its view: a protected column or proxy in a decision, or an undeclared one."""
    if view.name == PROTECTED_VIEW:
        yield from _fairness_problems(feature)
        return
    if feature.protected:
        yield f"a protected attribute {_BELONGS}"
    yield from _column_problems(feature.sql, {source.partition(".")[2] for source in feature.sources})
    if bool(feature.proxy_for) != bool(feature.kept_because):
        yield "a proxy may stay in a decision only with both proxy_for and kept_because"


def relation_problems(view: View) -> Iterator[str]:
    """Protected columns in the rows and windows that the features of a decision's view aggregate."""
    if view.name == PROTECTED_VIEW:
        return
    for relation in view.relations:
        text = "\n".join([_relation_sql(relation.name), *relation.windows.values()])
        for problem in _column_problems(text, set()):
            yield f"relation {relation.name}: {problem}"


def _fairness_problems(feature: Feature) -> Iterator[str]:
    if not feature.protected:
        yield f"every feature of {PROTECTED_VIEW} is protected: say protected = true"
    columns = {source.partition(".")[2] for source in feature.sources}
    if not columns & PROTECTED_COLUMNS and not feature.proxy_for:
        yield "say which protected attribute it stands for: proxy_for"
    for column in sorted(columns & set(PROXY_COLUMNS)):
        if set(feature.proxy_for) != set(PROXY_COLUMNS[column]):
            yield f"{column} is a proxy for {', '.join(PROXY_COLUMNS[column])}: proxy_for must say so"


def _column_problems(sql: str, sources: set[str]) -> Iterator[str]:
    """Problems of one SQL text; names are compared as the engine does, whatever their case."""
    bare = sql
    for column, macro in VEILED_COLUMNS.items():
        bare = re.sub(rf"\b{macro}\s*\(\s*{column}\s*\)", "", bare, flags=re.IGNORECASE)
    words = {word.upper() for word in re.findall(r"\w+", bare)}
    if (words | sources) & PROTECTED_COLUMNS:
        yield f"a protected attribute {_BELONGS}"
    for column in sorted((words | sources) & set(PROXY_COLUMNS)):
        yield f"{column} is a proxy for {', '.join(PROXY_COLUMNS[column])}: it {_BELONGS}"
    for column, macro in VEILED_COLUMNS.items():
        if column in words or (column in sources and bare == sql):
            yield f"{column} tells age where it says 'no employment': a decision reads it as {macro}({column})"


def _relation_sql(name: str) -> str:
    """The relation's SQL without comments; empty while there is no such file."""
    path = files("feature_repo.aggregates").joinpath("relations", f"{name}.sql")
    return _COMMENT.sub("", path.read_text("utf-8")) if path.is_file() else ""
