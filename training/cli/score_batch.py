"""`creditctl score-batch`: every client of the offline store, scored with one model version, into Parquet."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from credit.platform import Home

if TYPE_CHECKING:
    from training.batch.run import BatchReport


def app(
    out: Annotated[str, typer.Option(help="Where runs lie: a folder, s3://bucket/prefix or gs://bucket/prefix.")],
    engine: Annotated[
        Literal["local", "ray"] | None,
        typer.Option(help="Where buckets are scored. Default: local; ray in the cluster profile."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray, host:port or `local`. Default: FEATURES_RAY_ADDRESS.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version number or alias of the model.")] = "champion",
    reasons: Annotated[bool, typer.Option(help="Up to four exact reasons per client, at their cost.")] = True,
    lang: Annotated[Literal["en", "fr"], typer.Option(help="Language of the reasons.")] = "en",
    run: Annotated[str | None, typer.Option(help="Name of the run. Default: version and the data's date.")] = None,
    force: Annotated[bool, typer.Option(help="Score anew what the run's folder holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Score every client at its newest features; a run that was cut short goes on."""
    from feature_repo.tasks import output_for_the_answer
    from training.batch.run import Request, score_portfolio
    from training.settings import TrainingSettings

    request = Request(
        out=out,
        version=version,
        language=lang if reasons else None,
        run=run,
        force=force,
        engine=engine,
        ray_address=ray_address,
    )
    with output_for_the_answer():
        report = score_portfolio(Home.current(), TrainingSettings(), request)
    typer.echo(report.model_dump_json() if as_json else _text(report))


def _text(report: "BatchReport") -> str:
    counts = report.counts
    outcome = f"{counts.approved:,} approved, {counts.refused:,} refused, {counts.referred:,} referred"
    errors = "".join(f", {count:,} {code}" for code, count in counts.errors.items())
    if report.skipped:
        pace = "unchanged, kept"
    else:
        resumed = f", {report.resumed_buckets} of {report.buckets} buckets taken up" if report.resumed_buckets else ""
        pace = f"{report.seconds:.1f} s, {report.clients_per_second or 0:,.0f} clients/s{resumed}"
    return (
        f"run {report.run}: {report.clients:,} clients with version {report.version}: {outcome}{errors} ({pace})\n"
        f"rows: {report.folder}"
    )
