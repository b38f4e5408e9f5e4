"""Each gate passes a good model and refuses a bad one, on real models of synthetic applications."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from gate_models import POLICY, SMALL, GateModels

from credit.bundle.bundle import Bundle
from credit.calibration import Calibration
from credit.cost import CostMatrix
from credit.errors import TrainingError
from credit.policy import DecisionPolicy
from credit.schemas.features import FeatureContract, ViewColumn
from training.gates import Gate, GateReport, GateSettings, judge


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return GateModels(tmp_path_factory.mktemp("gates"))


@pytest.fixture(scope="module")
def good(models):
    return models.model()


@pytest.fixture(scope="module")
def nothing_learned(models):
    return models.model("nothing learned", shuffled=True)


def verdicts(report: GateReport) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in report.gates}


def gate(report: GateReport, name: str) -> Gate:
    return next(gate for gate in report.gates if gate.name == name)


def test_a_good_model_passes_every_gate_with_and_without_a_champion(models, good):
    for champion in (None, good):
        report = judge(good, champion, models.unseen, good.contract, SMALL)
        assert verdicts(report) == dict.fromkeys(
            ("auc", "cost", "calibration", "fairness", "latency", "schema"), True
        ), report.text()
        assert report.passed
        assert report.failed == ()
        assert report.clients == report.compared == models.test.size


def test_a_report_survives_json(models, good):
    report = judge(good, None, models.unseen, good.contract, SMALL)
    assert GateReport.model_validate_json(report.model_dump_json()) == report


def test_the_same_model_differs_from_itself_by_nothing(models, good):
    report = judge(good, good, models.unseen, good.contract, SMALL)
    for name in ("auc", "cost"):
        found = gate(report, name)
        assert (found.figure, found.low, found.high) == (0, 0, 0)


def test_a_challenger_that_learned_nothing_fails_auc_and_cost(models, good, nothing_learned):
    report = judge(nothing_learned, good, models.unseen, good.contract, SMALL)
    auc, cost = gate(report, "auc"), gate(report, "cost")
    assert not auc.passed
    assert auc.high < 0
    assert "worse beyond the interval" in auc.sentence
    assert not cost.passed
    assert cost.low > 0
    assert f"{models.test.size:,} clients" in cost.sentence


def test_a_margin_lets_a_worse_challenger_pass(models, good, nothing_learned):
    lenient = SMALL.model_copy(update={"auc_margin": 0.49, "cost_margin": 10.0})
    report = judge(nothing_learned, good, models.unseen, good.contract, lenient)
    assert verdicts(report)["auc"]
    assert verdicts(report)["cost"]


def at_threshold(threshold: float) -> DecisionPolicy:
    return DecisionPolicy(threshold=threshold, costs=CostMatrix())


def test_the_first_model_must_beat_approving_everybody(models):
    approving = models.model("approving", shuffled=True, policy=at_threshold(0.99))
    report = judge(approving, None, models.unseen, approving.contract, SMALL)
    assert {name for name, passed in verdicts(report).items() if not passed} >= {"auc", "cost"}
    assert gate(report, "cost").figure == 0
    assert "approving everybody" in gate(report, "auc").sentence


def test_both_models_pay_the_challengers_prices_at_their_own_threshold(models, good):
    """Refusing everybody costs one per payer, approving everybody the challenger's ten per defaulter."""
    refusing = models.model("refusing all", policy=at_threshold(1e-9))
    approving = models.model("approving all", policy=DecisionPolicy(threshold=1 - 1e-9, costs=POLICY.costs))
    rate = models.unseen.labels.mean()
    report = judge(refusing, approving, models.unseen, good.contract, SMALL)
    assert gate(report, "cost").figure == pytest.approx((1 - rate) - 10 * rate)


