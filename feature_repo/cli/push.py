"""`creditctl features push`: fresh rows online at once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit.errors import FeatureError, SettingsError
from credit.platform import Home
from credit.progress import step
from feature_repo.catalogue import View, load_catalogue
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home

if TYPE_CHECKING:
    from feature_repo.push import PushOptions, PushReport

_SHOWN = 5


def push(
    application: Annotated[
        Path | None,
        typer.Option(
            help="New applications in the columns of application_test: JSON, JSON lines, CSV or Parquet. All online "
            "views of their clients are computed and pushed."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="When the applications were made (UTC unless it says). Default: the present of the data."),
    ] = None,
    view: Annotated[str | None, typer.Option(help="View that --rows belong to.")] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help="Rows computed elsewhere: SK_ID_CURR, as_of and every feature of --view."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Append the rows to the offline store too.")] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Without ingested events: take the clients to have no history.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put fresh rows online at once, before the night's build."""
    if (application is None) == (rows is None) or (rows is None) != (view is None):
        raise SettingsError("push either --application FILE, or --view NAME with --rows FILE")
    if rows is not None and (at or no_history):
        raise SettingsError("--at and --no-history belong to --application: --rows carry their own as_of")
    moment = None if at is None else _moment(at)
    chosen = None if view is None else _view(view)
    folder = chosen_home(home)
    from feature_repo.push import PushOptions  # feast takes seconds to import

    with step("push"):
        report = _push(folder, application, moment, chosen, rows, PushOptions(offline=offline, no_history=no_history))
    typer.echo(report.model_dump_json() if as_json else _text(report))


def _push(
    home: Home,
    application: Path | None,
    at: datetime | None,
    view: View | None,
    rows: Path | None,
    options: "PushOptions",
) -> "PushReport":
    from feature_repo.fresh.applications import read_applications
    from feature_repo.fresh.view_rows import read_view_rows
    from feature_repo.push import push_applications, push_rows

    if application is not None:
        return push_applications(home, read_applications(application), at, options)
    assert view is not None  # what the options were checked for
    assert rows is not None
    return push_rows(home, view, read_view_rows(rows, view), options)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--at {text!r} is no timestamp: write it like 2025-06-30T14:05:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _view(name: str) -> View:
    catalogue = load_catalogue()
    if name not in catalogue.names:
        raise FeatureError(f"no view is called {name}: choose from {', '.join(catalogue.names)}")
    return catalogue.view(name)


def _text(report: "PushReport") -> str:
    lines = [f"pushed {report.clients:,} clients to {', '.join(report.views)} in {report.seconds:.1f} s"]
    if report.kept:
        shown = ", ".join(map(str, report.kept[:_SHOWN])) + (" ..." if len(report.kept) > _SHOWN else "")
        lines.append(f"a newer row stayed for {len(report.kept):,} of them: {shown}")
    lines += [
        f"unknown {one.column} {one.value!r} counts as UNKNOWN ({one.rows:,} rows)" for one in report.unknown_categories
    ]
    if report.run:
        lines.append(f"offline: run {report.run}")
    return "\n".join(lines)
