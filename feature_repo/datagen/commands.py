"""The command lines of the generator: `creditctl data generate` and `creditctl data check`."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit.errors import GateRefusedError
from credit.platform import Home
from feature_repo.cli.options import JsonOption
from feature_repo.datagen.generate import Request, generate_portfolio

if TYPE_CHECKING:
    from feature_repo.datagen.realism import Finding


def generate(
    clients: Annotated[int, typer.Option(help="Number of applications, train and test together.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the CSV files. Default: the platform's raw folder.")
    ] = None,
    oracle: Annotated[Path | None, typer.Option(help="Folder of the true PDs. Default: the platform's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes. Default: one per core, at most 8.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a synthetic portfolio: eight tables in the Kaggle format, and later events beside them."""
    home = Home.current()
    request = Request(clients, seed, out or home.raw, oracle or home.oracle, _workers(workers))
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


def check(
    clients: Annotated[int, typer.Option(help="Number of applications; limits are made for 200,000.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Seed of the portfolio.")] = 1,
    workers: Annotated[int | None, typer.Option(help="Worker processes and threads. Default: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a portfolio in a temporary folder and measure its realism; exit with 2 if a limit is broken."""
    from feature_repo.datagen.realism import measure

    threads = _workers(workers)
    with tempfile.TemporaryDirectory(prefix="credit-realism-") as scratch:
        request = Request(clients, seed, Path(scratch) / "raw", Path(scratch) / "oracle", threads)
        generate_portfolio(request)
        findings = measure(request.out, request.oracle / "oracle.parquet", clients, threads)
    broken = [finding.name for finding in findings if not finding.passed]
    if as_json:
        report = {"clients": clients, "seed": seed, "passed": not broken, "findings": [f.report() for f in findings]}
        typer.echo(json.dumps(report))
    else:
        typer.echo("\n".join(_line(finding) for finding in findings))
    if broken:
        raise GateRefusedError(f"the generated data is not realistic: {', '.join(broken)}")


def _workers(asked: int | None) -> int:
    return min(os.cpu_count() or 1, 8) if asked is None else asked


def _line(finding: "Finding") -> str:
    verdict = "ok  " if finding.passed else "FAIL"
    return f"{verdict} {finding.measured:9.4f}  [{finding.lowest:.4f}, {finding.highest:.4f}]  {finding.name}"