def test_only_clients_that_neither_model_learned_from_are_compared(models, good):
    moment = good.manifest.provenance.test_from + timedelta(days=60)
    newer = models.model("newer", test_from=moment)
    first = np.datetime64(moment.replace(tzinfo=None), "us")
    later = np.count_nonzero(models.unseen.applied_at >= first)
    report = judge(good, newer, models.unseen, good.contract, SMALL)
    assert (report.clients, report.compared) == (models.test.size, later)
    assert later < models.test.size
    assert f"{later:,} clients" in gate(report, "auc").sentence
    report = judge(newer, good, models.unseen, good.contract, SMALL)
    assert (report.clients, report.compared) == (later, later)


def test_too_few_common_clients_fail_and_say_so(models, good):
    limits = GateSettings(latency_ms=1_000, small_group=100, least_clients=1_000, least_defaults=50)
    report = judge(good, good, models.unseen, good.contract, limits)
    for name in ("auc", "cost"):
        assert not gate(report, name).passed
        assert gate(report, name).figure is None
        assert "1,000 with 50 are needed" in gate(report, name).sentence
    assert gate(report, "calibration").passed


def test_nobody_unseen_is_an_error(models, good):
    future = models.model("future", test_from=good.manifest.provenance.test_from + timedelta(days=3_650))
    with pytest.raises(TrainingError, match="no labelled client"):
        judge(future, None, models.unseen, good.contract, SMALL)


def test_a_champion_with_features_that_are_not_there_fails_the_comparison(models, good):
    lacking = replace(models.unseen, features=models.unseen.features.drop_columns(["bureau_debt_sum"]))
    other = models.model("other features", contract=good.contract)
    challenger = without_feature(models, "bureau_debt_sum")
    report = judge(challenger, other, lacking, good.contract, SMALL)
    assert "champion cannot be scored" in gate(report, "auc").sentence
    assert "bureau_debt_sum" in gate(report, "cost").sentence
    assert gate(report, "calibration").figure is not None


def without_feature(models: GateModels, name: str) -> Bundle:
    """A model that was never offered one feature."""
    own = GateModels(models.folder / "narrow")
    features = tuple(feature for feature in own.contract.features if feature.name != name)
    own.__dict__["contract"] = anew(own.contract, features=features)
    return own.model()


def test_a_challenger_with_features_that_are_not_there_fails_whatever_needs_them(models, good):
    lacking = replace(models.unseen, features=models.unseen.features.drop_columns(["bureau_debt_sum"]))
    report = judge(good, None, lacking, good.contract, SMALL)
    assert verdicts(report) == {
        "auc": False,
        "cost": False,
        "calibration": False,
        "fairness": False,
        "latency": False,
        "schema": True,
    }


@pytest.mark.parametrize("intercept", [-3.5, 1.0])
def test_distorted_probabilities_fail_calibration(models, good, intercept):
    distorted = models.model(f"distorted {intercept}", calibration=Calibration.platt(slope=1.0, intercept=intercept))
    report = judge(distorted, None, models.unseen, good.contract, SMALL)
    found = gate(report, "calibration")
    assert not found.passed
    assert found.figure > found.limit
    assert abs(found.details["mean_gap"]) > found.details["mean_gap_limit"]


def test_probabilities_that_are_right_on_average_only_fail_calibration(models, good):
    """Far too sure of everybody, with the right mean."""
    sure = models.model("sure", calibration=steeper(good, models.unseen.labels.mean(), models))
    report = judge(sure, None, models.unseen, good.contract, SMALL)
    found = gate(report, "calibration")
    assert abs(found.details["mean_gap"]) <= found.details["mean_gap_limit"]
    assert found.figure > found.limit
    assert not found.passed


def steeper(good: Bundle, rate: float, models: GateModels) -> Calibration:
    """Five times the slope, with the intercept that keeps the mean probability at `rate`."""
    margin = models.unseen.predict(good).margin
    slope = 5 * good.calibration.slope_above
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = Calibration.platt(slope, middle).probability(margin).mean()
        low, high = (middle, high) if mean < rate else (low, middle)
    return Calibration.platt(slope, low)


