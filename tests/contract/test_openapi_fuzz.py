"""Requests made up from the OpenAPI document, good ones and bad ones: every answer is one that the document promises.

Status, media type, headers and schema of each answer are checked against the document; what the document allows must
not be refused as invalid, what it forbids must not be accepted.
"""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from serving_replica import CLIENTS, MLFLOW_WARNING
from serving_world import FIRST_CLIENT

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
PHASES = (Phase.generate, Phase.shrink)
DEADLINE = "X-Request-Timeout-Ms"
#: Bodies whose names and shapes are the model's: the document cannot tell good ones from bad ones.
NAMED_BY_THE_MODEL = {"/predict", "/predict/explain", "/predict/batch", "/predict/simple", "/v1/whatif"}


@pytest.fixture(scope="module")
def document(replica):
    return schemathesis.openapi.from_asgi("/openapi.json", replica.replica.api())


def test_made_up_requests_meet_the_document(document, subtests):
    fuzz(document, subtests, examples=12)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_many_made_up_requests_meet_the_document(document, subtests):
    fuzz(document, subtests, examples=200)


def fuzz(document, subtests, examples):
    options = settings(
        max_examples=examples, deadline=None, database=None, phases=PHASES, suppress_health_check=list(HealthCheck)
    )
    operations = [found.ok() for found in document.get_all_operations()]
    assert operations
    for operation, mode in itertools.product(operations, GenerationMode):
        if mode is GenerationMode.NEGATIVE and not takes_input(operation):
            continue
        with subtests.test(operation=operation.label, mode=mode.name):
            run(operation, mode, options)


def takes_input(operation):
    """Whether there is anything to get wrong."""
    return bool(list(operation.body)) or not all(map(takes_any_text, operation.iter_parameters()))


def takes_any_text(parameter):
    schema = parameter.definition["schema"]
    return parameter.location == "path" and schema.keys() <= {"type", "title"} and schema["type"] == "string"


def run(operation, mode, options):
    turn = itertools.count()

    @options
    @given(case=operation.as_strategy(generation_mode=mode))
    def meets_the_document(case):
        if mode is GenerationMode.POSITIVE:
            case.body = without_fractions(case.body)
            if next(turn) % 2:
                about_a_known_client(case)
        answer = case.call()
        judge_server_error(case, answer)
        case.validate_response(answer, excluded_checks=[not_a_server_error, *judged_elsewhere(operation, answer)])

    meets_the_document()


def judged_elsewhere(operation, answer):
    """Checks that do not hold: a body that is too large is refused as such, whatever else is wrong with it."""
    if answer.status_code == 413:
        yield negative_data_rejection
    path = operation.path
    if path in NAMED_BY_THE_MODEL or path.endswith("/infer"):
        yield positive_data_acceptance


def without_fractions(body):
    """5.0 as 5: to JSON Schema both are integers, so the document cannot say that the service wants the latter."""
    if isinstance(body, dict):
        return {name: without_fractions(value) for name, value in body.items()}
    if isinstance(body, list):
        return [without_fractions(value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


def about_a_known_client(case):
    """Made-up ids are nobody's: put ids of the data in their place."""
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            for item in part.get("items", [part]):
                if isinstance(item, dict) and "client_id" in item:
                    item["client_id"] = FIRST_CLIENT + item["client_id"] % CLIENTS


def judge_server_error(case, answer):
    """Every store is there and the model is loaded, so only a caller's own time limit excuses a 5xx."""
    if answer.status_code >= 500:
        assert answer.json()["code"] == "timeout", answer.text
        assert DEADLINE in (case.headers or {}), answer.text
