"""`creditctl score`: ask the running service for decisions."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from credit.client.address import default_url
from credit.client.calls import LARGEST_PART, Language, ScoreItem
from credit.client.client import CreditClient
from credit.client.display import show
from credit.errors import CreditError
from credit.platform import Home

KEY_VARIABLE: Final = "CREDIT_API_KEY"


class InputError(CreditError):
    """A client id or an amount on the command line or in a file cannot be read."""

    code = "input"


class IncompleteError(CreditError):
    """Some of many clients got no decision."""

    code = "incomplete"


def app(
    client_id: Annotated[int | None, typer.Argument(help="Client (SK_ID_CURR) to decide about.")] = None,
    application: Annotated[
        list[str] | None,
        typer.Option(help="Amount of a new application, such as amt_credit=500000; may be repeated."),
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the reasons.")] = "en",
    reasons: Annotated[bool, typer.Option(help="Whether to name the reasons.")] = True,
    file: Annotated[
        Path | None,
        typer.Option(help="File with one client id a line, - for standard input: answers are JSON lines."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of the service; the demo's when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Decide about one client, or about many by --file; the key comes from CREDIT_API_KEY."""
    amounts = dict(_amount(text) for text in application or ())
    with CreditClient(url or default_url(Home.current()), api_key=os.environ.get(KEY_VARIABLE) or None) as client:
        if client_id is not None and file is None:
            _one(client, ScoreItem(client_id, amounts or None, reasons, lang), as_json)
        elif file is not None and client_id is None and not amounts:
            _many(client, [ScoreItem(found, None, reasons, lang) for found in _ids(file)])
        else:
            raise InputError("give one client id, or --file FILE for many; --application is about one client")


def _one(client: CreditClient, item: ScoreItem, as_json: bool) -> None:
    score = client.score(item.client_id, application=item.application, reasons=item.reasons, lang=item.lang)
    if as_json:
        typer.echo(score.model_dump_json())
    else:
        show(Console(), score)


def _many(client: CreditClient, items: list[ScoreItem]) -> None:
    """One JSON line for each client as soon as its part of the batch is answered."""
    failed = 0
    for start in range(0, len(items), LARGEST_PART):
        for answer in client.score_batch(items[start : start + LARGEST_PART]):
            failed += answer.result is None
            typer.echo(answer.model_dump_json(exclude_none=True))
    if failed:
        raise IncompleteError(f"{failed} of {len(items)} clients got no decision; their lines say why")


def _ids(file: Path) -> list[int]:
    """Every id, before any is asked about.

    Raises:
        InputError: the file cannot be read, or a line is no id; names the line.
    """
    if str(file) == "-":
        return _numbers(sys.stdin)
    try:
        with file.open(encoding="utf-8") as lines:
            return _numbers(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}") from error


def _numbers(lines: Iterable[str]) -> list[int]:
    found = []
    for at, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not (text.isascii() and text.isdigit()):
            raise InputError(f"line {at} is no client id: put one whole number on each line")
        if text:
            found.append(int(text))
    return found


def _amount(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        what = f"'{text}'" if separator else f"'{text}' without ="
        raise InputError(f"--application takes NAME=AMOUNT, such as amt_credit=500000, not {what}") from None
