"""Every operation of the OpenAPI document over real HTTP: its answers are those that the document promises."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from contract_samples import SAMPLES, Known, Sample
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from serving_replica import MLFLOW_WARNING
from serving_world import FIRST_CLIENT

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
PROBLEM = {"$ref": "#/components/schemas/Problem"}
EVERY_SAMPLE = [(operation, sample) for operation, samples in SAMPLES.items() for sample in samples]


@pytest.fixture(scope="module")
def document(service) -> dict[str, Any]:
    return service.http.get("/openapi.json").json()


@pytest.fixture(scope="module")
def known(service) -> Known:
    answer = service.score({"client_id": FIRST_CLIENT}).json()
    return Known(
        FIRST_CLIENT,
        decision=answer["decision_id"],
        version=answer["model"]["version"],
        today=datetime.now(UTC).date().isoformat(),
        columns=len(service.world.contract.names),
    )


def test_the_document_is_valid_openapi(document):
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_has_a_good_and_a_bad_sample_and_nothing_else_has(document):
    operations = {
        (method.upper(), path): found for path, item in document["paths"].items() for method, found in item.items()
    }
    assert set(SAMPLES) == set(operations)
    for operation, samples in SAMPLES.items():
        statuses = [sample.status for sample in samples]
        # Until monitoring has left a summary, /data/drift has nothing good to tell.
        assert operation == ("GET", "/data/drift") or min(statuses) < 400 <= max(statuses), operation


def test_every_operation_is_described_with_examples(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
            for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
                assert examples_of(document, media), (method, path, media_type)
            for status, answer in operation["responses"].items():
                assert answer["description"], (method, path, status)
                assert answer.get("content"), (method, path, status)
                good = int(status) < 400 and "application/json" in answer["content"]
                assert not good or examples_of(document, answer["content"]["application/json"]), (method, path, status)


def examples_of(document, media) -> list[Any]:
    """Examples of a body: its own, or those of its model."""
    name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
    own = [media["example"]] if "example" in media else list(media.get("examples", {}).values())
    return own or document["components"]["schemas"].get(name, {}).get("examples", [])


def test_examples_meet_their_own_schemas(document):
    schemas = document["components"]["schemas"]
    examples = [(name, example) for name, schema in schemas.items() for example in schema.get("examples", ())]
    assert {"ScoreRequest", "BatchRequest", "ScoreAnswer", "BatchAnswer"} <= {name for name, _ in examples}
    for name, example in examples:
        check(document, {"$ref": f"#/components/schemas/{name}"}, example)


@pytest.mark.parametrize(
    ("operation", "sample"),
    EVERY_SAMPLE,
    ids=[f"{method} {path} {sample.status}" for (method, path), sample in EVERY_SAMPLE],
)
def test_an_answer_is_as_documented(service, document, known, operation, sample):
    answer = service.http.request(**request_of(operation, sample, known))
    assert answer.status_code == sample.status, answer.text
    media_type = answer.headers["content-type"].partition(";")[0]
    assert answer.headers["x-request-id"]
    if sample.method is not None:  # no operation at all
        check(document, PROBLEM, answer.json())
        assert (media_type, answer.headers["allow"]) == ("application/problem+json", operation[0])
        return
    documented = document["paths"][operation[1]][operation[0].lower()]["responses"]
    assert str(sample.status) in documented
    content = documented[str(sample.status)]["content"]
    assert media_type in content
    check(document, content[media_type].get("schema", {}), body_of(answer, media_type))


def request_of(operation, sample: Sample, known: Known) -> dict[str, Any]:
    method, path = operation
    values = {name: filled(value, known) for name, value in sample.path.items()}
    request = {"method": sample.method or method, "url": path.format(**values), "headers": sample.headers}
    request |= {"params": sample.query} if sample.query else {}
    if sample.content is not None:
        return request | {"content": sample.content}
    return request if sample.body is None else request | {"json": filled(sample.body, known)}


def filled(part: Any, known: Known) -> Any:
    """`part` with the values of its placeholders."""
    if isinstance(part, dict):
        return {name: filled(value, known) for name, value in part.items()}
    if isinstance(part, list):
        return [filled(value, known) for value in part]
    if isinstance(part, str) and part.startswith("{") and part.endswith("}"):
        return getattr(known, part[1:-1])
    return part


def body_of(answer: httpx.Response, media_type: str) -> Any:
    return answer.json() if media_type.endswith("json") else answer.text


def check(document, schema, value) -> None:
    """Fail unless `value` meets `schema`, whose references lead into the document."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"], **schema}
    assert [error.message for error in Draft202012Validator(whole).iter_errors(value)] == []
