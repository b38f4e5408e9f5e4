"""Body of `GET /v1/clients/{id}/features`."""

from pydantic import ConfigDict, Field

from credit.schemas.decision import ViewState
from credit.schemas.features import Frozen, MissingPolicy
from serving.schemas.explain import EXAMPLE_MODEL, EXAMPLE_STATE
from serving.schemas.score import EXAMPLE_CLIENT, AnsweringModel


class StoredFeature(Frozen):
    """One stored value."""

    value: float | str | None = Field(description="Null where the store holds null, or the view no usable row.")
    in_model: bool = Field(description="Whether the current model eats it.")
    for_request_features: bool = Field(description="Whether features that each request computes come from it.")


class StoredView(ViewState):
    """One feature view of a client."""

    ttl_seconds: int = Field(description="Age from which on the row counts as stale.")
    missing_policy: MissingPolicy
    values: dict[str, StoredFeature]


class ClientFeatures(Frozen):
    """What the online store holds of a client, in the views that the current model reads."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "client_id": EXAMPLE_CLIENT,
                    "views": {
                        "application": {
                            **EXAMPLE_STATE,
                            "ttl_seconds": 172_800,
                            "missing_policy": "refuse",
                            "values": {
                                "ext_source_3": {"value": 0.139, "in_model": True, "for_request_features": True},
                                "own_car_age": {"value": None, "in_model": True, "for_request_features": False},
                            },
                        }
                    },
                    "model": EXAMPLE_MODEL,
                }
            ]
        }
    )

    client_id: int
    views: dict[str, StoredView]
    model: AnsweringModel
