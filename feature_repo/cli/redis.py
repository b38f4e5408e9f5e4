"""`creditctl redis`: the private Redis of a platform folder."""

import json
from typing import Annotated

import typer

from feature_repo import redis_server
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home

app = typer.Typer(help="Start and stop the private Redis.", no_args_is_help=True)

PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1. Default: the one used before, else a free one.")
]


@app.command()
def start(port: PortOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Start it, or find it running."""
    server = redis_server.start(chosen_home(home), port)
    text = f"{server.server} answers at {server.url} (process {server.pid}, data in {server.folder})"
    typer.echo(server.model_dump_json() if as_json else text)


@app.command()
def stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop it; its data stays."""
    stopped = redis_server.stop(chosen_home(home))
    text = "stopped" if stopped else "was not running"
    typer.echo(json.dumps({"stopped": stopped}) if as_json else f"the private Redis {text}")


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say whether it runs, and where."""
    server = redis_server.status(chosen_home(home))
    if as_json:
        report = {"running": server is not None} | (server.model_dump(mode="json") if server else {})
        typer.echo(json.dumps(report))
    elif server:
        typer.echo(f"{server.server} answers at {server.url} (process {server.pid}, data in {server.folder})")
    else:
        typer.echo("the private Redis does not run: creditctl redis start")
