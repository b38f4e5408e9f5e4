"""`creditctl features freshness`: what was built when, and what serving would read now."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from credit.errors import GateRefusedError
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.statistics import percent
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home
from feature_repo.settings import FeatureSettings

if TYPE_CHECKING:
    from feature_repo.freshness import OnlineState, ViewFreshness

_GOOD = ("fresh", "offline")


def freshness(
    sample: Annotated[int, typer.Option(min=1, help="Most clients to look at.")] = 2000,
    fail_on_stale: Annotated[
        bool, typer.Option("--fail-on-stale", help="Exit with 2 if a view is stale, incomplete or absent.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how fresh each view is: last build, rows online, verdict."""
    from feature_repo.freshness import freshness as measure  # pyarrow takes a moment to import
    from feature_repo.locations import offline_location

    folder = chosen_home(home)
    settings = FeatureSettings()
    found = measure(offline_location(folder, settings), load_catalogue().views, settings, sample)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found]))
    else:
        _show(found)
    late = [f"{one.view} ({one.verdict})" for one in found if one.verdict not in _GOOD]
    if fail_on_stale and late:
        raise GateRefusedError(
            f"not fresh: {', '.join(late)}; run `creditctl features build` and `creditctl features materialize`"
        )


def _show(found: "list[ViewFreshness]") -> None:
    clients = max((one.online.clients for one in found if one.online), default=0)
    table = Table(title=f"Freshness, {clients:,} clients looked at; times in UTC, all of them with --json")
    table.box, table.padding = SIMPLE, (0, 0)
    for heading in ("view", "verdict", "last build", "oldest online", "newest as_of"):
        table.add_column(heading, no_wrap=True)
    for one in found:
        built = "never" if one.last_build is None else _text(one.last_build)
        state = one.online
        oldest, newest = (state.oldest_built, state.newest_as_of) if state else (None, None)
        online = ("–" if oldest is None else _text(oldest), "–" if newest is None else f"{newest:%Y-%m-%d}")
        table.add_row(one.view, one.verdict, built, *online)
    console = Console()
    console.print(table)
    for one in found:
        if one.online and one.verdict in ("stale", "incomplete"):
            console.print(f"{one.view}: {_shares(one.online)}", markup=False)
    if clients == 0:
        console.print("no client is online: run `creditctl features materialize`", markup=False)


def _shares(state: "OnlineState") -> str:
    shares = {"stale": state.stale, "missing": state.missing, "of another schema": state.schema_mismatch}
    return ", ".join(f"{percent(share)} {name}" for name, share in shares.items() if share)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
