"""`creditctl features list` and `describe`: what the catalogue says, for people and machines."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from credit.errors import FeatureError, SettingsError
from feature_repo.catalogue import Catalogue, Feature, View, load_catalogue
from feature_repo.catalogue.cards import (
    Card,
    FeatureCard,
    RequestFeatureCard,
    ViewCard,
    card_of,
    feature_card,
    feature_tags,
    measured_on_text,
)
from feature_repo.catalogue.statistics import load_statistics, percent
from feature_repo.cli.options import JsonOption


def list_features(
    view: Annotated[list[str] | None, typer.Option(help="Only of this view; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag, as key=value; may be repeated.")] = None,
    protected: Annotated[bool, typer.Option("--protected", help="Only protected attributes.")] = False,
    grep: Annotated[str | None, typer.Option(help="Only with this text in name, meaning or sources.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the features that meet all conditions."""
    catalogue, statistics = load_catalogue(), load_statistics()
    chosen = [
        feature_card(one, feature, statistics)
        for one in _views(catalogue, view)
        for feature in one.features
        if _has_tags(one, feature, _tags(tag)) and (feature.protected or not protected) and _mentions(feature, grep)
    ]
    if as_json:
        typer.echo(json.dumps([card.model_dump(mode="json") for card in chosen], ensure_ascii=False))
        return
    Console().print(_list_table(chosen))


def describe(
    name: Annotated[str, typer.Argument(help="A feature or a view.")],
    as_json: JsonOption = False,
) -> None:
    """Tell everything about one feature or view."""
    catalogue, statistics = load_catalogue(), load_statistics()
    card = card_of(name, catalogue, statistics)
    size = _row_bytes(catalogue.view(card.name)) if isinstance(card, ViewCard) else None
    if as_json:
        extra = {} if size is None else {"online_row_bytes": size}
        measured = statistics.measured_on.model_dump(mode="json") if statistics.measured_on else None
        typer.echo(json.dumps(card.model_dump(mode="json") | extra | {"measured_on": measured}, ensure_ascii=False))
        return
    console = Console()
    table = Table(title=card.name, show_header=False)
    for label, text in _facts(card, size):
        table.add_row(label, Text(text))  # SQL may look like Rich's markup
    console.print(table)
    console.print(measured_on_text(statistics.measured_on), markup=False)


def _row_bytes(view: View) -> int:
    from feature_repo.catalogue.online_size import online_row_bytes  # pyarrow takes a moment to import

    return online_row_bytes(view)


def _views(catalogue: Catalogue, names: list[str] | None) -> tuple[View, ...]:
    unknown = sorted(set(names or ()) - set(catalogue.names))
    if unknown:
        raise FeatureError(f"no view is called {', '.join(unknown)}: choose from {', '.join(catalogue.names)}")
    return tuple(view for view in catalogue.views if not names or view.name in names)


def _tags(texts: list[str] | None) -> list[tuple[str, str]]:
    wrong = [text for text in texts or () if "=" not in text]
    if wrong:
        raise SettingsError(f"--tag {wrong[0]!r} is no key=value, like domain=bureau")
    return [(key, value) for key, _, value in (text.partition("=") for text in texts or ())]


def _has_tags(view: View, feature: Feature, wanted: list[tuple[str, str]]) -> bool:
    return set(wanted) <= set(feature_tags(view, feature).items())


def _mentions(feature: Feature, text: str | None) -> bool:
    words = (feature.name, feature.meaning, *feature.sources)
    return text is None or any(text.lower() in word.lower() for word in words)


def _list_table(cards: list[FeatureCard]) -> Table:
    """Names are never cut: people copy them. What does not fit beside them is in `describe` and --json."""
    table = Table(title=f"{len(cards)} features", box=SIMPLE, padding=0)
    table.add_column("feature", no_wrap=True)
    for heading in ("missing", "importance"):
        table.add_column(heading, justify="right")
    table.add_column("meaning")
    for before, card in zip([None, *cards], cards, strict=False):
        if before is None or before.view != card.view:
            table.add_section()
            table.add_row(Text(card.view, style="bold"))
        name = f"{card.name} (protected)" if card.protected else card.name
        table.add_row(name, percent(card.missing), percent(card.importance), Text(card.meaning))
    return table


def _facts(card: Card, size: int | None) -> Iterator[tuple[str, str]]:
    if isinstance(card, ViewCard):
        yield from _view_facts(card, size or 0)
    elif isinstance(card, RequestFeatureCard):
        yield "view", f"{card.view} (on demand, computed with each request)"
        yield "inputs", ", ".join(card.inputs)
        yield from _end_facts(card)
    else:
        yield from _feature_facts(card)
        yield from _end_facts(card)


def _feature_facts(card: FeatureCard) -> Iterator[tuple[str, str]]:
    yield "meaning", card.meaning
    yield "view", card.view
    yield "type", card.type
    yield "rows", f"{card.relation}: {card.relation_description}"
    yield "window", card.window if card.condition == "true" else f"{card.window}: {card.condition}"
    yield "SQL", card.sql
    yield "without rows", "0" if card.value_without_rows == 0 else "null"
    yield "sources", ", ".join(card.sources)
    yield "owner", card.owner
    yield "TTL", f"{card.ttl_hours} h"
    yield "view missing", card.missing_policy
    yield "tags", ", ".join(f"{key}={value}" for key, value in card.tags.items())
    yield "protected", "yes: never part of a decision" if card.protected else "no"
    if card.proxy_for:
        yield "proxy for", ", ".join(card.proxy_for) + (f"; kept: {card.kept_because}" if card.kept_because else "")
    yield "online", _online(card)
    yield "share missing", percent(card.missing, 2)


def _online(card: FeatureCard) -> str:
    if not card.online:
        return "no"
    return "yes, the bytes of its text" if card.online_bytes is None else f"yes, {card.online_bytes} bytes"


def _end_facts(card: FeatureCard | RequestFeatureCard) -> Iterator[tuple[str, str]]:
    yield "importance", percent(card.importance, 2)
    yield "reason (en)", card.reason_en or "–"
    yield "reason (fr)", card.reason_fr or "–"
    yield "services", ", ".join(card.services) or "none: request-time features are computed from it"


def _view_facts(card: ViewCard, size: int) -> Iterator[tuple[str, str]]:
    yield "description", card.description
    yield "owner", card.owner
    yield "TTL", f"{card.ttl_hours} h"
    yield "when missing", card.missing_policy
    yield "tags", ", ".join(f"{key}={value}" for key, value in card.tags.items())
    yield "services", ", ".join(card.services)
    yield "online", f"yes, {size} bytes a client and its texts" if card.online else "no"
    yield "importance", percent(card.importance, 2)
    for relation in card.relations:
        yield f"rows: {relation.name}", relation.description
    yield f"{len(card.features)} features", ", ".join(card.features)
