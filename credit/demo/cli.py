"""`creditctl demo`: the whole platform on this machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer
from rich.console import Console

from credit.bundle.keys import make_key_pair
from credit.client.answers import Score
from credit.client.client import CreditClient
from credit.client.display import show
from credit.client.errors import ServiceError
from credit.demo import services, steps
from credit.demo.archiver import Archiver
from credit.demo.services import HOST, Service
from credit.errors import StepError
from credit.platform import Home, load_environment

app = typer.Typer(help="Run the whole platform on this machine, see it, stop it.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8000,
    clients: Annotated[int, typer.Option(min=100, help="Clients to generate.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generated data.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder with the Kaggle CSV files, instead of generating.")] = None,
    as_json: Json = False,
) -> None:
    """Data, features, Redis, training and serving; ends by scoring one client, and keeps serving."""
    home = Home.current()
    console = Console(stderr=as_json)
    service = Service(home)
    service.check_port(port)
    runner = steps.Runner(home, console)
    for step in steps.data_steps(home, clients, seed, _existing(data)):
        runner.run(step)
    if services.redis_is_new(home):
        runner.forget("materialize")
    console.print(f"[green]✓[/green] Private Redis: {services.start_redis(home)}")
    for step in steps.feature_steps(home):
        runner.run(step)
    make_key_pair(home.keys)
    model = services.served_model(port)
    runner.run(steps.training_step(home))
    reused = service.ensure(port)
    if reused and not runner.results[-1].skipped:
        services.wait_for_other_model(port, model)
    console.print(f"[green]✓[/green] Service {'already running, reused' if reused else 'ready'} on port {port}")
    Archiver(home).ensure()
    base_url = f"http://{HOST}:{port}"
    client_id = example_client(home)
    answer = _decision(base_url, client_id)
    if as_json:
        typer.echo(
            json.dumps(
                {"answer": answer.model_dump(mode="json"), "steps": [asdict(result) for result in runner.results]}
            )
        )
        return
    console.print(f"\n[bold]POST {base_url}/v1/score[/bold]  " + json.dumps({"client_id": client_id}))
    show(console, answer)
    console.print(_next(base_url, client_id, home), highlight=False, soft_wrap=True)


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what the demo started, and nothing else."""
    home = Home.current()
    load_environment(home)
    stopped = Service(home).stop()
    Archiver(home).stop()
    services.stop_redis(home)
    text = f"service {'stopped' if stopped else 'was not running'}; private Redis stopped"
    typer.echo(json.dumps({"service_was_running": stopped}) if as_json else text)


@app.command()
def status(as_json: Json = False) -> None:
    """Tell whether the demo's service runs, and where."""
    running = Service(Home.current()).running()
    state = {
        "running": running is not None,
        "ready": running is not None and services.ready(running.port),
        "url": f"http://{HOST}:{running.port}" if running else None,
        "pid": running.pid if running else None,
    }
    typer.echo(json.dumps(state) if as_json else "\n".join(f"{key}: {value}" for key, value in state.items()))


def example_client(home: Home) -> int:
    """The smallest known client id of the first bucket."""
    clients = pq.read_table(home.events / "clients" / "bucket-0000.parquet", columns=["SK_ID_CURR"])
    return int(min(clients["SK_ID_CURR"].to_pylist()))


def _decision(base_url: str, client_id: int) -> Score:
    try:
        with CreditClient(base_url) as client:
            return client.score(client_id)
    except ServiceError as error:
        raise StepError(f"step 'score' failed: {error}") from error


def _existing(data: Path | None) -> Path | None:
    if data is not None and not data.is_dir():
        raise StepError(f"DATA={data} is not a folder: name the folder that holds the Kaggle CSV files")
    return None if data is None else data.absolute()


def _next(base_url: str, client_id: int, home: Home) -> str:
    body = json.dumps({"client_id": client_id})
    return f"""
[bold]The service keeps running.[/bold] Authentication is off; it listens on {HOST} only.
  score    curl -s {base_url}/v1/score -H 'Content-Type: application/json' -d '{body}'
           .venv/bin/creditctl score {client_id}
  docs     {base_url}/docs
  models   .venv/bin/creditctl mlflow ui
  log      {home.run / "serve.log"}
  archive  {home.decisions}
  stop     make down"""
