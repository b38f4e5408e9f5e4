"""`creditctl mlflow`: MLflow's own pages over the platform's experiments."""

import os
import sys
from typing import Annotated

import typer

from credit.errors import SettingsError
from training.settings import TrainingSettings

app = typer.Typer(help="Open the experiment tracker.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `ui` a sub-command although it is the only one."""


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000) -> None:
    """Serve MLflow's pages on this machine only, until interrupted."""
    uri = TrainingSettings().mlflow_tracking_uri
    if uri.startswith(("http://", "https://")):
        raise SettingsError(f"MLflow already serves its pages at {uri}: open it in a browser")
    # Its job runners, which nothing here uses, double the start and outlive the server.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    typer.echo(f"MLflow on http://127.0.0.1:{port}, ready in some seconds, stop with Ctrl-C", err=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    # This process becomes the server, so that signals reach it and its exit code is ours.
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"])  # noqa: S606
