"""The API in process, over real Redis and a real bundle, without Ray and MLflow."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from bundles import bundle_parts, contract_of, make_bundle, small_contract
from fakes import FakeDecisionLog
from prometheus_client import CollectorRegistry
from serving_world import PROJECT, write_clients

from credit.bundle.bundle import Bundle
from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.features import RATIO_OUTPUTS
from credit.reason_codes import ReasonText
from credit.schemas.decision import ModelVersion
from credit.scoring import Scorer
from feature_repo.online.connection import RedisSettings
from feature_repo.online.reader import PackedReader
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, Workers
from serving.metrics import ScoringMetrics
from serving.model_store import LoadedModel, ModelSnapshot
from serving.registered_models import RegisteredModels
from serving.service import ScoringService

CLIENTS = 40


class HeldModels:
    """A model store whose models are put in by hand."""

    def __init__(self, current: LoadedModel) -> None:
        self._now = ModelSnapshot(current)

    def snapshot(self) -> ModelSnapshot:
        return self._now

    def current(self) -> LoadedModel:
        assert self._now.champion is not None
        return self._now.champion

    def previous(self) -> LoadedModel | None:
        return self._now.previous

    def swap(self, model: LoadedModel) -> None:
        self._now = ModelSnapshot(model, previous=self.current())


@dataclass
class ApiWorld:
    """Clients in Redis, two models, and the application; request-time features of every kind."""

    folder: Path
    redis: object
    decisions: FakeDecisionLog = field(default_factory=FakeDecisionLog)
    registered: RegisteredModels | None = None

    def __post_init__(self) -> None:
        self.contract = contract_of("credit_scoring_v1", small_contract().views, RATIO_OUTPUTS)
        with self.redis.client() as client:
            self.views = write_clients(client, self.contract, CLIENTS)
        self.models = HeldModels(self.model(0))

    @property
    def bundle(self) -> Bundle:
        return self.models.current().bundle

    def model(self, seed: int) -> LoadedModel:
        """A model whose features share texts in pairs; other seeds are other models."""
        path = self.folder / f"bundle-{seed}"
        made = make_bundle(path, self.folder / "keys", self.contract, seed=seed)
        signed = load_bundle(made, load_public_key(self.folder / "keys" / "bundle-public.pem"))
        parts = bundle_parts(self.contract, seed=seed)
        names = self.contract.names
        texts = {name: ReasonText(en=f"reason {at // 2}", fr=f"motif {at // 2}") for at, name in enumerate(names)}
        shared = replace(parts, reason_texts=parts.reason_texts.model_copy(update={"features": texts}))
        bundle = Bundle(signed.bundle_id, signed.manifest, shared)
        reader = PackedReader(RedisSettings(url=self.redis.url), PROJECT, self.contract.views)
        version = ModelVersion(name="credit-scoring", version=str(seed + 1), bundle=bundle.bundle_id)
        return LoadedModel(Scorer(bundle), reader, version)

    def call(self, *requests: dict) -> list[httpx.Response]:
        """Send requests one after the other, and return their answers."""

        async def go() -> list[httpx.Response]:
            service = ScoringService(self.models, self.decisions, ScoringMetrics(CollectorRegistry()))
            with ThreadPoolExecutor(2) as pool:
                workers = Workers(pool, Admission(8, 20.0, 1, 20.0))
                edge = Edge(service, workers, Access(), BodyLimits(16_384, 100_000), registered=self.registered)
                transport = httpx.ASGITransport(build_api(edge))
                async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                    return [await client.request(**request) for request in requests]

        return asyncio.run(go())

    def post(self, path: str, body: object) -> httpx.Response:
        (answer,) = self.call({"method": "POST", "url": path, "json": body})
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        (answer,) = self.call({"method": "GET", "url": path, "headers": sent})
        return answer
