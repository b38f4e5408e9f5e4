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
    ("GET", "/livez"): PROBE,
    ("GET", "/readyz"): PROBE,
    ("GET", "/metrics"): PROBE,
    ("GET", "/version"): PROBE,
}
