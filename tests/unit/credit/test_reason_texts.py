import pytest
from pydantic import ValidationError

from credit.errors import FeatureError
from credit.features import RATIO_OUTPUTS
from credit.reason_codes import ReasonText, ReasonTexts, protected_features, reason_texts
from credit.schemas.overrides import OVERRIDABLE
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.services import DECISION, services_of

LANGUAGES = ("en", "fr")


def decision_features():
    online = [feature.name for view in load_catalogue().views if view.online for feature in view.features]
    return [*(name for name in online if name not in OVERRIDABLE), *RATIO_OUTPUTS]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_feature_that_can_enter_a_decision_has_a_reason(language):
    texts = reason_texts()
    assert all(texts.text(name, language).strip() for name in decision_features())


def test_every_text_belongs_to_a_feature():
    known = set(decision_features())
    assert set(reason_texts().features) <= known
    own = {name for name in known if name not in reason_texts().features}
    frozen = {text.en for text in reason_texts().frozen_for(own).features.values()}
    assert {group.text.en for group in reason_texts().groups} <= frozen


def test_languages_group_the_same_features():
    frozen = reason_texts().frozen_for(decision_features()).features.values()
    pairs = {(text.en, text.fr) for text in frozen}
    assert len(pairs) == len({text.en for text in frozen}) == len({text.fr for text in frozen})
    assert all(text.en != text.fr for text in frozen)


def test_protected_attributes_are_the_catalogues_and_never_a_reason():
    catalogued = {feature.name for view in load_catalogue().views for feature in view.features if feature.protected}
    assert protected_features() == catalogued
    for name in catalogued:
        with pytest.raises(FeatureError, match=name):
            reason_texts().text(name, "en")


def test_a_protected_attribute_cannot_be_given_a_text():
    with pytest.raises(ValidationError, match="code_gender"):
        ReasonTexts(version=1, protected=("code_gender",), features={"code_gender": ReasonText(en="a", fr="b")})


def test_a_feature_without_text_says_where_to_add_one():
    with pytest.raises(FeatureError, match="no_such_feature"):
        reason_texts().text("no_such_feature", "fr")


def test_the_decision_services_features_can_all_be_explained():
    stored = [one for view in load_catalogue().views for one in view.features if DECISION in services_of(one)]
    names = [*(one.name for one in stored), *RATIO_OUTPUTS]
    assert len(names) > 200
    assert reason_texts().problems(names) == ()


def test_what_cannot_be_explained_is_named():
    found = reason_texts().problems(["code_gender", "no_such_feature", "ext_source_1"])
    assert [problem.split()[:2] for problem in found] == [["code_gender", "is"], ["no_such_feature", "lacks"]]
