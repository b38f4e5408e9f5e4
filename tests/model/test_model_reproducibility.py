from datetime import UTC, datetime

import numpy as np
import pytest
from bundles import make_bundle, random_views, small_contract

from credit.bundle.keys import load_public_key, make_key_pair
from credit.bundle.reader import load_bundle
from credit.schemas.decision import DecisionRecord, ModelVersion, ViewState
from credit.scoring import Scorer, recorded_values, replay

CONTRACT = small_contract()
CLIENTS = 300


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    path = make_bundle(folder / "bundle", folder / "keys", trees=80)
    return load_bundle(path, load_public_key(make_key_pair(folder / "keys").public))


@pytest.fixture(scope="module")
def matrix(bundle):
    return bundle.matrix(random_views(CONTRACT, CLIENTS, seed=9))


def test_a_client_scores_the_same_bits_alone_and_in_a_batch(bundle, matrix):
    batch = bundle.predict(matrix)
    alone = [bundle.predict(matrix[at : at + 1]) for at in range(CLIENTS)]
    assert batch.margin.tobytes() == np.concatenate([one.margin for one in alone]).tobytes()
    assert batch.probability.tobytes() == np.concatenate([one.probability for one in alone]).tobytes()


def test_a_client_is_explained_the_same_bits_alone_and_in_a_batch(bundle, matrix):
    batch = bundle.contributions(matrix)
    alone = np.concatenate([bundle.contributions(matrix[at : at + 1]) for at in range(CLIENTS)])
    assert batch.tobytes() == alone.tobytes()


def test_contributions_add_up_to_the_margin(bundle, matrix):
    np.testing.assert_allclose(
        bundle.contributions(matrix).sum(axis=1), bundle.predict(matrix).margin, rtol=0, atol=1e-9
    )


def test_probability_rises_with_the_margin(bundle, matrix):
    prediction = bundle.predict(matrix)
    order = np.argsort(prediction.margin)
    assert (np.diff(prediction.probability[order]) >= -1e-15).all()
    assert ((prediction.probability > 0) & (prediction.probability < 1)).all()


def test_unknown_and_missing_categories_are_scored(bundle, matrix):
    column = CONTRACT.names.index("name_education_type")
    odd = np.repeat(matrix[:1], 2, axis=0)
    odd[:, column] = [0.0, np.nan]
    assert np.isfinite(bundle.predict(odd).margin).all()


def test_two_loads_of_one_bundle_agree(bundle, matrix, tmp_path):
    path = make_bundle(tmp_path / "bundle", tmp_path / "keys", trees=80)
    again = load_bundle(path, load_public_key(make_key_pair(tmp_path / "keys").public))
    assert again.predict(matrix).margin.tobytes() == bundle.predict(matrix).margin.tobytes()


def test_a_recorded_decision_replays_bit_for_bit_through_json(bundle):
    views = random_views(CONTRACT, 40, seed=11)
    for row, scored in enumerate(Scorer(bundle).score(views, list(range(1, 41)))):
        record = DecisionRecord(
            decision_id="d",
            client_id=scored.client_id,
            decided_at=datetime(2025, 1, 1, tzinfo=UTC),
            request_id="r",
            caller="anyone",
            values=recorded_values(views, row),
            views={
                name: ViewState(status=batch.status[row], as_of=None, built_at=None, age_seconds=None)
                for name, batch in views.items()
            },
            margin=scored.margin,
            probability=scored.probability,
            points=scored.points,
            threshold=scored.threshold,
            decision=scored.decision,
            risk_band=scored.risk_band,
            language="en",
            explained=True,
            reasons=scored.reasons,
            quality=scored.quality,
            model=ModelVersion(name="credit-scoring", version="1", bundle=bundle.bundle_id),
        )
        stored = DecisionRecord.model_validate_json(record.model_dump_json())
        assert replay(stored, bundle) == scored
