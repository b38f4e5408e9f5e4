"""What was measured of the features: committed beside the catalogue, so that the reference page needs no data."""

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import Field, ValidationError

from credit.errors import FeatureError
from credit.schemas.features import Frozen

STATISTICS_FILE: Final = "statistics.json"


class MeasuredOn(Frozen):
    """What the figures were measured on.

    `data` says where the tables come from; `run` is the run of the offline store, with `rows` rows of `clients`
    clients; `present` is the present of the data. The model is named by its bundle.
    """

    data: str
    clients: int
    run: str
    rows: int
    present: datetime
    model: str
    bundle: str
    trained: datetime


class Statistics(Frozen):
    """Figures by feature name; a feature that was not measured is absent.

    `missing` is the share of rows in which the feature is null; `importance` its share of the mean absolute SHAP values
    of all features of the model, request-time features included.
    """

    measured_on: MeasuredOn | None = None
    missing: dict[str, float] = Field(default_factory=dict)
    importance: dict[str, float] = Field(default_factory=dict)


@cache
def load_statistics() -> Statistics:
    """The committed statistics.

    Raises:
        FeatureError: the file is malformed.
    """
    text = files("feature_repo.catalogue").joinpath(STATISTICS_FILE).read_text("utf-8")
    try:
        return Statistics.model_validate_json(text)
    except ValidationError as error:
        raise FeatureError(f"{STATISTICS_FILE} is malformed: run `creditctl features statistics`: {error}") from error


def percent(share: float | None, digits: int = 1) -> str:
    """A share for people; an en dash where nothing was measured."""
    return "–" if share is None else f"{share:.{digits}%}"
