"""Moves the alias `champion`, recorded before and after."""

from contextlib import suppress

from credit.errors import RegistryError
from training.gates.report import GateReport
from training.governance.records import Attempt, Journal
from training.registry import CHAMPION, Registry


def move_champion(registry: Registry, attempt: Attempt, report: GateReport | None = None) -> str:
    """Record the attempt, move the alias, close the record; returns the record's run id.

    Raises:
        RegistryError: MLflow cannot be reached, or the champion changed since the attempt was made. The alias stays,
            or, if MLflow went away between the move and closing, `history` finds that it moved.
    """
    journal = Journal(registry.connection)
    run_id = journal.open(attempt, report)
    try:
        _check_unchanged(registry, attempt)
        registry.set_alias(CHAMPION, attempt.to_version)
    except BaseException:
        with suppress(Exception):
            if _number(registry) != attempt.to_version:
                journal.fail(run_id)
        raise
    journal.close(run_id)
    return run_id


def _check_unchanged(registry: Registry, attempt: Attempt) -> None:
    """MLflow has no compare-and-set: this leaves a race of one call's length."""
    now = _number(registry)
    if now != attempt.from_version:
        raise RegistryError(
            f"the champion changed meanwhile, from {_named(attempt.from_version)} to {_named(now)}: nothing was moved; "
            "see `creditctl models history` and repeat"
        )


def _number(registry: Registry) -> str | None:
    champion = registry.champion()
    return champion.version if champion else None


def _named(version: str | None) -> str:
    return f"version {version}" if version else "none"
