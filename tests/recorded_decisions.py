"""Decisions made by a real service: real Redis, real bundle, real feature rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from fakes import FakeModels
from prometheus_client import CollectorRegistry
from serving_world import FIRST_CLIENT, World, write_clients

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import CreditError
from credit.schemas.decision import ModelVersion
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from credit.scoring import Scorer
from serving.metrics import ScoringMetrics
from serving.model_store import LoadedModel
from serving.orders import Asked, Order
from serving.service import ScoringService
from serving.settings import ServingSettings
from serving.stores import decision_log, feature_reader

CLIENTS = 50


@contextmanager
def scoring_service(world: World, redis, environment: dict[str, str], version: str) -> Iterator[ScoringService]:
    """A service over `CLIENTS` clients whose rows are written now."""
    bundle = load_bundle(world.bundle(0), load_public_key(world.public_key))
    with redis.client() as client, pytest.MonkeyPatch.context() as patch:
        write_clients(client, world.contract, CLIENTS)
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = ServingSettings.load(read_timeout_seconds=10.0)
    reader = feature_reader(settings, bundle.contract.views)
    model = LoadedModel(
        Scorer(bundle), reader, ModelVersion(name="credit-scoring", version=version, bundle=bundle.bundle_id)
    )
    service = ScoringService(FakeModels(model), decision_log(settings), ScoringMetrics(CollectorRegistry()))
    try:
        yield service
    finally:
        service.close()
        reader.close()


def order(at: int) -> Order:
    """A request that differs from its neighbours in all that a request can say."""
    overrides = Overrides(amt_credit=1_000.0 + at / 3, amt_income_total=7e4 + at) if at % 3 else NO_OVERRIDES
    return Order(FIRST_CLIENT + at % CLIENTS, overrides, at % 5 != 0, "fr" if at % 7 else "en")


def decide(service: ScoringService, count: int, start: int = 0) -> list[str]:
    """Make decisions, some at a time; their ids in order."""
    ids = []
    for first in range(start, start + count, 100):
        orders = [order(at) for at in range(first, min(first + 100, start + count))]
        for answer in service.score_many(orders, [Asked("r", "tests")] * len(orders)):
            assert not isinstance(answer, CreditError), answer
            ids.append(answer.decision_id)
    return ids


def today() -> str:
    """The UTC day as decisions are partitioned by it."""
    return datetime.now(UTC).date().isoformat()
