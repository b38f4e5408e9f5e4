"""Commands of `creditctl features` beside the pipeline's: push, look up, watch."""

import typer

from feature_repo.cli.catalogue_commands import describe, list_features
from feature_repo.cli.feast_ui import ui
from feature_repo.cli.freshness import freshness
from feature_repo.cli.push import push
from feature_repo.cli.statistics import statistics


def add_everyday_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command("push")(push)
    app.command("list")(list_features)
    app.command("describe")(describe)
    app.command("freshness")(freshness)
    app.command("statistics")(statistics)
    app.command("ui")(ui)
