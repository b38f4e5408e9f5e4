"""`creditctl monitor`: what watches over decisions."""

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from credit.progress import step

if TYPE_CHECKING:
    from monitoring.archiver.run import ArchiveReport

app = typer.Typer(help="Archive decisions and watch over them.", no_args_is_help=True)


@app.command()
def archive(
    once: Annotated[bool, typer.Option("--once", help="Archive what is there now, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Move recorded decisions and their outcomes to the archive, in order, each once, until stopped."""
    from monitoring.archiver.run import archive_decisions, waiting
    from monitoring.settings import MonitoringSettings

    settings = MonitoringSettings()
    stop = threading.Event()
    _stop_on_signals(stop)
    with step("archive decisions", waiting(settings) if once else None) as progress:

        def moved(name: str, records: int) -> None:
            progress.advance(records)
            if not once:
                typer.echo(f"{records:,} records of {name} archived", err=True)

        report = archive_decisions(settings, stop, once=once, on_batch=moved)
    typer.echo(report.model_dump_json() if as_json else _text(report))


@app.command("restore-events")
def restore_events(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Put archived outcomes and overrides back into Redis after Redis was lost."""
    from monitoring.archiver.restore import restore_events as restore
    from monitoring.settings import MonitoringSettings

    with step("restore events") as progress:
        report = restore(MonitoringSettings(), progress.advance)
    text = f"{report.events:,} events of {report.decisions:,} decisions are back"
    typer.echo(report.model_dump_json() if as_json else text)


def _text(report: "ArchiveReport") -> str:
    lines = [f"archive: {report.archive}"]
    for name, head in report.heads.items():
        lines.append(f"{name}: {report.archived[name]:,} archived, {head.sequence:,} in all; head {head.hash}")
    return "\n".join(lines)


def _stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT end the work behind the batch under way."""

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
