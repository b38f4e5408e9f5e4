"""`creditctl doctor`: one line for each part, with what to do; exit code 1 when one of them fails."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Annotated, Final

import typer

from credit.errors import SettingsError
from credit.platform import Home
from serving.doctor.examination import Check, Finding, examine, fail, ok
from serving.settings import ServingSettings

_COLORS: Final = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}
#: Importing MLflow or Ray alone takes seconds.
_HEAVY_SECONDS: Final = 40.0


def app(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False) -> int:
    """Look at every part that scoring needs; changes nothing. Exits with 1 if one fails."""
    findings: list[Finding] = []
    for finding in examine(checks(Home.current())):
        findings.append(finding)
        if not as_json:
            typer.secho(f"{finding.verdict:4}", fg=_COLORS[finding.verdict], nl=False)
            typer.echo(f"  {finding.name}: {finding.text}")
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    return int(any(finding.verdict == "fail" for finding in findings))


def checks(home: Home) -> list[Check]:
    """All checks of one platform folder; those that need settings are left out when these are wrong."""
    from serving.doctor import machine_checks

    found = [
        Check("platform", lambda: machine_checks.platform_folder(home)),
        Check("disk", lambda: machine_checks.disk(home)),
        Check("ray", machine_checks.ray, _HEAVY_SECONDS),
        Check("left over", machine_checks.left_over),
    ]
    try:
        settings = _settings(home)
    except SettingsError as error:
        text = str(error)
        return [*found, Check("settings", lambda: [fail("settings", text)])]
    return [*found, Check("settings", lambda: [ok("settings", "complete and well-formed")]), *_of_service(settings)]


def _of_service(settings: ServingSettings) -> Iterator[Check]:
    from serving.doctor import machine_checks, model_checks, redis_checks

    def look(check: Callable[[ServingSettings], Iterable[Finding]]) -> Callable[[], Iterable[Finding]]:
        return lambda: check(settings)

    yield Check("online store", look(redis_checks.online_store))
    yield Check("decision log", look(redis_checks.decision_server))
    yield Check("decision stream", look(redis_checks.decision_stream))
    yield Check("registry", look(model_checks.registry))
    yield Check("alias", look(model_checks.alias), _HEAVY_SECONDS)
    yield Check("bundle", look(model_checks.bundle), _HEAVY_SECONDS)
    yield Check("features", look(model_checks.features), _HEAVY_SECONDS)
    yield Check("service", look(machine_checks.port))


def _settings(home: Home) -> ServingSettings:
    """The service's settings; before anything is made here nobody has chosen an authentication yet."""
    return ServingSettings.load() if home.environment_file.exists() else ServingSettings.for_commands()
