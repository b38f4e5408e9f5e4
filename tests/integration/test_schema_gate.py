"""The gate `schema` against Feast's real registry."""

import pytest
from feast_registry import register

from credit.platform import Home
from credit.schemas.features import FeatureContract, ViewColumn
from training.gates.schema import schema_gate


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    from training.features import feature_source

    home = Home(tmp_path_factory.mktemp("feast"))
    register(home)
    return feature_source(home, "credit_scoring_v1")[0]


def test_what_was_registered_passes(registered):
    found = schema_gate(registered, registered)
    assert found.passed
    assert found.figure == 0
    assert f"{len(registered.views)} views and {len(registered.features)} features" in found.sentence


def test_a_model_of_an_older_layout_fails(registered):
    first = registered.views[0]
    columns = (ViewColumn(name="an_old_feature", type="float32"), *first.columns)
    older = type(first)(name=first.name, columns=columns, ttl_seconds=first.ttl_seconds)
    contract = FeatureContract(
        service=registered.service,
        features=registered.features,
        views=(older, *registered.views[1:]),
        categories=registered.categories,
    )
    found = schema_gate(contract, registered)
    assert not found.passed
    assert f"view {first.name} is registered with another layout: an_old_feature float32 is gone" in found.sentence
