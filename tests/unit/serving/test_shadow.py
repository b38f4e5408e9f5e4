import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from bundles import AS_OF_US, make_bundle, random_views, small_contract
from fakes import FakeDecisionLog, FakeModels, FakeReader
from prometheus_client import CollectorRegistry
from redis_servers import redis_server
from serving_world import PROJECT

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import StoreUnavailableError
from credit.schemas.decision import ModelVersion
from credit.schemas.features import ViewColumn
from credit.schemas.overrides import Overrides
from credit.schemas.shadow import ShadowRecord, shadow_stream_key
from credit.scoring import Scorer
from feature_repo.online.connection import RedisSettings
from serving.loaded_model import LoadedModel, in_share
from serving.metrics import ScoringMetrics
from serving.orders import Asked, Order
from serving.service import ScoringService
from serving.shadow import Shadow, ShadowBudget
from serving.shadow_log import RedisShadowLog
from serving.shadow_metrics import ShadowMetrics

NOW = datetime.fromtimestamp(AS_OF_US / 1e6, UTC) + timedelta(hours=2)
ALWAYS = ShadowBudget(share=1.0, cpu_share=1.0, waiting=8)


class FakeShadowLog:
    """Keeps shadow records in a list, or raises."""

    def __init__(self):
        self.records = []
        self.error = None
        self.closed = False

    def append(self, record):
        if self.error is not None:
            raise self.error
        self.records.append(record)

    def close(self):
        self.closed = True


class Standing:
    """A scorer that stands still until it may go on."""

    def __init__(self, scorer):
        self.bundle = scorer.bundle
        self._scorer = scorer
        self.go_on = threading.Event()

    def score(self, *arguments, **options):
        assert self.go_on.wait(60)
        return self._scorer.score(*arguments, **options)


class Raising:
    """A scorer that raises; its text tells about a client, which no log may."""

    def __init__(self, scorer):
        self.bundle = scorer.bundle

    def score(self, *arguments, **options):
        raise RuntimeError("client 424242")


