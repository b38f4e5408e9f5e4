"""`creditctl features`: build, backfill, document, register, materialise, push and look up feature views."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from credit.errors import FeatureError
from credit.files import write_text
from credit.progress import peak_memory_mib
from credit.schemas.features import Frozen
from feature_repo.catalogue import View, load_catalogue
from feature_repo.catalogue.reference import reference_page
from feature_repo.catalogue.statistics import load_statistics
from feature_repo.cli.erase import erase
from feature_repo.cli.everyday import add_everyday_commands
from feature_repo.cli.feast_commands import apply, materialize
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home
from feature_repo.cli.proxies import proxies
from feature_repo.cli.prune import prune
from feature_repo.cli.spine_options import spine_name
from feature_repo.settings import FeatureSettings

app = typer.Typer(help="Build, apply, materialise, push and look up features.", no_args_is_help=True)
app.command("apply")(apply)
app.command("materialize")(materialize)
app.command("prune")(prune)
app.command("erase")(erase)
app.command("proxies")(proxies)
add_everyday_commands(app)

ForceOption = Annotated[bool, typer.Option(help="Build even if nothing changed since the run was finished.")]
ViewOption = Annotated[list[str] | None, typer.Option("--view", help="Only this view; may be repeated. Default: all.")]


EngineOption = Annotated[
    Literal["local", "ray"] | None,
    typer.Option("--engine", help="Where buckets are worked on. Default: local; ray in the cluster profile."),
]
AddressOption = Annotated[
    str | None, typer.Option("--ray-address", help="Ray, host:port or `local`. Default: FEATURES_RAY_ADDRESS.")
]


class BuildReport(Frozen):
    """What `build` and `backfill` answer; `resumed_buckets` were finished by an earlier build that was cut short."""

    run: str
    skipped: bool
    buckets: int
    resumed_buckets: int
    rows: int
    features: dict[str, int]
    seconds: float
    view_seconds: dict[str, float]
    peak_memory_mib: float


@app.command()
def build(
    home: HomeOption = None,
    view: ViewOption = None,
    force: ForceOption = False,
    engine: EngineOption = None,
    ray_address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build today's features: every client at its own present (run `online`)."""
    _run("online", "online", home, view, force, engine, ray_address, as_json)


@app.command()
def backfill(
    spine: Annotated[
        str,
        typer.Option(
            help="`training` (labelled clients at T0), `month-ends` (with --from and --to), or a Parquet file of "
            "SK_ID_CURR and as_of."
        ),
    ],
    run: Annotated[str | None, typer.Option(help="Name of the run. Default: the spine's name.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First month of `month-ends`, like 2023-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month of `month-ends`, like 2023-12.")] = None,
    home: HomeOption = None,
    view: ViewOption = None,
    force: ForceOption = False,
    engine: EngineOption = None,
    ray_address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build features for a spine, as they stood at each of its rows."""
    named = spine_name(spine, first, last)
    _run(named, run or Path(named).stem, home, view, force, engine, ray_address, as_json)


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("docs/reference/features.md"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the page is out of date.")] = False,
) -> None:
    """Generate the reference page of the features from the catalogue."""
    page = reference_page(load_catalogue(), load_statistics())
    if not check:
        write_text(out, page)
        typer.echo(f"wrote {out}")
    elif not out.exists() or out.read_text("utf-8") != page:
        raise FeatureError(f"{out} is out of date: run `creditctl features docs`")


def _run(
    spine_name: str,
    run: str,
    home: Path | None,
    views: list[str] | None,
    force: bool,
    engine: Literal["local", "ray"] | None,
    ray_address: str | None,
    as_json: bool,
) -> None:
    from feature_repo.aggregates.build import build_views  # the engine loads only when it is needed
    from feature_repo.aggregates.spine import named_spine
    from feature_repo.locations import event_store, offline_location
    from feature_repo.tasks import output_for_the_answer, tasks_of

    started = time.perf_counter()
    folder = chosen_home(home)
    settings = FeatureSettings()
    with output_for_the_answer():
        store, out = event_store(folder), offline_location(folder, settings)
        built = build_views(
            store,
            named_spine(spine_name, store),
            out,
            run,
            _chosen(views),
            settings=settings,
            force=force,
            tasks=tasks_of(engine, ray_address, settings),
        )
    report = BuildReport(
        run=run,
        skipped=built.skipped,
        buckets=built.manifest.buckets,
        resumed_buckets=built.resumed,
        rows=built.manifest.rows,
        features=built.manifest.features,
        seconds=round(time.perf_counter() - started, 2),
        view_seconds={name: round(seconds, 2) for name, seconds in built.manifest.seconds.items()},
        peak_memory_mib=round(max(built.peak_memory_mib, peak_memory_mib()), 1),
    )
    typer.echo(report.model_dump_json() if as_json else _text(report, str(out)))


def _chosen(names: list[str] | None) -> tuple[View, ...]:
    catalogue = load_catalogue()
    unknown = sorted(set(names or ()) - set(catalogue.names))
    if unknown:
        raise FeatureError(f"no view is called {', '.join(unknown)}: choose from {', '.join(catalogue.names)}")
    return tuple(view for view in catalogue.views if not names or view.name in names)


def _text(report: BuildReport, offline: str) -> str:
    if report.skipped:
        return f"run {report.run}: unchanged, kept ({report.rows:,} rows a view)"
    views = ", ".join(f"{name} {count}" for name, count in report.features.items())
    resumed = f", {report.resumed_buckets} of {report.buckets} buckets taken up" if report.resumed_buckets else ""
    text = f"run {report.run}: {report.rows:,} rows a view in {report.seconds:.1f} s below {offline}{resumed}"
    return f"{text}\nfeatures: {views}"