def test_a_group_refused_more_often_fails_fairness(models, good):
    probabilities = models.unseen.predict(good).probability
    by_risk = np.where(probabilities > np.median(probabilities), "M", "F").tolist()
    report = judge(good, None, with_groups(models, gender=by_risk), good.contract, SMALL)
    found = gate(report, "fairness")
    assert not found.passed
    assert found.figure == found.details["gender_adverse_impact_ratio"] < 0.8
    assert "adverse impact ratio of gender" in found.sentence
    assert "payers refused" in found.sentence


def test_a_group_thought_riskier_than_it_is_fails_fairness(models, good):
    labels = models.unseen.labels
    rng = np.random.default_rng(0)
    payers = np.where((labels == 0) & (rng.random(labels.size) < 0.7), "35 to 44", "25 to 34").tolist()
    report = judge(good, None, with_groups(models, age_band=payers), good.contract, SMALL)
    found = gate(report, "fairness")
    assert not found.passed
    assert "mean PD less default rate of age_band 35 to 44" in found.sentence


def test_small_groups_are_named_and_not_judged(models, good):
    few = ["Widow"] * 20 + ["Married"] * (models.test.size - 20)
    report = judge(good, None, with_groups(models, family_status=few), good.contract, SMALL)
    found = gate(report, "fairness")
    assert found.passed, found.sentence
    assert "not judged, below 100 clients: family_status Widow" in found.sentence
    all_small = SMALL.model_copy(update={"small_group": 100_000})
    refused = gate(judge(good, None, models.unseen, good.contract, all_small), "fairness")
    assert not refused.passed
    assert "every group is too small" in refused.sentence


def test_an_attribute_that_is_not_known_fails_fairness(models, good):
    nameless = replace(models.unseen, groups={"gender": models.unseen.groups["gender"]})
    found = gate(judge(good, None, nameless, good.contract, SMALL), "fairness")
    assert not found.passed
    assert "age_band, family_status not known" in found.sentence


def with_groups(models: GateModels, **groups):
    return replace(models.unseen, groups={**models.unseen.groups, **groups})


def test_a_tiny_limit_fails_latency(models, good):
    hurried = SMALL.model_copy(update={"latency_ms": 1e-6, "latency_rows": 20})
    found = gate(judge(good, None, models.unseen, good.contract, hurried), "latency")
    assert not found.passed
    assert found.figure > 0
    assert "median of 20" in found.sentence


def anew(model, **update):
    """A changed copy whose cached hashes and names are its own."""
    return type(model)(**{name: update.get(name, getattr(model, name)) for name in type(model).model_fields})


def changed_view(contract: FeatureContract, **update) -> FeatureContract:
    return anew(contract, views=(contract.views[0], anew(contract.views[1], **update)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda contract: changed_view(contract, columns=contract.views[1].columns[:1]),
            "bureau_debt_sum float32 is gone",
        ),
        (
            lambda contract: changed_view(
                contract, columns=(contract.views[1].columns[0], ViewColumn(name="bureau_debt_sum", type="float64"))
            ),
            "bureau_debt_sum float64 is new",
        ),
        (lambda contract: changed_view(contract, columns=contract.views[1].columns[::-1]), "another order"),
        (lambda contract: changed_view(contract, name="bureau_v2"), "view bureau is not in feature service"),
        (
            lambda contract: anew(contract, features=contract.features[:-1]),
            "delivers no numeric feature ext_source_mean at request time",
        ),
    ],
)
def test_a_store_that_lays_features_out_differently_fails_schema(models, good, change, told):
    found = gate(judge(good, None, models.unseen, change(good.contract), SMALL), "schema")
    assert not found.passed
    assert found.figure >= 1
    assert told in found.sentence


def test_a_store_with_more_than_the_model_eats_passes_schema(models, good):
    stricter = changed_view(good.contract, ttl_seconds=1)
    assert gate(judge(good, None, models.unseen, stricter, SMALL), "schema").passed
    narrow = without_feature(models, "bureau_debt_sum")
    assert gate(judge(narrow, None, models.unseen, good.contract, SMALL), "schema").passed
