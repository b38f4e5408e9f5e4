"""`creditctl data`: generate, check, ingest and download raw data."""

import typer

from feature_repo.datagen.commands import check, generate
from feature_repo.ingest.commands import download, ingest

app = typer.Typer(help="Generate, download, ingest and check raw data.", no_args_is_help=True)
app.command("generate")(generate)
app.command("check")(check)
app.command("ingest")(ingest)
app.command("download")(download)
