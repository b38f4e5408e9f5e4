"""`creditctl models`: what the registry holds, whether it can be trusted, and which version decides."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training.cli.promotion import gates, history, promote, rollback
from training.cli.rebuild import rebuild
from training.cli.registry_access import JsonOption, open_access, open_registry

app = typer.Typer(help="List, compare, verify, promote and roll back registered models.", no_args_is_help=True)

Wanted = Annotated[str, typer.Argument(help="Version number, alias, or the id of a training run.")]


@app.command("list")
def list_versions(as_json: JsonOption = False) -> None:
    """All versions, newest first, with their aliases."""
    versions = [asdict(version) for version in open_registry().versions()]
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
def show(version: Wanted = "champion", as_json: JsonOption = False) -> None:
    """One version: origin, policy, figures and strongest features, from its verified bundle."""
    from training.model_card import model_card

    found, bundle = open_access().load(version)
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
def compare(first: Wanted, second: Wanted, as_json: JsonOption = False) -> None:
    """Two versions side by side: figures, features, facts, and settings that differ."""
    from training.model_comparison import compare_models

    access = open_access()
    (before, one), (after, other) = access.load(first), access.load(second)
    found = compare_models(one, other)
    if as_json:
        numbers = {"first": before.version, "second": after.version}
        typer.echo(json.dumps(numbers | found.model_dump(mode="json")))
        return
    table = Table("", f"version {before.version}", f"version {after.version}", "difference")
    for group in (found.metrics, found.facts, found.settings):
        for name, pair in group.items():
            table.add_row(name, _shown(pair.first), _shown(pair.second), _shown(pair.difference, signed=True))
        table.add_section()
    console = Console()
    console.print(table)
    console.print(f"features added: {', '.join(found.features_added) or 'none'}")
    console.print(f"features removed: {', '.join(found.features_removed) or 'none'}")


app.command()(gates)
app.command()(promote)
app.command()(rollback)


@app.command()
def verify(
    version: Wanted = "champion",
    path: Annotated[Path | None, typer.Option(help="Verify this bundle directory instead of a version.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check signature, hashes and structure of a version's bundle."""
    from credit.bundle.keys import load_public_key
    from credit.bundle.reader import load_bundle
    from credit.platform import Home
    from training.keys import verifying_key
    from training.settings import TrainingSettings

    settings = TrainingSettings()
    key = load_public_key(verifying_key(Home.current(), settings))
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            registry = open_registry(settings)
            number = registry.find(version).version
            bundle, name = load_bundle(registry.fetch(number, Path(folder)), key), f"version {number}"
        else:
            bundle, name = load_bundle(path, key), str(path)
    if as_json:
        typer.echo(json.dumps({"verified": name, "bundle_id": bundle.bundle_id, "files": len(bundle.manifest.files)}))
    else:
        typer.echo(
            f"{name}: signature, {len(bundle.manifest.files)} files and structure are right ({bundle.bundle_id})"
        )


app.command()(history)
app.command()(rebuild)


def _shown(value: Any, *, signed: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:+.4f}" if signed else f"{value:.4f}"
    return f"{value:+d}" if signed and isinstance(value, int) else str(value)
