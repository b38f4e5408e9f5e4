"""The demanded directions: of known features, each with a reason, and obeyed by a fitted model."""

import numpy as np
from training_data import synthetic_dataset

from credit.features import RATIO_OUTPUTS
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


def test_a_better_external_score_never_raises_the_risk():
    settings = TrainingSettings(trees=80, leaf_clients=5, leaf_shrinkage=1.0, threads=1)
    prepared = prepare(synthetic_dataset(1_500), settings)
    with step("fit") as progress:
        booster = fit(prepared, settings, progress)
    names = list(prepared.contract.names)
    for name in ("ext_source_1", "ext_source_2", "ext_source_3"):
        rows = np.repeat(prepared.matrix[:50], 40, axis=0)
        rows[:, names.index(name)] = np.tile(np.linspace(-3, 3, 40), 50)
        margins = booster.predict(rows, raw_score=True).reshape(50, 40)
        assert (np.diff(margins, axis=1) <= 1e-12).all()
