"""Runs the archiver in a test's process."""

import threading
from pathlib import Path

import pytest

from monitoring.archiver.run import ArchiveReport, archive_decisions
from monitoring.settings import MonitoringSettings


def archive_now(
    redis_url: str, project: str, place: Path | str, *, batch: int = 2_000, endpoint: str | None = None
) -> ArchiveReport:
    """What `creditctl monitor archive --once` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_REDIS_URL", redis_url)
        patch.setenv("MONITORING_FEATURE_PROJECT", project)
        patch.setenv("MONITORING_DECISION_ARCHIVE", str(place))
        patch.setenv("MONITORING_ARCHIVE_BATCH_RECORDS", str(batch))
        if endpoint is not None:
            patch.setenv("MONITORING_STORAGE_ENDPOINT", endpoint)
        return archive_decisions(MonitoringSettings(), threading.Event(), once=True, on_batch=lambda *_: None)
