"""The steps of the demo, and the runner that skips, times and checks them."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from credit.demo import fingerprints
from credit.errors import StepError
from credit.files import write_text
from credit.platform import Home

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demo.

    Attributes:
        name: shown and used as the stamp's file name.
        title: what it does, for people.
        command: arguments of `creditctl`.
        packages: the packages whose source decides the result.
        outputs: what must exist for the step to count as finished.
        inputs: files outside the platform folder that decide the result.
    """

    name: str
    title: str
    command: tuple[str, ...]
    packages: tuple[str, ...]
    outputs: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step went; `peak_mib` is the peak memory of its processes."""

    name: str
    skipped: bool
    seconds: float = 0.0
    peak_mib: float = 0.0


@dataclass(slots=True)
class Runner:
    """Runs steps in order; each step's fingerprint includes those of all steps before it.

    What the steps print goes where the console prints.
    """

    home: Home
    console: Console
    results: list[StepResult] = field(default_factory=list)
    _chain: str = ""

    def run(self, step: Step) -> None:
        """Run `step` unless it is finished with unchanged inputs.

        Raises:
            StepError: the command failed or did not leave its outputs.
        """
        self._chain = self._fingerprint(step)
        if self._finished(step):
            self.console.print(f"[dim]✓ {step.title}: unchanged, skipped[/dim]")
            self.results.append(StepResult(step.name, skipped=True))
            return
        stamp_of(self.home, step.name).unlink(missing_ok=True)
        self.console.print(f"▶ {step.title}")
        result = self._execute(step)
        write_text(stamp_of(self.home, step.name), json.dumps({"fingerprint": self._chain, "seconds": result.seconds}))
        self.console.print(f"[green]✓[/green] {step.title}: {result.seconds:.1f} s, peak {result.peak_mib:.0f} MiB")
        self.results.append(result)

    def forget(self, name: str) -> None:
        """Let the step called `name` run again, whatever its inputs."""
        stamp_of(self.home, name).unlink(missing_ok=True)

    def _fingerprint(self, step: Step) -> str:
        sources = (fingerprints.of_package(package) for package in ("credit", *step.packages))
        return fingerprints.digest(self._chain, *step.command, *sources, fingerprints.of_files(step.inputs))

    def _finished(self, step: Step) -> bool:
        try:
            stamp = json.loads(stamp_of(self.home, step.name).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return stamp.get("fingerprint") == self._chain and all(path.exists() for path in step.outputs)

    def _output(self) -> int | None:
        return sys.stderr.fileno() if self.console.stderr else None

    def _execute(self, step: Step) -> StepResult:
        started = time.perf_counter()
        process = subprocess.Popen(creditctl(*step.command), env=environment(self.home), stdout=self._output())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise StepError(_failure(step, f"exit code {process.returncode}; its message stands above"))
        missing = [str(path) for path in step.outputs if not path.exists()]
        if missing:
            raise StepError(_failure(step, f"it did not write {', '.join(missing)}"))
        return StepResult(step.name, False, time.perf_counter() - started, usage.ru_maxrss / 1024)


def stamp_of(home: Home, name: str) -> Path:
    """Where a finished step leaves its fingerprint."""
    return home.run / "steps" / f"{name}.json"


def creditctl(*arguments: str) -> list[str]:
    """The command line that runs `creditctl` with this interpreter."""
    return [sys.executable, "-m", "credit", *arguments]


def environment(home: Home) -> dict[str, str]:
    """This process's environment, pointed at one platform folder."""
    return {**os.environ, "CREDIT_HOME": str(home.root)}


def data_steps(home: Home, clients: int, seed: int, source: Path | None) -> Iterator[Step]:
    """Raw tables, generated or the user's, to typed events."""
    if source is None:
        yield Step(
            "generate",
            f"Generate {clients:,} clients in the Kaggle format",
            ("data", "generate", "--clients", str(clients), "--seed", str(seed), "--out", str(home.raw)),
            ("feature_repo.datagen",),
            (home.raw / "application_train.csv",),
        )
    raw = home.raw if source is None else source
    yield Step(
        "ingest",
        f"Ingest {raw}",
        ("data", "ingest", "--source", str(raw), "--out", str(home.events)),
        ("feature_repo.ingest",),
        (home.events / "meta.json",),
        () if source is None else _tables(source),
    )


def feature_steps(home: Home) -> Iterator[Step]:
    """Events to features: training history, today's batch, Feast's registry, Redis."""
    sources = ("feature_repo",)
    yield Step(
        "backfill",
        "Build features as of each application (training)",
        ("features", "backfill", "--spine", "training"),
        sources,
        (home.offline / "application" / "training",),
    )
    yield Step(
        "build",
        "Build features as of today (online)",
        ("features", "build"),
        sources,
        (home.offline / "application" / "online",),
    )
    yield Step("apply", "Register features with Feast", ("features", "apply"), sources, (home.feast_registry,))
    yield Step(
        "materialize",
        "Write features to Redis",
        ("features", "materialize", "--replace"),
        sources,
        (),
    )


def training_step(home: Home) -> Step:
    """History to a signed, registered model with alias `champion`, whatever its gates say: a demo has to answer."""
    wish = ("--promote", "--force", "--who", "demo", "--why", "the demo serves what it has trained")
    return Step("train", "Train, register and sign the model", ("train", *wish), ("training",), (home.mlflow,))


def _tables(source: Path) -> tuple[Path, ...]:
    return tuple(path for path in source.rglob("*") if path.is_file())


def _failure(step: Step, cause: str) -> str:
    command = " ".join(("creditctl", *step.command))
    return (
        f"step '{step.name}' ({step.title}) failed: {cause}. Nothing half-written was kept and earlier steps stay "
        f"finished. Mend the cause and repeat; to run only this step: {command}"
    )
