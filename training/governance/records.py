"""The governance record: one MLflow run per attempt to change the champion, in an experiment of its own.

A record is written whole, with status RUNNING, before an alias moves, and closed after. Nothing here changes or
deletes one.
"""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mlflow.entities import Metric, Run, RunTag

from credit.schemas.features import Frozen
from training.gates.report import GateReport
from training.registry.connection import Connection

Action = Literal["promoted", "refused", "forced", "rolled_back"]
Verdict = Literal["passed", "refused", "not judged"]
REPORT_FILE = "gate_report.json"
_PAGE = 500


class Attempt(Frozen):
    """What is about to be done. Version numbers; `from_version` is None where there was no champion."""

    action: Action
    from_version: str | None
    to_version: str
    who: str
    why: str
    verdict: Verdict
    failed_gates: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the alias is to move."""
        return self.action != "refused"


class Record(Attempt):
    """An attempt on record.

    Attributes:
        run_id: of the record.
        opened: when, UTC.
        status: MLflow's own: FINISHED, FAILED (the alias did not move), or RUNNING when it was cut short.
    """

    run_id: str
    opened: datetime
    status: str


class Journal:
    """Writes and reads the records of one registered model."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = connection.client
        self._name = f"{connection.name}-governance"

    def open(self, attempt: Attempt, report: GateReport | None = None) -> str:
        """Write a record and return its run id; it stays open until `close` or `fail`.

        Raises:
            RegistryError: MLflow cannot be reached.
        """
        with self._connection.errors("write a governance record to"):
            experiment = self._connection.experiment(self._name)
            run = self._client.create_run(experiment, run_name=_title(attempt), tags=_tags(attempt, report))
            if report is not None:
                self._client.log_batch(run.info.run_id, metrics=_metrics(report))
                self._log_report(run.info.run_id, report)
            return str(run.info.run_id)

    def close(self, run_id: str) -> None:
        """Say that what the record announced was done."""
        with self._connection.errors("close a governance record in"):
            self._client.set_terminated(run_id)

    def fail(self, run_id: str) -> None:
        """Say that it was not done, if MLflow still answers."""
        self._connection.mark_failed(run_id)

    def records(self) -> list[Record]:
        """All records, oldest first."""
        with self._connection.errors("read governance records from"):
            found = self._client.get_experiment_by_name(self._name)
            return [_record(run) for run in self._runs(found.experiment_id)] if found else []

    def annotate(self, run_id: str, report: GateReport) -> None:
        """Leave figures and verdict of the gates with the challenger's own training run."""
        tags = {"gates": _verdict(report), "gates_failed": _names(report), "gates_champion": report.champion or "none"}
        with self._connection.errors("write the gates' verdict to"):
            self._client.log_batch(
                run_id, metrics=_metrics(report), tags=[RunTag(name, value) for name, value in tags.items()]
            )

    def _runs(self, experiment: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [experiment], order_by=["attributes.start_time ASC"], max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _log_report(self, run_id: str, report: GateReport) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / REPORT_FILE
            path.write_text(report.model_dump_json(indent=1), "utf-8")
            self._client.log_artifact(run_id, str(path))


def _title(attempt: Attempt) -> str:
    return f"{attempt.action} {attempt.from_version or 'none'} to {attempt.to_version}"


def _tags(attempt: Attempt, report: GateReport | None) -> dict[str, str]:
    tags = {
        "action": attempt.action,
        "from_version": attempt.from_version or "",
        "to_version": attempt.to_version,
        "who": attempt.who,
        "why": attempt.why,
        "forced": str(attempt.action == "forced").lower(),
        "verdict": attempt.verdict,
        "failed_gates": json.dumps(attempt.failed_gates),
        "mlflow.user": attempt.who,
    }
    return tags if report is None else tags | {"mlflow.note.content": report.text().replace("\n", "\n\n")}


def _record(run: Run) -> Record:
    tags = run.data.tags
    return Record(
        action=tags["action"],
        from_version=tags["from_version"] or None,
        to_version=tags["to_version"],
        who=tags["who"],
        why=tags["why"],
        verdict=tags["verdict"],
        failed_gates=json.loads(tags["failed_gates"]),
        run_id=run.info.run_id,
        opened=datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC),
        status=run.info.status,
    )


def _verdict(report: GateReport) -> Verdict:
    return "passed" if report.passed else "refused"


def _names(report: GateReport) -> str:
    return ", ".join(gate.name for gate in report.failed)


def _metrics(report: GateReport) -> list[Metric]:
    now = int(datetime.now(UTC).timestamp() * 1000)
    verdicts = {f"gate_{gate.name}_passed": float(gate.passed) for gate in report.gates}
    figures = {f"gate_{gate.name}": gate.figure for gate in report.gates if gate.figure is not None}
    return [Metric(name, value, now, 0) for name, value in (verdicts | figures).items()]
