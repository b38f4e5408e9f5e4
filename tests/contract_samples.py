"""One good and one bad request at least for every operation of the service.

Paths hold placeholders, which `Known` fills. A new operation needs an entry here, or the contract test fails.
"""

from dataclasses import dataclass, field
from typing import Any

Operation = tuple[str, str]


@dataclass(frozen=True)
class Known:
    """What paths and bodies may name."""

    client: int
    unknown: int = 2**62
    decision: str = ""
    version: str = ""
    today: str = ""
    columns: int = 0

    @property
    def row(self) -> list[float]:
        """A row of the model's matrix."""
        return [1.0] * self.columns


@dataclass(frozen=True)
class Sample:
    """A request and the status that it gets.

    Attributes:
        status: expected.
        path: values of the path's parameters; `{client}` and the like stand for fields of `Known`.
        body: sent as JSON; strings such as `{client}` stand for fields of `Known`.
        content: sent as it is.
        headers: of the request.
        query: of the request.
        method: another than the operation's.
    """

    status: int
    path: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    method: str | None = None


#: A probe takes no input that could be wrong but the method.
PROBE = (Sample(200), Sample(405, method="DELETE"))
JSON = {"Content-Type": "application/json"}

#: Some of what the small model eats; the rest is missing.
FEATURES = {"AMT_CREDIT": 406597.5, "AMT_ANNUITY": 24700.5, "NAME_EDUCATION_TYPE": "cat_1", "bureau_credit_count": 2}
TENSOR = {"name": "features", "shape": [1, "{columns}"], "datatype": "FP64", "data": "{row}"}
MODEL = {"model_name": "credit-scoring"}
VERSION = MODEL | {"model_version": "{version}"}
NO_MODEL = {"model_name": "another"}
NO_VERSION = MODEL | {"model_version": "999"}

