"""Runs a study before training, and keeps its report beside it."""

import logging
from typing import TYPE_CHECKING

from credit.progress import step
from training.prepare import Prepared
from training.settings import TrainingSettings
from training.tune.request import TuneRequest

if TYPE_CHECKING:
    from training.tune.report import Tuned

log = logging.getLogger(__name__)


def tuned_settings(prepared: Prepared, settings: TrainingSettings, request: TuneRequest) -> "Tuned":
    """The best settings of a study, whose report is kept in the study's folder."""
    from training.tune.search import tune  # takes a second to import, and few runs tune

    with step("Tune", total=request.trials) as progress:
        tuned = tune(prepared, settings, request, progress)
    folder = request.folder / tuned.report.study
    tuned.write(folder)
    log.info("%s; report in %s", tuned.report.summary(), folder)
    return tuned
