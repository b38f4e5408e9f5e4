"""Options that every command of this package has."""

from pathlib import Path
from typing import Annotated

import typer

from credit.platform import Home

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Platform folder. Default: CREDIT_HOME, else .platform.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def chosen_home(home: Path | None) -> Home:
    """The platform folder that `--home` names, else the current one."""
    return Home(home.absolute()) if home else Home.current()