SAMPLES: dict[Operation, tuple[Sample, ...]] = {
    ("POST", "/v1/score"): (
        Sample(200, body={"client_id": "{client}"}),
        Sample(200, body={"client_id": "{client}", "application": {"amt_credit": 5}, "reasons": False, "lang": "fr"}),
        Sample(200, body={"client_id": "{client}"}, headers={"Idempotency-Key": "contract"}),
        Sample(409, body={"client_id": "{unknown}"}, headers={"Idempotency-Key": "contract"}),
        Sample(404, body={"client_id": "{unknown}"}),
        Sample(413, content=b" " * 20_000, headers=JSON),
        Sample(422, body={"client_id": "seven"}),
        Sample(422, content=b"client_id=7", headers={"Content-Type": "text/plain"}),
        Sample(422, body={"client_id": "{client}"}, headers={"X-Request-Timeout-Ms": "soon"}),
    ),
    ("POST", "/v1/score/batch"): (
        Sample(200, body={"items": [{"client_id": "{client}"}, {"client_id": "{unknown}"}]}),
        Sample(413, content=b" " * 1_100_000, headers=JSON),
        Sample(422, body={"items": []}),
    ),
    ("GET", "/v1/decisions/{decision_id}"): (
        Sample(200, path={"decision_id": "{decision}"}),
        Sample(404, path={"decision_id": "0198f3b2-6c1e-7a40-9d51-2f0a6b8c1d3e"}),
    ),
    ("POST", "/v1/decisions/{decision_id}/outcome"): (
        Sample(200, path={"decision_id": "{decision}"}, body={"outcome": "repaid", "date": "{today}"}),
        Sample(409, path={"decision_id": "{decision}"}, body={"outcome": "default", "date": "{today}"}),
        Sample(422, path={"decision_id": "{decision}"}, body={"outcome": "perhaps", "date": "{today}"}),
        Sample(413, path={"decision_id": "{decision}"}, content=b" " * 20_000, headers=JSON),
    ),
    ("POST", "/v1/decisions/{decision_id}/override"): (
        Sample(
            200,
            path={"decision_id": "{decision}"},
            body={"decision": "approved", "author": "J. Martin", "reason": "Income confirmed."},
        ),
        Sample(422, path={"decision_id": "{decision}"}, body={"decision": "approved"}),
    ),
    ("POST", "/v1/explain"): (
        Sample(200, body={"client_id": "{client}"}),
        Sample(200, body={"client_id": "{client}", "application": {"amt_credit": 5}, "top": 2, "lang": "fr"}),
        Sample(404, body={"client_id": "{unknown}"}),
        Sample(422, body={"client_id": "{client}", "top": -1}),
    ),
    ("POST", "/v1/whatif"): (
        Sample(200, body={"client_id": "{client}", "overrides": {"bureau_debt_sum": None, "amt_credit": 9e5}}),
        Sample(200, body={"client_id": "{client}", "threshold": 0.5, "lang": "fr"}),
        Sample(404, body={"client_id": "{unknown}"}),
        Sample(422, body={"client_id": "{client}", "overrides": {"shoe_size": 42}}),
    ),
    ("GET", "/v1/clients/{client_id}/features"): (
        Sample(200, path={"client_id": "{client}"}),
        Sample(404, path={"client_id": "{unknown}"}),
        Sample(422, path={"client_id": "seven"}),
    ),
    ("GET", "/v1/models"): PROBE,
    ("GET", "/v1/models/current"): PROBE,
    ("GET", "/v1/models/current/features"): (
        Sample(200, query={"top_n": 3, "lang": "fr"}),
        Sample(422, query={"top_n": 0}),
    ),
    ("POST", "/v1/models/refresh"): (Sample(200), Sample(405, method="PUT")),
    ("POST", "/predict"): (
        Sample(200, body={"features": FEATURES}, query={"threshold": 0.3}),
        Sample(409, body={"features": {"bureau_credit_count": 2}}),
        Sample(422, body={"features": {"shoe_size": 42}}),
        Sample(422, body={"features": FEATURES}, query={"threshold": 2}),
    ),
    ("POST", "/predict/simple"): (
        Sample(200, body={"income": 202500, "credit_amount": 406597.5, "annuity": 24700.5}),
        Sample(422, body={"income": "much"}),
    ),
    ("POST", "/predict/batch"): (
        Sample(200, body={"items": [{"features": FEATURES}, {"features": {"bureau_credit_count": 2}}]}),
        Sample(422, body={"items": []}),
    ),
    ("POST", "/predict/explain"): (
        Sample(200, body={"features": FEATURES}, query={"top_n": 2}),
        Sample(422, body={"features": FEATURES}, query={"top_n": 0}),
    ),
    ("GET", "/"): PROBE,
    ("GET", "/health"): PROBE,
    ("GET", "/model/info"): (Sample(200), Sample(422, query={"file": "/etc/passwd"})),
    ("GET", "/model/features"): (Sample(200, query={"top_n": 2}), Sample(422, query={"top_n": "all"})),
    ("GET", "/model/feature-names"): (Sample(200), Sample(422, query={"file": "/etc/passwd"})),
    ("GET", "/data/describe"): (Sample(200), Sample(422, query={"source": "/etc/passwd"})),
    ("GET", "/data/drift"): (
        Sample(404),
        Sample(422, query={"source": "/etc/passwd"}),
    ),
    ("GET", "/v2"): PROBE,
    ("GET", "/v2/health/live"): PROBE,
    ("GET", "/v2/health/ready"): PROBE,
    ("GET", "/v2/models/{model_name}/ready"): (Sample(200, path=MODEL), Sample(404, path=NO_MODEL)),
    ("GET", "/v2/models/{model_name}/versions/{model_version}/ready"): (
        Sample(200, path=VERSION),
        Sample(404, path=NO_VERSION),
    ),
    ("GET", "/v2/models/{model_name}"): (Sample(200, path=MODEL), Sample(404, path=NO_MODEL)),
    ("GET", "/v2/models/{model_name}/versions/{model_version}"): (
        Sample(200, path=VERSION),
        Sample(404, path=NO_VERSION),
    ),
    ("POST", "/v2/models/{model_name}/infer"): (
        Sample(200, path=MODEL, body={"id": "42", "inputs": [TENSOR], "outputs": [{"name": "probability"}]}),
        Sample(404, path=NO_MODEL, body={"inputs": [TENSOR]}),
        Sample(422, path=MODEL, body={"inputs": [TENSOR | {"shape": [3, 1]}]}),
    ),
    ("POST", "/v2/models/{model_name}/versions/{model_version}/infer"): (
        Sample(200, path=VERSION, body={"inputs": [TENSOR], "outputs": [{"name": "contributions"}]}),
        Sample(404, path=NO_VERSION, body={"inputs": [TENSOR]}),
    ),
    ("GET", "/livez"): PROBE,
    ("GET", "/readyz"): PROBE,
    ("GET", "/metrics"): PROBE,
    ("GET", "/version"): PROBE,
}
