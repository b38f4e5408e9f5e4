"""Command lines of ingestion and download. The engine is imported when a command runs, not for its help."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from credit.clock import Calendar
from credit.errors import SettingsError
from credit.platform import Home


def ingest(
    source: Annotated[Path, typer.Option(help="Folder with the eight tables (.csv, .csv.gz, .csv.zip or one .zip).")],
    out: Annotated[
        str | None, typer.Option(help="Events folder, s3:// or gs:// URL; default: the platform's own.")
    ] = None,
    buckets: Annotated[int | None, typer.Option(min=1, max=9_999, help="Client buckets; default: by size.")] = None,
    calendar_start: Annotated[datetime | None, typer.Option(help="Monday on which the T0 window starts.")] = None,
    calendar_weeks: Annotated[int | None, typer.Option(min=1, help="Length of the T0 window.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the T0 draw.")] = None,
    allow_extra: Annotated[bool, typer.Option(help="Ignore columns that the tables do not have.")] = False,
    force: Annotated[bool, typer.Option(help="Ingest even if the inputs are unchanged.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 2,
    memory_gib: Annotated[
        float | None, typer.Option(min=0.25, help="Memory of the engine; default: by machine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Turn raw tables into typed events, dated and bucketed by client."""
    from feature_repo.ingest.engine import Resources
    from feature_repo.ingest.pipeline import Options
    from feature_repo.ingest.publish import ingest_to
    from feature_repo.ingest.report import print_report
    from feature_repo.locations import events_location
    from feature_repo.settings import FeatureSettings
    from feature_repo.storage import Location

    options = Options(
        buckets=buckets,
        calendar=_calendar(calendar_start, calendar_weeks, seed),
        allow_extra=allow_extra,
        force=force,
        resources=Resources(threads=threads, memory_gib=memory_gib),
    )
    settings = FeatureSettings()
    place = Location.of(out, settings.storage_endpoint) if out else events_location(Home.current(), settings)
    outcome = ingest_to(source, place, options)
    if as_json:
        report = outcome.store.meta.model_dump(mode="json") | {"unchanged": outcome.unchanged}
        typer.echo(json.dumps(report, indent=1))
    else:
        print_report(outcome, Console())


def _calendar(start: datetime | None, weeks: int | None, seed: int | None) -> Calendar:
    default = Calendar()
    try:
        return Calendar(
            start=default.start if start is None else start.replace(tzinfo=UTC),
            weeks=default.weeks if weeks is None else weeks,
            seed=default.seed if seed is None else seed,
        )
    except ValueError as error:
        raise SettingsError(f"--calendar-start, --calendar-weeks: {error}") from None


def download(
    out: Annotated[Path | None, typer.Option(help="Folder for the tables; default: the platform's raw folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Get the public Home Credit tables with your own Kaggle credentials."""
    from feature_repo.ingest.download import download as run

    files = run(out or Home.current().raw)
    if as_json:
        typer.echo(json.dumps([{"file": path.name, "bytes": path.stat().st_size} for path in files]))
    else:
        typer.echo("\n".join(f"{path}  {path.stat().st_size / 1e6:,.0f} MB" for path in files))
        typer.echo(f"next: creditctl data ingest --source {files[0].parent}")
