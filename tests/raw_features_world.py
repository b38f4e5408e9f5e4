"""The shipped feature catalogue as a model's contract, and a service around it: for scoring raw features."""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from bundles import contract_of, make_bundle
from fakes import FakeDecisionLog, FakeReader
from prometheus_client import CollectorRegistry

from credit.bundle.bundle import Bundle
from credit.bundle.keys import PUBLIC_KEY_FILE, load_public_key
from credit.bundle.reader import load_bundle
from credit.features import RATIO_OUTPUTS
from credit.schemas.categories import known_categories
from credit.schemas.decision import ModelVersion
from credit.schemas.features import FeatureContract, ViewBatch
from credit.scoring import Scorer
from feature_repo.catalogue import load_catalogue, online_view_specs
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, Workers
from serving.metrics import ScoringMetrics
from serving.model_store import LoadedModel, ModelSnapshot
from serving.service import ScoringService

MODEL = "credit-scoring"
VERSION = "3"
LIMITS = Admission(ongoing_requests=64, request_timeout=60.0, ongoing_batches=8, batch_timeout=60.0)
BODIES = BodyLimits(single=16_384, batch=1_048_576)


def catalogue_contract() -> FeatureContract:
    """Every online feature of the catalogue; texts of the application form have their real vocabulary."""
    contract = contract_of("credit_scoring_v1", online_view_specs(load_catalogue()), RATIO_OUTPUTS)
    form = {column.lower(): values for column, values in known_categories()["application"].items()}
    return contract.model_copy(
        update={"categories": {name: form.get(name, values) for name, values in contract.categories.items()}}
    )


def catalogue_bundle(folder: Path) -> Bundle:
    """A small real model over the whole catalogue."""
    make_bundle(folder / "bundle", folder / "keys", catalogue_contract(), trees=30)
    return load_bundle(folder / "bundle", load_public_key(folder / "keys" / PUBLIC_KEY_FILE))


class Models:
    """A model store that holds one model, or none."""

    def __init__(self, model: LoadedModel, error: Exception | None = None) -> None:
        self.model = model
        self.error = error

    def current(self) -> LoadedModel:
        if self.error is not None:
            raise self.error
        return self.model

    def snapshot(self) -> ModelSnapshot:
        return ModelSnapshot(self.current())


def loaded(bundle: Bundle, reader=None) -> LoadedModel:
    """The bundle as the model that answers."""
    version = ModelVersion(name=MODEL, version=VERSION, bundle=bundle.bundle_id)
    return LoadedModel(Scorer(bundle), reader or FakeReader({}), version)


class Api:
    """The application in this process; `call` sends requests and answers in their order."""

    def __init__(self, bundle: Bundle, reader=None, decisions=None, drift=None, access=None) -> None:
        self.reader = reader or FakeReader({})
        self.decisions = decisions or FakeDecisionLog()
        self.models = Models(loaded(bundle, self.reader))
        self.service = ScoringService(self.models, self.decisions, ScoringMetrics(CollectorRegistry()))
        self._pool = ThreadPoolExecutor(2)
        self._workers = Workers(self._pool, LIMITS)
        self.app = build_api(Edge(self.service, self._workers, access or Access(), BODIES, drift=drift))

    def call(self, *requests: Mapping[str, object]) -> list[httpx.Response]:
        async def go() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                return [await client.request(**request) for request in requests]

        return asyncio.run(go())

    def get(self, url: str) -> httpx.Response:
        (answer,) = self.call({"method": "GET", "url": url})
        return answer

    def post(self, url: str, body: object, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): one for name, one in headers.items()}
        (answer,) = self.call({"method": "POST", "url": url, "content": content, "headers": sent})
        return answer

    def close(self) -> None:
        self._workers.close()
        self._pool.shutdown()


def stored_values(views: Mapping[str, ViewBatch], row: int) -> dict[str, float | str | None]:
    """What a client holds, by name."""
    found: dict[str, float | str | None] = {}
    for batch in views.values():
        numbers = batch.numeric[row].tolist()
        found |= {name: None if one != one else one for name, one in zip(batch.spec.numeric, numbers, strict=True)}
        found |= dict(zip(batch.spec.strings, batch.strings[row], strict=True))
    return found


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    """The problem details of `answer`, checked."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code), answer.text
    assert found["request_id"]
    return found
