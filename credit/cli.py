"""`creditctl`: one console script whose groups are loaded only when called.

Groups are named by 'package.module:app' strings, so that `creditctl --help` imports no framework and this module
imports none of the packages above it.
"""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from credit import __version__
from credit.errors import CreditError, GateRefusedError
from credit.platform import Home, load_environment

#: name -> (module:app, help line)
COMMANDS: dict[str, tuple[str, str]] = {
    "data": ("feature_repo.cli.data:app", "Generate, download, ingest and check raw data."),
    "decisions": ("serving.decisions_cli:app", "Read, replay, verify and export recorded decisions."),
    "demo": ("credit.demo.cli:app", "Run the whole platform on this machine, see it, stop it."),
    "doctor": ("serving.doctor.cli:app", "Look whether all parts work, and say what to do."),
    "features": ("feature_repo.cli.features:app", "Build, apply, materialise, push and look up features."),
    "keys": ("serving.keys_cli:app", "Create, list and revoke API keys of the scoring service."),
    "mlflow": ("training.cli.mlflow:app", "Open the experiment tracker."),
    "models": ("training.cli.models:app", "List, compare, verify, promote and roll back models."),
    "monitor": ("monitoring.cli:app", "Archive decisions and watch over them."),
    "redis": ("feature_repo.cli.redis:app", "Start and stop the private Redis."),
    "score": ("credit.client.cli:app", "Ask the running service for decisions."),
    "score-batch": ("training.cli.score_batch:app", "Score every client into Parquet."),
    "serve": ("serving.cli:app", "Serve scores over HTTP."),
    "train": ("training.cli.train:app", "Train, register and sign a model."),
}
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `creditctl`: exit 0 if all went well, 1 on an error, 2 when a gate said no."""
    raise SystemExit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    _log_to_stderr()
    load_environment(Home.current())
    try:
        result = build_app(arguments)(args=list(arguments), prog_name="creditctl", standalone_mode=False)
    except GateRefusedError as error:
        return _fail(error, code=2)
    except CreditError as error:
        return _fail(error, code=1)
    except TyperException as error:  # wrong usage: 1, because 2 means that a gate said no
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return 1
    except (Abort, KeyboardInterrupt):
        typer.echo("stopped", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _log_to_stderr() -> None:
    """Tell what our own packages do; libraries speak up only when something is wrong."""
    logging.basicConfig(level=logging.WARNING, format=_LOG_FORMAT, stream=sys.stderr)
    for package in ("credit", "feature_repo", "training", "serving", "monitoring"):
        logging.getLogger(package).setLevel(logging.INFO)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The command tree in which only the group named by `arguments` is real; the others are help lines."""
    # Plain help here: importing Rich's Markdown and syntax modules would double the time of `creditctl --help`.
    app = typer.Typer(
        help="Real-time credit scoring platform.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )
    app.callback()(_root)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (target, help_line) in COMMANDS.items():
        if name != called:
            app.command(name, help=help_line)(_not_loaded)
            continue
        command = _load(target)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=help_line)
        else:
            app.command(name, help=help_line)(command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def _load(target: str) -> typer.Typer | Callable[..., Any]:
    module_name, _, attribute = target.partition(":")
    loaded: typer.Typer | Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
    return loaded


def _not_loaded() -> None:
    raise AssertionError("only the called command is loaded")


def _fail(error: CreditError, code: int) -> int:
    typer.echo(f"error: {error}", err=True)
    return code
