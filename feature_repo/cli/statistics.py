"""`creditctl features statistics`: measure share missing and importance, for the catalogue's page."""

from pathlib import Path
from typing import Annotated

import typer

from credit.files import write_text
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.cards import measured_on_text
from feature_repo.catalogue.statistics import STATISTICS_FILE
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home


def statistics(
    run: Annotated[
        str, typer.Option(help="Finished run of the offline store to count missing values in.")
    ] = "training",
    bundle: Annotated[
        Path | None, typer.Option(help="Directory of the model bundle. Default: the newest in the platform folder.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Key that verifies the bundle. Default: the platform folder's own.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("feature_repo/catalogue") / STATISTICS_FILE,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the share of missing values and the importance of each feature; `features docs` shows them."""
    from credit.bundle.keys import PUBLIC_KEY_FILE  # these take a moment to import
    from feature_repo.feature_statistics import measure, newest_bundle

    folder = chosen_home(home)
    key = public_key or folder.keys / PUBLIC_KEY_FILE
    measured = measure(folder, load_catalogue().views, run, bundle or newest_bundle(folder), key)
    write_text(out, measured.model_dump_json(indent=1) + "\n")
    text = f"wrote {out}: {len(measured.missing)} features. {measured_on_text(measured.measured_on)}"
    typer.echo(measured.model_dump_json() if as_json else text)
