"""`creditctl serve`: score requests over HTTP until stopped."""

import http.client
import json
import logging
import signal
import time
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from credit.bundle.keys import load_public_key
from credit.errors import BundleError, StepError, StoreUnavailableError
from credit.platform import Home
from credit.progress import step
from serving.local_ray import check_port_free, running_service, watch
from serving.loopback import is_loopback
from serving.pointer import pointer_path
from serving.registry import NoChampionError
from serving.settings import ServingSettings

log = logging.getLogger(__name__)
_READY_SECONDS = 120.0
#: Obstacles that waiting does not remove.
_HOPELESS = (NoChampionError.code, BundleError.code)


def app(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; a loopback address while authentication is off.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell readiness as JSON.")] = False,
) -> None:
    """Serve scores over HTTP until SIGTERM or Ctrl-C."""
    settings = ServingSettings.load(host=host, port=port, log_folder=Home.current().run / "serving")
    check_port_free(settings.host, settings.port)
    _end_on_signals()
    check_ready_to_start(settings)
    with step("start Ray Serve") as starting, running_service(settings):
        _end_on_signals()  # Ray has put its own handlers there
        state = _wait_until_ready(settings)
        starting.advance()
        typer.echo(json.dumps(state) if as_json else _greeting(settings, state))
        watch()


def check_ready_to_start(settings: ServingSettings) -> None:
    """What would make every request fail and can be told before Ray starts.

    Raises:
        CreditError: a store does not answer, a key cannot be read, or nothing was ever trained.
    """
    from serving.callers.authenticator import Authenticator
    from serving.stores import decision_log, feature_reader

    load_public_key(settings.public_key_path)
    if settings.authentication != "off":
        Authenticator(settings)
    for store in (feature_reader(settings, ()), decision_log(settings)):
        with closing(store):
            try:
                store.ping()
            except StoreUnavailableError as error:
                raise StoreUnavailableError(f"{error}; start Redis with `creditctl redis start`") from error
    database = settings.mlflow_tracking_uri.removeprefix("sqlite:///")
    known = pointer_path(settings.bundle_cache, settings.model_alias).exists()
    if database != settings.mlflow_tracking_uri and not known and not Path(database).exists():
        raise NoChampionError(f"there is no model registry in {database} yet: run `creditctl train --promote`")


def _wait_until_ready(settings: ServingSettings) -> dict[str, object]:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        status, answer = _get(settings, "/readyz")
        if status == http.client.OK:
            return answer
        if time.monotonic() > deadline or answer.get("code") in _HOPELESS:
            raise StepError(f"not ready: {answer.get('detail', answer)}")
        time.sleep(0.1)


def _get(settings: ServingSettings, path: str) -> tuple[int, dict[str, object]]:
    with closing(http.client.HTTPConnection(settings.host, settings.port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return 0, {"detail": str(error)}


def _greeting(settings: ServingSettings, state: dict[str, object]) -> str:
    address = f"http://{settings.host}:{settings.port}"
    model = state["model"]
    assert isinstance(model, dict)
    return (
        f"ready: {address}/v1/score answers with {model['name']} version {model['version']}; "
        f"API page {address}/docs; authentication is {state['authentication']}"
        f"{', this machine only' if is_loopback(settings.host) else ''}"
    )


def _end_on_signals() -> None:
    """SIGTERM and SIGINT unwind the stack once, so that everything started is ended; a second one changes nothing."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
