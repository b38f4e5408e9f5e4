"""`creditctl features freshness`: what was built when, and what serving would read now."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from credit.errors import GateRefusedError
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.statistics import percent
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home
from feature_repo.settings import FeatureSettings

if TYPE_CHECKING:
    from feature_repo.freshness import ViewFreshness

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
    table = Table("view", "TTL", "last build (UTC)", title=f"Freshness, {clients:,} clients looked at")
    for heading in ("present", "stale", "missing", "other schema"):
        table.add_column(heading, justify="right")
    for heading in ("as_of", "built (UTC)", "verdict"):
        table.add_column(heading)
    for one in found:
        table.add_row(one.view, f"{one.ttl_hours} h", _build(one), *_online(one), one.verdict)
    console = Console()
    console.print(table)
    if clients == 0:
        console.print("no client is online: run `creditctl features materialize`", markup=False)


def _build(one: "ViewFreshness") -> str:
    return "never" if one.last_build is None else f"{_text(one.last_build)} ({one.last_run})"


def _online(one: "ViewFreshness") -> list[str]:
    state = one.online
    if state is None or state.clients == 0:
        return ["–"] * 6
    shares = [percent(share) for share in (state.present, state.stale, state.missing, state.schema_mismatch)]
    return [*shares, _span(state.oldest_as_of, state.newest_as_of), _span(state.oldest_built, state.newest_built)]


def _span(oldest: datetime | None, newest: datetime | None) -> str:
    if oldest is None or newest is None:
        return "–"
    return _text(oldest) if oldest == newest else f"{_text(oldest)} to {_text(newest)}"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
