"""`creditctl train`: labels and historical features to a registered, signed challenger, and on request a champion."""

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from credit.errors import SettingsError
from credit.platform import Home
from feature_repo.tasks import Engine, output_for_the_answer
from training.cli.promotion import WhoOption, login
from training.settings import TrainingSettings
from training.tune.request import TuneRequest

#: Takes the study's address, because others can read the password of a command line.
_STUDY = "TUNING_STUDY"
_SHOWN = (
    "auc",
    "cv_auc_mean",
    "cv_auc_std",
    "oracle_auc",
    "baseline_auc",
    "auc_over_baseline",
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
    tune: Annotated[
        int | None, typer.Option(metavar="TRIALS", help="Tune first, until the study has this many finished trials.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help=f"SQLAlchemy address of the study. Default: {_STUDY}, else SQLite in the platform folder."),
    ] = None,
    study_name: Annotated[str | None, typer.Option(help="Begins the study's name. Default: the model's name.")] = None,
    budget: Annotated[float | None, typer.Option(metavar="SECONDS", help="Start no trial after this time.")] = None,
    engine: Annotated[Engine, typer.Option(help="Where trials run.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Ray: host:port, or `local`. Default: FEATURES_RAY_ADDRESS.")
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Pass the gates with it and make it the champion.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --promote: even if a gate refuses.")] = False,
    who: WhoOption = "",
    why: Annotated[str, typer.Option(help="Reason for the promotion; kept on record, needed with --force.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Train on matured labels, calibrate, sign and register with MLflow as the challenger."""
    from training.run import PromotionWish, run_training

    changed: dict[str, Any] = {name: value for name, value in (("trees", trees), ("seed", seed)) if value is not None}
    home = Home.current()
    request = _request(home, tune, study, study_name, budget, engine, ray_address)
    if force and not (promote and why.strip()):
        raise SettingsError("--force goes with --promote, and needs a reason: --why")
    wish = PromotionWish(who or login(), why, force) if promote else None
    with output_for_the_answer():
        finished = run_training(home, TrainingSettings(**changed), sample, request, wish)
    promoted = finished.promotion is not None
    if as_json:
        typer.echo(json.dumps(asdict(finished.trained) | {"promoted": promoted}, default=str))
    else:
        _show(asdict(finished.trained), promoted)


def _request(
    home: Home,
    trials: int | None,
    study: str | None,
    study_name: str | None,
    budget: float | None,
    engine: Engine,
    ray_address: str | None,
) -> TuneRequest | None:
    """What the options ask of tuning; None without `--tune`."""
    if trials is None:
        if study or study_name or budget is not None or engine != "local" or ray_address:
            raise SettingsError(
                "--study, --study-name, --budget, --engine and --ray-address are about tuning: give --tune TRIALS too"
            )
        return None
    return TuneRequest(
        trials=trials,
        folder=home.tuning,
        study_url=study or os.environ.get(_STUDY),
        study_name=study_name,
        budget_seconds=budget,
        engine=engine,
        ray_address=ray_address,
    )


def _show(trained: dict[str, Any], promoted: bool) -> None:
    version, metrics = trained["version"], trained["metrics"]
    table = Table(title="Out-of-time test", show_header=False)
    for name in _SHOWN:
        if name in metrics:
            table.add_row(name.replace("_", " "), f"{metrics[name]:.4f}{_interval(name, metrics)}")
    console = Console()
    console.print(table)
    rows = ", ".join(f"{name} {count:,}" for name, count in trained["rows"].items())
    console.print(f"{version['name']} version {version['version']} is registered; {rows}; {trained['seconds']:.1f} s")
    if promoted:
        console.print("it is the champion")
    else:
        console.print(f"it is the challenger: creditctl models promote {version['version']}")


def _interval(name: str, metrics: dict[str, float]) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
