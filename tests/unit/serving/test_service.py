from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from bundles import AS_OF_US, make_bundle, random_views, small_contract
from fakes import FakeDecisionLog, FakeModels, FakeReader
from prometheus_client import CollectorRegistry, generate_latest

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import CodecError, IncompleteFeaturesError, StoreUnavailableError, UnknownClientError
from credit.schemas.decision import Decision, DecisionRecord, ModelVersion
from credit.schemas.features import ViewBatch, ViewStatus
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from credit.scoring import Scorer, replay
from serving.metrics import ScoringMetrics
from serving.model_store import LoadedModel
from serving.orders import Asked, Claim, Order
from serving.service import ScoringService

NOW = datetime.fromtimestamp(AS_OF_US / 1e6, UTC) + timedelta(hours=2)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(
        make_bundle(folder / "bundle", folder / "keys"), load_public_key(folder / "keys" / "bundle-public.pem")
    )


@pytest.fixture
def reader():
    return FakeReader(random_views(small_contract(), 1, seed=3))


@pytest.fixture
def decisions():
    return FakeDecisionLog()


@pytest.fixture
def service(bundle, reader, decisions):
    version = ModelVersion(name="credit-scoring", version="7", bundle=bundle.bundle_id)
    models = FakeModels(LoadedModel(Scorer(bundle), reader, version))
    return ScoringService(models, decisions, ScoringMetrics(CollectorRegistry()), now=lambda: NOW, new_id=lambda: "d-1")


def with_status(batch: ViewBatch, status: ViewStatus) -> ViewBatch:
    absent = status is ViewStatus.NOT_FOUND
    return ViewBatch(
        spec=batch.spec,
        status=(status,),
        as_of_us=np.zeros(1, dtype=np.int64) if absent else batch.as_of_us,
        built_us=np.zeros(1, dtype=np.int64) if absent else batch.built_us,
        numeric=np.full_like(batch.numeric, np.nan) if absent else batch.numeric,
        strings=((None,) * len(batch.spec.strings),) if absent else batch.strings,
    )


def test_the_answer_is_the_bundles_own_prediction(service, bundle, reader):
    answer = service.score(Order(100002), Asked("r-1", "me"))
    assert answer.probability == float(bundle.predict(bundle.matrix(reader.views)).probability[0])
    assert answer.prediction == int(answer.probability >= answer.threshold)
    assert answer.decision is bundle.decide(answer.probability)
    assert 1 <= len(answer.reasons) <= 4
    assert (answer.model.name, answer.model.version) == ("credit-scoring", "7")
    assert answer.features["bureau"].age_seconds == 7200.0


def test_the_decision_is_recorded_and_replays_bit_for_bit(service, bundle, decisions):
    answer = service.score(Order(100002), Asked("r-1", "me"))
    (record,) = decisions.records
    stored = DecisionRecord.model_validate_json(record.model_dump_json())
    again = replay(stored, bundle)
    assert (again.margin, again.probability, again.reasons) == (record.margin, answer.probability, answer.reasons)
    assert (record.decision_id, record.request_id, record.decided_at) == ("d-1", "r-1", NOW)
    assert record.decision_id == answer.decision_id


def test_overrides_decide_are_recorded_and_replay_bit_for_bit(service, bundle, reader, decisions):
    overrides = Overrides(amt_credit=9e5, amt_annuity=0.01, amt_income_total=7.0)
    service.score(Order(100002), Asked("r-1", "me"))
    answer = service.score(Order(100002, overrides), Asked("r-2", "me"))
    before, record = decisions.records
    assert answer.probability == float(bundle.predict(bundle.matrix(reader.views, [overrides])).probability[0])
    assert (before.overrides, record.overrides) == (NO_OVERRIDES, overrides)
    assert record.values == before.values
    assert record.margin != before.margin
    again = replay(DecisionRecord.model_validate_json(record.model_dump_json()), bundle)
    assert (again.margin, again.probability, again.reasons) == (record.margin, answer.probability, answer.reasons)


def test_a_decision_that_cannot_be_recorded_is_not_answered(service, decisions):
    decisions.error = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        service.score(Order(100002), Asked("r-1", "me"))


def test_an_unknown_client_is_neither_scored_nor_recorded(service, reader, decisions):
    reader.views = {name: with_status(batch, ViewStatus.NOT_FOUND) for name, batch in reader.views.items()}
    with pytest.raises(UnknownClientError, match="100002"):
        service.score(Order(100002), Asked("r-1", "me"))
    assert not decisions.records


def test_a_missing_view_is_shown_and_refers_the_decision(service, reader):
    reader.views["bureau"] = with_status(reader.views["bureau"], ViewStatus.NOT_FOUND)
    answer = service.score(Order(100002), Asked("r-1", "me"))
    assert answer.decision is Decision.REFERRED
    state = answer.features["bureau"]
    assert (state.status, state.as_of, state.built_at, state.age_seconds) == (ViewStatus.NOT_FOUND, None, None, None)


def test_a_view_that_the_model_must_have_refuses(service, reader):
    reader.views["application"] = with_status(reader.views["application"], ViewStatus.NOT_FOUND)
    with pytest.raises(IncompleteFeaturesError):
        service.score(Order(100002), Asked("r-1", "me"))


