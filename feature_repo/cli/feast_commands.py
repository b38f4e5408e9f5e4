"""`creditctl features apply` and `materialize`: the Feast repo registered, the online store filled."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Annotated, Literal

import typer

from credit.errors import FeatureError, StepError
from credit.platform import Home
from credit.progress import step
from credit.schemas.features import Frozen
from feature_repo.catalogue import load_catalogue
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home
from feature_repo.feast_output import quiet_feast


class ApplyReport(Frozen):
    """What `apply` answers."""

    registry: str
    views: tuple[str, ...]
    seconds: float


class MaterializeReport(Frozen):
    """What `materialize` answers: the window of as_of and the clients written per view."""

    start: str
    end: str
    clients: dict[str, int]
    seconds: float
    clients_per_second: float


def apply(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Register entity, views and feature services with Feast."""
    from feature_repo.environment import registry_address  # Arrow, below it, is slow to import
    from feature_repo.locations import offline_location

    started, folder = time.perf_counter(), chosen_home(home)
    offline = offline_location(folder)
    unbuilt = [name for name in load_catalogue().names if not (offline / name).files()]
    if unbuilt:
        raise FeatureError(f"nothing is built yet for {', '.join(unbuilt)}: run `creditctl features build` first")
    folder.feast_registry.parent.mkdir(parents=True, exist_ok=True)
    with step("feast apply"):
        _feast_apply(folder)
    seconds = round(time.perf_counter() - started, 2)
    # An address without what may be a password.
    registry = registry_address(folder).rpartition("@")[2]
    report = ApplyReport(registry=registry, views=load_catalogue().names, seconds=seconds)
    text = f"registered {', '.join(report.views)} in {report.registry} ({report.seconds:.1f} s)"
    typer.echo(report.model_dump_json() if as_json else text)


def materialize(
    look_back: Annotated[
        int | None, typer.Option(min=0, help="Only rows of the last so many days of data time. Default: all.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove every client first: for another data set than the store holds.")
    ] = False,
    engine: Annotated[
        Literal["local", "ray"] | None,
        typer.Option("--engine", help="Where buckets are written from. Default: local; ray in the cluster profile."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="Ray, host:port or `local`. Default: FEATURES_RAY_ADDRESS.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the newest row of every client and view to the online store."""
    from feature_repo.materialize import materialize_views  # feast takes seconds to import
    from feature_repo.tasks import output_for_the_answer

    started, folder = time.perf_counter(), chosen_home(home)
    with output_for_the_answer(), quiet_feast():
        window = materialize_views(
            folder,
            None if look_back is None else timedelta(days=look_back),
            replace=replace,
            engine=engine,
            ray_address=ray_address,
        )
    seconds = time.perf_counter() - started
    report = MaterializeReport(
        start=window.start.isoformat(),
        end=window.end.isoformat(),
        clients=window.clients,
        seconds=round(seconds, 2),
        clients_per_second=round(max(window.clients.values(), default=0) / window.seconds, 1),
    )
    typer.echo(report.model_dump_json() if as_json else _text(report))


def _text(report: MaterializeReport) -> str:
    clients = ", ".join(f"{view} {count:,}" for view, count in report.clients.items())
    return (
        f"clients online: {clients}; as_of {report.start} to {report.end}; "
        f"{report.seconds:.1f} s, {report.clients_per_second:,.0f} clients/s over all views"
    )


def _feast_apply(home: Home) -> None:
    """Run Feast's own `apply` in a process of its own, because it changes folder and imports by relative name."""
    from feature_repo.environment import REPO, feast_environment, profile_file

    command = [
        sys.executable,
        "-c",
        "from feast.cli.cli import cli; cli()",
        "--chdir",
        str(REPO),
        "--feature-store-yaml",
        str(profile_file()),
        "apply",
        # Feast's check does not know patterns; what it would find is checked above.
        "--skip-source-validation",
    ]
    environment = os.environ | feast_environment(home)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        cause = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise StepError(
            f"feast apply failed with {done.returncode}; nothing was served from it. Its last words:\n{cause}"
        )
