"""The demanded directions: of known features, each with a reason, and obeyed by a fitted model."""

from dataclasses import replace

import numpy as np
import pytest
from bundles import contract_of
from training_data import synthetic_dataset

from credit.bundle.encoding import MatrixEncoder
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.progress import step
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.services import DECISION, services_of
from training.fit import fit
from training.monotone import monotone_constraints, signs
from training.prepare import prepare
from training.settings import TrainingSettings


def test_every_demand_is_on_a_number_of_the_decision_and_says_why():
    features = {feature.name: feature for view in load_catalogue().views for feature in view.features}
    for name, demand in monotone_constraints().items():
        assert demand.why.endswith(".")
        if name in RATIO_OUTPUTS:
            continue
        assert DECISION in services_of(features[name])
        assert features[name].type != "string"


def test_signs_follow_the_order_of_the_features():
    assert signs(["inst_late_share", "own_car_age", "ext_source_2"]) == [1, 0, -1]


@pytest.fixture(scope="module")
def fitted():
    """A model on all request-time features, so that a score acts through everything that is made of it."""
    small = synthetic_dataset(1_500)
    declared = contract_of(small.declared.service, small.declared.views, RATIO_OUTPUTS)
    dataset = replace(small, declared=declared.model_copy(update={"categories": {}}))
    settings = TrainingSettings(trees=120, leaf_clients=5, leaf_shrinkage=1.0, feature_share=0.9, threads=1)
    prepared = prepare(dataset, settings)
    with step("fit") as progress:
        return prepared, fit(prepared, settings, progress)


@pytest.mark.parametrize("score", ["ext_source_1", "ext_source_2", "ext_source_3"])
def test_a_better_external_score_never_raises_the_risk_through_anything_made_of_it(fitted, score):
    prepared, booster = fitted
    columns, clients, steps = prepared.dataset.columns(), 60, 30
    stored = {name: np.repeat(np.array(columns[name][:clients], dtype=object), steps) for name in columns}
    # Amounts, shares and counts are not negative.
    inputs = {name: np.abs(stored[name].astype(np.float64)) for name in RATIO_INPUTS}
    inputs[score] = stored[score] = np.tile(np.linspace(0.0, 1.0, steps), clients)
    matrix = MatrixEncoder(prepared.contract).from_columns(stored | application_ratios(inputs))
    margins = booster.predict(matrix, raw_score=True).reshape(clients, steps)
    assert np.ptp(margins, axis=1).max() > 0.01
    assert (np.diff(margins, axis=1) <= 1e-12).all()
