"""Body of `POST /v1/models/refresh`."""

from typing import Any, Final

from pydantic import ConfigDict, Field

from credit.schemas.decision import ModelVersion
from credit.schemas.features import Frozen

_EXAMPLE: Final[dict[str, Any]] = {
    "changed": True,
    "champion": {"name": "credit-scoring", "version": "4", "bundle": "9f" * 32},
    "previous": {"name": "credit-scoring", "version": "3", "bundle": "5c" * 32},
    "challenger": None,
    "challenger_problem": None,
    "canary_share": 0.0,
}


class ModelsNow(Frozen):
    """The models of the replica that answers, after it has looked at the registry."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    changed: bool = Field(description="Whether this look brought another champion.")
    champion: ModelVersion = Field(description="Decides.")
    previous: ModelVersion | None = Field(description="Decided before; it is kept warm for the way back.")
    challenger: ModelVersion | None = Field(
        description="Scores in shadow, and decides for the canary's clients; null when the champion carries its alias."
    )
    challenger_problem: str | None = Field(description="Why the version that carries that alias is not loaded.")
    canary_share: float = Field(description="Share of clients for whom the challenger decides.")
