"""One real request to the running service, and its answer for people."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.table import Table

from credit.errors import StepError


def score(base_url: str, client_id: int) -> dict[str, Any]:
    """POST /v1/score for one client.

    Raises:
        StepError: the service answered with a problem; carries its text.
    """
    request = Request(  # noqa: S310 - our own http address
        f"{base_url}/v1/score",
        data=json.dumps({"client_id": client_id}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            body: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        raise StepError(f"step 'score' failed: HTTP {error.code}: {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise StepError(f"step 'score' failed: {base_url} does not answer: {error}") from error
    return body


def show(console: Console, base_url: str, client_id: int, answer: dict[str, Any]) -> None:
    """Print the request and its answer."""
    console.print(f"\n[bold]POST {base_url}/v1/score[/bold]  " + json.dumps({"client_id": client_id}))
    approved = answer["decision"] == "approved"
    colour = "green" if approved else "red"
    console.print(
        f"[bold {colour}]{answer['decision'].upper()}[/bold {colour}]  client {answer['client_id']}: "
        f"probability of default [bold]{answer['probability']:.2%}[/bold], threshold {answer['threshold']:.2%}, "
        f"risk band {answer['risk_band']}",
        soft_wrap=True,
    )
    console.print(
        f"decision {answer['decision_id']}, model {answer['model']['name']} version {answer['model']['version']}",
        soft_wrap=True,
    )
    console.print(_reasons(answer["reasons"]))
    console.print(_views(answer["features"]))


def _reasons(reasons: list[dict[str, Any]]) -> Table:
    table = Table("reason", "feature", "value", "log-odds", title="Reasons", title_justify="left")
    for reason in reasons:
        table.add_row(reason["text"], reason["feature"], _value(reason["value"]), f"{reason['contribution']:+.3f}")
    return table


def _views(views: dict[str, dict[str, Any]]) -> Table:
    table = Table("feature view", "status", "as of", "built", title="Features", title_justify="left")
    for name, view in views.items():
        table.add_row(name, view["status"], _value(view["as_of"]), _value(view["built_at"]))
    return table


def _value(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float | int) else value
