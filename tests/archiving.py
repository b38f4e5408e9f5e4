"""Runs the archiver in a test's process."""

import threading
from pathlib import Path

import pytest

from monitoring.archiver.run import ArchiveReport, archive_decisions
from monitoring.settings import MonitoringSettings


def archive_now(redis_url: str, project: str, folder: Path, batch: int = 2_000) -> ArchiveReport:
    """What `creditctl monitor archive --once` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_REDIS_URL", redis_url)
        patch.setenv("MONITORING_FEATURE_PROJECT", project)
        patch.setenv("MONITORING_DECISION_ARCHIVE", str(folder))
        patch.setenv("MONITORING_ARCHIVE_BATCH_RECORDS", str(batch))
        return archive_decisions(MonitoringSettings(), threading.Event(), once=True, on_batch=lambda *_: None)