@pytest.mark.parametrize("broken", ["reader", "decisions"])
def test_both_stores_must_answer(service, request, broken):
    service.check_stores()
    request.getfixturevalue(broken).error = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        service.check_stores()


def test_a_batch_decides_as_each_alone_would(bundle, decisions):
    reader = ByClient(random_views(small_contract(), 40, seed=3))
    version = ModelVersion(name="credit-scoring", version="7", bundle=bundle.bundle_id)
    ids = (f"d-{number}" for number in count())
    service = ScoringService(
        FakeModels(LoadedModel(Scorer(bundle), reader, version)),
        decisions,
        ScoringMetrics(CollectorRegistry()),
        now=lambda: NOW,
        new_id=lambda: next(ids),
    )
    orders = [
        Order(at, Overrides(amt_credit=1e5 + at) if at % 3 else NO_OVERRIDES, at % 5 != 0, "fr" if at % 7 else "en")
        for at in range(40)
    ]
    together = service.score_many(orders, [Asked("r", "me")] * 40)
    same = service.score_many(orders[1:3], [Asked("r", "me")] * 2)
    alone = [service.score(order, Asked("r", "me")) for order in orders]
    assert [_without_id(one) for one in together] == [_without_id(one) for one in alone]
    assert [_without_id(one) for one in same] == [_without_id(one) for one in alone[1:3]]
    assert [bool(one.reasons) for one in together] == [order.reasons for order in orders]


def test_one_broken_row_of_a_batch_harms_no_other(service, reader, monkeypatch):
    whole = reader.read

    def read(client_ids):
        if 13 in client_ids:
            raise CodecError("client 13, view bureau: truncated")
        views = whole(client_ids)
        return {name: repeated(batch, len(client_ids)) for name, batch in views.items()}

    monkeypatch.setattr(reader, "read", read)
    results = service.score_many([Order(client) for client in (12, 13, 14)], [Asked("r", "me")] * 3)
    assert [getattr(result, "client_id", None) for result in results] == [12, None, 14]
    assert isinstance(results[1], CodecError)


def test_a_broken_row_of_a_client_alone_is_told_and_counted(service, reader):
    reader.error = CodecError("client 100002, view bureau: truncated")
    with pytest.raises(CodecError, match="truncated"):
        service.score(Order(100002), Asked("r", "me"))
    shown = generate_latest(service.metrics.registry).decode()
    assert 'credit_score_requests_total{model_version="7",outcome="feature_codec"} 1.0' in shown


def test_a_claim_gets_its_first_answer_again_without_scoring(service, reader, decisions):
    claim = Claim.of("me", "k", b"body")
    first = service.score(Order(100002), Asked("r-1", "me", claim))
    reader.error = StoreUnavailableError("gone")
    assert service.score(Order(100002), Asked("r-2", "me", claim)) == first
    assert len(decisions.records) == 1


def test_coverage_counts_the_models_stored_features(service, reader):
    whole = service.score(Order(100002), Asked("r", "me")).quality
    gaps = {name: np.isnan(batch.numeric).sum() for name, batch in reader.views.items()}
    batch = reader.views["bureau"]
    reader.views["bureau"] = with_status(batch, ViewStatus.NOT_FOUND)
    lacking = service.score(Order(100002), Asked("r", "me")).quality
    stored = 2 + sum(feature.view == "application" for feature in small_contract().features)
    assert lacking.coverage == pytest.approx(whole.coverage - (2 - gaps["bureau"]) / stored)
    assert (lacking.missing, lacking.policies, whole.missing) == (("bureau",), {"bureau": "refer"}, ())


def test_decisions_and_failures_are_counted(service, reader):
    service.score(Order(100002), Asked("r", "me"))
    reader.error = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        service.score(Order(100002), Asked("r", "me"))
    shown = generate_latest(service.metrics.registry).decode()
    assert 'credit_score_requests_total{model_version="7",outcome="ok"} 1.0' in shown
    assert 'credit_score_requests_total{model_version="7",outcome="store_unavailable"} 1.0' in shown
    for stage, times in {"read": 2, "predict": 1, "explain": 1, "record": 1, "total": 2}.items():
        assert f'credit_score_latency_seconds_count{{stage="{stage}"}} {times}.0' in shown


class ByClient:
    """Reads the rows of a batch by client, numbered from 0."""

    def __init__(self, views):
        self.views = views

    def read(self, client_ids):
        taken = list(client_ids)
        return {
            name: ViewBatch(
                spec=batch.spec,
                status=tuple(batch.status[at] for at in taken),
                as_of_us=batch.as_of_us[taken],
                built_us=batch.built_us[taken],
                numeric=batch.numeric[taken],
                strings=tuple(batch.strings[at] for at in taken),
            )
            for name, batch in self.views.items()
        }


def repeated(batch: ViewBatch, times: int) -> ViewBatch:
    return ByClient({"": batch}).read([0] * times)[""]


def _without_id(answer):
    return answer.model_copy(update={"decision_id": ""})
