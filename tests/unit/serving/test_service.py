from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from bundles import AS_OF_US, make_bundle, random_views, small_contract
from fakes import FakeDecisionLog, FakeReader

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import IncompleteFeaturesError, StoreUnavailableError, UnknownClientError
from credit.schemas.decision import Decision, DecisionRecord, ModelVersion
from credit.schemas.features import ViewBatch, ViewStatus
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from credit.scoring import Scorer, replay
from serving.model_store import LoadedModel
from serving.service import ScoringService

NOW = datetime.fromtimestamp(AS_OF_US / 1e6, UTC) + timedelta(hours=2)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(
        make_bundle(folder / "bundle", folder / "keys"), load_public_key(folder / "keys" / "bundle-public.pem")
    )


class Models:
    """A model store that always has one model."""

    def __init__(self, model):
        self.model = model

    def current(self):
        return self.model


@pytest.fixture
def reader():
    return FakeReader(random_views(small_contract(), 1, seed=3))


@pytest.fixture
def decisions():
    return FakeDecisionLog()


@pytest.fixture
def service(bundle, reader, decisions):
    version = ModelVersion(name="credit-scoring", version="7", bundle=bundle.bundle_id)
    models = Models(LoadedModel(Scorer(bundle), reader, version))
    return ScoringService(models, decisions, now=lambda: NOW, new_id=lambda: "d-1")


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
    answer = service.score(100002, "r-1")
    assert answer.probability == float(bundle.predict(bundle.matrix(reader.views)).probability[0])
    assert answer.prediction == int(answer.probability >= answer.threshold)
    assert answer.decision is bundle.decide(answer.probability)
    assert 1 <= len(answer.reasons) <= 4
    assert (answer.model.name, answer.model.version) == ("credit-scoring", "7")
    assert answer.features["bureau"].age_seconds == 7200.0


def test_the_decision_is_recorded_and_replays_bit_for_bit(service, bundle, decisions):
    answer = service.score(100002, "r-1")
    (record,) = decisions.records
    stored = DecisionRecord.model_validate_json(record.model_dump_json())
    again = replay(stored, bundle)
    assert (again.margin, again.probability, again.reasons) == (record.margin, answer.probability, answer.reasons)
    assert (record.decision_id, record.request_id, record.decided_at) == ("d-1", "r-1", NOW)
    assert record.decision_id == answer.decision_id


def test_overrides_decide_are_recorded_and_replay_bit_for_bit(service, bundle, reader, decisions):
    overrides = Overrides(amt_credit=9e5, amt_annuity=0.01, amt_income_total=7.0)
    service.score(100002, "r-1")
    answer = service.score(100002, "r-2", overrides)
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
        service.score(100002, "r-1")


def test_an_unknown_client_is_neither_scored_nor_recorded(service, reader, decisions):
    reader.views = {name: with_status(batch, ViewStatus.NOT_FOUND) for name, batch in reader.views.items()}
    with pytest.raises(UnknownClientError, match="100002"):
        service.score(100002, "r-1")
    assert not decisions.records


def test_a_missing_view_is_shown_and_refers_the_decision(service, reader):
    reader.views["bureau"] = with_status(reader.views["bureau"], ViewStatus.NOT_FOUND)
    answer = service.score(100002, "r-1")
    assert answer.decision is Decision.REFERRED
    state = answer.features["bureau"]
    assert (state.status, state.as_of, state.built_at, state.age_seconds) == (ViewStatus.NOT_FOUND, None, None, None)


def test_a_view_that_the_model_must_have_refuses(service, reader):
    reader.views["application"] = with_status(reader.views["application"], ViewStatus.NOT_FOUND)
    with pytest.raises(IncompleteFeaturesError):
        service.score(100002, "r-1")


@pytest.mark.parametrize("broken", ["reader", "decisions"])
def test_both_stores_must_answer(service, request, broken):
    service.check_stores()
    request.getfixturevalue(broken).error = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        service.check_stores()
