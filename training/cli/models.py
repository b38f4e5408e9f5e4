"""`creditctl models`: what the registry holds, and whether it can be trusted."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from credit.platform import Home
from training.settings import TrainingSettings

app = typer.Typer(help="List and verify registered models.", no_args_is_help=True)

Wanted = Annotated[str, typer.Argument(help="Version number or alias.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """All versions, newest first, with their aliases."""
    versions = [asdict(version) for version in _registry().versions()]
    if as_json:
        typer.echo(json.dumps(versions, default=str))
        return
    table = Table("version", "aliases", "created (UTC)", "bundle", "data window")
    for one in versions:
        tags = one["tags"]
        created = one["created"].strftime("%Y-%m-%d %H:%M")
        window = " to ".join(moment[:10] for moment in tags.get("data_window", "").split("/"))
        table.add_row(one["version"], ", ".join(one["aliases"]), created, tags.get("bundle_id", "")[:12], window)
    Console().print(table)


@app.command()
def show(version: Wanted = "champion", as_json: Json = False) -> None:
    """One version: origin, policy, figures and strongest features, from its verified bundle."""
    from credit.bundle.keys import load_public_key
    from training.keys import verifying_key
    from training.model_card import model_card

    settings = TrainingSettings()
    registry = _registry(settings)
    found = registry.version(version)
    bundle = registry.load(found.version, load_public_key(verifying_key(Home.current(), settings)))
    if as_json:
        content: dict[str, Any] = {
            "version": asdict(found),
            "manifest": bundle.manifest.model_dump(mode="json"),
            "policy": bundle.policy.model_dump(mode="json"),
            "calibration": bundle.calibration.method,
            "trees": bundle.trees,
            "metrics": bundle.metrics,
            "importance": bundle.importance,
        }
        typer.echo(json.dumps(content, default=str))
        return
    typer.echo(f"version {found.version} ({', '.join(found.aliases) or 'no alias'}), bundle {bundle.bundle_id}\n")
    typer.echo(model_card(bundle))


@app.command()
def verify(
    version: Wanted = "champion",
    path: Annotated[Path | None, typer.Option(help="Verify this bundle directory instead of a version.")] = None,
    as_json: Json = False,
) -> None:
    """Check signature, hashes and structure of a version's bundle."""
    from credit.bundle.keys import load_public_key
    from credit.bundle.reader import load_bundle
    from training.keys import verifying_key

    settings = TrainingSettings()
    key = load_public_key(verifying_key(Home.current(), settings))
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            registry = _registry(settings)
            number = registry.version(version).version
            bundle, name = load_bundle(registry.fetch(number, Path(folder)), key), f"version {number}"
        else:
            bundle, name = load_bundle(path, key), str(path)
    if as_json:
        typer.echo(json.dumps({"verified": name, "bundle_id": bundle.bundle_id, "files": len(bundle.manifest.files)}))
    else:
        typer.echo(
            f"{name}: signature, {len(bundle.manifest.files)} files and structure are right ({bundle.bundle_id})"
        )


def _registry(settings: TrainingSettings | None = None) -> Any:
    from training.registry import Registry

    settings = settings or TrainingSettings()
    return Registry(settings.mlflow_tracking_uri, settings.model_name)
