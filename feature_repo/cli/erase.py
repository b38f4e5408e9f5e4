"""`creditctl features erase`: a client's right to erasure in the online store."""

from typing import Annotated

import typer

from credit.schemas.features import Frozen
from feature_repo.cli.options import JsonOption
from feature_repo.settings import FeatureSettings

#: A command waits longer than a request.
_CONNECT_SECONDS, _READ_SECONDS = 2.0, 30.0
_REMAINS = (
    "offline rows and events, until the client is gone from the source data and they are built anew: "
    "until then materialising brings the client back",
    "decision records, which the lender must keep",
)


class EraseReport(Frozen):
    """What `erase` answers.

    Attributes:
        erased: the views that each client had online rows in.
        unknown: clients without any online row.
        remains: where data of the clients still lies.
    """

    erased: dict[int, tuple[str, ...]]
    unknown: tuple[int, ...]
    remains: tuple[str, ...] = _REMAINS


def erase(
    clients: Annotated[list[int], typer.Argument(metavar="CLIENT_ID...", help="Ids of the clients (SK_ID_CURR).")],
    as_json: JsonOption = False,
) -> None:
    """Remove clients from the online store: every view, every schema. Says what was removed and what remains."""
    from feature_repo.online.exchange import open_exchange  # the codec loads only when it is needed
    from feature_repo.online.keys import PROJECT
    from feature_repo.online.writer import PackedWriter

    exchange = open_exchange(FeatureSettings().redis(_CONNECT_SECONDS, _READ_SECONDS))
    asked = list(dict.fromkeys(clients))
    try:
        erased = PackedWriter(exchange, PROJECT).erase(asked)
    finally:
        exchange.close()
    report = EraseReport(erased=erased, unknown=tuple(client for client in asked if client not in erased))
    typer.echo(report.model_dump_json() if as_json else _text(report))


def _text(report: EraseReport) -> str:
    lines = [f"erased client {client}: {', '.join(views)}" for client, views in report.erased.items()]
    lines += [f"client {client} has no online row" for client in report.unknown]
    return "\n".join([*lines, *(f"remains: {place}" for place in report.remains), "see docs/how-to/erase-a-client.md"])
