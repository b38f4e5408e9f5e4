"""`creditctl features ui`: Feast's own pages over the platform's registry."""

import signal
import socket
import warnings
from contextlib import closing
from importlib.util import find_spec
from types import FrameType
from typing import Annotated, Final

import typer

from credit.errors import SettingsError
from feature_repo.cli.options import HomeOption, chosen_home

_HOST: Final = "127.0.0.1"


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8888,
    home: HomeOption = None,
) -> None:
    """Serve Feast's pages on this machine only, until interrupted."""
    folder = chosen_home(home)
    if find_spec("grpc_health") is None:
        raise SettingsError("Feast's pages need the Python package grpcio-health-checking: install it")
    _check_free(port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    from feature_repo.store import registered_store  # feast takes seconds to import

    store = registered_store(folder)
    typer.echo(f"Feast on http://{_HOST}:{port}, stop with Ctrl-C", err=True)
    warnings.filterwarnings("ignore", message="The `root_path` parameter")  # Feast's use of FastAPI
    store.serve_ui(host=_HOST, port=port)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Also what uvicorn falls back to once it has closed its connections: it repeats the signal."""
    raise SystemExit(0)


def _check_free(port: int) -> None:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {_HOST}:{port}: {error.strerror}; choose another with --port, or stop what uses it"
            ) from error
