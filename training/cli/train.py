"""`creditctl train`: labels and historical features to a registered, signed champion."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from credit.platform import Home
from training.settings import TrainingSettings

_SHOWN = (
    "auc",
    "oracle_auc",
    "baseline_auc",
    "train_auc",
    "average_precision",
    "ks",
    "brier",
    "ece",
    "threshold",
    "approval_rate",
    "cost",
    "cost_approve_all",
)


def app(
    trees: Annotated[int | None, typer.Option(min=1, max=5_000, help="Most trees.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the split and the trees.")] = None,
    sample: Annotated[int | None, typer.Option(min=100, help="Train on about this many clients.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Train on matured labels, calibrate, sign, register with MLflow, and set the alias `champion`."""
    from training.run import run_training

    changed: dict[str, Any] = {name: value for name, value in (("trees", trees), ("seed", seed)) if value is not None}
    trained = run_training(Home.current(), TrainingSettings(**changed), sample)
    if as_json:
        typer.echo(json.dumps(asdict(trained), default=str))
    else:
        _show(asdict(trained))


def _show(trained: dict[str, Any]) -> None:
    version, metrics = trained["version"], trained["metrics"]
    table = Table(title="Out-of-time test", show_header=False)
    for name in _SHOWN:
        if name in metrics:
            table.add_row(name.replace("_", " "), f"{metrics[name]:.4f}")
    console = Console()
    console.print(table)
    rows = ", ".join(f"{name} {count:,}" for name, count in trained["rows"].items())
    console.print(f"{version['name']} version {version['version']} is champion; {rows}; {trained['seconds']:.1f} s")
