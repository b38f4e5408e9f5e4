"""The command lines of the generator: `creditctl data generate` and `creditctl data check`."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from credit.platform import Home
from feature_repo.datagen.generate import Request, generate_portfolio


def generate(
    clients: Annotated[int, typer.Option(help="Number of applications, train and test together.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the CSV files. Default: the platform's raw folder.")
    ] = None,
    oracle: Annotated[Path | None, typer.Option(help="Folder of the true PDs. Default: the platform's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes. Default: one per core, at most 8.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Generate a synthetic portfolio: eight tables in the Kaggle format, and later events beside them."""
    home = Home.current()
    cores = min(os.cpu_count() or 1, 8)
    request = Request(clients, seed, out or home.raw, oracle or home.oracle, cores if workers is None else workers)
    started = time.perf_counter()
    generate_portfolio(request)
    report = {
        "clients": clients,
        "seed": seed,
        "out": str(request.out),
        "oracle": str(request.oracle),
        "seconds": round(time.perf_counter() - started, 1),
    }
    text = f"{clients:,} clients (seed {seed}) in {report['seconds']} s: {request.out}"
    typer.echo(json.dumps(report) if as_json else text)
