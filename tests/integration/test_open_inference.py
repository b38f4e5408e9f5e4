"""The Open Inference Protocol: our own requests in this process, and a public client over a socket."""

import asyncio
import json
import math
import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
import uvicorn
from bundles import random_views
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_features_world import Api, catalogue_bundle, problem
from tritonclient.utils import InferenceServerException

ROWS = 60


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return catalogue_bundle(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def views(bundle):
    return random_views(bundle.contract, ROWS, seed=3)


@pytest.fixture(scope="module")
def api(bundle):
    running = Api(bundle)
    yield running
    running.close()


INFER = "/v2/models/credit-scoring/infer"
TYPES = ("FP64", "FP32", "INT64", "INT32", "BOOL", "BYTES")


def matrix_request(matrix, **more):
    data = [None if math.isnan(value) else value for value in matrix.ravel().tolist()]
    tensor = {"name": "features", "shape": list(matrix.shape), "datatype": "FP64", "data": data}
    return {"inputs": [tensor]} | more


def tensor_inputs(bundle, matrix):
    """One tensor for each feature."""
    inputs = []
    for at, feature in enumerate(bundle.contract.features):
        values = [bundle.value(at, value) for value in matrix[:, at].tolist()]
        datatype = "BYTES" if feature.kind == "categorical" else "FP64"
        inputs.append({"name": feature.name, "shape": [len(matrix), 1], "datatype": datatype, "data": values})
    return inputs


def outputs(answer):
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["outputs"]}


def test_inference_is_the_bundles_own_prediction(api, views, bundle):
    matrix = bundle.matrix(views)
    own = bundle.predict(matrix)
    for body in (matrix_request(matrix), {"inputs": tensor_inputs(bundle, matrix), "id": "a"}):
        for start in ("/v2/models/credit-scoring/infer", "/v2/models/credit-scoring/versions/3/infer"):
            answer = api.post(start, body)
            found = outputs(answer)
            assert [*found] == ["probability", "margin", "decision"]
            assert found["probability"]["data"] == own.probability.tolist()
            assert found["margin"]["data"] == own.margin.tolist()
            assert found["decision"]["data"] == [bundle.decide(one).value for one in own.probability.tolist()]
            assert answer.json()["model_version"] == "3"
            assert answer.json().get("id") == body.get("id")


def test_contributions_come_when_they_are_wanted(api, views, bundle):
    matrix = bundle.matrix(views)[:2]
    wanted = [{"name": "contributions"}, {"name": "margin"}]
    found = outputs(api.post(INFER, matrix_request(matrix, outputs=wanted)))
    assert [*found] == ["contributions", "margin"]
    assert found["contributions"]["shape"] == [2, len(bundle.contract.names) + 1]
    assert found["contributions"]["data"] == bundle.contributions(matrix).ravel().tolist()


def test_metadata_and_health_of_the_protocol(api, bundle):
    assert api.get("/v2").json()["name"] == "credit-scoring"
    assert api.get("/v2/health/live").json() == {"live": True}
    assert api.get("/v2/health/ready").json() == {"ready": True}
    for start in ("/v2/models/credit-scoring", "/v2/models/credit-scoring/versions/3"):
        assert api.get(f"{start}/ready").json() == {"name": "credit-scoring", "ready": True}
        metadata = api.get(start).json()
        assert [one["name"] for one in metadata["inputs"]] == list(bundle.contract.names)
        assert metadata["versions"] == ["3"]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other",
        "/v2/models/other/ready",
        "/v2/models/credit-scoring/versions/4",
        "/v2/models/credit-scoring/versions/4/ready",
        "/v2/nothing",
    ],
)
def test_unknown_models_versions_and_paths_have_an_error_text(api, path):
    found = problem(api.get(path), 404, "not_found")
    assert found["error"] == found["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": []},
        {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]},
        {"inputs": [{"name": "features", "shape": [1], "datatype": "FP64", "data": [1.0]}]},
        {"inputs": [{"name": "features", "shape": [0, 1], "datatype": "FP64", "data": []}]},
        {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP16", "data": [1.0]}]},
        {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP64", "data": ["1"]}]},
        {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP64"}]},
        {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}]},
        {"inputs": [{"name": "ext_source_1", "shape": [1], "datatype": "FP64", "data": [1.0]}]},
        {"inputs": [{"name": "colour", "shape": [1], "datatype": "FP64", "data": [1.0]}]},
        {"outputs": [{"name": "odds"}]},
    ],
)
def test_wrong_tensors_are_refused(api, views, bundle, change):
    body = matrix_request(bundle.matrix(views)[:1]) | change
    found = problem(api.post(INFER, body), 422, "invalid_request")
    assert found["error"]