def wider_contract():
    contract = small_contract()
    application, bureau = contract.views
    wider = bureau.model_copy(update={"columns": (*bureau.columns, ViewColumn(name="bureau_extra", type="float32"))})
    return contract.model_copy(update={"views": (application, wider)})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Champion, challenger, and a challenger that reads another layout of a view."""
    folder = tmp_path_factory.mktemp("bundles")
    wider = wider_contract()
    contracts = {"1": small_contract(), "2": small_contract(), "3": wider}
    made = {}
    for version, contract in contracts.items():
        path = make_bundle(folder / version, folder / "keys", contract, seed=int(version))
        bundle = load_bundle(path, load_public_key(folder / "keys" / "bundle-public.pem"))
        reader = FakeReader(random_views(contract, 1, seed=40 + int(version)))
        name = ModelVersion(name="credit-scoring", version=version, bundle=bundle.bundle_id)
        made[version] = LoadedModel(Scorer(bundle), reader, name)
    return made


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def records():
    return FakeShadowLog()


@pytest.fixture
def make_shadow(records, registry):
    started = []

    def make(budget=ALWAYS, log=records):
        shadow = Shadow(log, ShadowMetrics(registry), budget)
        shadow.start()
        started.append(shadow)
        return shadow

    yield make
    for shadow in started:
        shadow.stop()


@pytest.fixture
def make_service(models, make_shadow, registry):
    ids = count()

    def make(challenger, canary_share=0.0, **options):
        store = FakeModels(models["1"], challenger, canary_share)
        shadow = make_shadow(**options)
        metrics = ScoringMetrics(registry)
        return ScoringService(
            store, FakeDecisionLog(), metrics, now=lambda: NOW, new_id=lambda: f"d-{next(ids)}", shadow=shadow.offer
        )

    return make


def ask(service, **order):
    return service.score(Order(100_002, **order), Asked("r-1", "me"))


def counted(registry, outcome, version="2"):
    labels = {"outcome": outcome, "model_version": version}
    return registry.get_sample_value("credit_shadow_scores_total", labels) or 0


def eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def with_scorer(model, scorer):
    return LoadedModel(scorer, model.reader, model.version)


def test_the_challenger_scores_the_rows_of_the_decision(make_service, models, records, registry):
    overrides = Overrides(amt_credit=750_000.0)
    answer = ask(make_service(models["2"]), overrides=overrides)
    eventually(lambda: records.records)
    (record,) = records.records
    bundle = models["2"].bundle
    expected = bundle.predict(bundle.matrix(models["1"].reader.views, [overrides]))
    assert (record.margin, record.probability) == (float(expected.margin[0]), float(expected.probability[0]))
    assert (record.decision_id, record.model, record.decided_by) == (
        answer.decision_id, models["2"].version, models["1"].version,
    )  # fmt: skip
    assert record.decision is bundle.decide(record.probability)
    assert record.agrees == (record.decision is answer.decision)
    assert record.difference == record.probability - answer.probability
    assert not record.own_rows
    eventually(lambda: counted(registry, "agreed" if record.agrees else "disagreed") == 1)
    assert registry.get_sample_value("credit_shadow_difference_bucket", {"le": "+Inf"}) == 1


def test_a_challenger_of_another_layout_reads_its_own_rows(make_service, models, records):
    ask(make_service(models["3"]))
    eventually(lambda: records.records)
    (record,) = records.records
    bundle = models["3"].bundle
    assert record.probability == float(bundle.predict(bundle.matrix(models["3"].reader.views)).probability[0])
    assert record.own_rows


def test_a_record_names_no_client(make_service, models, records):
    ask(make_service(models["2"]))
    eventually(lambda: records.records)
    assert "100002" not in records.records[0].model_dump_json()


def test_nobody_waits_for_a_challenger_that_stands_still(make_service, models, records, registry):
    standing = Standing(models["2"].scorer)
    service = make_service(with_scorer(models["2"], standing))
    answers = [ask(service) for _ in range(20)]
    try:
        assert len({answer.decision_id for answer in answers}) == 20
        assert {answer.model.version for answer in answers} == {"1"}
        assert records.records == []
        # Eight may wait, and one or two are in the thread's hands.
        eventually(lambda: counted(registry, "dropped") in (11, 12))
    finally:
        standing.go_on.set()
    eventually(lambda: len(records.records) + counted(registry, "dropped") == 20)


def test_a_challenger_that_raises_harms_nobody_and_is_told_once(make_service, models, records, registry, caplog):
    service = make_service(with_scorer(models["2"], Raising(models["2"].scorer)))
    answers = [ask(service) for _ in range(3)]
    eventually(lambda: counted(registry, "failed") == 3)
    assert {answer.model.version for answer in answers} == {"1"}
    assert records.records == []
    assert caplog.text.count("fails in shadow: RuntimeError") == 1
    assert "424242" not in caplog.text


def test_a_stream_that_is_away_harms_nobody(make_service, models, records, registry):
    records.error = StoreUnavailableError("away")
    service = make_service(models["2"])
    ask(service)
    eventually(lambda: counted(registry, "failed") == 1)
    records.error = None
    ask(service)
    eventually(lambda: len(records.records) == 1)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_only_a_sample_by_decision_id_is_scored(make_service, models, records, registry, share):
    service = make_service(models["2"], budget=ShadowBudget(share, cpu_share=1.0, waiting=1_000))
    made = [ask(service).decision_id for _ in range(200)]
    sampled = [each for each in made if in_share(f"shadow {each}", share)]
    assert abs(len(sampled) - 200 * share) <= 25
    eventually(lambda: len(records.records) == len(sampled))
    assert [record.decision_id for record in records.records] == sampled
    assert counted(registry, "dropped") == 0


def test_the_thread_rests_by_its_budget(make_shadow, models, records, monkeypatch):
    shadow = make_shadow(ShadowBudget(1.0, cpu_share=0.1, waiting=8))
    rests = []
    monkeypatch.setattr(shadow._stop, "wait", lambda seconds: rests.append(seconds))
    monkeypatch.setattr(shadow, "_timed", lambda task: 0.5)
    shadow.offer(models["2"], decided(models), models["1"].reader.views, 0)
    eventually(lambda: len(rests) == 2)
    assert 0 <= rests[0] <= 0.05
    assert rests[1] == pytest.approx(4.5)


def test_the_canarys_own_decisions_have_no_shadow(make_service, models, records):
    service = make_service(models["2"], canary_share=1.0)
    assert ask(service).model.version == "2"
    service.models = FakeModels(models["1"], models["2"])
    answer = ask(service)
    eventually(lambda: records.records)
    assert [record.decision_id for record in records.records] == [answer.decision_id]


def test_stopping_ends_the_thread_and_closes_the_log(make_shadow, models, records):
    shadow = make_shadow()
    shadow.stop()
    assert not shadow._thread.is_alive()
    assert records.closed
    shadow.offer(models["2"], decided(models), models["1"].reader.views, 0)
    assert records.records == []


def test_records_go_to_a_stream_of_their_own_that_forgets_the_oldest(make_service, models, tmp_path):
    with redis_server(tmp_path) as redis, redis.client() as client:
        settings = RedisSettings(url=redis.url, connect_timeout=1.0, read_timeout=1.0)
        stream = RedisShadowLog(settings, PROJECT, limit=100)
        answer = ask(make_service(models["2"], log=stream))
        key = shadow_stream_key(PROJECT)
        eventually(lambda: client.xlen(key) == 1)
        ((_, fields),) = client.xrange(key)
        record = ShadowRecord.model_validate_json(fields[b"record"])
        assert record.decision_id == answer.decision_id
        for _ in range(400):
            stream.append(record)
        assert 100 <= client.xlen(key) < 300
        redis.kill()
        with pytest.raises(StoreUnavailableError, match="shadow"):
            stream.append(record)


def decided(models):
    log = FakeDecisionLog()
    ScoringService(FakeModels(models["1"]), log, ScoringMetrics(CollectorRegistry()), now=lambda: NOW).score(
        Order(100_002), Asked("r-1", "me")
    )
    return log.records[0]
