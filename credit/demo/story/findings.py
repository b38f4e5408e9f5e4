"""What each step of the story was expected to show, and what was seen."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from credit.files import write_text
from credit.schemas.features import Frozen


class Finding(Frozen):
    """One step: what was expected, what was seen, and whether that is the same."""

    step: str
    expected: str
    seen: str
    met: bool


class Findings:
    """Findings in order; each is shown and kept in a file as soon as it is known.

    Args:
        console: shows them.
        file: a JSON list of them.
    """

    def __init__(self, console: Console, file: Path) -> None:
        self._console = console
        self._file = file
        self._found: list[Finding] = []

    def add(self, step: str, expected: str, seen: str, met: bool) -> None:
        """One more."""
        self._found.append(Finding(step=step, expected=expected, seen=seen, met=met))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = [finding.model_dump(mode="json") for finding in self._found]
        write_text(self._file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        mark = "[green]✓[/green]" if met else "[red]✗[/red]"
        self._console.print(f"{mark} [bold]{escape(step)}[/bold]")
        self._console.print(f"    expected: {escape(expected)}\n    seen:     {escape(seen)}", soft_wrap=True)

    @property
    def all(self) -> Sequence[Finding]:
        """So far."""
        return self._found
