"""`creditctl decisions`: read, replay, verify and export recorded decisions."""

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit.errors import SettingsError, StoreUnavailableError
from credit.progress import step
from serving.decisions_text import details_text, replay_text, verify_text

if TYPE_CHECKING:
    from serving.decisions_records import Selection, StoredDecision
    from serving.decisions_replay import CachedBundles
    from serving.settings import ServingSettings

app = typer.Typer(help="Read, replay, verify and export recorded decisions.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
First = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")]
Last = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day (UTC).")]
Client = Annotated[int | None, typer.Option(help="Only decisions about this client.")]


@app.command()
def show(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    as_json: Json = False,
) -> None:
    """Print one decision with its outcome and overrides, from the stream or the archive."""
    from serving.stores import decision_history

    with closing(decision_history(_settings())) as history:
        details = history.details(decision_id)
    typer.echo(details.model_dump_json() if as_json else details_text(details))


@app.command()
def replay(
    decision_ids: Annotated[list[str] | None, typer.Argument(help="Ids of decisions.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All recorded decisions.")] = False,
    from_file: Annotated[Path | None, typer.Option(help="A file of `creditctl decisions export`.")] = None,
    as_json: Json = False,
) -> None:
    """Compute decisions again from their records and compare bit for bit; exit code 1 on any difference."""
    from serving.decisions_replay import replay_all

    settings = _settings()
    if sum([bool(decision_ids), everything, from_file is not None]) != 1:
        raise SettingsError("say which decisions: ids, --all or --from-file, one of them")
    with step("replay decisions", len(decision_ids) if decision_ids else None) as progress:
        decisions = _chosen(settings, decision_ids or [], from_file)
        report = replay_all(decisions, _bundles(settings), progress.advance)
    typer.echo(report.model_dump_json() if as_json else replay_text(report))
    if report.differing:
        raise typer.Exit(1)


@app.command()
def verify(
    noted: Annotated[
        str | None, typer.Option(help="A head's hash noted earlier, which has to be in one of the chains still.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the hash chains of the archive; exit code 1 where one breaks."""
    from credit.archive.archive import Archive
    from credit.archive.verify import verify as walk
    from serving.decisions_archive import DECISIONS, EVENTS

    settings = _settings()
    try:
        with step("verify the archive") as progress:
            found = [walk(Archive(settings.archive, name), noted, progress.advance) for name in (DECISIONS, EVENTS)]
    except OSError as error:
        raise StoreUnavailableError(f"the archive {settings.archive} does not answer: {error}") from error
    ok = all(one.ok for one in found) and (noted is None or any(one.noted for one in found))
    chains = [one.model_dump(mode="json") for one in found]
    typer.echo(json.dumps({"ok": ok, "chains": chains}) if as_json else verify_text(found, noted))
    if not ok:
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write; its name ends in .parquet or .jsonl.")],
    first: First = None,
    last: Last = None,
    client: Client = None,
    as_json: Json = False,
) -> None:
    """Write decisions to a file, whole records included."""
    from serving.decisions_export import export as write
    from serving.decisions_records import recorded_decisions

    settings = _settings()
    with step("export decisions") as progress:
        count = write(recorded_decisions(settings, _selection(first, last, client)), out, progress.advance)
    typer.echo(json.dumps({"decisions": count, "file": str(out)}) if as_json else f"{count:,} decisions: {out}")


def _settings() -> "ServingSettings":
    from serving.settings import ServingSettings

    return ServingSettings.for_commands()


def _selection(first: datetime | None, last: datetime | None, client: int | None) -> "Selection":
    from serving.decisions_records import Selection

    days = (first.date() if first else date.min, last.date() if last else date.max)
    if days[0] > days[1]:
        raise SettingsError("--from is after --to")
    return Selection(*days, client)


def _chosen(settings: "ServingSettings", ids: list[str], file: Path | None) -> "Iterable[StoredDecision]":
    from serving.decisions_records import StoredDecision, decisions_of_file, recorded_decisions
    from serving.stores import decision_history

    if file is not None:
        return decisions_of_file(file)
    if not ids:
        return recorded_decisions(settings)
    with closing(decision_history(settings)) as history:
        return [StoredDecision(history.record(decision_id).model_dump_json()) for decision_id in ids]


def _bundles(settings: "ServingSettings") -> "CachedBundles":
    from credit.bundle.keys import load_public_key
    from serving.bundle_cache import BundleCache
    from serving.decisions_replay import CachedBundles
    from serving.registry import MlflowRegistry

    cache = BundleCache(settings.bundle_cache, load_public_key(settings.public_key_path))
    return CachedBundles(cache, MlflowRegistry(settings.mlflow_tracking_uri))