def test_codes_outside_the_categories_are_refused(api, views, bundle):
    at = next(at for at, feature in enumerate(bundle.contract.features) if feature.kind == "categorical")
    for code in (-1.0, 99.0, 0.5):
        matrix = bundle.matrix(views)[:1]
        matrix[0, at] = code
        found = problem(api.post(INFER, matrix_request(matrix)), 422, "invalid_request")
        assert bundle.contract.names[at] in found["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["features", "ext_source_1", "name_education_type"]) | st.text(max_size=5),
        "shape": st.lists(st.integers(-1, 2**40), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP32", "INT32", "BYTES", "BOOL"]) | st.text(max_size=5),
    },
    optional={"data": JSON | st.lists(JSON, max_size=3), "parameters": JSON},
)
INFER_BODY = JSON | st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=3)}, optional={"outputs": JSON, "id": JSON}
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=INFER_BODY | st.binary(max_size=30))
def test_no_body_makes_the_service_fail(api, body):
    answer = api.post(INFER, body)
    assert answer.status_code == 422, answer.text
    assert problem(answer, 422, "invalid_request")["error"]


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=40), size=st.integers(-1, 50), length=st.integers(-5, 5), datatype=st.sampled_from(TYPES))
def test_no_binary_body_makes_the_service_fail(api, raw, size, length, datatype):
    sent = {"name": "ext_source_1", "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [sent]}).encode()
    headers = {"Inference_Header_Content_Length": str(len(text) + length)}
    answer = api.post(INFER, text + raw, **headers)
    assert problem(answer, 422, "invalid_request")["error"]


@pytest.fixture(scope="module")
def address(api):
    """The application behind a real socket."""
    server = uvicorn.Server(uvicorn.Config(api.app, log_level="warning", ws="none", lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def client(address):
    with triton.InferenceServerClient(address) as client:
        yield client


def test_a_public_client_finds_the_model(client, bundle):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("credit-scoring")
    assert client.is_model_ready("credit-scoring", "3")
    assert not client.is_model_ready("credit-scoring", "4")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("credit-scoring")
    assert [one["name"] for one in metadata["inputs"]] == list(bundle.contract.names)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_a_public_client_infers_a_matrix(client, bundle, views, binary_in, binary_out):
    matrix = bundle.matrix(views)
    sent = triton.InferInput("features", matrix.shape, "FP64")
    sent.set_data_from_numpy(matrix, binary_data=binary_in)
    names = ("probability", "margin", "decision", "contributions")
    wanted = None if binary_out is None else [triton.InferRequestedOutput(name, binary_out) for name in names]
    answer = client.infer("credit-scoring", [sent], model_version="3", request_id="r-1", outputs=wanted)
    own = bundle.predict(matrix)
    assert (answer.as_numpy("probability") == own.probability).all()
    assert (answer.as_numpy("margin") == own.margin).all()
    decisions = [one if isinstance(one, str) else one.decode() for one in answer.as_numpy("decision").tolist()]
    assert decisions == [bundle.decide(one).value for one in own.probability.tolist()]
    if wanted is not None:
        assert (answer.as_numpy("contributions") == bundle.contributions(matrix)).all()
    assert answer.get_response()["id"] == "r-1"


@pytest.mark.parametrize("binary", [True, False])
def test_a_public_client_infers_a_tensor_for_each_feature(client, bundle, views, binary):
    matrix = bundle.matrix(views)
    inputs = []
    for at, feature in enumerate(bundle.contract.features):
        column, datatype = matrix[:, at : at + 1], "FP64"
        if feature.kind == "categorical":
            datatype = "BYTES"
            column = np.array([[str(bundle.value(at, one) or "")] for one in column.ravel().tolist()], dtype=object)
        inputs.append(triton.InferInput(feature.name, column.shape, datatype))
        inputs[-1].set_data_from_numpy(column, binary_data=binary)
    answer = client.infer("credit-scoring", inputs)
    assert (answer.as_numpy("probability") == bundle.predict(matrix).probability).all()


def test_a_public_client_gets_the_text_of_an_error(client):
    sent = triton.InferInput("colour", [1, 1], "FP64")
    sent.set_data_from_numpy(np.ones((1, 1)))
    with pytest.raises(InferenceServerException, match="colour: is no feature of the model"):
        client.infer("credit-scoring", [sent])
    with pytest.raises(InferenceServerException, match="version 3 is"):
        client.infer("credit-scoring", [sent], model_version="4")


def test_the_program_of_the_reference_page_runs(address, capsys):
    page = Path(__file__).parents[2] / "docs" / "reference" / "open-inference.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(program.replace("127.0.0.1:8000", address), {})
    assert re.fullmatch(r"\[0\.\d+ +0\.\d+] 3\n", capsys.readouterr().out)
