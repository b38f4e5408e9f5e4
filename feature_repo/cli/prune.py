"""`creditctl features prune`: the online rows of schemas that nobody reads any more."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from feature_repo.cli.options import HomeOption, JsonOption, chosen_home


def prune(
    older_than: Annotated[
        int, typer.Option("--older-than", min=0, help="Hours since the build; younger rows stay.")
    ] = 48,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove online rows of views as they were before a change, once no served model reads them.

    A changed view is written beside its old rows, which replicas of the model before go on reading. Nobody writes the
    old ones any more: after the default of 48 hours the shipped views count them as stale.
    """
    from feature_repo.store import prune_online_store  # feast takes seconds to import

    folder = chosen_home(home)
    removed = prune_online_store(folder, datetime.now(UTC) - timedelta(hours=older_than))
    text = f"removed {removed:,} rows of other schemas than the registered ones"
    typer.echo(json.dumps({"removed": removed}) if as_json else text)
