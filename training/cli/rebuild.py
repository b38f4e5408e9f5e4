"""`creditctl models rebuild`: the data of a registered model, joined and split again, and the model fitted again."""

import json
from typing import Annotated, Any

import typer

from credit.errors import GateRefusedError
from credit.platform import Home


def rebuild(
    version: Annotated[str, typer.Argument(help="Version number, alias, or the id of a training run.")] = "champion",
    fit: Annotated[bool, typer.Option("--fit", help="Fit the trees again, too, and compare the model's text.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Rebuild what a model was trained on from its signed bundle; exit code 2 if data or model come out differently."""
    from training.cli.registry_access import open_access
    from training.rebuild import rebuild as rebuild_data
    from training.rebuild import same_model

    found, bundle = open_access().load(version)
    rebuilt = rebuild_data(Home.current(), bundle)
    answer: dict[str, Any] = {
        "version": found.version,
        "run_id": found.run_id,
        "rows": rebuilt.rows,
        "dataset_sha256": rebuilt.dataset_sha256,
        "same_data": rebuilt.same,
        "difference": rebuilt.difference,
        "same_model": same_model(rebuilt, bundle) if fit else None,
    }
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _show(answer)
    if not rebuilt.same:
        raise GateRefusedError(f"the data of version {found.version} came out differently: {rebuilt.difference}")
    if answer["same_model"] is False:
        raise GateRefusedError(
            f"the data of version {found.version} is the same and the model fitted to it is not: compare the libraries "
            "in its manifest (`creditctl models show --json`) with the installed ones"
        )


def _show(answer: dict[str, Any]) -> None:
    rows = ", ".join(f"{name} {count:,}" for name, count in answer["rows"].items())
    typer.echo(f"version {answer['version']} (run {answer['run_id']}): {rows}; data {answer['dataset_sha256']}")
    if answer["same_data"]:
        typer.echo("the same data, value for value")
    if answer["same_model"]:
        typer.echo("the same model text, byte for byte")
