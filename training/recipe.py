"""From settings, or from what a bundle says, to the labelled applications of a training run."""

from datetime import datetime

from credit.bundle.manifest import Provenance
from credit.errors import SettingsError, TrainingError
from training.dataset import LabelRequest
from training.settings import TrainingSettings


def label_request(
    settings: TrainingSettings, sample: int | None = None, known_until: datetime | None = None
) -> LabelRequest:
    """The applications that a run with these settings takes."""
    return LabelRequest(known_until, sample, settings.window_from, settings.window_until)


def request_of(origin: Provenance) -> LabelRequest:
    """The applications that a finished run took."""
    return label_request(settings_of(origin), origin.sample, origin.known_until)


def settings_of(origin: Provenance) -> TrainingSettings:
    """The settings of a finished run.

    Raises:
        TrainingError: they are of another version of the platform.
    """
    try:
        return TrainingSettings(**origin.settings)  # type: ignore[arg-type]
    except SettingsError as error:
        raise TrainingError(
            f"the model was trained with settings that this version of the platform does not know: {error}; "
            f"use the code of revision {origin.git_revision}"
        ) from error
