"""`creditctl models gates | promote | rollback | history`: which model decides, and who said so."""

import getpass
import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.cli.registry_access import JsonOption, open_access, open_registry

Candidate = Annotated[str, typer.Argument(help="Version number, alias, or the id of a training run.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who answers for it. Default: the login name.")]


def gates(version: Candidate = "challenger", as_json: JsonOption = False) -> None:
    """Judge a version against the champion and change nothing; exit code 2 when a gate refuses."""
    from credit.errors import GateRefusedError
    from training.gates import GateSettings
    from training.gates.evidence import load_evidence
    from training.governance.promotion import judge_version, load_champion, refusal

    access, settings = open_access(), GateSettings()
    found, challenger = access.load(version)
    champion = access.registry.champion()
    opponent = load_champion(access.registry, champion, access.public_key)
    evidence = load_evidence(access.home, challenger, opponent)
    report = judge_version(
        access.registry, found, challenger, opponent, evidence.unseen, evidence.store_contract, settings
    )
    typer.echo(report.model_dump_json(indent=1) if as_json else report.text())
    if not report.passed:
        raise GateRefusedError(f"version {found.version} would not be promoted:\n{refusal(report)}")


def promote(
    version: Candidate = "challenger",
    force: Annotated[bool, typer.Option("--force", help="Promote although a gate refuses; needs --why.")] = False,
    who: WhoOption = "",
    why: Annotated[str, typer.Option("--why", help="Reason, kept on record.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Let a version decide if every gate passes; exit code 2 when one refuses. Every attempt is on record."""
    from training.gates import GateSettings
    from training.gates.evidence import load_evidence
    from training.governance import promote as promote_version
    from training.governance.promotion import check_candidate, check_reason, load_opponent

    check_reason(force, why)
    access, settings = open_access(), GateSettings()
    found, challenger = access.load(version)
    champion = access.registry.champion()
    check_candidate(found, champion)
    opponent, _ = load_opponent(access.registry, champion, access.public_key, force=force)
    evidence = load_evidence(access.home, challenger, opponent)
    done = promote_version(
        access.registry,
        found.version,
        challenger,
        evidence.unseen,
        evidence.store_contract,
        settings,
        public_key=access.public_key,
        who=who or login(),
        why=why,
        force=force,
    )
    if as_json:
        typer.echo(json.dumps(asdict(done) | {"report": done.report.model_dump(mode="json")}))
        return
    typer.echo(done.report.text())
    typer.echo(f"version {done.version} is champion{' by force' if done.forced else ''}, {_replaced(done.replaced)}")


def rollback(
    who: WhoOption = "",
    why: Annotated[str, typer.Option("--why", help="Reason, kept on record.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Let the version that was champion before decide again; repeated, it goes further back."""
    from training.governance import rollback as go_back

    access = open_access()
    done = go_back(access.registry, public_key=access.public_key, who=who or login(), why=why)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        typer.echo(f"version {done.version} is champion again, {_replaced(done.replaced)}")


def history(as_json: JsonOption = False) -> None:
    """Every attempt to change the champion, newest first."""
    from training.governance import history as entries

    found = entries(open_registry())[::-1]
    if as_json:
        typer.echo(json.dumps([_flat(entry.model_dump(mode="json")) for entry in found]))
        return
    if not found:
        typer.echo("nobody has promoted a model yet")
        return
    table = Table("when (UTC)", "action", "from", "to", "outcome", "who", "why", "gates that refused")
    for entry in found:
        record = entry.record
        table.add_row(
            record.opened.strftime("%Y-%m-%d %H:%M"),
            record.action,
            record.from_version or "",
            record.to_version,
            entry.outcome,
            escape(record.who),
            escape(record.why),
            ", ".join(record.failed_gates),
        )
    Console().print(table)


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = entry["record"]
    return {**record, "outcome": entry["outcome"]}


def _replaced(version: str | None) -> str:
    return f"in place of version {version}" if version else "the first one"


def login() -> str:
    """The name of the account that runs this, as far as it is known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return f"uid {os.getuid()}"
