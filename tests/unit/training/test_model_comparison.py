"""What tells two models apart."""

import pytest
from bundles import contract_of, make_bundle, small_contract

from credit.bundle.keys import load_public_key, make_key_pair
from credit.bundle.reader import load_bundle
from training.model_comparison import compare_models


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    views = small_contract().views
    make_bundle(folder / "first", folder / "keys", contract_of("credit_scoring_v1", views, ("credit_to_annuity",)))
    make_bundle(
        folder / "second", folder / "keys", contract_of("credit_scoring_v1", views, ("ext_source_mean",)), trees=7
    )
    key = load_public_key(make_key_pair(folder / "keys").public)
    return [load_bundle(folder / name, key) for name in ("first", "second")]


def test_features_facts_and_figures_are_compared(bundles):
    found = compare_models(*bundles)
    assert found.features_added == ("ext_source_mean",)
    assert found.features_removed == ("credit_to_annuity",)
    assert (found.facts["trees"].first, found.facts["trees"].second, found.facts["trees"].difference) == (20, 7, -13)
    assert found.metrics["auc"].difference == 0
    assert found.facts["bundle_id"].first != found.facts["bundle_id"].second
    assert found.settings == {}


def test_only_settings_that_differ_are_told(bundles):
    changed = bundles[1].manifest.provenance.model_copy(update={"settings": {"trees": 7, "threshold": "bayes"}})
    bundles[0].manifest = bundles[0].manifest.model_copy(
        update={"provenance": changed.model_copy(update={"settings": {"trees": 20, "threshold": "bayes"}})}
    )
    bundles[1].manifest = bundles[1].manifest.model_copy(update={"provenance": changed})
    found = compare_models(*bundles)
    assert found.settings.keys() == {"trees"}
    assert found.settings["trees"].difference == -13


def test_a_model_has_nothing_over_itself(bundles):
    found = compare_models(bundles[0], bundles[0])
    assert found.features_added == found.features_removed == ()
    assert all(pair.first == pair.second for pair in found.facts.values())
