"""A decision for people."""

from collections.abc import Mapping
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from credit.client.answers import Quality, Reason, Score, ViewState

_COLOURS = {"approved": "green", "refused": "red"}


def show(console: Console, score: Score) -> None:
    """Print a decision with its reasons and what it was based on."""
    colour = _COLOURS.get(score.decision, "yellow")
    lines = (
        f"[bold {colour}]{escape(score.decision.upper())}[/bold {colour}]  client {score.client_id}: "
        f"probability of default [bold]{score.probability:.2%}[/bold], threshold {score.threshold:.2%}, "
        f"{score.points:.0f} points, risk band {escape(score.risk_band)}",
        f"decision {escape(score.decision_id)}, model {escape(score.model.name)} version {escape(score.model.version)}",
        _quality(score.quality),
    )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    if score.reasons:
        console.print(_reasons(score.reasons))
    console.print(_views(score.features))


def _quality(quality: Quality) -> str:
    states = [f"{state}: {', '.join(views)}" for state, views in _states(quality).items() if views]
    return escape("; ".join([f"coverage of the features {quality.coverage:.0%}", *states]))


def _states(quality: Quality) -> dict[str, list[str]]:
    done = [f"{view} ({quality.policies[view]})" if view in quality.policies else view for view in quality.missing]
    return {"stale": list(quality.stale), "missing": done}


def _reasons(reasons: tuple[Reason, ...]) -> Table:
    table = Table("reason", "feature", "value", "log-odds", title="Reasons", title_justify="left")
    for reason in reasons:
        table.add_row(*map(escape, (reason.text, reason.feature, _value(reason.value), f"{reason.contribution:+.3f}")))
    return table


def _views(views: Mapping[str, ViewState]) -> Table:
    table = Table("feature view", "status", "as of", "built", title="Features", title_justify="left")
    for name, view in views.items():
        table.add_row(*map(escape, (name, view.status, _moment(view.as_of), _moment(view.built_at))))
    return table


def _value(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.4g}"


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else moment.isoformat(timespec="seconds")
