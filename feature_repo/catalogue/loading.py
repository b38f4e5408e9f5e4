"""Reads the catalogue: one TOML file per view, one entry per feature."""

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import ValidationError

from credit.errors import FeatureError
from feature_repo.catalogue.checks import problems_of
from feature_repo.catalogue.model import Catalogue, View

#: Views in catalogue order; each is `views/<name>.toml`.
VIEW_NAMES = (
    "application",
    "bureau",
    "previous_application",
    "installments",
    "pos_cash",
    "credit_card",
    "demographics",
)


@cache
def load_catalogue() -> Catalogue:
    """The shipped catalogue, checked.

    Raises:
        FeatureError: lists everything that is wrong with the entries.
    """
    return read_catalogue(files("feature_repo.catalogue").joinpath("views"), VIEW_NAMES)


def read_catalogue(folder: Traversable, names: tuple[str, ...]) -> Catalogue:
    """The catalogue of the views `names`, each read from `<folder>/<name>.toml`, checked.

    Raises:
        FeatureError: lists everything that is wrong with the entries.
    """
    problems: list[str] = []
    views: list[View] = []
    for name in names:
        try:
            views.append(_view(tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8"))))
        except ValidationError as error:
            problems += [f"{name}: {_place(item['loc'])}: {item['msg']}" for item in error.errors()]
        except (tomllib.TOMLDecodeError, OSError, KeyError) as error:
            problems.append(f"{name}.toml cannot be read: {error!r}")
    catalogue = Catalogue(views=tuple(views))
    problems += problems_of(catalogue)
    if problems:
        raise FeatureError("\n  - ".join(["the feature catalogue has errors; correct these entries:", *problems]))
    return catalogue


def _view(document: dict[str, Any]) -> View:
    """A view from its TOML document; an entry takes what it does not say from `defaults`."""
    defaults = document.pop("defaults", {})
    entries = [_entry(defaults | entry) for entry in document.pop("feature")]
    relations = document.pop("relation", [])
    return View.model_validate(document | {"relations": tuple(relations), "features": tuple(entries)})


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose `sql`, when absent, is the column of its only source."""
    sources = tuple(entry.get("sources", ()))
    if "sql" not in entry and len(sources) == 1:
        entry = entry | {"sql": sources[0].partition(".")[2]}
    return entry | {"sources": sources, "proxy_for": tuple(entry.get("proxy_for", ()))}


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
